//! One voice: errors, help and versions of all programs read alike.

use crate::support::trials::trials;
use crate::support::{Home, NO_WORKER, Spelling, both};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::{contains, starts_with};
use serde_json::Value;

trials![
    a_wrong_command_line_is_told_like_every_error,
    a_wrong_command_line_says_what_would_be_right,
    with_json_an_error_is_json_too,
    a_failure_in_the_middle_is_json_too,
    every_flag_that_all_programs_have_stands_before_a_name_too,
    an_extension_gets_its_own_flags_only,
    help_is_that_of_the_action_that_is_named,
    the_version_can_be_asked_of_every_program,
    prune_offers_only_states_of_rest,
    a_hint_leads_to_the_queue_that_was_typed,
    with_json_nothing_else_is_on_standard_error,
    what_all_programs_share_may_be_given_again,
    what_no_program_reads_is_answered_in_json_too,
    an_option_is_called_as_it_was_typed,
];

/// Command lines that are wrong, and a word of what is said about each.
const WRONG: [(&str, &str); 22] = [
    ("list --frob", "there is no option `--frob` here"),
    ("list --state undead", "pending, processing, completed, failed, dead, cancelled"),
    ("list --state", "`--state <STATE>` needs a value: pending, processing"),
    ("list --limit none", "`none` is no value for `--limit <N>`"),
    ("list surplus", "`surplus` is one argument too many"),
    ("show", "what is missing: <ID>\n"),
    ("dlq lst", "`queuectl dlq` knows no `lst`"),
    ("dlq retry --all x", "does not go together"),
    ("worker start --count 0", "expected a whole number from 1 to 1024"),
    ("list --limit 0", "expected a whole number of at least 1"),
    ("list --limit -1", "nothing below 0 is taken"),
    ("show -1", "nothing below 0 is taken"),
    ("worker -q", "`queuectl worker` needs an action: start, stop, list"),
    ("prune", "or `<ID>...`"),
    ("dlq retry", "or `--all`"),
    ("worker wrk", "knows no `wrk`"),
    ("enqueue", "what is missing: <COMMAND>..., or `--file <FILE>`\n"),
    ("enqueue --lines", "what is missing: --file <FILE>, <COMMAND>...\n"),
    ("worker start --drain=soon", "which takes all, ready\n"),
    ("worker restart", "knows no `restart`"),
    ("prune --state dead", "what is missing: --older-than <TIME>\n"),
    ("config get", "what is missing: <KEY>, or `--key <KEY>`\n"),
];

fn a_wrong_command_line_is_told_like_every_error() {
    both(|spelling| {
        let home = Home::new();
        for (line, word) in WRONG {
            home.run(spelling, line.split(' '))
                .assert()
                .code(2)
                .stdout("")
                .stderr(starts_with("queuectl: error: ").and(contains(word)).and(contains("\nhint: ")))
                .stderr(contains("Usage").not().and(contains("For more information").not()));
        }
    });
    let home = Home::new();
    for line in ["--frob status", "-v -q status", "--database"] {
        home.queuectl(line.split(' ')).assert().code(2).stderr(starts_with("queuectl: error: "));
    }
}

fn a_wrong_command_line_says_what_would_be_right() {
    let home = Home::new();
    for (line, hint) in [
        ("list --stat dead", "hint: did you mean `--state`?"),
        ("dlq lits", "hint: did you mean `queuectl dlq list`?"),
        ("list --state daed", "hint: did you mean `dead`?"),
        ("dlq retry", "hint: see `queuectl dlq retry --help`"),
        ("worker start --count x", "hint: see `queuectl worker start --help`"),
    ] {
        home.queuectl(line.split(' ')).assert().code(2).stderr(contains(hint));
    }
}

/// The one line of JSON on standard error.
fn error(home: &Home, spelling: Spelling, line: &str, code: i32) -> Value {
    let output = home.run(spelling, line.split(' ')).assert().code(code).get_output().clone();
    let said = String::from_utf8(output.stderr).unwrap();
    let error: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{line}: {error}: {said}"));
    assert_eq!(error["exit"], code, "{line}");
    assert!(error["error"].as_str().is_some_and(|error| !error.is_empty()), "{error}");
    assert_eq!(error.as_object().unwrap().len(), 3, "{error}");
    error
}

fn with_json_an_error_is_json_too() {
    both(|spelling| {
        let home = Home::new();
        home.enqueue("a", "true");
        for (line, _) in WRONG {
            error(&home, spelling, &format!("{line} --json"), 2);
        }
        let unknown = error(&home, spelling, "show nobody --json", 4);
        assert_eq!(unknown["error"], "there is no job nobody");
        assert_eq!(unknown["hint"], "list them with `queuectl list`");
        error(&home, spelling, "dlq retry a --json", 4);
        error(&home, spelling, "config get frob --json", 4);
        error(&home, spelling, "config set frob 1 --json", 1);
        error(&home, spelling, "enqueue --json --id a true", 1);
        error(&home, spelling, "enqueue --json {\"command\":", 1);
        error(&home, spelling, "backup --json /nowhere/at/all", 1);
        error(&home, spelling, "dlq --json", 2);
    });
    let home = Home::new();
    error(&home, Spelling::Dispatched, "--json frobnicate", 127);
    error(&home, Spelling::Dispatched, "--json", 2);
    error(&home, Spelling::Dispatched, "--json --database postgres://me:secret@db/q status", 1);
}

fn a_failure_in_the_middle_is_json_too() {
    let home = Home::new();
    home.enqueue("a", "true");
    let output = home.queuectl(["cancel", "x", "a", "y", "--json"]).assert().code(4).get_output().clone();
    let said = String::from_utf8(output.stderr).unwrap();
    let errors: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(errors.len(), 2, "{said}");
    let cancelled: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(cancelled[0]["state"], "cancelled");
}

fn every_flag_that_all_programs_have_stands_before_a_name_too() {
    let home = Home::new();
    home.enqueue("a", "true");
    for line in
        ["status", "list", "show a", "dlq list", "dlq-list", "worker list", "config list", "config path"]
    {
        for json in
            [format!("--json {line}"), format!("-v --json --no-color {line}"), format!("{line} --json")]
        {
            let printed = home.stdout(json.split(' '));
            serde_json::from_str::<Value>(&printed)
                .unwrap_or_else(|error| panic!("{json}: {error}: {printed}"));
        }
    }
    let elsewhere = home.path("elsewhere.db").display().to_string();
    let added = home.json(["--json", "--database", &elsewhere, "enqueue", "ls"]);
    assert_eq!(added["command"], "ls");
    assert_eq!(home.json(["dlq", "--json", "list"]), Value::Array(Vec::new()));
    home.queuectl(["--json", "worker", "start"]).assert().code(2).stderr(contains("--detach"));
    assert!(home.json(["--json", "--list"]).is_array());
}

fn an_extension_gets_its_own_flags_only() {
    let home = Home::new();
    let extension = home.path("queuectl-hello");
    Home::make_script(&extension, "#!/bin/sh\necho \"$@\"\n");
    let run = |arguments: &[&str]| home.queuectl(arguments).env("PATH", home.path("").as_os_str()).assert();
    run(&["hello", "--json"]).success().stdout("--json\n");
    run(&["--json", "hello"]).code(2).stderr(contains("`queuectl hello --json`"));
}

fn help_is_that_of_the_action_that_is_named() {
    let home = Home::new();
    for (line, usage) in [
        ("help worker start", "Usage: queuectl worker start "),
        ("help dlq retry", "Usage: queuectl dlq retry "),
        ("help start", "Usage: queuectl worker start "),
        ("help list", "Usage: queuectl list "),
        ("worker help start", "Usage: queuectl worker start "),
        ("--help worker stop", "Usage: queuectl worker stop "),
        ("-h status", "Usage: queuectl status "),
        ("help", "Usage: queuectl "),
        ("help help", "Usage: queuectl "),
        ("help -h", "Usage: queuectl "),
        ("help --help", "Usage: queuectl "),
    ] {
        home.queuectl(line.split(' ')).assert().success().stdout(contains(usage)).stderr("");
    }
    home.queuectl(["help", "frobnicate"]).assert().code(127);
    home.queuectl(["help", "worker", "frobnicate"]).assert().code(2);
}

fn the_version_can_be_asked_of_every_program() {
    let home = Home::new();
    let version = concat!(" ", env!("CARGO_PKG_VERSION"), "\n");
    for line in ["", "status", "dlq", "dlq retry", "worker start", "config set", "worker", "enqueue", "demo"]
    {
        for flag in ["-V", "--version"] {
            let words = line.split_whitespace().chain([flag]);
            home.queuectl(words).assert().success().stdout(starts_with("queuectl").and(contains(version)));
        }
    }
    for (line, name) in
        [("worker start -V", "queuectl-worker"), ("dlq retry -V", "queuectl-dlq"), ("help -V", "queuectl")]
    {
        home.queuectl(line.split(' ')).assert().success().stdout(format!("{name}{version}"));
    }
}

fn prune_offers_only_states_of_rest() {
    both(|spelling| {
        let home = Home::new();
        for state in ["pending", "processing", "failed", "undead"] {
            home.run(spelling, ["prune", "--state", state, "--older-than", "7d"])
                .assert()
                .code(2)
                .stderr(contains("which takes completed, dead, cancelled\n"));
        }
        home.run(spelling, ["prune", "--help"])
            .assert()
            .success()
            .stdout(contains("possible values: completed").and(contains("pending").not()));
    });
}

fn a_hint_leads_to_the_queue_that_was_typed() {
    let home = Home::new();
    let database = home.path("a b.db").display().to_string();
    let queue = format!("--database '{database}'");
    let typed = |line: &str| home.typed(Spelling::Dispatched, &format!("queuectl {queue} {line}")).assert();
    let start = format!("start one with `queuectl {queue} worker start`\n");
    typed("enqueue --id a true").success().stderr(contains(&start));
    typed("show 9").code(4).stderr(contains(format!("list them with `queuectl {queue} list`\n")));
    typed("enqueue make --id w2")
        .success()
        .stderr(contains(format!("type `queuectl enqueue {queue} -- make --id w2`\n")));
    typed("shwo 9").code(127).stderr(contains(format!("did you mean `queuectl {queue} show`?")));
    typed("list --frob").code(2).stderr(contains("see `queuectl list --help`"));
    // Also where it stands behind the name, and in JSON.
    let behind = home.typed(Spelling::Direct, &format!("queuectl show 9 --json {queue}"));
    behind.assert().code(4).stderr(contains(format!("`queuectl {queue} list`")));
    // An exported variable is there when the hint is typed.
    home.queuectl(["enqueue", "true"])
        .env("QUEUECTL_DATABASE", &database)
        .assert()
        .success()
        .stderr(NO_WORKER);
    home.queuectl(["--config", "/dev/null", "show", "9"])
        .assert()
        .code(4)
        .stderr(contains("`queuectl --config /dev/null list`"));
    let findings =
        home.queuectl(["--database", "./none.db", "doctor", "--json"]).assert().get_output().clone();
    let findings = String::from_utf8(findings.stdout).unwrap();
    assert!(findings.contains("`queuectl --database ./none.db enqueue 'echo hello'`"), "{findings}");
}

fn with_json_nothing_else_is_on_standard_error() {
    both(|spelling| {
        let home = Home::new();
        for line in [
            "enqueue --json sleep --timeout 2",
            "enqueue --json --cwd ./nowhere true",
            "list --json --database ./none.db",
            "config unset max-retries --json",
        ] {
            home.typed(spelling, &format!("queuectl {line}")).assert().success().stderr("");
        }
        let warned = home.run(spelling, ["list", "--json"]).env("QUEUECTL_DATABSE", "x").assert().success();
        let said = warned.get_output().stderr.clone();
        let warning: Value = serde_json::from_slice(&said).unwrap();
        assert!(warning["warning"].as_str().is_some_and(|said| said.contains("QUEUECTL_DATABSE")));
    });
}

fn what_all_programs_share_may_be_given_again() {
    both(|spelling| {
        let home = Home::new();
        home.run(spelling, ["list", "--json", "-q", "--no-color", "--json", "-q", "--no-color"])
            .assert()
            .success()
            .stdout("[]\n");
        home.run(spelling, ["dlq", "--json", "list", "--json"]).assert().success().stdout("[]\n");
        home.run(spelling, ["enqueue", "--database", "a.db", "--database", "b.db", "true"])
            .assert()
            .success();
        assert!(home.path("b.db").exists() && !home.path("a.db").exists());
    });
    let home = Home::new();
    home.queuectl(["--json", "list", "--json"]).assert().success().stdout("[]\n");
    home.queuectl(["config", "set", "alias.all", "list --json"]).assert().success();
    home.queuectl(["all", "--json"]).assert().success().stdout("[]\n");
}

fn what_no_program_reads_is_answered_in_json_too() {
    let home = Home::new();
    for line in ["lst --json", "run x --json", "help nope --json", "-q lst --json"] {
        error(&home, Spelling::Dispatched, line, 127);
    }
    error(&home, Spelling::Dispatched, "--json worker -q", 2);
}

fn an_option_is_called_as_it_was_typed() {
    both(|spelling| {
        let home = Home::new();
        for (line, name) in [
            ("worker start -j 4", "-j"),
            ("worker start -j4", "-j"),
            ("worker start --jobs 4", "--jobs"),
            ("worker start --workers=4", "--workers"),
        ] {
            home.run(spelling, line.split(' '))
                .assert()
                .code(2)
                .stderr(contains(format!("there is no option `{name}` here")));
        }
        home.run(spelling, ["worker", "grd"]).assert().code(2).stderr(contains("guard").not());
        home.run(spelling, ["worker", "-q"]).assert().code(2).stderr(contains("guard").not());
    });
}

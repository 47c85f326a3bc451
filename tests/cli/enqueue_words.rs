//! Whose the words of `queuectl enqueue` are: ours, or those of the command.

use super::enqueue::is_untouched;
use crate::support::trials::trials;
use crate::support::{Home, NO_WORKER, Spelling, both};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::{contains, starts_with};
use std::fs;

trials![
    the_options_of_a_command_stay_with_the_command,
    options_of_a_job_may_follow_one_text,
    shared_options_may_follow_a_line_for_the_shell,
    options_before_the_command_are_ours,
    a_dash_dash_ends_our_options,
    a_line_that_can_be_meant_both_ways_is_explained,
    what_is_neither_ours_nor_the_commands_is_refused,
    a_hint_is_a_line_that_means_what_it_says,
    a_hint_that_could_not_be_typed_is_none,
    what_is_secret_is_not_in_a_hint,
    what_was_meant_for_a_shell_or_for_later_leads_on,
    a_file_whose_option_was_forgotten_is_found,
    an_alias_takes_a_command_in_the_same_way,
];

/// The command of the newest job.
fn newest(home: &Home) -> String {
    let jobs = home.json(["list", "--json"]);
    jobs.as_array().and_then(|jobs| jobs.last()?["command"].as_str()).expect("a job").to_owned()
}

/// Asserts that nothing stands in the folder in which the user types.
fn no_file_was_made(home: &Home) {
    let made: Vec<_> = fs::read_dir(home.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(made.is_empty(), "{made:?}");
}

fn the_options_of_a_command_stay_with_the_command() {
    both(|spelling| {
        let home = Home::new();
        for line in [
            "mysqldump --database shop",
            "wget --timeout 30 URL",
            "rsync -v --delay 5 a b",
            "docker run --env T=x img",
            "cp -v a b",
            "pytest --verbose",
            "ls -la",
            "make -q",
            "make --help",
            "python3 --version",
            "grep --no-color --file words text",
            "tar --file a.tar --list",
            "at --at noon --queue b",
            "ssh host -- queuectl enqueue true --id x",
            "psql --config c --quiet --priority 3 x",
        ] {
            home.typed(spelling, &format!("queuectl enqueue {line}")).assert().success();
            let words = shell_words::split(line).unwrap();
            assert_eq!(shell_words::split(&newest(&home)).unwrap(), words, "{line}");
        }
        no_file_was_made(&home);
    });
}

fn options_of_a_job_may_follow_one_text() {
    both(|spelling| {
        let home = Home::new();
        for (line, command) in [
            ("'sleep 10' --id a --max-retries 5", "sleep 10"),
            ("true --id b --max-retries 5", "true"),
            ("--priority 2 true --max-retries=5 --timeout 5 --id c", "true"),
            (r#"'{"command":"x y"}' --max-retries 5 --id d --env A=-q --cwd /"#, "x y"),
        ] {
            home.typed(spelling, &format!("queuectl enqueue {line}")).assert().success();
            assert_eq!(newest(&home), command, "{line}");
        }
        for id in ["a", "b", "c", "d"] {
            assert_eq!(home.job(id).max_retries, 5);
        }
    });
}

fn shared_options_may_follow_a_line_for_the_shell() {
    let home = Home::new();
    let made = format!("Made a new queue at {}\n", home.path("other.db").display());
    let lead = contains("`queuectl --database ./other.db worker start`");
    home.queuectl(["enqueue", "echo hi", "--database", "./other.db"])
        .assert()
        .success()
        .stderr(starts_with(made).and(lead));
    assert!(home.path("other.db").exists() && !home.database().exists());
    home.queuectl(["enqueue", "echo hi", "--help"]).assert().success().stdout(contains("Usage:"));
}

fn options_before_the_command_are_ours() {
    both(|spelling| {
        let home = Home::new();
        home.typed(spelling, "queuectl enqueue -q --id a --timeout 5s wget --timeout 30 URL")
            .assert()
            .success()
            .stderr("");
        let job = home.job("a");
        assert_eq!(job.command.as_str(), "wget --timeout 30 URL");
        assert_eq!(job.timeout.map(|timeout| timeout.as_secs()), Some(5));
        home.typed(spelling, "queuectl enqueue --frobnicate true").assert().code(2);
    });
}

fn a_dash_dash_ends_our_options() {
    let home = Home::new();
    home.queuectl(["enqueue", "--id", "a", "--", "true", "--id", "b"]).assert().success().stderr(NO_WORKER);
    assert_eq!(home.job("a").command.as_str(), "true --id b");
    home.queuectl(["enqueue", "--id", "c", "--", "-x", "--", "y"]).assert().success();
    assert_eq!(home.job("c").command.as_str(), "-x -- y");
}

/// What stands between the last two backquotes.
fn hinted(said: &str) -> String {
    let hint = said.lines().find(|line| line.starts_with("hint: "));
    let command = hint.and_then(|hint| hint.rsplit('`').nth(1));
    command.unwrap_or_else(|| panic!("no command is hinted at in {said}")).to_owned()
}

fn a_line_that_can_be_meant_both_ways_is_explained() {
    let home = Home::new();
    for (line, command, other) in [
        ("true --timeout 5", "true", "true --timeout 5"),
        ("wget --timeout 30 URL", "wget --timeout 30 URL", "wget URL"),
        ("make all --max-retries 1", "make all --max-retries 1", "make all"),
    ] {
        let typed = home.typed(Spelling::Dispatched, &format!("queuectl enqueue {line}")).assert().success();
        let said = String::from_utf8(typed.get_output().stderr.clone()).unwrap();
        assert_eq!(newest(&home), command);
        // The hint can be typed, and means the other thing.
        home.typed(Spelling::Dispatched, &hinted(&said)).assert().success().stderr(NO_WORKER);
        assert_eq!(newest(&home), other, "{said}");
    }
    // Nobody means these for us.
    for line in ["cp -v a b", "ls -la", "'sleep 1' --id a"] {
        home.typed(Spelling::Dispatched, &format!("queuectl enqueue {line}"))
            .assert()
            .success()
            .stderr(NO_WORKER);
    }
}

fn what_is_neither_ours_nor_the_commands_is_refused() {
    both(|spelling| {
        let home = Home::new();
        for (line, said) in [
            ("'sleep 10' --max-retires 5", "did you mean `--max-retries`?"),
            ("'sleep 10' --frobnicate", "queuectl enqueue -- 'sleep 10' --frobnicate"),
            (
                r#"'{"command":"x"}' --id a b"#,
                "`b` after the command `{\"command\":\"x\"}` is no option of a job",
            ),
            ("true --max-retries many", "`many` is no value for `--max-retries <N>`"),
            ("true --id", "`--id <ID>` needs a value\nhint: if it belongs to the command"),
            ("true --timeout", "`--timeout <TIME>` needs a value\nhint: "),
            ("'sleep 10' --delay", "`--delay <TIME>` needs a value\nhint: see "),
        ] {
            home.typed(spelling, &format!("queuectl enqueue {line}"))
                .assert()
                .code(2)
                .stdout("")
                .stderr(contains("error:").and(contains(said)));
        }
        is_untouched(&home);
    });
}

/// What is said of a line that is accepted.
fn remark(home: &Home, line: &str) -> String {
    let typed = home.typed(Spelling::Dispatched, line).assert().success();
    String::from_utf8(typed.get_output().stderr.clone()).unwrap()
}

fn a_hint_is_a_line_that_means_what_it_says() {
    let home = Home::new();
    for (line, command, meant) in [
        ("make --json", "make --json", "make"),
        ("true --max-retri 3", "true --max-retri 3", "true"),
        ("true --retries 3", "true --retries 3", "true"),
        ("true --ID x", "true --ID x", "true"),
        ("-v ls '|' wc -l", "ls '|' wc -l", "ls | wc -l"),
        ("echo hi '&&' echo ho", "echo hi '&&' echo ho", "echo hi && echo ho"),
        ("gzip '*.log'", "gzip '*.log'", "gzip *.log"),
        ("FOO=1 env", "'FOO=1' env", "FOO=1 env"),
        ("cd /tmp", "cd /tmp", "cd /tmp && COMMAND"),
    ] {
        let said = remark(&home, &format!("queuectl enqueue {line}"));
        assert_eq!(newest(&home), command, "{said}");
        home.typed(Spelling::Dispatched, &hinted(&said)).assert().success();
        assert_eq!(newest(&home), meant, "{said}");
    }
    assert!(home.path("").read_dir().unwrap().next().is_none());
}

fn a_hint_that_could_not_be_typed_is_none() {
    let home = Home::new();
    for line in [
        "true --lines",
        "true --run foo",
        "true --file x",
        "true -vq",
        "true --help",
        "git --version",
        "mysqldump --database shop",
        "wget URL --id",
    ] {
        assert_eq!(remark(&home, &format!("queuectl enqueue {line}")), NO_WORKER, "{line}");
        assert_eq!(newest(&home), line);
    }
    let said = remark(&home, "queuectl enqueue true --lines --id x");
    assert!(said.contains("`queuectl enqueue --id x -- true --lines`"), "{said}");
}

fn what_is_secret_is_not_in_a_hint() {
    let home = Home::new();
    for line in [
        "make --id a --env TOKEN=hunter2",
        "make --env=TOKEN=hunter2 all",
        "mysql --timeout 5 --password=hunter2",
        "mysql --priority 1 shop -phunter --env A=hunter2",
    ] {
        let said = remark(&home, &format!("queuectl enqueue {line}"));
        assert!(!said.contains("hunter2") && !said.contains("`queuectl enqueue"), "{said}");
        assert!(said.contains("the command"), "{said}");
    }
    home.typed(Spelling::Dispatched, "queuectl enqueue 'a b' --password=hunter2")
        .assert()
        .code(2)
        .stderr(contains("type `--` before it").and(contains("hunter2").not()));
}

fn what_was_meant_for_a_shell_or_for_later_leads_on() {
    let home = Home::new();
    for (line, lead) in [
        ("./x.sh --in 2h", "`--delay 2h`"),
        ("./x.sh --every 1d", "cron"),
        ("./x.sh --at 22:00", "`run_at`"),
        ("./x.sh --after a", "have the first job add the next"),
        ("./x.sh now at 22:00", "`--delay TIME`"),
        ("export A=1", "of use only to what follows it"),
    ] {
        let said = remark(&home, &format!("queuectl enqueue {line}"));
        assert!(said.contains("were taken as the command") && said.contains(lead), "{line}: {said}");
    }
    // Programs that take such words themselves.
    for line in ["find . -name '*.c' -exec rm {} ';'", "cut -d '|' -f1 x", "grep 'a|b' x", "test a '>' b"] {
        assert_eq!(remark(&home, &format!("queuectl enqueue {line}")), NO_WORKER, "{line}");
    }
    home.queuectl(["enqueue", "--in", "2h", "true"]).assert().code(2).stderr(contains("`--delay 2h`"));
    home.queuectl(["enqueue", "--after", "a", "true"])
        .assert()
        .code(2)
        .stderr(contains("no option `--after`").and(contains("--at").not()));
}

fn a_file_whose_option_was_forgotten_is_found() {
    let home = Home::new();
    fs::write(home.path("commands.txt"), "echo one\necho two\n").unwrap();
    let said = remark(&home, "queuectl enqueue commands.txt --lines");
    assert_eq!(newest(&home), "commands.txt --lines");
    assert_eq!(hinted(&said), "queuectl enqueue --file commands.txt --lines");
    home.typed(Spelling::Dispatched, "queuectl enqueue --lines commands.txt")
        .assert()
        .code(2)
        .stderr(contains("hint: type `queuectl enqueue --file commands.txt --lines`\n"));
    home.typed(Spelling::Dispatched, &hinted(&said)).assert().success().stdout("Jobs added: 2\n");
}

fn an_alias_takes_a_command_in_the_same_way() {
    let home = Home::new();
    home.queuectl(["config", "set", "alias.slow", "enqueue --timeout 1h"]).assert().success();
    home.queuectl(["slow", "mysqldump", "--database", "shop"]).assert().success();
    assert_eq!(newest(&home), "mysqldump --database shop");
    no_file_was_made(&home);
}

//! `queuectl`, the dispatcher.

use crate::support::trials::trials;
use crate::support::{Home, Spelling, write_script};
use predicates::prelude::{Predicate as _, PredicateBooleanExt as _};
use predicates::str::{contains, is_match};
use std::ffi::OsString;
use std::fs;
use std::io::{PipeWriter, pipe};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Stdio;

trials![
    an_extension_runs_with_its_arguments_untouched,
    an_extension_keeps_its_exit_code_and_its_signal,
    an_extension_can_call_back,
    an_extension_is_the_same_process,
    an_unknown_name_exits_127_and_suggests_the_nearest,
    nonsense_gets_no_suggestion,
    an_extension_that_cannot_be_run_exits_126_with_the_reason,
    a_name_is_never_a_path,
    relative_entries_of_the_path_are_ignored,
    the_exec_path_comes_before_the_path,
    what_stands_beside_it_wins,
    an_alias_of_the_users_own_works,
    an_alias_keeps_its_quoting,
    an_alias_that_hides_an_extension_is_warned_about,
    an_alias_that_leads_to_itself_is_an_error,
    an_empty_alias_takes_a_default_away,
    global_flags_before_the_name_reach_the_program,
    global_flags_are_taken_by_each_program,
    help_of_a_program_is_its_own,
    help_and_list_know_programs_aliases_and_extensions,
    version_is_told_by_every_program,
    nothing_typed_is_a_usage_error,
    closed_output_is_no_error,
    no_terminal_means_no_colour_and_a_flag_does_too,
];

/// Puts an executable script on a PATH of its own; gives that PATH.
pub fn extension(home: &Home, name: &str, script: &str) -> OsString {
    let folder = home.root().join("extensions");
    fs::create_dir_all(&folder).unwrap();
    write_script(&folder.join(format!("queuectl-{name}")), script);
    path_with(folder)
}

fn path_with(folder: PathBuf) -> OsString {
    let usual = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths([folder].into_iter().chain(std::env::split_paths(&usual))).unwrap()
}

fn an_extension_runs_with_its_arguments_untouched() {
    let home = Home::new();
    let path = extension(&home, "hello", "#!/bin/sh\nprintf '[%s]' \"$@\"\n");
    home.queuectl(["hello", "a", "b c"]).env("PATH", &path).assert().success().stdout("[a][b c]");
    let strange = ["", "--help", "-v", "--", "a\nb", "--config", "$HOME", "'"];
    let expected: String = strange.iter().map(|argument| format!("[{argument}]")).collect();
    home.queuectl(["hello"]).args(strange).env("PATH", &path).assert().success().stdout(expected).stderr("");
    let bytes = OsString::from_vec(b"\xff\xfe".to_vec());
    home.queuectl(["hello"]).arg(bytes).env("PATH", &path).assert().success().stdout(&b"[\xff\xfe]"[..]);
}

fn an_extension_keeps_its_exit_code_and_its_signal() {
    let home = Home::new();
    let path = extension(&home, "hello", "#!/bin/sh\n[ \"$1\" = die ] && kill -TERM $$\nexit $1\n");
    for code in [0, 3, 77, 255] {
        home.queuectl(["hello", &code.to_string()]).env("PATH", &path).assert().code(code);
    }
    let status = home.command(Spelling::Dispatched, ["hello", "die"]).env("PATH", &path).status().unwrap();
    assert_eq!(status.signal(), Some(15));
}

fn an_extension_can_call_back() {
    let home = Home::new();
    let script =
        "#!/bin/sh\n\"$QUEUECTL\" enqueue --id called-back true && \"$QUEUECTL_EXEC_PATH/queuectl-list\"\n";
    let path = extension(&home, "hello", script);
    home.queuectl(["hello"]).env("PATH", &path).assert().success().stdout(contains("called-back"));
    // Flags before the name are meant for what it calls, too.
    home.queuectl(["--database", "other.db", "hello"]).env("PATH", &path).assert().success();
    assert!(home.path("other.db").exists());
}

fn an_extension_is_the_same_process() {
    let home = Home::new();
    let path = extension(&home, "hello", "#!/bin/sh\necho $$\n");
    let child = home
        .command(Spelling::Dispatched, ["hello"])
        .env("PATH", &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{pid}\n"));
}

fn an_unknown_name_exits_127_and_suggests_the_nearest() {
    let home = Home::new();
    let path = extension(&home, "greetings", "#!/bin/sh\n");
    for (typed, meant) in [
        ("lst", "list"),
        ("enqeue", "enqueue"),
        ("statsu", "status"),
        ("dlq-lst", "dlq-list"),
        ("greeting", "greetings"),
    ] {
        home.queuectl([typed])
            .env("PATH", &path)
            .assert()
            .code(127)
            .stdout("")
            .stderr(contains("queuectl: error:").and(contains(format!("queuectl {meant}"))));
    }
}

fn nonsense_gets_no_suggestion() {
    let home = Home::new();
    home.queuectl(["xyzzyplugh"]).assert().code(127).stderr(contains("did you mean").not());
}

fn an_extension_that_cannot_be_run_exits_126_with_the_reason() {
    let home = Home::new();
    let path = extension(&home, "plain", "#!/bin/sh\n");
    let file = home.root().join("extensions/queuectl-plain");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    home.queuectl(["plain"]).env("PATH", &path).assert().code(126).stderr(contains("queuectl-plain"));
    let path = extension(&home, "ghostly", "#!/no/such/interpreter\n");
    home.queuectl(["ghostly"]).env("PATH", &path).assert().code(126).stderr(contains("interpreter"));
    let path = extension(&home, "garbage", "\0\0\0\0 this is no program");
    home.queuectl(["garbage"]).env("PATH", &path).assert().code(126).stderr(contains("queuectl-garbage"));
}

fn a_name_is_never_a_path() {
    let home = Home::new();
    let path = extension(&home, "hello", "#!/bin/sh\necho ran\n");
    for name in ["./hello", "../extensions/queuectl-hello", "/bin/sh", "hello/", "..", "", "HELLO", "he llo"]
    {
        home.queuectl([name]).env("PATH", &path).assert().code(127).stdout("");
    }
}

fn relative_entries_of_the_path_are_ignored() {
    let home = Home::new();
    extension(&home, "hello", "#!/bin/sh\necho ran\n");
    for relative in [".", "", "../extensions"] {
        home.queuectl(["hello"])
            .current_dir(home.root().join("extensions"))
            .env("PATH", format!("{relative}:/usr/bin:/bin"))
            .assert()
            .code(127)
            .stdout("");
    }
}

fn the_exec_path_comes_before_the_path() {
    let home = Home::new();
    let path = extension(&home, "hello", "#!/bin/sh\necho from the path\n");
    let folder = home.root().join("preferred");
    fs::create_dir(&folder).unwrap();
    Home::make_script(&folder.join("queuectl-hello"), "#!/bin/sh\necho preferred\n");
    home.queuectl(["hello"])
        .env("PATH", path)
        .env("QUEUECTL_EXEC_PATH", folder)
        .assert()
        .success()
        .stdout("preferred\n");
}

fn what_stands_beside_it_wins() {
    let home = Home::new();
    home.configure("[alias]\nlist = \"status\"\n");
    let path = extension(&home, "list", "#!/bin/sh\necho wrong\n");
    home.queuectl(["list", "--json"]).env("PATH", path).assert().success().stdout("[]\n");
}

fn an_alias_of_the_users_own_works() {
    let home = Home::new();
    home.queuectl(["config", "set", "alias.dead", "list --state dead"]).assert().success();
    home.queuectl(["dead", "--json"]).assert().success().stdout("[]\n");
    // And may lead to another.
    home.queuectl(["config", "set", "alias.gone", "dead --json"]).assert().success();
    home.queuectl(["gone"]).assert().success().stdout("[]\n");
}

fn an_alias_keeps_its_quoting() {
    let home = Home::new();
    home.configure("[alias]\nsay = \"enqueue --id said --shell 'echo two  words'\"\n");
    home.queuectl(["say", "--priority", "3"]).assert().success();
    let job = home.job("said");
    assert_eq!((job.command.as_str(), job.priority), ("echo two  words", 3));
}

fn an_alias_that_hides_an_extension_is_warned_about() {
    let home = Home::new();
    home.configure("[alias]\nhello = \"list\"\n");
    let path = extension(&home, "hello", "#!/bin/sh\necho extension\n");
    home.queuectl(["hello", "--json"])
        .env("PATH", path)
        .assert()
        .success()
        .stdout("[]\n")
        .stderr(contains("warning").and(contains("queuectl-hello")));
}

fn an_alias_that_leads_to_itself_is_an_error() {
    let home = Home::new();
    home.configure("[alias]\na = \"b\"\nb = \"a\"\n");
    home.queuectl(["a"]).assert().code(1).stderr(contains("the alias a leads back to itself: a → b → a"));
}

fn an_empty_alias_takes_a_default_away() {
    let home = Home::new();
    home.configure("[alias]\nretry = \"\"\n");
    home.queuectl(["retry", "x"]).assert().code(127);
    home.queuectl(["dlq-list"]).assert().success();
}

fn global_flags_before_the_name_reach_the_program() {
    let home = Home::new();
    home.queuectl(["--database", "a.db", "enqueue", "--id", "a", "true"]).assert().success();
    assert!(home.path("a.db").exists() && !home.database().exists());
    home.queuectl(["--database", "a.db", "list"]).assert().stdout(contains("\na   true  "));
    // Nearer to the program is stronger.
    home.queuectl(["--database", "a.db", "list", "--json", "--database", "b.db"]).assert().stdout("[]\n");
    home.queuectl(["-q", "list"]).assert().success().stderr("");
    home.queuectl(["--frobnicate", "list"]).assert().code(2);
    home.queuectl(["--database"]).assert().code(2);
}

fn global_flags_are_taken_by_each_program() {
    let home = Home::new();
    for arguments in [
        vec!["enqueue", "--id", "a", "sleep 0"],
        vec!["list"],
        vec!["status"],
        vec!["show", "a"],
        vec!["logs", "a"],
        vec!["dlq", "list"],
        vec!["prune", "--state", "dead", "--older-than", "1d"],
        vec!["worker", "list"],
        vec!["config", "list"],
        vec!["cancel", "a"],
    ] {
        home.direct(&arguments).args(["--database", "a.db", "--no-color", "-q"]).assert().success();
    }
    assert!(home.path("a.db").exists() && !home.queue_folder().exists());
}

fn help_of_a_program_is_its_own() {
    let home = Home::new();
    for name in ["enqueue", "list", "status", "show", "logs", "cancel", "worker", "dlq", "prune", "config"] {
        let direct = home.direct([name, "--help"]).assert().success().get_output().stdout.clone();
        for spelled in [vec!["help", name], vec![name, "--help"]] {
            home.queuectl(&spelled).assert().success().stdout(direct.clone());
        }
        let text = String::from_utf8(direct).unwrap();
        assert!(text.contains(&format!("Usage: queuectl {name}")), "{text}");
    }
    home.queuectl(["help", "xyzzyplugh"]).assert().code(127);
}

fn help_and_list_know_programs_aliases_and_extensions() {
    let home = Home::new();
    let path = extension(&home, "hello", "#!/bin/sh\n");
    for line in ["help", "--help"] {
        let help = home.stdout([line]);
        let programs = help.split("\nPrograms: ").nth(1).unwrap().split("\nType").next().unwrap();
        let programs: Vec<&str> = programs.split([',', ' ', '\n']).filter(|name| !name.is_empty()).collect();
        for name in ["enqueue", "worker", "demo"] {
            assert!(programs.contains(&name), "{name} in {programs:?}");
        }
    }
    let list = home.queuectl(["--list"]).env("PATH", path).assert().success();
    for kind in [r"enqueue +program +/", r"dlq-list +alias +dlq list", r"hello +extension +/"] {
        let line = is_match(format!("(?m)^{kind}")).unwrap();
        assert!(line.eval(&String::from_utf8_lossy(&list.get_output().stdout)), "{kind}: {list}");
    }
}

fn version_is_told_by_every_program() {
    let home = Home::new();
    let version = env!("CARGO_PKG_VERSION");
    home.queuectl(["--version"]).assert().success().stdout(contains(version));
    for name in ["enqueue", "list", "worker", "config"] {
        home.direct([name, "--version"]).assert().success().stdout(contains(version));
    }
}

fn nothing_typed_is_a_usage_error() {
    let home = Home::new();
    home.queuectl([""; 0]).assert().code(2).stdout("").stderr(contains("Usage"));
}

/// The end of a pipe that nobody reads any more: the first byte breaks it.
fn broken_pipe() -> PipeWriter {
    let (_, writer) = pipe().unwrap();
    writer
}

fn closed_output_is_no_error() {
    let home = Home::quick();
    home.enqueue_once("a", "echo words; exit 1");
    home.drain();
    for line in [
        "help",
        "--help",
        "--list",
        "--list --json",
        "--version",
        "help enqueue",
        "enqueue --help",
        "config list",
        "config get max-retries",
        "config path",
        "list",
        "list --json",
        "status",
        "status --json",
        "status --watch",
        "show a",
        "show a --json",
        "logs a",
        "logs a --json",
        "dlq list",
        "dlq show a",
        "doctor",
        "prune --state dead --older-than 0s --dry-run",
    ] {
        let output = home
            .command(Spelling::Dispatched, line.split(' '))
            .stdout(broken_pipe())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*said), (Some(0), ""), "{line}");
    }
}

fn no_terminal_means_no_colour_and_a_flag_does_too() {
    let home = Home::new();
    home.enqueue("a", "true");
    for arguments in [vec!["--no-color", "list"], vec!["list"], vec!["list", "--no-color"]] {
        home.queuectl(&arguments).assert().success().stdout(contains("\u{1b}").not());
    }
}

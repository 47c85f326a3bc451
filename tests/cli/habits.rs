//! What those type who know other programs.

use crate::support::trials::trials;
use crate::support::{Home, both};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use queuectl_core::State;

trials![
    short_names_of_others_are_aliases,
    words_of_others_lead_on,
    options_of_others_lead_on,
    an_alias_of_the_users_own_is_stronger_than_a_habit,
];

fn short_names_of_others_are_aliases() {
    let home = Home::quick();
    home.queuectl(["add", "--id", "a", "echo hello"]).assert().success().stdout("Job added with ID: a\n");
    home.queuectl(["ls"]).assert().success().stdout(contains("echo hello"));
    home.queuectl(["ps"]).assert().success().stdout(contains("echo hello").not());
    home.drain();
    home.queuectl(["log", "a"]).assert().success().stdout("hello\n");
    home.queuectl(["rm", "a"]).assert().success().stdout("Deleted 1 job\n");
    home.enqueue("b", "true");
    home.queuectl(["rm", "b"]).assert().code(1).stderr(contains("`queuectl cancel b`"));
    home.queuectl(["kill", "b"]).assert().success();
    assert_eq!(home.state("b"), State::Cancelled);
}

fn words_of_others_lead_on() {
    let home = Home::new();
    for (word, lead) in [
        ("run", "`queuectl enqueue COMMAND`"),
        ("submit", "`queuectl enqueue COMMAND`"),
        ("wait", "`queuectl logs -f ID`"),
        ("pause", "`queuectl stop`"),
        ("resume", "`queuectl start`"),
        ("restart", "`queuectl stop`, then `queuectl start`"),
        ("edit", "`queuectl prune ID`"),
        ("delete", "`queuectl prune`"),
        ("top", "`queuectl status --watch`"),
        ("workers", "`queuectl worker list`"),
        ("cron", "--delay"),
    ] {
        home.queuectl([word, "x"]).assert().code(127).stdout("").stderr(
            contains(format!("there is no command `{word}`")).and(contains("hint: ")).and(contains(lead)),
        );
    }
}

fn options_of_others_lead_on() {
    both(|spelling| {
        let home = Home::new();
        for (line, lead) in [
            ("worker start -j4", "`--count N`"),
            ("worker start -j 4", "`--count N`"),
            ("worker start --workers 4", "`--count N`"),
            ("worker start --jobs=4", "`--concurrency N`"),
            ("worker start 4", "`--count N`"),
            ("worker start --queue mail", "--database"),
            ("list pending", "`--state STATE`"),
            ("list --queue mail", "--database"),
            ("enqueue --at 22:00 true", "`run_at`"),
            ("enqueue 'make all' --at 22:00", "`run_at`"),
            ("enqueue --queue mail true", "--database"),
        ] {
            home.typed(spelling, &format!("queuectl {line}"))
                .assert()
                .code(2)
                .stdout("")
                .stderr(contains(lead));
        }
        for name in ["enqueue", "list", "worker"] {
            let help = home.stdout([name, "--help"]);
            assert!(!help.contains("--queue") && !help.contains("[WORD]"), "{help}");
        }
        assert!(!home.queue_folder().exists());
    });
    let home = Home::new();
    home.queuectl(["start", "4"]).assert().code(2).stderr(contains("`--count N`"));
    home.queuectl(["ls", "pending"]).assert().code(2).stderr(contains("`--state STATE`"));
}

fn an_alias_of_the_users_own_is_stronger_than_a_habit() {
    let home = Home::new();
    home.queuectl(["config", "set", "alias.run", "enqueue"]).assert().success();
    home.queuectl(["run", "--id", "a", "true"]).assert().success();
    assert_eq!(home.state("a"), State::Pending);
    home.queuectl(["config", "set", "alias.add", ""]).assert().success();
    home.queuectl(["add", "true"]).assert().code(127);
}

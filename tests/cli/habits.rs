//! What those type who know other programs.

use crate::support::trials::trials;
use crate::support::{Home, both};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use queuectl_core::State;

trials![
    short_names_of_others_are_aliases,
    words_of_others_lead_on,
    words_of_others_after_a_group_lead_on,
    options_of_others_lead_on,
    options_of_others_are_left_to_a_command,
    names_of_others_for_a_state_lead_on,
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
        ("join", "`queuectl wait ID…`"),
        ("pause", "`queuectl queue pause NAME`"),
        ("resume", "`queuectl queue resume NAME`"),
        ("restart", "`queuectl stop`, then `queuectl start`"),
        ("edit", "`queuectl prune ID`"),
        ("delete", "`queuectl prune`"),
        ("top", "`queuectl status --watch`"),
        ("workers", "`queuectl worker list`"),
        ("cron", "--delay"),
        ("jobs", "`queuectl list`"),
        ("history", "`queuectl list`"),
        ("version", "`queuectl --version`"),
        ("mv", "`queuectl move --to PLACE`"),
        ("flush", "`queuectl dlq clear`"),
        ("init", "nothing has to be set up"),
        ("upgrade", "`queuectl worker start`"),
        ("migrate", "`queuectl move --to PLACE`"),
        ("queues", "`queuectl queue list`"),
        ("limit", "`queuectl queue set NAME --limit N`"),
        ("set", "`queuectl config set KEY VALUE`"),
        ("get", "`queuectl config get KEY`"),
    ] {
        home.queuectl([word, "x"]).assert().code(127).stdout("").stderr(
            contains(format!("there is no command `{word}`")).and(contains("hint: ")).and(contains(lead)),
        );
    }
}

fn words_of_others_after_a_group_lead_on() {
    both(|spelling| {
        let home = Home::new();
        for (group, word, lead) in [
            ("worker", "restart", "`queuectl worker stop`, then `queuectl worker start`"),
            ("worker", "status", "`queuectl worker list`"),
            ("worker", "ps", "`queuectl worker list`"),
            ("worker", "ls", "`queuectl worker list`"),
            ("worker", "run", "`queuectl worker start`"),
            ("worker", "kill", "`queuectl worker stop --force`"),
            ("worker", "scale", "`queuectl worker start --count N`"),
            ("dlq", "rm", "`queuectl dlq clear`"),
            ("dlq", "delete", "`queuectl dlq clear`"),
            ("dlq", "purge", "`queuectl dlq clear`"),
            ("dlq", "requeue", "`queuectl dlq retry ID`"),
            ("config", "edit", "`queuectl config check`"),
            ("config", "show", "`queuectl config list`"),
            ("config", "max-retries", "`queuectl config set max-retries VALUE`"),
            ("config", "db_path", "`queuectl config set database VALUE`"),
            // A slip leads as before.
            ("worker", "strt", "`queuectl worker start`"),
        ] {
            home.run(spelling, [group, word, "4"]).assert().code(2).stdout("").stderr(
                contains(format!("`queuectl {group}` knows no `{word}`"))
                    .and(contains("hint: "))
                    .and(contains(lead)),
            );
        }
    });
}

fn options_of_others_are_left_to_a_command() {
    both(|spelling| {
        let home = Home::new();
        for line in ["wget -w 5", "make -p", "prog --name x --after y", "prog --queue mail -p 1"] {
            home.typed(spelling, &format!("queuectl enqueue {line}")).assert().success();
            assert_eq!(home.json(["show", "@last", "--json"])["command"], line);
        }
    });
}

fn names_of_others_for_a_state_lead_on() {
    both(|spelling| {
        let home = Home::new();
        for (typed, lead) in [
            ("running", "did you mean `processing`?"),
            ("Done", "did you mean `completed`?"),
            ("canceled", "did you mean `cancelled`?"),
            ("pending,dead", "did you mean `--state pending --state dead`?"),
            ("queued,running", "did you mean `--state pending --state processing`?"),
            ("pend", "did you mean `pending`?"),
        ] {
            home.run(spelling, ["list", "--state", typed])
                .assert()
                .code(2)
                .stderr(contains("which takes pending, processing").and(contains(lead)));
        }
        // What cannot be deleted is not offered.
        home.run(spelling, ["prune", "--older-than", "0", "--state", "running"])
            .assert()
            .code(2)
            .stderr(contains("processing").not());
    });
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
            ("list pending", "`--state STATE`"),
            ("list --grep make", "`--command TEXT`"),
            ("list --newest", "`--reverse`"),
            ("list --after 2h", "`--since TIME`"),
            ("enqueue --at 22:00 true", "`run_at`"),
            ("enqueue 'make all' --at 22:00", "`run_at`"),
            ("enqueue --after a true", "enqueue NEXT"),
            ("enqueue 'make all' --then true", "enqueue NEXT"),
            ("enqueue --depends-on=a true", "enqueue NEXT"),
            ("enqueue --run-at 22:00 true", "`run_at`"),
            ("enqueue --in 5m true", "`--delay 2h`"),
            ("enqueue --every 5m true", "cron"),
            ("enqueue --cron '* * * * *' true", "cron"),
            ("enqueue --name a true", "`--id NAME`"),
            ("enqueue --dir /tmp true", "`--cwd DIR`"),
            ("enqueue -w /tmp true", "`--cwd DIR`"),
            ("enqueue -p 5 true", "`--priority N`"),
            ("enqueue 'make all' -p 5", "`--priority N`"),
            ("worker start --daemon", "`--detach`"),
            ("worker start -D", "`--detach`"),
            ("worker start --background", "`--detach`"),
            ("worker start --once", "`--count 1 --max-jobs 1`"),
            ("worker start --burst", "`--drain`"),
            ("worker start --threads 4", "`--concurrency N`"),
            ("worker start -w 4", "`--count N`"),
            ("worker stop --now", "`--force`"),
            ("worker stop -9", "`--force`"),
            ("worker stop --all", "`--everywhere`"),
            ("worker stop a", "`queuectl cancel ID`"),
            ("status a", "`queuectl show ID`"),
            ("list --all", "`queuectl list`"),
            ("list --pending", "`--state pending`"),
            ("list --failed", "`--state failed --state dead`"),
            ("list --running", "`--state processing`"),
            ("list -n 5", "`--limit N`"),
            ("list -n5", "`--limit N`"),
            ("cancel --all", "`queuectl cancel --state pending`"),
            ("release --all", "`queuectl release --held`"),
            ("hold -a", "`queuectl hold --state pending --state failed`"),
            ("logs a --tail 5", "tail -n 20"),
            ("logs -n 5 a", "tail -n 20"),
        ] {
            home.typed(spelling, &format!("queuectl {line}"))
                .assert()
                .code(2)
                .stdout("")
                .stderr(contains(lead));
        }
        for words in ["enqueue", "list", "worker start", "worker stop", "status", "cancel", "logs"] {
            let help = home.stdout(words.split(' ').chain(["--help"]));
            let has_queues = ["enqueue", "list", "worker start", "cancel"].contains(&words);
            assert_eq!(help.contains("--queue"), has_queues, "{help}");
            let hidden = ["[WORD]", "--all", "--tail", "--daemon", "--name", "[ID]"];
            // Ids are to be typed there.
            for hidden in &hidden[..hidden.len() - usize::from(words == "cancel")] {
                assert!(!help.contains(hidden), "{help}");
            }
        }
        assert!(!home.queue_folder().exists());
    });
    let home = Home::new();
    home.queuectl(["start", "4"]).assert().code(2).stderr(contains("`--count N`"));
    home.queuectl(["stop", "a"]).assert().code(2).stderr(contains("`queuectl cancel ID`"));
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

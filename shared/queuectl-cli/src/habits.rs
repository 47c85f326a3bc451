//! Words of other programs for what is done another way here.

/// Words, and what to type instead.
type Habits = &'static [(&'static [&'static str], &'static str)];

/// After which words of ours they are typed.
const HABITS: [(&str, Habits); 4] = [
    ("queuectl", COMMANDS),
    ("queuectl worker", OF_WORKER),
    ("queuectl dlq", OF_DLQ),
    ("queuectl config", OF_CONFIG),
];

const COMMANDS: Habits = &[
    (
        &["run", "exec", "submit", "push", "put", "new", "create"],
        "add a job with `queuectl enqueue COMMAND`, and run what is there with `queuectl worker start`",
    ),
    (
        &["work", "consume", "daemon", "serve"],
        "run jobs with `queuectl worker start`, or in the background with `queuectl start`",
    ),
    (
        &["join", "await"],
        "wait for jobs with `queuectl wait ID…`, or run everything that is left with `queuectl worker start --drain`",
    ),
    (
        &["pause", "suspend", "freeze"],
        "start no job of a queue for now with `queuectl queue pause NAME`, or of any with `--all`; have some wait with `queuectl hold`",
    ),
    (&["resume", "unpause", "continue"], "end a pause with `queuectl queue resume NAME`, or `--all`"),
    (&["queues"], "see the queues with `queuectl queue list`"),
    (
        &["limit", "throttle", "parallel"],
        "bound the jobs of a queue with `queuectl queue set NAME --limit N`",
    ),
    (&["unhold", "unblock"], "let a held job go on with `queuectl release ID`"),
    (&["explain", "reason"], "see what a job waits for with `queuectl why ID`"),
    (
        &["restart", "reload"],
        "type `queuectl stop`, then `queuectl start`; a dead job is retried with `queuectl retry ID`",
    ),
    (
        &["edit", "update", "modify", "change"],
        "take the job back with `queuectl cancel ID`, free its id with `queuectl prune ID`, and enqueue it anew",
    ),
    (
        &["remove", "delete", "del", "purge", "clean", "clear", "forget", "flush"],
        "delete jobs that have come to rest with `queuectl prune`, dead ones with `queuectl dlq clear`",
    ),
    (&["abort", "terminate", "end"], "end a job with `queuectl cancel ID`"),
    (&["jobs", "history"], "see the jobs, also those that have come to rest, with `queuectl list`"),
    (&["info", "describe", "inspect"], "see a job with `queuectl show ID`"),
    (&["get"], "see a job with `queuectl show ID`, a setting with `queuectl config get KEY`"),
    (
        &["set", "settings"],
        "change a setting with `queuectl config set KEY VALUE`, see all with `queuectl config list`",
    ),
    (&["tail", "follow", "output"], "see what a job writes with `queuectl logs -f ID`"),
    (&["stats", "top", "watch", "monitor"], "see how many jobs stand where with `queuectl status --watch`"),
    (&["workers"], "see who runs jobs with `queuectl worker list`"),
    (&["requeue", "rerun"], "give a dead job another life with `queuectl retry ID`"),
    (
        &["schedule", "cron", "at"],
        "have a job wait with `queuectl enqueue --delay TIME COMMAND`; for what comes again let cron type that",
    ),
    (&["mv"], "bring the queue to another place with `queuectl move --to PLACE`"),
    (
        &["init", "setup", "install"],
        "nothing has to be set up: the first `queuectl enqueue COMMAND` makes the queue",
    ),
    (
        &["upgrade", "migrate"],
        "a queue is brought up to date by the first `queuectl worker start`; bring it elsewhere with `queuectl move --to PLACE`",
    ),
    (&["version"], "see the version with `queuectl --version`"),
];

const OF_WORKER: Habits = &[
    (&["restart", "reload"], "type `queuectl worker stop`, then `queuectl worker start`"),
    (&["status", "ps", "ls", "show", "info"], "see who runs jobs with `queuectl worker list`"),
    (&["run", "add", "launch", "up"], "run jobs with `queuectl worker start`"),
    (&["kill"], "end the workers and what they run with `queuectl worker stop --force`"),
    (
        &["scale", "resize"],
        "start more workers with `queuectl worker start --count N`; stop all with `queuectl worker stop`",
    ),
    (
        &["log", "logs"],
        "the log of workers in the background is worker.log in the folder `queuectl config path --json | jq -r .state`",
    ),
];

const OF_DLQ: Habits = &[
    (
        &["rm", "delete", "remove", "purge", "prune", "empty", "drop"],
        "delete dead jobs with `queuectl dlq clear`, one with its ID",
    ),
    (
        &["requeue", "rerun", "replay", "redrive"],
        "give dead jobs another life with `queuectl dlq retry ID` or `--all`",
    ),
    (&["ls", "ps", "status"], "see the dead jobs with `queuectl dlq list`"),
    (&["log", "logs"], "see what a job wrote with `queuectl logs ID`"),
];

const OF_CONFIG: Habits = &[
    (
        &["edit"],
        "open the file yourself, `\"$EDITOR\" \"$(queuectl config path)\"`, then type `queuectl config check`",
    ),
    (
        &["show", "ls", "print", "dump"],
        "see every setting with `queuectl config list`, one with `queuectl config get KEY`",
    ),
    (&["rm", "remove", "delete", "reset"], "go back to a default with `queuectl config unset KEY`"),
];

/// What to type instead of a word that is none of ours, after these: `queuectl worker`.
pub fn habit(after: &str, word: &str) -> Option<String> {
    let (_, habits) = HABITS.iter().find(|(words, _)| *words == after)?;
    let lead = habits.iter().find(|(words, _)| words.contains(&word)).map(|(_, lead)| (*lead).to_owned());
    lead.or_else(|| (after == "queuectl config").then(|| of_a_setting(word)).flatten())
}

/// A setting is not an action: which is meant is known only when a value follows.
fn of_a_setting(word: &str) -> Option<String> {
    let key = queuectl_settings::Key::find(word.split('=').next().unwrap_or_default())?;
    Some(format!("change it with `queuectl config set {key} VALUE`, see it with `queuectl config get {key}`"))
}

//! Words of other programs for what is done another way here.

/// Words, and what to type instead.
const HABITS: [(&[&str], &str); 15] = [
    (
        &["run", "exec", "submit", "push", "queue", "put", "new", "create"],
        "add a job with `queuectl enqueue COMMAND`, and run what is there with `queuectl worker start`",
    ),
    (
        &["work", "consume", "daemon", "serve"],
        "run jobs with `queuectl worker start`, or in the background with `queuectl start`",
    ),
    (
        &["wait", "join"],
        "follow a job with `queuectl logs -f ID`, or run everything that is left with `queuectl worker start --drain`",
    ),
    (
        &["pause", "suspend", "hold", "freeze"],
        "stop the workers with `queuectl stop`; jobs are accepted all the same and wait for `queuectl start`",
    ),
    (&["resume", "unpause", "continue"], "start workers with `queuectl start`"),
    (
        &["restart", "reload"],
        "type `queuectl stop`, then `queuectl start`; a dead job is retried with `queuectl retry ID`",
    ),
    (
        &["edit", "update", "modify", "change"],
        "take the job back with `queuectl cancel ID`, free its id with `queuectl prune ID`, and enqueue it anew",
    ),
    (
        &["remove", "delete", "del", "purge", "clean", "clear", "forget"],
        "delete jobs that have come to rest with `queuectl prune`, dead ones with `queuectl dlq clear`",
    ),
    (&["abort", "terminate", "end"], "end a job with `queuectl cancel ID`"),
    (&["info", "describe", "inspect", "get"], "see a job with `queuectl show ID`"),
    (&["tail", "follow", "output"], "see what a job writes with `queuectl logs -f ID`"),
    (&["stats", "top", "watch", "monitor"], "see how many jobs stand where with `queuectl status --watch`"),
    (&["workers"], "see who runs jobs with `queuectl worker list`"),
    (&["requeue", "rerun"], "give a dead job another life with `queuectl retry ID`"),
    (
        &["schedule", "cron", "at"],
        "have a job wait with `queuectl enqueue --delay TIME COMMAND`; for what comes again let cron type that",
    ),
];

/// What to type instead of a word that is none of ours.
pub(crate) fn leads_to(word: &str) -> Option<&'static str> {
    HABITS.iter().find(|(words, _)| words.contains(&word)).map(|(_, lead)| *lead)
}

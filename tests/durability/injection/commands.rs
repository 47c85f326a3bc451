//! Commands that are cut off or refused at any step.

use super::tracer::{
    Disturbed, Fault, Lasts, REFUSALS, at_each_place, counted, kills, quick, refusals, some_of, traced, words,
};
use crate::oracle::{Oracle, watched};
use crate::scale::is_long;
use crate::support::trials::trials;
use queuectl_core::State;
use serde_json::json;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;

trials![
    enqueue_killed_at_any_step_keeps_what_it_acknowledged if Strace,
    the_first_start_killed_at_any_step_can_be_repeated if Strace,
    cancel_killed_at_any_step_happened_or_did_not if Strace,
    a_retry_of_the_dead_killed_at_any_step_happened_or_did_not if Strace,
    clearing_the_dead_killed_at_any_step_happened_or_did_not if Strace,
    prune_killed_at_any_step_happened_or_did_not if Strace,
    config_set_killed_at_any_step_leaves_the_old_file_or_the_new if Strace,
    a_failing_enqueue_never_says_what_is_not_true if Strace,
    a_failing_first_start_can_be_repeated if Strace,
    failing_commands_never_say_what_is_not_true if Strace,
    config_set_that_fails_leaves_the_old_file if Strace,
];

/// A program that does one thing to the queue.
struct Subject<'a> {
    name: &'a str,
    /// Prepares a round of this name, and gives the words of the program.
    prepare: &'a dyn Fn(&Oracle, &str) -> Vec<String>,
    /// Asserts that what was printed is true, and that it was done whole or not at all.
    verify: &'a dyn Fn(&Oracle, &str, &Disturbed),
}

impl Subject<'_> {
    /// Does what the subject does, with a fault at each place.
    fn suffer(&self, oracle: &Oracle, sample: u32, faults: &[Fault]) {
        // The first one makes the queue.
        self.count(oracle, "first");
        let counts = self.count(oracle, "counted");
        let next = Cell::new(0);
        at_each_place(self.name, &counts, sample, faults, |fault| {
            next.set(next.get() + 1);
            let is_hit = self.round(oracle, &format!("round-{}", next.get()), fault);
            if is_long() {
                oracle.home().drain();
            }
            is_hit
        });
        oracle.expect_no_breach();
    }

    /// The same, each time for a user who has no queue.
    fn suffer_anew(&self, sample: u32, faults: &[Fault]) {
        let counts = self.count(&Oracle::new(quick()), "first");
        at_each_place(self.name, &counts, sample, faults, |fault| {
            let oracle = Oracle::new(quick());
            let is_hit = self.round(&oracle, "first", fault);
            assert!(oracle.enqueue("next", &watched(""), &[]), "{fault}");
            oracle.home().drain();
            let breaches = oracle.look();
            assert!(breaches.is_empty(), "{fault}: {breaches:?}");
            is_hit
        });
    }

    /// Does it once without a fault, and counts its calls.
    fn count(&self, oracle: &Oracle, name: &str) -> BTreeMap<String, u32> {
        let words = (self.prepare)(oracle, name);
        let undisturbed = traced(oracle.home(), &[], &words);
        assert!(undisturbed.is_done(), "{undisturbed}");
        (self.verify)(oracle, name, &undisturbed);
        counted(&undisturbed.trace)
    }

    fn round(&self, oracle: &Oracle, name: &str, fault: Fault) -> bool {
        let words = (self.prepare)(oracle, name);
        let disturbed = traced(oracle.home(), &fault.rules(), &words);
        if fault.error.is_some() {
            disturbed.expect_plain_words(fault);
        }
        (self.verify)(oracle, name, &disturbed);
        let breaches = oracle.look();
        assert!(breaches.is_empty(), "{fault}: {breaches:?}");
        disturbed.is_hit()
    }
}

/// Asserts that a program has printed this if it is done, and else this or nothing;
/// tells whether it was printed.
fn has_promised(disturbed: &Disturbed, line: &str) -> bool {
    let is_printed = disturbed.printed == format!("{line}\n");
    assert!(is_printed || (!disturbed.is_done() && disturbed.printed.is_empty()), "{disturbed}");
    is_printed
}

/// Where a job stands; none if it is not there.
fn state(oracle: &Oracle, id: &str) -> Option<State> {
    let id = queuectl_core::JobId::trusted(id.to_owned());
    oracle.home().store().job(&id).unwrap().map(|job| job.state)
}

/// `enqueue` of one job.
const ENQUEUE: Subject<'_> = Subject {
    name: "enqueue",
    prepare: &|_, name| words(["enqueue", "--id", name, "--shell", &watched("")]),
    verify: &|oracle, name, disturbed| {
        if has_promised(disturbed, &format!("Job added with ID: {name}")) {
            oracle.acknowledge(name);
        }
    },
};

/// `enqueue` of the lines of a file: all of them or none.
const ENQUEUE_FILE: Subject<'_> = Subject {
    name: "enqueue --file",
    prepare: &|oracle, name| {
        let line = |n| json!({"id": format!("{name}-{n}"), "command": watched("")}).to_string() + "\n";
        fs::write(oracle.home().path("jobs"), (0..3).map(line).collect::<String>()).unwrap();
        words(["enqueue", "--file", "jobs"])
    },
    verify: &|oracle, name, disturbed| {
        let ids: Vec<String> = (0..3).map(|n| format!("{name}-{n}")).collect();
        let added = ids.iter().filter(|id| state(oracle, id).is_some()).count();
        assert!(added == 0 || added == 3, "{added} of 3 jobs: {disturbed}");
        if has_promised(disturbed, "Jobs added: 3") {
            for id in &ids {
                oracle.acknowledge(id);
            }
        }
    },
};

/// `cancel` of a job that waits.
const CANCEL: Subject<'_> = Subject {
    name: "cancel",
    prepare: &|oracle, name| {
        assert!(oracle.enqueue(name, &watched(""), &[]));
        words(["cancel", name])
    },
    verify: &|oracle, name, disturbed| {
        let is_promised = has_promised(disturbed, &format!("Job {name} cancelled"));
        let states: &[State] =
            if is_promised { &[State::Cancelled] } else { &[State::Cancelled, State::Pending] };
        assert!(states.contains(&state(oracle, name).unwrap()), "{disturbed}");
    },
};

/// `dlq retry` of a dead job, which then does not fail.
const RETRY: Subject<'_> = Subject {
    name: "dlq retry",
    prepare: &|oracle, name| {
        let home = oracle.home();
        let command = format!("{}; [ -e retried ]", watched(""));
        assert!(oracle.enqueue(name, &command, &["--max-retries", "0"]));
        let _none_is_fine = fs::remove_file(home.path("retried"));
        home.drain();
        home.make_file("retried");
        words(["dlq", "retry", name])
    },
    verify: &|oracle, name, disturbed| {
        let is_promised = has_promised(disturbed, &format!("Job {name} is pending again"));
        let states: &[State] = if is_promised { &[State::Pending] } else { &[State::Pending, State::Dead] };
        assert!(states.contains(&state(oracle, name).unwrap()), "{disturbed}");
    },
};

/// What a subject needs that deletes: three dead jobs, of which the oracle knows nothing.
fn three_dead_jobs(oracle: &Oracle) {
    let home = oracle.home();
    if home.counts()[State::Dead] == 3 {
        return;
    }
    home.enqueue_all((0..3).map(|_| json!({"command": "echo words; exit 1", "max_retries": 0})));
    home.drain();
    assert_eq!(home.counts()[State::Dead], 3);
}

/// Asserts that the dead were deleted with all that belongs to them, or not at all.
fn all_or_none_are_left(oracle: &Oracle, is_promised: bool, disturbed: &Disturbed) {
    let left = oracle.home().counts()[State::Dead];
    assert!(left == 0 || (left == 3 && !is_promised), "{left} are left: {disturbed}");
    let database = rusqlite::Connection::open(oracle.home().database()).unwrap();
    for table in ["attempt", "output"] {
        let lost = format!("SELECT count(*) FROM {table} WHERE seq NOT IN (SELECT seq FROM job)");
        let lost: i64 = database.query_row(&lost, [], |row| row.get(0)).unwrap();
        assert_eq!(lost, 0, "rows of {table} belong to no job: {disturbed}");
    }
}

/// `dlq clear` of three dead jobs.
const CLEAR: Subject<'_> = Subject {
    name: "dlq clear",
    prepare: &|oracle, _| {
        three_dead_jobs(oracle);
        words(["dlq", "clear"])
    },
    verify: &|oracle, _, disturbed| {
        let is_promised = has_promised(disturbed, "Cleared 3 dead jobs");
        all_or_none_are_left(oracle, is_promised, disturbed);
    },
};

/// `prune` of three dead jobs.
const PRUNE: Subject<'_> = Subject {
    name: "prune",
    prepare: &|oracle, _| {
        three_dead_jobs(oracle);
        words(["prune", "--state", "dead", "--older-than", "0s"])
    },
    verify: &|oracle, _, disturbed| {
        let is_promised = has_promised(disturbed, "Deleted 3 jobs");
        all_or_none_are_left(oracle, is_promised, disturbed);
    },
};

const OLD_SETTINGS: &str = "# Mine.\nmax-retries = 3\n";
const NEW_SETTINGS: &str = "# Mine.\nmax-retries = 7\n";

/// `config set` of a key that the file has.
const CONFIG_SET: Subject<'_> = Subject {
    name: "config set",
    prepare: &|oracle, _| {
        oracle.home().configure(OLD_SETTINGS);
        words(["config", "set", "max-retries", "7"])
    },
    verify: &|oracle, _, disturbed| {
        let is_promised = has_promised(disturbed, "max-retries = 7");
        let text = fs::read_to_string(oracle.home().config_file()).unwrap();
        assert!(text == NEW_SETTINGS || (text == OLD_SETTINGS && !is_promised), "{text:?}: {disturbed}");
    },
};

fn enqueue_killed_at_any_step_keeps_what_it_acknowledged() {
    let oracle = Oracle::new(quick());
    ENQUEUE.suffer(&oracle, 5, &kills());
    let oracle = Oracle::new(quick());
    ENQUEUE_FILE.suffer(&oracle, 3, &kills());
}

fn the_first_start_killed_at_any_step_can_be_repeated() {
    ENQUEUE.suffer_anew(4, &kills());
}

fn cancel_killed_at_any_step_happened_or_did_not() {
    CANCEL.suffer(&Oracle::new(quick()), 3, &kills());
}

fn a_retry_of_the_dead_killed_at_any_step_happened_or_did_not() {
    RETRY.suffer(&Oracle::new(quick()), 2, &kills());
}

fn clearing_the_dead_killed_at_any_step_happened_or_did_not() {
    CLEAR.suffer(&Oracle::new(quick()), 3, &kills());
}

fn prune_killed_at_any_step_happened_or_did_not() {
    PRUNE.suffer(&Oracle::new(quick()), 3, &kills());
}

fn config_set_killed_at_any_step_leaves_the_old_file_or_the_new() {
    let oracle = Oracle::new(quick());
    let counts = CONFIG_SET.count(&oracle, "counted");
    at_each_place(CONFIG_SET.name, &counts, 3, &kills(), |fault| settings_round(&oracle, fault));
    oracle.home().direct(["config", "check"]).assert().success();
}

/// The same round without a queue to look at.
fn settings_round(oracle: &Oracle, fault: Fault) -> bool {
    let words = (CONFIG_SET.prepare)(oracle, "");
    let disturbed = traced(oracle.home(), &fault.rules(), &words);
    if fault.error.is_some() {
        disturbed.expect_plain_words(fault);
    }
    (CONFIG_SET.verify)(oracle, "", &disturbed);
    disturbed.is_hit()
}

fn a_failing_enqueue_never_says_what_is_not_true() {
    ENQUEUE.suffer(&Oracle::new(quick()), 2, &refusals(&REFUSALS));
    ENQUEUE_FILE.suffer(&Oracle::new(quick()), 1, &some_of(refusals(&REFUSALS), 3));
    if is_long() {
        locks_that_fail_for_good_are_an_error();
    }
}

fn a_failing_first_start_can_be_repeated() {
    ENQUEUE.suffer_anew(1, &some_of(refusals(&REFUSALS), 3));
}

/// SQLite asks for about 10 s whether its locks have come back, at each place:
/// so it is one place, and the only fault of its kind.
fn locks_that_fail_for_good_are_an_error() {
    let oracle = Oracle::new(quick());
    let counts = ENQUEUE.count(&oracle, "counted");
    let fault = Fault::refuse(("fcntl", "EIO"), Lasts::ForGood);
    assert!(ENQUEUE.round(&oracle, "refused", fault.at(counts["fcntl"] / 3)));
    oracle.expect_no_breach();
}

fn failing_commands_never_say_what_is_not_true() {
    for subject in [CANCEL, RETRY, CLEAR, PRUNE] {
        subject.suffer(&Oracle::new(quick()), 1, &some_of(refusals(&REFUSALS), 5));
    }
}

fn config_set_that_fails_leaves_the_old_file() {
    let oracle = Oracle::new(quick());
    let counts = CONFIG_SET.count(&oracle, "counted");
    let mut faults = refusals(&REFUSALS);
    let renames = [("rename", "EIO"), ("renameat2", "EIO"), ("fchmod", "EIO"), ("flock", "EINTR")];
    faults.extend(refusals(&renames));
    at_each_place("config set fails", &counts, 1, &faults, |fault| settings_round(&oracle, fault));
    oracle.home().direct(["config", "check"]).assert().success();
}

//! How a job is named: by its id, its number, a part of its id, or as the last.

use crate::support::trials::trials;
use crate::support::{Home, both};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use queuectl_core::State;

trials![
    a_job_is_named_by_number_beginning_end_or_as_the_last,
    an_exact_id_wins,
    what_means_several_jobs_is_refused_with_their_names,
    a_number_that_is_the_id_of_another_job_is_not_offered,
    digits_that_are_no_number_hit_no_other_job,
    every_command_takes_every_reference,
    an_id_that_a_table_has_cut_can_be_typed_as_it_stands_there,
];

fn a_job_is_named_by_number_beginning_end_or_as_the_last() {
    both(|spelling| {
        let home = Home::quick();
        for id in ["night-backup", "day-report", "evening-mail"] {
            home.enqueue(id, &format!("echo {id}"));
        }
        for (typed, meant) in [
            ("2", "day-report"),
            ("night", "night-backup"),
            ("n", "night-backup"),
            ("mail", "evening-mail"),
            ("@last", "evening-mail"),
            ("day-report", "day-report"),
        ] {
            home.run(spelling, ["show", typed]).assert().success().stdout(contains(format!("Job {meant}\n")));
        }
        home.run(spelling, ["show", "4"]).assert().code(4).stderr(contains("there is no job 4"));
        home.run(spelling, ["show", "noon"]).assert().code(4);
    });
}

fn an_exact_id_wins() {
    let home = Home::quick();
    for id in ["2", "job", "job-1", "@last", "zzz"] {
        home.queuectl(["enqueue", "--id", id, "true"]).assert().success();
    }
    for id in ["2", "job", "@last"] {
        assert_eq!(home.json(["show", id, "--json"])["id"], id);
    }
}

fn what_means_several_jobs_is_refused_with_their_names() {
    let home = Home::quick();
    for id in ["job-1", "job-2", "job-3", "job-4", "job-5"] {
        home.enqueue(id, "true");
    }
    for arguments in [vec!["show", "job"], vec!["cancel", "job-"], vec!["dlq", "retry", "job"]] {
        home.queuectl(&arguments)
            .assert()
            .code(1)
            .stdout("")
            .stderr(contains("means several jobs").and(contains("job-1 (number 1)")).and(contains("hint: ")));
    }
    assert_eq!(home.counts()[State::Pending], 5);
}

fn a_number_that_is_the_id_of_another_job_is_not_offered() {
    let home = Home::quick();
    for id in ["pic-a", "pic-b", "1"] {
        home.enqueue(id, "true");
    }
    home.queuectl(["cancel", "pic"])
        .assert()
        .code(1)
        .stderr(contains("hint: type more of the id, or all of it: pic-a\n"));
    home.queuectl(["cancel", "pic-a"]).assert().success();
    assert_eq!(home.state("1"), State::Pending);
}

fn digits_that_are_no_number_hit_no_other_job() {
    let home = Home::quick();
    home.enqueue("backup-7", "true");
    home.queuectl(["cancel", "7"]).assert().code(4).stderr(contains("there is no job 7"));
    assert_eq!(home.state("backup-7"), State::Pending);
    home.enqueue("backup-2026", "true");
    home.queuectl(["cancel", "2026"]).assert().success().stdout("Job backup-2026 cancelled\n");
}

fn every_command_takes_every_reference() {
    let home = Home::quick();
    home.enqueue_once("broken-pipe", "echo said; exit 3");
    home.enqueue("later", "true");
    home.drain();
    for typed in ["1", "broken", "pipe"] {
        home.queuectl(["logs", typed]).assert().success().stdout("said\n");
        home.queuectl(["logs", "-f", typed]).assert().stdout("said\n");
        home.queuectl(["dlq", "show", typed]).assert().success().stdout(contains("Job broken-pipe\n"));
        home.queuectl(["dlq", "retry", typed])
            .assert()
            .success()
            .stdout("Job broken-pipe is pending again\n");
        home.drain();
    }
    home.queuectl(["enqueue", "true", "--id", "unwanted"]).assert().success();
    home.queuectl(["cancel", "@last"]).assert().success().stdout("Job unwanted cancelled\n");
}

fn an_id_that_a_table_has_cut_can_be_typed_as_it_stands_there() {
    let home = Home::quick();
    home.enqueue("01a202c5-332a-72f1-a562-b405c4433421", "true");
    for typed in ["…c4433421", "01a202c5…"] {
        home.queuectl(["show", typed]).assert().success().stdout(contains("Job 01a202c5-332a"));
    }
}

//! `queuectl move --abort`.

use super::r#move::{is_open, killed, on_its_way, open, sound};
use crate::support::postgres::Server;
use crate::support::trials::trials;
use crate::support::{Home, Spelling, both};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use predicates::prelude::*;
use predicates::str::contains;
use queuectl_core::State;
use queuectl_store::Access;
use serde_json::json;
use std::fs;

trials![
    a_move_is_given_up_from_the_old_place,
    a_move_is_given_up_from_the_new_place,
    a_move_is_given_up_though_the_old_place_cannot_be_found,
    a_move_is_given_up_though_the_new_place_is_gone if Postgres,
    a_move_that_is_over_cannot_be_given_up,
    a_move_that_is_being_given_up_cannot_go_on,
    one_who_is_killed_while_giving_up_can_give_up_again if Strace,
];

fn a_move_is_given_up_from_the_old_place() {
    both(|spelling| {
        let (home, mut worker) = on_its_way();
        let emptied = format!("Emptied {}\n", home.path("new.db").display());
        let opened = format!("The queue {} is open again\n", home.database().display());
        home.run(spelling, ["move", "--abort"]).assert().success().stdout(emptied + &opened);
        home.enqueue("more", "true");
        home.make_file("go");
        worker.wait_for_success();
        home.drain();
        assert_eq!(home.counts()[State::Completed], 3);
        // The new place is an empty queue, to which it can be moved after all.
        home.run(spelling, ["move", "--to", "new.db"]).assert().success();
        assert_eq!(sound(&home, &home.path("new.db")), 3);
    });
}

fn a_move_is_given_up_from_the_new_place() {
    both(|spelling| {
        let (home, _worker) = on_its_way();
        home.run(spelling, ["move", "--abort", "--json", "--database", "new.db"]).assert().success().stdout(
            format!("{{\"opened\":{},\"emptied\":{}}}\n", json!(home.database()), json!(home.path("new.db"))),
        );
        assert!(is_open(&home, &home.path("new.db")) && is_open(&home, &home.database()));
        assert_eq!((sound(&home, &home.path("new.db")), sound(&home, &home.database())), (0, 2));
        home.queuectl(["move", "--abort"]).assert().code(1).stderr(contains("is not being moved"));
    });
}

fn a_move_is_given_up_though_the_old_place_cannot_be_found() {
    both(|spelling| {
        let (home, mut worker) = on_its_way();
        home.make_file("go");
        worker.wait_for_success();
        let elsewhere = home.path("elsewhere.db");
        fs::rename(home.database(), &elsewhere).unwrap();
        let emptied = format!("Emptied {}\n", home.path("new.db").display());
        home.run(spelling, ["move", "--abort", "--database", "new.db"]).assert().success().stdout(emptied);
        home.queuectl(["enqueue", "--database", "new.db", "true"]).assert().success();
        // What is in the new place now is somebody else's.
        home.run(spelling, ["move", "--to", "new.db", "--database", "elsewhere.db"])
            .assert()
            .code(1)
            .stderr(contains("of its own"));
        home.run(spelling, ["move", "--abort", "--database", "elsewhere.db"]).assert().success();
        assert!(is_open(&home, &elsewhere));
        assert_eq!((sound(&home, &elsewhere), sound(&home, &home.path("new.db"))), (2, 1));
    });
}

fn a_move_is_given_up_though_the_new_place_is_gone() {
    let home = Home::quick();
    home.enqueue("runs", "touch running; until [ -e go ]; do sleep 0.05; done");
    let _worker = home.worker([""; 0]);
    home.wait_for_file("running");
    let server = Server::start(&[("fsync", "off")]);
    let schema = server.schema();
    let url = server.tcp_url(schema.name());
    let moving = home.background(Spelling::Dispatched, ["move", "--to", &url]);
    moving.wait_until_it_says("Waiting for 1 worker");
    kill(Pid::from_raw(moving.pid()), Signal::SIGKILL).unwrap();
    drop(server);
    home.queuectl(["move", "--abort"])
        .assert()
        .success()
        .stdout(contains("is open again"))
        .stderr(contains("is still there").and(contains("queuectl move --abort --database")));
    home.enqueue("more", "true");
}

fn a_move_that_is_over_cannot_be_given_up() {
    both(|spelling| {
        let home = Home::quick();
        home.enqueue("a", "true");
        home.queuectl(["move", "--to", "new.db"]).assert().success();
        home.run(spelling, ["move", "--abort"]).assert().code(1).stderr(contains("which is open"));
        home.run(spelling, ["move", "--abort", "--database", "new.db"])
            .assert()
            .code(1)
            .stderr(contains("is not being moved"));
        assert!(is_open(&home, &home.path("new.db")) && !is_open(&home, &home.database()));
    });
}

fn a_move_that_is_being_given_up_cannot_go_on() {
    both(|spelling| {
        let (home, _worker) = on_its_way();
        let mut old = open(&home.database(), Access::Write, &home);
        let stage = old.whereabouts().unwrap().unwrap().stage;
        old.turn_back(&stage.moved().unwrap().id).unwrap();
        home.run(spelling, ["enqueue", "true"])
            .assert()
            .code(75)
            .stderr(contains("is given up completely").and(contains("queuectl move --abort")));
        home.run(spelling, ["move", "--to", "new.db"])
            .assert()
            .code(1)
            .stderr(contains("is being given up").and(contains("queuectl move --abort")));
        home.run(spelling, ["move", "--abort"]).assert().success();
        assert!(is_open(&home, &home.database()));
    });
}

fn one_who_is_killed_while_giving_up_can_give_up_again() {
    for at in 1.. {
        let (home, _worker) = on_its_way();
        let was_killed = killed(&home, "queuectl-move --abort", at);
        if was_killed && !is_open(&home, &home.database()) {
            home.queuectl(["move", "--abort"]).assert().success();
        }
        assert!(is_open(&home, &home.database()), "killed at {at}");
        assert_eq!(sound(&home, &home.path("new.db")), 0);
        assert!(is_open(&home, &home.path("new.db")), "killed at {at}");
        if !was_killed {
            assert!(at > 2, "it was never killed");
            break;
        }
    }
}

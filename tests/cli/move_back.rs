//! `queuectl move` to a location that the queue has left.

use super::r#move::{in_use, is_open, on_the_server, open, sound, told};
use crate::support::trials::trials;
use crate::support::{DEADLINE, HELD, Home, Spelling, both, wait_until};
use nix::sys::signal::Signal;
use predicates::str::contains;
use queuectl_core::State;
use queuectl_store::{Access, Stage};

trials![
    a_moved_queue_can_move_back,
    a_queue_on_a_server_can_move_back if Postgres,
    a_queue_that_has_moved_on_can_move_back_to_where_it_began,
    a_return_that_is_given_up_leaves_the_location_closed,
];

fn a_moved_queue_can_move_back() {
    both(|spelling| {
        let home = in_use();
        let before = told(&home, None);
        for _ in 0..2 {
            home.run(spelling, ["move", "--verify", "--to", "./new.db"]).assert().success();
            home.run(spelling, ["move", "--verify", "--database", "./new.db", "--to"])
                .arg(home.database())
                .assert()
                .success()
                .stderr(contains("What was left at"));
            assert_eq!(told(&home, None), before);
            assert_eq!(sound(&home, &home.database()), 7);
            home.run(spelling, ["enqueue", "--database", "./new.db", "true"]).assert().code(75);
        }
        home.queuectl(["worker", "start", "--drain=ready"]).assert().success();
        assert_eq!((home.state("next"), home.state("later")), (State::Completed, State::Pending));
        home.enqueue("after", "true");
    });
}

fn a_queue_on_a_server_can_move_back() {
    let home = in_use();
    let before = told(&home, None);
    let (_schema, url) = on_the_server();
    let database = home.database();
    let database = database.to_str().unwrap();
    for _ in 0..2 {
        home.queuectl(["move", "--verify", "--to", &url]).assert().success();
        assert_eq!(told(&home, Some(&url)), before);
        home.queuectl(["move", "--verify", "--to", database, "--database", &url]).assert().success();
        assert_eq!(told(&home, None), before);
        assert_eq!(sound(&home, &home.database()), 7);
    }
}

fn a_queue_that_has_moved_on_can_move_back_to_where_it_began() {
    let home = in_use();
    home.queuectl(["move", "--to", "./second.db"]).assert().success();
    home.queuectl(["move", "--to", "./third.db", "--database", "./second.db"]).assert().success();
    home.queuectl(["move", "--database", "./third.db", "--to"]).arg(home.database()).assert().success();
    assert_eq!(sound(&home, &home.database()), 7);
    // Another queue is not let in where one has left.
    home.queuectl(["enqueue", "--database", "./another.db", "true"]).assert().success();
    home.queuectl(["move", "--database", "./another.db", "--to", "./second.db"]).assert().code(75);
    assert!(is_open(&home, &home.path("another.db")) && !is_open(&home, &home.path("second.db")));
}

fn stage(home: &Home) -> Stage {
    open(&home.database(), Access::Read, home).whereabouts().unwrap().expect("a queue").stage
}

fn a_return_that_is_given_up_leaves_the_location_closed() {
    let home = Home::quick();
    home.enqueue("a", HELD);
    home.queuectl(["move", "--to", "./new.db"]).assert().success();
    let mut worker = home.worker(["--database", "./new.db"]);
    home.wait_for_file("running");
    let database = home.database();
    let back = ["move", "--database", "./new.db", "--to", database.to_str().unwrap()];
    let mut mover = home.background(Spelling::Dispatched, back);
    wait_until(DEADLINE, "the location is ready to receive", || matches!(stage(&home), Stage::Arriving(_)));
    mover.signal(Signal::SIGKILL);
    mover.wait();
    home.queuectl(["move", "--abort", "--database", "./new.db"]).assert().success();
    assert!(matches!(stage(&home), Stage::Left(_)), "{:?}", stage(&home));
    home.queuectl(["enqueue", "true"]).assert().code(75).stderr(contains("has moved to"));
    home.queuectl(["enqueue", "--database", "./new.db", "--id", "b", "true"]).assert().success();
    home.make_file("go");
    worker.wait_for_success();
    home.queuectl(back).assert().success();
    assert_eq!((home.state("a"), home.state("b")), (State::Completed, State::Pending));
}

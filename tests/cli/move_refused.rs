//! `queuectl move`: what is refused, and stays as it was.

use super::r#move::{is_open, on_its_way, sound};
use crate::support::trials::trials;
use crate::support::{Home, both, dispatcher};
use predicates::prelude::*;
use predicates::str::contains;
use queuectl_core::State;
use std::fs;
use std::path::Path;

trials![
    what_cannot_be_moved_is_refused_and_nothing_is_changed,
    a_location_in_use_is_refused_and_kept,
    a_password_in_the_location_is_refused_and_not_repeated,
    a_job_cannot_move_its_own_queue,
    a_move_goes_on_only_to_where_it_began,
];

fn what_cannot_be_moved_is_refused_and_nothing_is_changed() {
    both(|spelling| {
        let home = Home::quick();
        home.run(spelling, ["move", "--to", "new.db"])
            .assert()
            .code(1)
            .stderr(contains("there is no queue at"));
        home.run(spelling, ["move", "--abort"]).assert().code(1).stderr(contains("there is no queue at"));
        assert!(!home.database().exists() && !home.path("new.db").exists(), "none is made");
        home.enqueue("a", "true");
        home.run(spelling, ["move"]).assert().code(2);
        home.run(spelling, ["move", "--to", "x", "--abort"]).assert().code(2);
        home.run(spelling, ["move", "--abort"]).assert().code(1).stderr(contains("is not being moved"));
        let own = home.database();
        std::os::unix::fs::symlink(&own, home.path("link.db")).unwrap();
        for own in [own.as_path(), Path::new("link.db")] {
            home.run(spelling, ["move", "--to"]).arg(own).assert().code(1).stderr(contains("onto itself"));
        }
        fs::write(home.path("letter"), "Dear").unwrap();
        home.run(spelling, ["move", "--to", "letter"]).assert().code(1).stderr(contains("is not a queue"));
        fs::create_dir(home.path("folder")).unwrap();
        home.run(spelling, ["move", "--to", "folder"])
            .assert()
            .code(1)
            .stderr(contains("is a folder").and(contains("folder/queue.db`")));
        home.run(spelling, ["move", "--to", "nosql://there/q"])
            .assert()
            .code(1)
            .stderr(contains("nosql://there/q"));
        home.run(spelling, ["move", "--to", "/proc/no/new.db"]).assert().code(1);
        assert_eq!(fs::read(home.path("letter")).unwrap(), b"Dear");
        home.run(spelling, ["enqueue", "--id", "b", "true"]).assert().success();
    });
}

fn a_location_in_use_is_refused_and_kept() {
    both(|spelling| {
        let (home, other) = (Home::quick(), Home::quick());
        home.enqueue("a", "true");
        other.enqueue("b", "true");
        home.run(spelling, ["move", "--to"])
            .arg(other.database())
            .assert()
            .code(1)
            .stderr(contains("has jobs or workers of its own").and(contains("\nhint: ")));
        home.enqueue("c", "true");
        other.enqueue("d", "true");
        assert_eq!((sound(&home, &home.database()), sound(&other, &other.database())), (2, 2));
        // Nor where it was moved before, nor to a queue that has left.
        home.queuectl(["move", "--to", "new.db"]).assert().success();
        home.run(spelling, ["move", "--to", "new.db"])
            .assert()
            .code(1)
            .stderr(contains("has moved to").and(contains("already")));
        home.run(spelling, ["move", "--to", "third.db"]).assert().code(1).stderr(contains("has moved to"));
        other
            .run(spelling, ["move", "--to"])
            .arg(home.database())
            .assert()
            .code(75)
            .stderr(contains("has moved to"));
        assert!(is_open(&other, &other.database()));
    });
}

fn a_password_in_the_location_is_refused_and_not_repeated() {
    both(|spelling| {
        let home = Home::quick();
        home.enqueue("a", "true");
        home.run(spelling, ["move", "--to", "postgres://me:secret@localhost/q"])
            .assert()
            .code(1)
            .stdout("")
            .stderr(
                contains("postgres://me@localhost/q")
                    .and(contains("~/.pgpass"))
                    .and(contains("secret").not()),
            );
        home.enqueue("b", "true");
    });
}

fn a_job_cannot_move_its_own_queue() {
    let home = Home::quick();
    home.enqueue_once("mover", &format!("{} move --to new.db", dispatcher()));
    home.drain();
    assert_eq!(home.state("mover"), State::Dead);
    home.queuectl(["logs", "mover"]).assert().success().stdout(contains("wait for its own end"));
    home.enqueue("next", "true");
    // That of another queue it can.
    let other = Home::quick();
    other.enqueue("a", "true");
    let line = format!("{} move --to there.db --database {}", dispatcher(), other.database().display());
    home.enqueue_once("other", &line);
    home.drain();
    assert_eq!(home.state("other"), State::Completed);
}

fn a_move_goes_on_only_to_where_it_began() {
    both(|spelling| {
        let (home, mut worker) = on_its_way();
        home.run(spelling, ["move", "--to", "other.db"])
            .assert()
            .code(1)
            .stderr(contains("is being moved to").and(contains("new.db already")))
            .stderr(contains("queuectl move --to").and(contains("queuectl move --abort")));
        assert!(!home.path("other.db").exists());
        home.make_file("go");
        worker.wait_for_success();
        // However it is spelled.
        std::os::unix::fs::symlink("new.db", home.path("link.db")).unwrap();
        home.run(spelling, ["move", "--to", "link.db"]).assert().success();
        assert_eq!(sound(&home, &home.path("new.db")), 2);
        assert!(is_open(&home, &home.path("new.db")) && !is_open(&home, &home.database()));
    });
}

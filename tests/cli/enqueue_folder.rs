//! In which folder a job runs, and what is said if it is not there.

use crate::support::trials::trials;
use crate::support::{Home, NO_WORKER, Spelling, both};
use predicates::str::{contains, starts_with};
use queuectl_core::{Outcome, State};
use std::fs;

trials![
    a_folder_that_was_named_need_not_be_here,
    a_current_folder_that_is_gone_does_not_matter_if_another_is_named,
    a_folder_that_is_missing_at_the_start_is_told_as_such_and_charged,
];

fn a_folder_that_was_named_need_not_be_here() {
    both(|spelling| {
        let home = Home::quick();
        let later = home.path("later");
        let later = later.to_str().unwrap();
        let json = format!(r#"{{"id":"json","command":"pwd","cwd":"{later}"}}"#);
        for arguments in [
            vec!["pwd", "--id", "flag", "--cwd", later],
            vec!["--id", "relative", "--cwd", "later", "pwd"],
            vec![&json],
        ] {
            home.run(spelling, [&["enqueue"], &arguments[..]].concat())
                .assert()
                .success()
                .stderr(starts_with(format!("{NO_WORKER}hint: no folder {later} is here")));
        }
        home.run(spelling, ["enqueue", "--file", "-"])
            .write_stdin(json.replace("\"json\"", "\"file\""))
            .assert()
            .success();
        fs::create_dir(later).unwrap();
        home.run(spelling, ["enqueue", "--cwd", later, "--id", "here", "pwd"])
            .assert()
            .success()
            .stderr(NO_WORKER);
        home.drain();
        for id in ["flag", "relative", "json", "file", "here"] {
            assert_eq!(home.stdout(["logs", id]).trim_end(), later, "{id}");
        }
    });
}

fn a_current_folder_that_is_gone_does_not_matter_if_another_is_named() {
    both(|spelling| {
        let home = Home::quick();
        fs::create_dir(home.path("gone")).unwrap();
        let typed =
            |line: &str| home.typed(Spelling::Dispatched, &format!("cd gone && rmdir ../gone && {line}"));
        let name = if spelling == Spelling::Direct { "queuectl-enqueue" } else { "queuectl enqueue" };
        typed(&format!("{name} --cwd / --id a pwd")).assert().success();
        for line in ["true", "--cwd here true"] {
            fs::create_dir(home.path("gone")).unwrap();
            typed(&format!("{name} {line}"))
                .assert()
                .code(1)
                .stderr(contains("cannot find the current folder"));
        }
        home.drain();
        assert_eq!(home.stdout(["logs", "a"]), "/\n");
    });
}

fn a_folder_that_is_missing_at_the_start_is_told_as_such_and_charged() {
    let home = Home::quick();
    home.make_file("file");
    let file = home.path("file");
    for (id, folder, said) in [
        ("missing", "/no/such/folder", "its folder /no/such/folder is not there".to_owned()),
        ("file", file.to_str().unwrap(), format!("its folder {} is no folder", file.display())),
    ] {
        home.queuectl(["enqueue", "true", "--id", id, "--cwd", folder, "--max-retries", "1"])
            .assert()
            .success();
        home.drain();
        let job = home.job(id);
        assert_eq!((job.state, job.attempts), (State::Dead, 2), "each start is charged");
        assert_eq!(job.last_error, Some(said));
        assert!(home.attempts(id).iter().all(|attempt| attempt.outcome == Some(Outcome::NoFolder)));
        assert_eq!(home.json(["show", id, "--json"])["attempt_history"][0]["outcome"], "no-folder");
        home.queuectl(["show", id]).assert().success().stdout(contains("no folder"));
    }
}

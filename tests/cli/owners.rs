//! Whose files are used, and to whom belongs what is made.

use crate::support::trials::trials;
use crate::support::{Home, Spelling, both, write_script};
use assert_cmd::assert::Assert;
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

trials![
    root_is_refused_the_queue_of_a_user_and_told_what_to_type if Root,
    what_root_makes_with_as_root_belongs_to_the_user if Root,
    workers_that_root_starts_with_as_root_lock_nobody_out if Root,
    a_job_does_not_inherit_what_was_said_to_its_workers if Root,
    a_replaced_configuration_keeps_its_owner_and_mode if Root,
    a_new_configuration_belongs_to_the_owner_of_its_folder if Root,
    the_queue_of_another_user_is_refused if Root,
    a_user_may_read_a_configuration_of_root_that_only_root_can_write if Root,
    a_user_is_told_how_to_get_back_what_root_has_left if Root,
    another_users_link_leads_nowhere if Root,
    as_root_may_stand_behind_an_alias if Root,
    an_extension_or_alias_of_another_user_is_not_run if Root,
    doctor_names_owners_and_the_file_that_is_wrong if Root,
];

/// A user and another, neither of them root; no machine has names for these numbers.
const ALICE: u32 = 40_001;
const BOB: u32 = 40_002;

/// A home in which everything belongs to a user who is not root.
fn home_of_alice() -> Home {
    let home = Home::quick();
    fs::set_permissions(home.root(), Permissions::from_mode(0o755)).unwrap();
    for folder in fs::read_dir(home.root()).unwrap() {
        give(&folder.unwrap().path(), ALICE);
    }
    fs::create_dir(home.queue_folder()).unwrap();
    fs::set_permissions(home.queue_folder(), Permissions::from_mode(0o700)).unwrap();
    give(&home.queue_folder(), ALICE);
    home
}

fn give(path: &Path, user: u32) {
    chown(path, Some(user), Some(user)).unwrap();
}

/// Types a line as a user.
fn typed_by(home: &Home, user: u32, line: &str) -> Assert {
    let setpriv = format!("exec setpriv --reuid={user} --regid={user} --clear-groups -- sh -c \"$LINE\"");
    home.typed(Spelling::Dispatched, &setpriv).env("LINE", line).assert()
}

fn alice(home: &Home, line: &str) -> Assert {
    typed_by(home, ALICE, line)
}

/// Everything in the folder of the queue, with its owner.
fn files(home: &Home) -> Vec<(PathBuf, u32, u32)> {
    let entries = fs::read_dir(home.queue_folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .map(|path| {
            let found = fs::symlink_metadata(&path).unwrap();
            (path, found.uid(), found.gid())
        })
        .collect();
    files.sort();
    files
}

fn all_belong_to_alice(home: &Home) {
    for (path, uid, gid) in files(home) {
        assert_eq!((uid, gid), (ALICE, ALICE), "{}", path.display());
    }
}

fn root_is_refused_the_queue_of_a_user_and_told_what_to_type() {
    both(|spelling| {
        let home = home_of_alice();
        alice(&home, "queuectl enqueue --id a true").success();
        let before = files(&home);
        for arguments in [
            &["list"][..],
            &["status"],
            &["show", "a"],
            &["enqueue", "true"],
            &["cancel", "a"],
            &["worker", "start", "--drain"],
            &["worker", "start", "--detach"],
            &["worker", "stop"],
            &["backup", "copy.db"],
            &["prune", "--state", "dead", "--older-than", "1d"],
        ] {
            home.run(spelling, arguments)
                .assert()
                .code(1)
                .stdout("")
                .stderr(contains("belongs to the user number 40001"))
                .stderr(contains(format!(
                    "sudo -u '#40001' env QUEUECTL_HOME={} queuectl",
                    home.queue_folder().display()
                )))
                .stderr(contains("--as-root"));
        }
        assert_eq!(files(&home), before, "something was made or changed");
        assert!(!home.path("copy.db").exists());
        alice(&home, "queuectl worker start --drain && queuectl list --state completed --json")
            .success()
            .stdout(contains("\"a\""));
    });
}

fn what_root_makes_with_as_root_belongs_to_the_user() {
    both(|spelling| {
        let home = home_of_alice();
        home.run(spelling, ["enqueue", "true"]).assert().code(1).stderr(contains("--as-root"));
        assert_eq!(files(&home), []);
        home.run(spelling, ["enqueue", "--as-root", "--id", "a", "true"]).assert().success();
        all_belong_to_alice(&home);
        home.run(spelling, ["list"])
            .env("QUEUECTL_AS_ROOT", "1")
            .assert()
            .success()
            .stdout(contains("\na   true "));
        home.queuectl(["--as-root", "status"]).assert().success();
        home.run(spelling, ["config", "set", "max-retries", "5", "--as-root"]).assert().success();
        let new = home.queue_folder().join("sub/new.db");
        home.run(spelling, ["enqueue", "--as-root", "--database", new.to_str().unwrap(), "true"])
            .assert()
            .success();
        assert_eq!(fs::metadata(&new).unwrap().uid(), ALICE);
        home.run(spelling, ["backup", "copy.db", "--as-root"]).assert().success();
        assert_eq!(fs::metadata(home.path("copy.db")).unwrap().uid(), ALICE, "it is a copy of alice's");
        all_belong_to_alice(&home);
        alice(&home, "queuectl enqueue --id b true && queuectl config set max-retries 6").success();
        alice(&home, "queuectl worker start --drain").success();
        all_belong_to_alice(&home);
    });
}

fn workers_that_root_starts_with_as_root_lock_nobody_out() {
    let home = home_of_alice();
    alice(&home, "queuectl enqueue --id a true").success();
    home.queuectl(["worker", "start", "--detach", "--as-root"]).assert().success();
    all_belong_to_alice(&home);
    home.queuectl(["worker", "stop", "--as-root"]).assert().success();
    assert!(home.queue_folder().join("worker.log").exists());
    all_belong_to_alice(&home);
    alice(&home, "queuectl start && queuectl stop && queuectl enqueue --id b true").success();
    alice(&home, "queuectl worker start --drain").success();
}

fn a_job_does_not_inherit_what_was_said_to_its_workers() {
    let home = home_of_alice();
    alice(&home, "queuectl enqueue --id a 'echo ${QUEUECTL_AS_ROOT-nothing}; id -u'").success();
    home.queuectl(["--as-root", "worker", "start", "--drain"]).assert().success();
    home.queuectl(["logs", "a"]).env("QUEUECTL_AS_ROOT", "1").assert().success().stdout("nothing\n0\n");
}

fn a_replaced_configuration_keeps_its_owner_and_mode() {
    let home = home_of_alice();
    home.configure("max-retries = 4\n");
    give(&home.config_file(), ALICE);
    fs::set_permissions(home.config_file(), Permissions::from_mode(0o640)).unwrap();
    for words in [["set", "max-retries", "5"].as_slice(), &["unset", "max-retries"], &["get", "max-retries"]]
    {
        let words = || ["config"].into_iter().chain(words.iter().copied());
        home.queuectl(words()).assert().code(1).stderr(contains("belongs to").and(contains("--as-root")));
        home.queuectl(words().chain(["--as-root"])).assert().success();
        let found = fs::metadata(home.config_file()).unwrap();
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (ALICE, ALICE, 0o640));
    }
    all_belong_to_alice(&home);
    alice(&home, "queuectl config set max-retries 7").success();
}

fn a_new_configuration_belongs_to_the_owner_of_its_folder() {
    let home = home_of_alice();
    home.queuectl(["config", "set", "max-retries", "5"]).assert().code(1).stderr(contains("--as-root"));
    assert_eq!(files(&home), []);
    home.queuectl(["config", "set", "max-retries", "5", "--as-root"]).assert().success();
    let deep = home.user_home().join("a/b/config.toml");
    home.queuectl(["config", "set", "max-retries", "5", "--as-root", "--config"])
        .arg(&deep)
        .assert()
        .success();
    for path in [deep.as_path(), deep.parent().unwrap(), &home.user_home().join("a")] {
        assert_eq!(fs::metadata(path).unwrap().uid(), ALICE, "{}", path.display());
    }
    all_belong_to_alice(&home);
    alice(&home, "queuectl config get max-retries").success().stdout("5\n");
}

fn the_queue_of_another_user_is_refused() {
    let home = home_of_alice();
    alice(&home, "queuectl enqueue --id a true").success();
    // As it would be shared by a user who does not know better.
    fs::set_permissions(home.queue_folder(), Permissions::from_mode(0o777)).unwrap();
    for entry in fs::read_dir(home.queue_folder()).unwrap() {
        fs::set_permissions(entry.unwrap().path(), Permissions::from_mode(0o666)).unwrap();
    }
    let before = files(&home);
    for line in ["enqueue true", "list", "worker start --drain", "--as-root enqueue true"] {
        typed_by(&home, BOB, &format!("queuectl {line}"))
            .code(1)
            .stdout("")
            .stderr(contains("belongs to the user number 40001"))
            .stderr(contains("hint: name a queue of your own with `--database PATH`"));
    }
    assert_eq!(files(&home), before);
    // The same with a configuration that leads somewhere else.
    fs::write(home.config_file(), "[alias]\nlist-all = \"list\"\n").unwrap();
    give(&home.config_file(), ALICE);
    fs::set_permissions(home.config_file(), Permissions::from_mode(0o644)).unwrap();
    for line in ["list-all", "config get max-retries", "config set max-retries 5"] {
        typed_by(&home, BOB, &format!("queuectl {line}"))
            .code(1)
            .stderr(contains("config.toml belongs to the user number 40001").and(contains("--config FILE")));
    }
}

fn a_user_may_read_a_configuration_of_root_that_only_root_can_write() {
    let home = home_of_alice();
    let file = home.root().join("system.toml");
    fs::write(&file, "max-retries = 9\n").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let line = format!("queuectl config get max-retries --config {}", file.display());
    alice(&home, &line).success().stdout("9\n");
    alice(&home, &line.replace("get max-retries", "set max-retries 3"))
        .code(1)
        .stderr(contains("belongs to root"));
    fs::set_permissions(&file, Permissions::from_mode(0o646)).unwrap();
    alice(&home, &line).code(1).stderr(contains("every user").and(contains("chmod o-w")));
    home.typed(Spelling::Dispatched, &line).assert().code(1).stderr(contains("every user"));
}

fn a_user_is_told_how_to_get_back_what_root_has_left() {
    for name in
        ["queue.db", "queue.db-workers", "queue.db-wal", "config.toml", "config.toml.lock", "worker.log"]
    {
        let home = home_of_alice();
        alice(&home, "queuectl enqueue --id a true && queuectl config set max-retries 5").success();
        alice(&home, "queuectl worker start --drain").success();
        let file = home.queue_folder().join(name);
        fs::write(&file, fs::read(&file).unwrap_or_default()).unwrap();
        give(&file, 0);
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        let line = match name {
            "config.toml.lock" => "queuectl config set max-retries 6",
            _ => "queuectl start",
        };
        let assert = alice(&home, line).code(1).stdout("");
        let said = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        if name == "config.toml" {
            assert!(said.contains("config.toml"), "{said}");
            continue;
        }
        assert!(said.contains(&format!("{} belongs to root", file.display())), "{name}: {said}");
        assert!(said.contains(&format!("sudo chown 40001 {}", file.display())), "{name}: {said}");
        give(&file, ALICE);
        alice(&home, line).success();
        alice(&home, "queuectl stop").success();
    }
}

/// The flag is the alias's program's, and matters before that is known.
fn as_root_may_stand_behind_an_alias() {
    let home = home_of_alice();
    alice(&home, "queuectl config set alias.shown list && queuectl enqueue --id a true").success();
    for line in ["ls --as-root", "shown --as-root", "--as-root shown"] {
        home.queuectl(line.split(' ')).assert().success().stdout(contains("\na   true "));
    }
    home.queuectl(["shown"]).assert().code(1).stderr(contains("--as-root"));
    home.queuectl(["add", "--", "--as-root"]).assert().code(1).stderr(contains("--as-root"));
}

fn another_users_link_leads_nowhere() {
    let home = home_of_alice();
    fs::set_permissions(home.queue_folder(), Permissions::from_mode(0o1777)).unwrap();
    let mine = home.path("mine.toml");
    fs::write(&mine, "max-retries = 5\n").unwrap();
    give(&mine, ALICE);
    let link = home.config_file();
    std::os::unix::fs::symlink(&mine, &link).unwrap();
    std::os::unix::fs::lchown(&link, Some(BOB), Some(BOB)).unwrap();
    alice(&home, "queuectl config set max-retries 6")
        .code(1)
        .stderr(contains("belongs to the user number 40002"));
    alice(&home, "queuectl config get max-retries")
        .code(1)
        .stderr(contains("belongs to the user number 40002"));
    assert_eq!(fs::read_to_string(&mine).unwrap(), "max-retries = 5\n");
    std::os::unix::fs::lchown(&link, Some(ALICE), Some(ALICE)).unwrap();
    alice(&home, "queuectl config set max-retries 6 && queuectl config get max-retries").success();
    assert_eq!(fs::read_to_string(&mine).unwrap(), "max-retries = 6\n");
}

fn an_extension_or_alias_of_another_user_is_not_run() {
    let home = home_of_alice();
    let program = home.path("queuectl-hello");
    write_script(&program, "#!/bin/sh\necho hello\n");
    give(&program, ALICE);
    let path = || home.path("").display().to_string();
    let elsewhere = home.root().join("root");
    let as_root = |line: &str| {
        home.typed(Spelling::Dispatched, &format!("PATH=\"$PATH:{}\"; {line}", path()))
            .env("QUEUECTL_HOME", &elsewhere)
            .assert()
    };
    as_root("queuectl hello").code(126).stdout("").stderr(contains("belongs to the user number 40001"));
    as_root("queuectl --as-root hello").success().stdout("hello\n");
    alice(&home, &format!("PATH=\"$PATH:{}\"; queuectl hello", path())).success().stdout("hello\n");
    give(&program, BOB);
    alice(&home, &format!("PATH=\"$PATH:{}\"; queuectl hello", path()))
        .code(126)
        .stdout("")
        .stderr(contains("belongs to the user number 40002").and(contains("hint: ")));
    give(&program, 0);
    alice(&home, &format!("PATH=\"$PATH:{}\"; queuectl hello", path())).success().stdout("hello\n");
    fs::set_permissions(&program, Permissions::from_mode(0o777)).unwrap();
    as_root("queuectl hello").code(126).stdout("").stderr(contains("every user"));

    home.configure("[alias]\nhi = \"status\"\n");
    give(&home.config_file(), ALICE);
    home.queuectl(["hi"]).assert().code(1).stderr(contains("belongs to the user number 40001"));
    home.queuectl(["--as-root", "hi"]).assert().success();
}

fn doctor_names_owners_and_the_file_that_is_wrong() {
    let home = home_of_alice();
    alice(&home, "queuectl enqueue --id a true && queuectl worker start --drain").success();
    alice(&home, "queuectl doctor")
        .success()
        .stdout(contains("owner: all of it belongs to the user number 40001"));
    home.queuectl(["doctor"])
        .assert()
        .code(1)
        .stdout(contains("queue.db belongs to the user number 40001"))
        .stdout(contains("sudo -u '#40001' env QUEUECTL_HOME="));
    home.queuectl(["doctor", "--as-root"])
        .assert()
        .success()
        .stdout(contains("belongs to the user number 40001"));
    let lock_file = home.queue_folder().join("queue.db-workers");
    give(&lock_file, 0);
    alice(&home, "queuectl doctor")
        .code(1)
        .stdout(contains(format!("error    owner: {} belongs to root", lock_file.display())))
        .stdout(contains(format!("sudo chown 40001 {}", lock_file.display())));
    home.configure("");
    give(&home.config_file(), ALICE);
    home.queuectl(["doctor"])
        .assert()
        .code(1)
        .stdout(contains("config.toml belongs to").and(contains("--as-root")));
}

//! Tests of changes to the user's file.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::thread;

use super::*;
use crate::overrides::Overrides;
use crate::places::Surroundings;

/// A user whose configuration file is `config/q.toml` in a folder of its own.
struct User {
    folder: tempfile::TempDir,
}

impl User {
    fn new() -> User {
        User { folder: tempfile::tempdir().unwrap() }
    }

    /// A user whose file has this text already.
    fn with(text: &str) -> User {
        let user = User::new();
        fs::create_dir(user.folder.path().join("config")).unwrap();
        fs::write(user.file(), text).unwrap();
        user
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("config/q.toml")
    }

    fn places(&self) -> Places {
        let overrides = Overrides { config: Some(self.file()), ..Overrides::default() };
        let surroundings = Surroundings {
            variable: &|_| None,
            home: None,
            config_folder: Some("/nowhere".into()),
            data_folder: Some("/nowhere".into()),
            state_folder: Some("/nowhere".into()),
        };
        Places::find(&overrides, &surroundings).unwrap()
    }

    fn set(&self, key: &str, value: &str) -> Result<Change, SettingsError> {
        set(&self.places(), key, value)
    }

    fn unset(&self, key: &str) -> Result<bool, SettingsError> {
        unset(&self.places(), key)
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }
}

#[test]
fn the_first_change_makes_the_file_and_its_folder_for_the_user_alone() {
    let user = User::new();
    let change = user.set("max_retries", "5").unwrap();
    assert_eq!(
        change,
        Change { key: "max-retries".into(), value: "5".into(), file: user.file(), location: None }
    );
    assert_eq!(user.text(), "max-retries = 5\n");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&user.file()), 0o600);
    assert_eq!(mode(user.file().parent().unwrap()), 0o700);
    let left: Vec<_> =
        fs::read_dir(user.file().parent().unwrap()).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "the file and its lock: {left:?}");
}

#[test]
fn what_is_refused_leaves_nothing_behind() {
    let user = User::new();
    for key in ["max-retrys", "alias", "", "home"] {
        assert!(matches!(user.set(key, "5"), Err(SettingsError::UnknownKey { .. })), "{key}");
        assert!(matches!(user.unset(key), Err(SettingsError::UnknownKey { .. })), "{key}");
    }
    for (key, value) in [
        ("max-retries", "-1"),
        ("poll-interval", "0"),
        ("backoff-base", "nan"),
        ("log-level", "LOUD"),
        ("database", ""),
        ("alias.x", "enqueue 'open"),
    ] {
        assert!(matches!(user.set(key, value), Err(SettingsError::Value(_))), "{key} {value}");
    }
    for key in ["alias.", "alias.X", "alias.a/b", "alias.a.b"] {
        assert!(matches!(user.set(key, "worker stop"), Err(SettingsError::AliasName { .. })), "{key}");
    }
    assert!(!user.unset("max-retries").unwrap());
    assert_eq!(fs::read_dir(user.folder.path()).unwrap().count(), 0);
}

#[test]
fn numbers_are_written_as_numbers_and_the_rest_as_it_was_typed() {
    for (key, typed, written) in [
        ("max-retries", "007", "max-retries = 7\n"),
        ("backoff-base", "1.50", "backoff-base = 1.50\n"),
        ("backoff-base", ".5", "backoff-base = 0.5\n"),
        ("backoff-base", "3", "backoff-base = 3\n"),
        ("poll-interval", "4", "poll-interval = 4\n"),
        ("poll-interval", "0.5", "poll-interval = 0.5\n"),
        ("poll-interval", "1h 30m", "poll-interval = \"1h 30m\"\n"),
        ("output-limit", "1048576", "output-limit = 1048576\n"),
        ("output-limit", "256KiB", "output-limit = \"256KiB\"\n"),
        ("log-level", "warn", "log-level = \"warn\"\n"),
        ("db-path", "~/q.db", "database = \"~/q.db\"\n"),
        ("database", "postgres://h/q", "database = \"postgres://h/q\"\n"),
        ("alias.x", "enqueue -- 'a b'", "[alias]\nx = \"enqueue -- 'a b'\"\n"),
    ] {
        let user = User::new();
        user.set(key, typed).unwrap();
        assert_eq!(user.text(), written);
        assert_eq!(read_guarded(&user.text(), Path::new("q")).1, [], "{written}");
    }
}

#[test]
fn a_change_keeps_comments_order_and_forms() {
    let user = User::with(
        "# mine\n\nworker-count   =  0x4 # four\n# patience\nbackoff_base = 3   # was 2\npoll-interval = '1s'\n\n[alias]\n# go\nstart = 'worker start'\n# end\n",
    );
    user.set("backoff-base", "1.5").unwrap();
    user.set("max-retries", "9").unwrap();
    user.set("alias.start", "worker start --detach").unwrap();
    user.set("alias.halt", "worker stop").unwrap();
    assert_eq!(
        user.text(),
        "# mine\n\nworker-count   =  0x4 # four\n# patience\nbackoff-base = 1.5   # was 2\npoll-interval = '1s'\nmax-retries = 9\n\n[alias]\n# go\nstart = \"worker start --detach\"\nhalt = \"worker stop\"\n# end\n"
    );
}

#[test]
fn a_change_replaces_every_spelling_of_its_key() {
    let user = User::with(
        "exp_backoff_base = 2\nworker-count = 1\nbackoff_base = 3\n[alias]\ndlq_all = 'dlq list'\n",
    );
    user.set("exp-backoff-base", "4").unwrap();
    user.set("alias.dlq_all", "dlq list --json").unwrap();
    assert_eq!(user.text(), "backoff-base = 4\nworker-count = 1\n[alias]\ndlq-all = \"dlq list --json\"\n");
}

#[test]
fn aliases_may_be_inline_or_dotted() {
    let user = User::with("alias = { start = 'a', stop = 'b' }\n");
    user.set("alias.stop", "c").unwrap();
    user.set("alias.more", "d").unwrap();
    assert_eq!(user.text(), "alias = { start = 'a', stop = \"c\" , more = \"d\" }\n");
    assert!(user.unset("alias.stop").unwrap());
    assert_eq!(user.text(), "alias = { start = 'a', more = \"d\" }\n");

    let user = User::with("# go\nalias.start = 'a'\nmax-retries = 1\n");
    user.set("alias.start", "b").unwrap();
    user.set("alias.stop", "c").unwrap();
    user.set("max-retries", "2").unwrap();
    assert_eq!(user.text(), "# go\nalias.start = \"b\"\nalias.stop = \"c\"\nmax-retries = 2\n");
    assert!(user.unset("alias.start").unwrap());
    assert_eq!(user.text(), "# go\nalias.stop = \"c\"\nmax-retries = 2\n");
}

#[test]
fn a_file_of_comments_keeps_them_above() {
    let user = User::with("# mine\n\n# really");
    user.set("max-retries", "5").unwrap();
    assert_eq!(user.text(), "# mine\n\n# really\nmax-retries = 5\n");
    let user = User::with("# mine\n");
    user.set("alias.x", "worker stop").unwrap();
    assert_eq!(user.text(), "# mine\n[alias]\nx = \"worker stop\"\n");
}

#[test]
fn line_ends_stay_what_they_are() {
    let user = User::with("# mine\r\nmax-retries = 3\r\n");
    user.set("poll-interval", "4").unwrap();
    assert_eq!(user.text(), "# mine\r\nmax-retries = 3\r\npoll-interval = 4\r\n");
    assert!(user.unset("max-retries").unwrap());
    assert_eq!(user.text(), "# mine\r\npoll-interval = 4\r\n");
}

#[test]
fn unset_takes_the_line_and_leaves_the_comments() {
    let user = User::with(
        "# mine\n\n# patience\nexp_backoff_base = 3 # was 2\nmax-retries = 5\n[alias]\nx = 'worker stop'",
    );
    assert!(user.unset("backoff-base").unwrap());
    assert!(user.unset("alias.x").unwrap());
    assert_eq!(user.text(), "# mine\n\n# patience\nmax-retries = 5\n[alias]\n");
    assert!(!user.unset("backoff-base").unwrap());
    assert!(!user.unset("alias.x").unwrap());
    assert!(!user.unset("alias.start").unwrap());
}

#[test]
fn a_broken_file_is_not_changed() {
    for (text, line) in [
        ("max-retries = 3\nworker-count = \n", 2),
        ("max-retries = 3\ncolour = 'red'\n", 2),
        ("worker-count = 0\n", 1),
    ] {
        let user = User::with(text);
        for result in [user.set("max-retries", "5").map(drop), user.unset("max-retries").map(drop)] {
            let Err(SettingsError::File(problem)) = result else { panic!("{text} was changed") };
            assert_eq!((&problem.file, problem.line), (&user.file(), line));
        }
        assert_eq!(user.text(), text);
    }
}

#[test]
fn a_change_mends_what_is_wrong_with_its_own_key() {
    let user = User::with("max-retries = 'x'\n");
    user.set("max-retries", "5").unwrap();
    assert_eq!(user.text(), "max-retries = 5\n");
    let user = User::with("max_retries = 1\nmax-retries = 'x'\n[alias]\ny = 3\n");
    assert!(user.set("alias.y", "worker stop").is_err());
    let user = User::with("max_retries = 1\nmax-retries = 'x'\n");
    assert!(user.unset("max-retries").unwrap());
    assert_eq!(user.text(), "");
}

#[test]
fn the_mode_of_the_file_stays() {
    let user = User::with("");
    fs::set_permissions(user.file(), fs::Permissions::from_mode(0o640)).unwrap();
    user.set("max-retries", "5").unwrap();
    assert_eq!(fs::metadata(user.file()).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn a_link_stays_a_link_and_what_it_names_is_changed() {
    let user = User::with("");
    let real = user.folder.path().join("real.toml");
    fs::remove_file(user.file()).unwrap();
    symlink("../real.toml", user.file()).unwrap();
    user.set("max-retries", "5").unwrap();
    assert!(fs::symlink_metadata(user.file()).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&real).unwrap(), "max-retries = 5\n");
    user.set("worker-count", "2").unwrap();
    assert_eq!(fs::read_to_string(&real).unwrap(), "max-retries = 5\nworker-count = 2\n");
}

#[test]
fn a_folder_or_a_device_is_never_replaced() {
    let user = User::with("");
    fs::remove_file(user.file()).unwrap();
    symlink("/dev/null", user.file()).unwrap();
    assert!(matches!(user.set("max-retries", "5"), Err(SettingsError::NotAFile { .. })));
    fs::remove_file(user.file()).unwrap();
    fs::create_dir(user.file()).unwrap();
    assert!(matches!(user.set("max-retries", "5"), Err(SettingsError::NotAFile { .. })));
}

#[test]
fn changes_at_the_same_time_are_all_kept() {
    let user = User::new();
    thread::scope(|scope| {
        for number in 0..16 {
            let user = &user;
            scope.spawn(move || user.set(&format!("alias.a{number}"), "worker stop").unwrap());
        }
    });
    let (layer, problems) = read_guarded(&user.text(), Path::new("q"));
    assert_eq!((layer.aliases.len(), problems.len()), (16, 0));
}

#[test]
fn a_password_is_neither_typed_nor_repeated() {
    let user = User::new();
    for url in ["postgres://me:secret@db/q", "postgres://me@db/q?password=secret"] {
        let error = user.set("db-path", url).unwrap_err();
        assert!(matches!(error, SettingsError::PasswordTyped { .. }));
        assert!(
            !error.to_string().contains("secret") && error.hint().unwrap().contains("~/.pgpass"),
            "{error}"
        );
    }
    assert!(!user.file().exists());
    assert_eq!(user.set("database", "postgres://me@db/q").unwrap().value, "postgres://me@db/q");
}

#[test]
fn other_keys_of_a_file_with_a_password_can_be_changed_if_it_is_private() {
    let text = "database = 'postgres://me:secret@db/q'\n";
    let user = User::with(text);
    let allow = |mode| fs::set_permissions(user.file(), fs::Permissions::from_mode(mode)).unwrap();
    allow(0o644);
    assert!(matches!(user.set("max-retries", "5"), Err(SettingsError::File(_))));
    assert_eq!(user.text(), text);
    allow(0o600);
    user.set("max-retries", "5").unwrap();
    assert_eq!(user.text(), format!("{text}max-retries = 5\n"));
    assert_eq!(fs::metadata(user.file()).unwrap().permissions().mode() & 0o777, 0o600);
    // What mends it is allowed.
    allow(0o644);
    user.set("database", "postgres://me@db/q").unwrap();
    assert!(!user.text().contains("secret"));
}

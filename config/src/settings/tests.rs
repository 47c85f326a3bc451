//! Tests of the layers.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::places::Surroundings;

/// A user with a home folder, variables and flags.
struct User {
    home: tempfile::TempDir,
    variables: Vec<(&'static str, &'static str)>,
    overrides: Overrides,
}

impl User {
    fn new() -> User {
        User { home: tempfile::tempdir().unwrap(), variables: Vec::new(), overrides: Overrides::default() }
    }

    /// A user whose file has this text.
    fn with(text: &str) -> User {
        let user = User::new();
        fs::create_dir(user.home.path().join(".queuectl")).unwrap();
        fs::write(user.file(), text).unwrap();
        user
    }

    fn variable(mut self, name: &'static str, value: &'static str) -> User {
        self.variables.push((name, value));
        self
    }

    fn flag(mut self, key: Key, value: &str) -> User {
        self.overrides = self.overrides.with(key, Some(value));
        self
    }

    fn file(&self) -> PathBuf {
        self.home.path().join(".queuectl/config.toml")
    }

    fn load(&self) -> Result<Settings, SettingsError> {
        let variable = |name: &str| {
            let found = self.variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let surroundings = Surroundings {
            variable: &variable,
            home: Some(self.home.path().to_owned()),
            config_folder: Some(self.home.path().join("config")),
            data_folder: Some(self.home.path().join("data")),
            state_folder: Some(self.home.path().join("state")),
        };
        Settings::load_from(&self.overrides, &surroundings)
    }
}

#[test]
fn queuectl_toml_is_valid_and_has_every_key_in_order() {
    let (layer, problems) = file::read(DEFAULTS, Path::new("queuectl.toml"));
    assert_eq!(problems, []);
    assert_eq!(layer.readings.keys().copied().collect::<Vec<_>>(), Key::ALL);
    let document: toml_edit::DocumentMut = DEFAULTS.parse().unwrap();
    let names: Vec<_> = document.iter().map(|(name, _)| name.to_owned()).collect();
    let known: Vec<_> = Key::ALL.into_iter().map(Key::name).chain(["alias"]).collect();
    assert_eq!(names, known);
}

#[test]
fn every_setting_is_described_with_its_unit() {
    for entry in User::new().load().unwrap().entries() {
        assert!(entry.description.len() > 20, "{entry:?}");
        assert!(!entry.unit.is_empty(), "{entry:?}");
    }
}

#[test]
fn without_file_and_variables_the_defaults_are_those_promised() {
    let user = User::new();
    let settings = user.load().unwrap();
    assert_eq!(settings.max_retries(), 3);
    assert_eq!(
        settings.retry_policy(),
        RetryPolicy { base: 2.0, max: Duration::from_hours(24), crash_limit: 5 }
    );
    assert_eq!(settings.poll_interval(), Duration::from_secs(2));
    assert_eq!((settings.worker_count(), settings.concurrency()), (1, 1));
    assert_eq!(settings.job_timeout(), None);
    assert_eq!(settings.kill_grace(), Duration::from_secs(2));
    assert_eq!(settings.output_limit(), 1 << 20);
    assert_eq!(settings.busy_timeout(), Duration::from_secs(30));
    assert_eq!(settings.connect_timeout(), Duration::from_secs(10));
    assert_eq!(settings.lease(), Duration::from_secs(30));
    assert_eq!(settings.log_level(), LogLevel::Info);
    assert_eq!(settings.database(), &Location::File(user.home.path().join("data/queuectl/queue.db")));
    assert_eq!(settings.aliases()["start"], "worker start --detach");
    assert_eq!(settings.aliases().len(), 12);
    assert_eq!(settings.get("backoff-max").unwrap(), "24h");
    assert!(settings.entries().iter().all(|entry| entry.origin == Origin::Default));
}

#[test]
fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
    let user = User::with("max_retries = 4\npoll-interval = 4\nworker-count = 4\n")
        .variable("QUEUECTL_MAX_RETRIES", "5")
        .variable("QUEUECTL_POLL_INTERVAL", "5s")
        .flag(Key::MaxRetries, "99")
        .flag(Key::MaxRetries, "6");
    let settings = user.load().unwrap();
    let origin =
        |key: &str| settings.entries().into_iter().find(|entry| entry.key == key).unwrap().origin.to_string();
    assert_eq!((settings.get("max-retries").unwrap(), origin("max-retries")), ("6", "flag".to_owned()));
    assert_eq!(
        (settings.get("poll_interval").unwrap(), origin("poll-interval")),
        ("5s", "environment (QUEUECTL_POLL_INTERVAL)".to_owned())
    );
    let file = format!("file ({})", user.file().display());
    assert_eq!((settings.get("worker-count").unwrap(), origin("worker-count")), ("4", file));
    assert_eq!((settings.get("crash-limit").unwrap(), origin("crash-limit")), ("5", "default".to_owned()));
}

#[test]
fn every_key_has_a_variable_and_an_empty_one_counts_as_unset() {
    for (key, value) in [
        ("QUEUECTL_BACKOFF_BASE", "7"),
        ("QUEUECTL_BACKOFF_MAX", "7s"),
        ("QUEUECTL_WORKER_COUNT", "7"),
        ("QUEUECTL_CONCURRENCY", "7"),
        ("QUEUECTL_JOB_TIMEOUT", "7s"),
        ("QUEUECTL_KILL_GRACE", "7s"),
        ("QUEUECTL_CRASH_LIMIT", "7"),
        ("QUEUECTL_OUTPUT_LIMIT", "7KiB"),
        ("QUEUECTL_BUSY_TIMEOUT", "7s"),
        ("QUEUECTL_CONNECT_TIMEOUT", "7s"),
        ("QUEUECTL_LOG_LEVEL", "ERROR"),
        ("QUEUECTL_DATABASE", "/7.db"),
    ] {
        let name = key["QUEUECTL_".len()..].to_ascii_lowercase();
        let settings = User::new().variable(key, value).load().unwrap();
        assert_eq!(settings.get(&name).unwrap(), value);
        let settings = User::new().variable(key, "").load().unwrap();
        assert_ne!(settings.get(&name).unwrap(), value);
    }
}

#[test]
fn a_bad_variable_is_an_error_that_names_it_even_behind_a_flag() {
    let user = User::new().variable("QUEUECTL_MAX_RETRIES", "many").flag(Key::MaxRetries, "1");
    let error = user.load().unwrap_err();
    assert_eq!(
        error.to_string(),
        "QUEUECTL_MAX_RETRIES: `many` is not a value of max-retries; expected a whole number from 0 to 1000000"
    );
    assert!(error.hint().unwrap().contains("unset QUEUECTL_MAX_RETRIES"));
}

#[test]
fn a_bad_flag_is_an_error() {
    for (key, value) in [(Key::Database, ""), (Key::LogLevel, "loud")] {
        assert!(matches!(User::new().flag(key, value).load(), Err(SettingsError::Flag(_))));
    }
}

#[test]
fn a_broken_file_is_an_error_that_names_its_line() {
    for (text, line) in [
        ("max-retries = 3\n\nworker-count = = 1\n", 3),
        ("max-retrys = 3\n", 1),
        ("# x\nmax-retries = -1\n", 2),
        ("# x\nmax-retries = 1\nmax_retries = 2\n", 3),
    ] {
        let user = User::with(text);
        // Not hidden by what is stronger.
        let user = user.variable("QUEUECTL_MAX_RETRIES", "5");
        let error = user.load().unwrap_err();
        assert!(error.to_string().starts_with(&format!("{}:{line}:", user.file().display())), "{error}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_that_names_it() {
    let user = User::with("");
    fs::remove_file(user.file()).unwrap();
    fs::create_dir(user.file()).unwrap();
    let error = user.load().unwrap_err();
    assert!(matches!(error, SettingsError::Unfit(_)));
    assert!(error.to_string().contains(&user.file().display().to_string()), "{error}");

    let user = User::with("");
    fs::write(user.file(), b"max-retries = 3\n\xff\n").unwrap();
    let error = user.load().unwrap_err();
    assert!(error.to_string().ends_with("config.toml:2:1: this is not UTF-8 text"), "{error}");
}

#[test]
fn a_file_that_is_named_must_exist_and_another_need_not() {
    let user = User::with("");
    fs::remove_file(user.file()).unwrap();
    assert!(user.load().is_ok());
    let user = user.variable("QUEUECTL_CONFIG", "/nowhere/q.toml");
    assert!(matches!(user.load(), Err(SettingsError::Missing { .. })));
}

#[test]
fn a_relative_database_starts_at_the_folder_of_its_file_or_where_it_was_typed() {
    let settings = User::with("db_path = 'jobs/q.db'\n").load().unwrap();
    let file = settings.places().config_file().with_file_name("jobs/q.db");
    assert_eq!(settings.database(), &Location::File(file.clone()));
    assert_eq!(settings.get("db-path").unwrap(), file.to_str().unwrap());

    let here = std::env::current_dir().unwrap().join("jobs/q.db");
    let settings = User::new().variable("QUEUECTL_DATABASE", "jobs/q.db").load().unwrap();
    assert_eq!(settings.database(), &Location::File(here.clone()));
    let settings = User::new().flag(Key::Database, "jobs/q.db").load().unwrap();
    assert_eq!(settings.database(), &Location::File(here));
}

#[test]
fn a_database_may_be_below_the_home_folder_or_a_url_or_the_default_again() {
    let user = User::with("database = '~/q.db'\n");
    assert_eq!(user.load().unwrap().database(), &Location::File(user.home.path().join("q.db")));
    let user = User::with("database = 'postgresql://h/q'\n");
    assert_eq!(user.load().unwrap().database(), &Location::Url("postgresql://h/q".to_owned()));
    let user = User::with("database = ''\n");
    assert_eq!(user.load().unwrap().database(), &Location::File(user.home.path().join(".queuectl/queue.db")));
}

#[test]
fn a_password_is_kept_and_never_shown() {
    let shown = "postgres://me@db/q?sslmode=require";
    let url = "postgres://me:secret@db/q?sslmode=require&password=secret";
    let user = User::with(&format!("database = '{url}'\n"));
    fs::set_permissions(user.file(), fs::Permissions::from_mode(0o600)).unwrap();
    let by_variable = User::new()
        .variable("QUEUECTL_DATABASE", "postgres://me:secret@db/q?sslmode=require&password=secret");
    for settings in [user.load().unwrap(), by_variable.load().unwrap()] {
        assert_eq!(settings.database(), &Location::Url(url.to_owned()));
        assert_eq!(settings.get("database").unwrap(), shown);
        let entries = settings.entries();
        assert_eq!(entries.iter().find(|entry| entry.key == "database").unwrap().value, shown);
        assert!(!format!("{settings:?}").contains("secret"));
    }
}

#[test]
fn a_file_with_a_password_is_its_owners_alone() {
    for (mode, accepted) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false)] {
        let user = User::with("max-retries = 5\n  database = 'postgres://me:secret@db/q'\n");
        fs::set_permissions(user.file(), fs::Permissions::from_mode(mode)).unwrap();
        match user.load() {
            Ok(_) => assert!(accepted, "{mode:o}"),
            Err(error) => {
                let file = user.file().display().to_string();
                assert!(!accepted, "{mode:o}");
                assert_eq!(
                    error.to_string(),
                    format!(
                        "{file}:2:14: database has a password, and others have access to this file (mode {mode:o})"
                    )
                );
                assert_eq!(error.hint().unwrap(), format!("take the file from them with `chmod 600 {file}`"));
            }
        }
    }
    let user = User::with("database = 'postgres://me@db/q?passfile=/etc/pgpass'\n");
    fs::set_permissions(user.file(), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(user.load().is_ok());
}

#[test]
fn aliases_of_the_user_are_added_and_an_empty_one_takes_a_default_away() {
    let user = User::with("[alias]\nstart = 'worker start'\nstop = ''\nhalt = 'worker stop'\n");
    let settings = user.load().unwrap();
    assert_eq!(settings.get("alias.start").unwrap(), "worker start");
    assert_eq!(settings.get("alias.halt").unwrap(), "worker stop");
    assert_eq!(settings.get("alias.dlq_list").unwrap(), "dlq list");
    assert!(!settings.aliases().contains_key("stop"));
    let entries = settings.entries();
    let origin = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| entry.origin.clone());
    assert_eq!(origin("alias.start"), Some(Origin::File(user.file())));
    assert_eq!(origin("alias.retry"), Some(Origin::Default));
    assert_eq!(origin("alias.stop"), None);
    assert_eq!(entries[Key::ALL.len()].key, "alias.add");
}

#[test]
fn an_unknown_key_is_an_error_with_the_nearest_one() {
    let settings = User::new().load().unwrap();
    for (key, hint) in [
        ("max-retrys", "did you mean `max-retries`?"),
        ("alias.strat", "did you mean `alias.start`?"),
        ("zzz", "see every key with `queuectl config list`"),
    ] {
        let error = settings.get(key).unwrap_err();
        assert!(matches!(error, SettingsError::UnknownKey { .. }));
        assert_eq!(error.hint().unwrap(), hint);
    }
}

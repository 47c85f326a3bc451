//! Tests of what is meant.

use super::*;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const TEN_SECONDS: Duration = Duration::from_secs(10);

/// A user `os` with a home folder, variables, and servers that have sockets.
struct World {
    home: tempfile::TempDir,
    variables: Vec<(&'static str, &'static str)>,
    sockets: Vec<&'static str>,
}

impl World {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), variables: Vec::new(), sockets: Vec::new() }
    }

    fn variables(variables: &[(&'static str, &'static str)]) -> Self {
        Self { variables: variables.to_vec(), ..Self::new() }
    }

    fn password_file(&self, name: &str, lines: &str) {
        let path = self.home.path().join(name);
        fs::write(&path, lines).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }

    fn find(&self, url: &str) -> Result<Address, String> {
        let variable = |name: &str| {
            let found = self.variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let surroundings = Surroundings {
            variable: &variable,
            home: Some(self.home.path().to_owned()),
            user: Some("os".into()),
            program: Some("queuectl-worker".into()),
            has_socket: &|path| self.sockets.iter().any(|socket| Path::new(socket) == path),
        };
        Address::understand(url, TEN_SECONDS, &surroundings)
    }

    /// `user@servers/database`, with the address behind the name of a server.
    fn meant(&self, url: &str) -> String {
        let found = self.find(url).unwrap_or_else(|wrong| panic!("{url}: {wrong}"));
        let server = |server: &Server| match server.address {
            Some(address) => format!("{} at {address}", server.shown()),
            None => server.shown(),
        };
        let servers: Vec<String> = found.servers.iter().map(server).collect();
        format!("{}@{}/{}", found.user(), servers.join(", "), found.database())
    }

    fn passwords(&self, url: &str) -> Vec<Option<String>> {
        let servers = self.find(url).unwrap().servers;
        servers.into_iter().map(|server| server.password.map(|Password(password)| password)).collect()
    }
}

#[test]
fn what_is_not_said_is_as_libpq_has_it() {
    let world = World::new();
    for (url, expected) in [
        ("postgres://", "os@localhost:5432/os"),
        ("postgres://me@", "me@localhost:5432/me"),
        ("postgres://db/q", "os@db:5432/q"),
        ("postgresql://me@db:5433/q", "me@db:5433/q"),
        ("postgres://:5433", "os@localhost:5433/os"),
        ("postgres://[::1]:5433/q", "os@[::1]:5433/q"),
        ("postgres:///q?host=/run/pg", "os@/run/pg (port 5432)/q"),
        ("postgres://%2Frun%2Fpg:5433/q", "os@/run/pg (port 5433)/q"),
        ("postgres://a:1,b,c:3/q", "os@a:1, b:5432, c:3/q"),
        ("postgres://a,b/q?port=7", "os@a:7, b:7/q"),
        ("postgres://a,b/q?port=7,", "os@a:7, b:5432/q"),
        ("postgres://db/q?hostaddr=10.0.0.1", "os@db:5432 at 10.0.0.1/q"),
        ("postgres:///q?hostaddr=10.0.0.1,::2", "os@10.0.0.1:5432 at 10.0.0.1, [::2]:5432 at ::2/q"),
        ("postgres:///q?host=a,/run/pg,", "os@a:5432, /run/pg (port 5432), localhost:5432/q"),
    ] {
        assert_eq!(world.meant(url), expected, "{url}");
    }
}

#[test]
fn a_server_on_this_machine_is_found_by_its_socket() {
    let mut world = World::new();
    world.sockets = vec!["/tmp/.s.PGSQL.5432", "/run/postgresql/.s.PGSQL.5433"];
    assert_eq!(world.meant("postgres://"), "os@/tmp (port 5432)/os");
    assert_eq!(world.meant("postgres://?port=5433"), "os@/run/postgresql (port 5433)/os");
    assert_eq!(world.meant("postgres://:5434"), "os@localhost:5434/os");
    world.sockets.push("/var/run/postgresql/.s.PGSQL.5432");
    assert_eq!(world.meant("postgres:///q"), "os@/var/run/postgresql (port 5432)/q");
    assert_eq!(world.meant("postgres://localhost/q"), "os@localhost:5432/q");
}

#[test]
fn variables_complete_the_url_and_an_empty_one_counts_as_unset() {
    let world = World::variables(&[
        ("PGHOST", "there"),
        ("PGPORT", "5439"),
        ("PGUSER", "pg"),
        ("PGDATABASE", "queue"),
        ("PGHOSTADDR", ""),
    ]);
    assert_eq!(world.meant("postgres://"), "pg@there:5439/queue");
    assert_eq!(world.meant("postgres://me@db:1/q"), "me@db:1/q");
    assert_eq!(world.meant("postgres://db"), "pg@db:5439/queue");
    let world = World::variables(&[("PGHOSTADDR", "10.0.0.1"), ("PGUSER", "pg")]);
    assert_eq!(world.meant("postgres://db"), "pg@db:5432 at 10.0.0.1/pg");
    let world = World::variables(&[("PGHOST", "/run/pg"), ("PGDATABASE", "")]);
    assert_eq!(world.meant("postgres://me@"), "me@/run/pg (port 5432)/me");
}

#[test]
fn what_cannot_be_understood_is_said_without_a_password() {
    let world = World::new();
    for (url, expected) in [
        ("mysql://db", "begins with postgres://"),
        ("postgres://me:pa/secret@db/q", "a port is a number"),
        ("postgres://me:secret/q", "a port is a number"),
        ("postgres://db:0/q", "a port is a number"),
        ("postgres://db:65536/q", "a port is a number"),
        ("postgres://a,b,c/q?port=1,2", "neither one port nor one for each"),
        ("postgres://a,b/q?hostaddr=10.0.0.1", "different numbers of servers"),
        ("postgres:///q?hostaddr=db", "hostaddr is to be an IP address"),
        ("postgres://db?sslmode=on", "sslmode is one of disable, allow"),
        ("postgres://db?sslrootcert=system&sslmode=require", "only with sslmode=verify-full"),
        ("postgres://db?channel_binding=yes", "channel_binding is one of"),
        ("postgres://db?connect_timeout=soon", "connect_timeout is to be a whole number"),
        ("postgres://db?connect_timeout=-1", "connect_timeout is to be a whole number"),
        ("postgres://db?keepalives=on", "keepalives is to be a whole number"),
        ("postgres://db?tcp_user_timeout=1s", "tcp_user_timeout is to be a whole number"),
        ("postgres://db?target_session_attrs=standby", "a queue is written to"),
        ("postgres://db?target_session_attrs=best", "target_session_attrs is one of"),
        ("postgres://db?schema=Queue", "the name of a schema"),
        ("postgres://db?schema=1q", "the name of a schema"),
        ("postgres://db?schema=a-b", "the name of a schema"),
        ("postgres://db?schema=pg_queue", "PostgreSQL's own"),
        ("postgres://db?service=mine", "service files are not read"),
        ("postgres://db?sslmod=require", "did you mean `sslmode`?"),
    ] {
        let wrong = world.find(url).unwrap_err();
        assert!(wrong.contains(expected) && !wrong.contains("secret"), "{url}: {wrong}");
    }
    let too_long = format!("postgres://db?schema={}", "x".repeat(64));
    assert!(world.find(&too_long).is_err());
}

#[test]
fn a_variable_that_cannot_be_followed_is_refused_by_its_name() {
    for (name, expected) in
        [("PGSERVICE", "service files"), ("PGSSLCRL", "revoked"), ("PGREQUIREAUTH", "prescribed")]
    {
        let wrong = World::variables(&[(name, "x")]).find("postgres://db").unwrap_err();
        assert!(wrong.contains(name) && wrong.contains(expected), "{wrong}");
        assert!(World::variables(&[(name, "")]).find("postgres://db").is_ok());
    }
    assert!(World::variables(&[("PGPORT", "x")]).find("postgres://db").is_err());
    assert!(World::variables(&[("PGSSLMODE", "x")]).find("postgres://db").is_err());
    // What is said in the URL needs no variable.
    assert!(World::variables(&[("PGSSLMODE", "x")]).find("postgres://db?sslmode=disable").is_ok());
}

#[test]
fn an_error_shows_no_password() {
    let error = Address::find("postgres://me:secret@db/q?sslmod=x&password=secret", TEN_SECONDS).unwrap_err();
    assert_eq!(error.to_string(), "there is no parameter `sslmod`; did you mean `sslmode`?");
    assert!(!format!("{error:?}").contains("secret"));
}

#[test]
fn a_password_comes_from_the_url_then_the_variable_then_the_file() {
    let mut world = World::variables(&[("PGPASSWORD", "variable")]);
    world.password_file(".pgpass", "*:*:*:*:file\n");
    for (url, expected) in [
        ("postgres://me:url@db/q", "url"),
        ("postgres://me:url@db/q?password=parameter", "parameter"),
        ("postgres://me:@db/q", "variable"),
        ("postgres://db/q", "variable"),
    ] {
        assert_eq!(world.passwords(url), [Some(expected.to_owned())], "{url}");
    }
    world.variables.clear();
    assert_eq!(world.passwords("postgres://db/q"), [Some("file".to_owned())]);
}

#[test]
fn each_server_has_its_own_line_in_the_file() {
    let world = World::new();
    world.password_file(
        ".pgpass",
        "a:5432:q:me:for-a\nb:5433:*:me:for-b\nlocalhost:*:*:me:nearby\n10.0.0.1:*:*:*:by-address\n",
    );
    let some = |text: &str| Some(text.to_owned());
    for (url, expected) in [
        ("postgres://me@a,b:5433,c/q", vec![some("for-a"), some("for-b"), None]),
        ("postgres://me@b/q", vec![None]),
        ("postgres://you@a/q", vec![None]),
        ("postgres://me@a/r", vec![None]),
        ("postgres://me@/q?host=/run/pg", vec![some("nearby")]),
        ("postgres://me@/q", vec![some("nearby")]),
        ("postgres://me@/q?hostaddr=10.0.0.1", vec![some("by-address")]),
        ("postgres://me@a/q?hostaddr=10.0.0.1", vec![some("for-a")]),
    ] {
        assert_eq!(world.passwords(url), expected, "{url}");
    }
}

#[test]
fn another_file_of_passwords_can_be_named() {
    let mut world = World::new();
    world.password_file(".pgpass", "*:*:*:*:usual\n");
    world.password_file("other", "*:*:*:*:other\n");
    let other = world.home.path().join("other").display().to_string();
    assert_eq!(world.passwords(&format!("postgres://db?passfile={other}")), [Some("other".to_owned())]);
    world.variables = vec![("PGPASSFILE", "/nowhere/pgpass")];
    assert_eq!(world.passwords("postgres://db"), [None]);
}

#[test]
fn nobody_sees_the_password_of_an_address() {
    let world = World::new();
    let address = world.find("postgres://me:secret@db/q?application_name=x").unwrap();
    for shown in [format!("{address:?}"), address.identity()] {
        assert!(!shown.contains("secret"), "{shown}");
    }
}

#[test]
fn a_queue_has_one_identity_however_it_is_spelled() {
    let same = |worlds: &[(World, &str)]| {
        let identities: Vec<String> =
            worlds.iter().map(|(world, url)| world.find(url).unwrap().identity()).collect();
        assert!(identities.iter().all(|identity| *identity == identities[0]), "{identities:?}");
        identities[0].clone()
    };
    let by_variables =
        World::variables(&[("PGHOST", "db.example"), ("PGDATABASE", "q"), ("PGPASSWORD", "secret")]);
    assert_eq!(
        same(&[
            (World::new(), "postgres://db.example/q"),
            (World::new(), "postgresql://me:secret@DB.example.:5432/q?sslmode=require&schema=queuectl"),
            (World::new(), "postgres://?host=db.example&dbname=q"),
            (by_variables, "postgres://you@"),
        ]),
        "db.example:5432/q/queuectl"
    );
    same(&[
        (World::new(), "postgres://localhost/q"),
        (World::new(), "postgres://127.0.0.1/q"),
        (World::new(), "postgres://[::1]/q"),
        (World::new(), "postgres:///q"),
    ]);
    same(&[(World::new(), "postgres://a,b:5433/q"), (World::new(), "postgres://b:5433,a,a/q")]);
    same(&[(World::new(), "postgres://[0:0::2]/q"), (World::new(), "postgres://x/q?hostaddr=::2")]);

    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("link")).unwrap();
    let url = format!("postgres:///q?host={}", folder.path().display());
    let through_a_link = format!("postgres:///q?host={}/link", folder.path().display());
    same(&[(World::new(), &url), (World::new(), &through_a_link)]);
}

#[test]
fn another_server_database_or_schema_is_another_queue() {
    let world = World::new();
    let identity = |url: &str| world.find(url).unwrap().identity();
    let one = identity("postgres://db/q");
    for other in ["postgres://db2/q", "postgres://db:5433/q", "postgres://db/r", "postgres://db/q?schema=s"] {
        assert_ne!(identity(other), one, "{other}");
    }
}

#[test]
fn a_schema_is_a_plain_name() {
    let world = World::new();
    let schema = |url: &str| world.find(url).unwrap().schema().to_owned();
    assert_eq!(schema("postgres://db/q"), "queuectl");
    let longest = "x".repeat(63);
    for name in ["queue_2", "_q", "public", &longest] {
        assert_eq!(schema(&format!("postgres://db/q?schema={name}")), name);
    }
}

#[test]
fn the_urls_time_to_connect_is_stronger_than_the_setting() {
    let world = World::new();
    let timeout = |world: &World, url: &str| world.find(url).unwrap().connect_timeout();
    assert_eq!(timeout(&world, "postgres://db"), TEN_SECONDS);
    assert_eq!(timeout(&world, "postgres://db?connect_timeout=3"), Duration::from_secs(3));
    assert_eq!(timeout(&world, "postgres://db?connect_timeout=0"), Duration::from_hours(1));
    let world = World::variables(&[("PGCONNECT_TIMEOUT", "4")]);
    assert_eq!(timeout(&world, "postgres://db"), Duration::from_secs(4));
    assert_eq!(timeout(&world, "postgres://db?connect_timeout=3"), Duration::from_secs(3));
}

#[test]
fn a_lost_network_is_noticed_in_seconds_unless_somebody_wants_it_otherwise() {
    let world = World::new();
    let config = |url: &str| world.find(url).unwrap().config;
    let seconds = Duration::from_secs;
    let ours = config("postgres://db");
    assert!(ours.get_keepalives());
    assert_eq!(ours.get_keepalives_idle(), seconds(5));
    assert_eq!(ours.get_keepalives_interval(), Some(seconds(3)));
    assert_eq!(ours.get_keepalives_retries(), Some(3));
    assert_eq!(ours.get_tcp_user_timeout(), Some(&seconds(10)));
    let theirs = config(
        "postgres://db?keepalives_idle=60&keepalives_interval=7&keepalives_count=4&tcp_user_timeout=2500",
    );
    assert_eq!(theirs.get_keepalives_idle(), seconds(60));
    assert_eq!(theirs.get_keepalives_interval(), Some(seconds(7)));
    assert_eq!(theirs.get_keepalives_retries(), Some(4));
    assert_eq!(theirs.get_tcp_user_timeout(), Some(&Duration::from_millis(2500)));
    let systems =
        config("postgres://db?keepalives=0&keepalives_interval=0&keepalives_count=0&tcp_user_timeout=0");
    assert!(!systems.get_keepalives());
    assert_eq!((systems.get_keepalives_interval(), systems.get_keepalives_retries()), (None, None));
    assert_eq!(systems.get_tcp_user_timeout(), None);
}

#[test]
fn a_session_is_what_the_url_and_the_variables_say() {
    let config = |world: &World, url: &str| world.find(url).unwrap().config;
    let world = World::new();
    let ours = config(&world, "postgres://db");
    assert_eq!(ours.get_application_name(), Some("queuectl-worker"));
    assert_eq!((ours.get_options(), ours.get_channel_binding()), (None, ChannelBinding::Prefer));
    assert_eq!((ours.get_user(), ours.get_dbname()), (Some("os"), Some("os")));
    let world = World::variables(&[
        ("PGAPPNAME", "mine"),
        ("PGOPTIONS", "-c x=y"),
        ("PGTARGETSESSIONATTRS", "read-write"),
        ("PGCHANNELBINDING", "require"),
    ]);
    let theirs = config(&world, "postgres://db");
    assert_eq!((theirs.get_application_name(), theirs.get_options()), (Some("mine"), Some("-c x=y")));
    assert_eq!(theirs.get_channel_binding(), ChannelBinding::Require);
    assert!(world.find("postgres://db").unwrap().wants_a_primary);
}

#[test]
fn of_several_servers_the_one_that_can_be_written_to_is_taken() {
    let world = World::new();
    let wants_a_primary = |url: &str| world.find(url).unwrap().wants_a_primary;
    assert!(wants_a_primary("postgres://a,b/q"));
    assert!(!wants_a_primary("postgres://a/q"));
    assert!(!wants_a_primary("postgres://a,b/q?target_session_attrs=any"));
    assert!(wants_a_primary("postgres://a/q?target_session_attrs=primary"));
    assert!(wants_a_primary("postgres://a/q?target_session_attrs=read-write"));
}

#[test]
fn tls_is_what_the_url_and_the_variables_say() {
    use tls::{File, Mode, Roots};
    let mut world = World::new();
    let home = world.home.path().join(".postgresql");
    let of_user = |name: &str| File::OfUser(Some(home.join(name)));
    assert_eq!(
        world.find("postgres://db").unwrap().tls,
        Tls {
            mode: Mode::Prefer,
            roots: Roots::In(of_user("root.crt")),
            certificate: of_user("postgresql.crt"),
            key: of_user("postgresql.key"),
        }
    );
    let mode = |world: &World, url: &str| world.find(url).unwrap().tls.mode;
    for (name, expected) in [
        ("disable", Mode::Disable),
        ("allow", Mode::Allow),
        ("prefer", Mode::Prefer),
        ("require", Mode::Require),
        ("verify-ca", Mode::VerifyCa),
        ("verify-full", Mode::VerifyFull),
    ] {
        assert_eq!(mode(&world, &format!("postgres://db?sslmode={name}")), expected);
    }
    assert_eq!(mode(&world, "postgres://db?ssl=true"), Mode::Require);
    assert_eq!(mode(&world, "postgres://db?sslrootcert=system"), Mode::VerifyFull);
    world.variables = vec![
        ("PGSSLMODE", "verify-ca"),
        ("PGSSLROOTCERT", "/etc/ca.crt"),
        ("PGSSLCERT", "/etc/me.crt"),
        ("PGSSLKEY", "/etc/me.key"),
    ];
    let named = |path: &str| File::Named(PathBuf::from(path));
    assert_eq!(
        world.find("postgres://db").unwrap().tls,
        Tls {
            mode: Mode::VerifyCa,
            roots: Roots::In(named("/etc/ca.crt")),
            certificate: named("/etc/me.crt"),
            key: named("/etc/me.key"),
        }
    );
}

#[test]
fn without_any_user_one_has_to_be_named() {
    let nobody =
        Surroundings { variable: &|_| None, home: None, user: None, program: None, has_socket: &|_| false };
    assert!(Address::understand("postgres://db", TEN_SECONDS, &nobody).is_err());
    let address = Address::understand("postgres://me@db", TEN_SECONDS, &nobody).unwrap();
    assert_eq!(address.config.get_application_name(), Some("queuectl"));
}

//! How a server is entered: safe connections, certificates and passwords.
//!
//! Everything goes through a program, whose home folder and variables are a
//! test's own. Which way a connection went is known by the server's rules: each
//! role may come only one way.

use crate::support::Home;
use crate::support::postgres::{Mode, SUPERUSER, Server};
use crate::support::trials::trials;
use assert_cmd::assert::Assert;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

trials![
    each_mode_goes_the_way_it_names if Postgres and Openssl,
    a_server_without_tls_is_entered_only_where_that_is_allowed if Postgres,
    a_certificate_of_another_authority_is_refused_where_one_is_known if Postgres and Openssl,
    a_certificate_for_another_host_is_refused_by_verify_full_alone if Postgres and Openssl,
    the_authorities_of_the_user_and_of_the_system_are_found if Postgres and Openssl,
    a_server_may_be_its_own_authority if Postgres and Openssl,
    a_certificate_that_has_expired_is_refused_where_it_is_looked_at if Postgres and Openssl,
    a_certificate_without_extensions_will_do_where_none_is_looked_at if Postgres and Openssl,
    a_client_is_known_by_its_certificate if Postgres and Openssl,
    a_client_of_another_authority_is_refused if Postgres and Openssl,
    a_key_that_others_can_read_is_refused if Postgres and Openssl,
    a_password_is_found_in_each_of_its_places if Postgres,
    a_wrong_password_is_refused_and_not_repeated if Postgres,
    a_password_file_that_others_can_read_is_not_used if Postgres,
    a_password_is_bound_to_a_safe_connection if Postgres and Openssl,
    the_variables_of_libpq_say_which_server_is_meant if Postgres,
    what_is_missing_at_the_server_is_named if Postgres,
];

/// Makes authorities, and certificates of theirs, in the current folder.
const MAKE: &str = r"
new='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
authority() { openssl req -x509 $new -keyout $1.key -out $1.crt -subj /CN=$1 -days 30; }
wish() { openssl req -new $new -keyout $1.key -out $1.csr -subj /CN=$2; }
grant() { openssl x509 -req -in $1.csr -CA ca.crt -CAkey ca.key -set_serial $2 -out $1.crt -days $3 $4 $5; }
echo 'subjectAltName=DNS:localhost' >names
authority ca
authority other
wish server localhost;  grant server 2 30 -extfile names
wish expired localhost; grant expired 3 -1 -extfile names
wish oldest localhost;  grant oldest 4 30
wish client by_certificate; echo 'extendedKeyUsage=clientAuth' >client; grant client 5 30 -extfile client
openssl req -x509 $new -keyout own.key -out own.crt -subj /CN=localhost -addext subjectAltName=DNS:localhost -days 30
openssl req -x509 $new -keyout stranger.key -out stranger.crt -subj /CN=by_certificate -days 30
";

/// The contents of one of those files.
fn made(name: &str) -> &'static [u8] {
    static MADE: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    let files = MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new("/bin/sh").args(["-ec", MAKE]).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let entries = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        entries
            .map(|path| (path.file_name().unwrap().to_str().unwrap().into(), fs::read(path).unwrap()))
            .collect()
    });
    &files.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("{name} was not made")).1
}

/// Roles, each of which may come only as it is called.
const ROLES: [&str; 5] = ["any_way", "safely", "in_clear", "by_certificate", "by_password"];

fn server() -> Server {
    let server = Server::start(&[("fsync", "off"), ("password_encryption", "'scram-sha-256'")]);
    for role in ROLES {
        server.psql(&format!("CREATE ROLE {role} LOGIN PASSWORD 'topsecret'"));
    }
    server
}

/// A server with TLS, which shows this certificate and knows the clients of `ca`.
fn tls_server(certificate: &str) -> Server {
    let server = server();
    server.put_file("server.crt", made(&format!("{certificate}.crt")));
    server.put_file("server.key", made(&format!("{certificate}.key")));
    server.put_file("ca.crt", made("ca.crt"));
    server.configure(&[("ssl", "on"), ("ssl_ca_file", "'ca.crt'")]);
    server.restart(Mode::Fast);
    let local = format!("local all {SUPERUSER} trust");
    server.set_hba(&[
        &local,
        "host all any_way all trust",
        "hostssl all safely all trust",
        "hostnossl all in_clear all trust",
        "hostssl all by_certificate all cert",
        "host all by_password all scram-sha-256",
    ]);
    // Read when the signal comes, which is later.
    crate::support::wait_until(crate::support::DEADLINE, "the rules count", || {
        server.psql("SELECT count(*) FROM pg_hba_file_rules") == "6\n"
            && enter(&Home::new(), &url(&server, "in_clear", "sslmode=disable")).is_ok()
            && enter(&Home::new(), &url(&server, "safely", "sslmode=disable")).is_err()
    });
    server
}

/// A server that asks everybody for a password.
fn password_server() -> Server {
    let server = server();
    server.set_hba(&["local all postgres trust", "host all all all scram-sha-256"]);
    crate::support::wait_until(crate::support::DEADLINE, "the rules count", || {
        enter(&Home::new(), &url(&server, "any_way", "")).is_err()
    });
    server
}

fn url(server: &Server, role: &str, parameters: &str) -> String {
    let mark = if parameters.is_empty() { "" } else { "?" };
    format!("postgres://{role}@localhost:{}/postgres{mark}{parameters}", server.port())
}

/// Looks at the queue there; gives what was said if that is refused.
fn enter(home: &Home, url: &str) -> Result<(), String> {
    let assert = home.queuectl(["list"]).env("QUEUECTL_DATABASE", url).assert();
    match assert.get_output().status.code() {
        Some(0) => Ok(()),
        Some(1) => Err(said(&assert)),
        code => panic!("{code:?}: {}", said(&assert)),
    }
}

fn said(assert: &Assert) -> String {
    let said = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(!said.contains("topsecret"), "{said}");
    said
}

/// Asserts that this is refused, and that all of these words say why.
fn refused(home: &Home, url: &str, words: &[&str]) {
    let said = enter(home, url).expect_err(url);
    for word in words {
        assert!(said.contains(word), "{url}: {word} in {said}");
    }
    let host = url.split(['@', '/']).find(|part| part.starts_with("localhost:") || part.starts_with("127."));
    let host = host.expect("a host");
    assert!(said.contains(host), "{url}: {said}");
}

/// Puts a made file where the user finds it.
fn keep(home: &Home, name: &str, kept_as: &str) -> PathBuf {
    let path = home.user_home().join(kept_as);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, made(name)).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

fn each_mode_goes_the_way_it_names() {
    let server = tls_server("server");
    let home = Home::new();
    let roots = format!("sslrootcert={}", keep(&home, "ca.crt", "ca.crt").display());
    for (mode, safely, in_clear) in [
        ("disable", false, true),
        ("allow", true, true),
        ("prefer", true, true),
        ("require", true, false),
        ("verify-ca", true, false),
        ("verify-full", true, false),
    ] {
        let parameters = format!("sslmode={mode}&{roots}");
        for (role, may) in [("safely", safely), ("in_clear", in_clear), ("any_way", true)] {
            let url = url(&server, role, &parameters);
            if may {
                assert_eq!(enter(&home, &url), Ok(()), "{mode} as {role}");
            } else {
                refused(&home, &url, &["does not let", role, "pg_hba.conf"]);
            }
        }
    }
    // What counts if nothing is said.
    for role in ["safely", "in_clear"] {
        assert_eq!(enter(&home, &url(&server, role, "")), Ok(()), "{role}");
    }
}

fn a_server_without_tls_is_entered_only_where_that_is_allowed() {
    let server = Server::shared();
    let home = Home::new();
    for mode in ["disable", "allow", "prefer"] {
        assert_eq!(enter(&home, &url(server, SUPERUSER, &format!("sslmode={mode}"))), Ok(()), "{mode}");
    }
    for mode in ["sslmode=require", "ssl=true", "sslmode=verify-full&sslrootcert=system"] {
        refused(&home, &url(server, SUPERUSER, mode), &["no safe connection", "does not support TLS"]);
    }
    // A socket is safe by itself.
    let socket = format!("{}&sslmode=verify-full", server.url("s"));
    assert_eq!(enter(&home, &socket), Ok(()));
}

fn a_certificate_of_another_authority_is_refused_where_one_is_known() {
    let server = tls_server("server");
    let home = Home::new();
    let other = format!("sslrootcert={}", keep(&home, "other.crt", "other.crt").display());
    for mode in ["require", "verify-ca", "verify-full"] {
        let url = url(&server, "any_way", &format!("sslmode={mode}&{other}"));
        refused(&home, &url, &["no safe connection", "of no authority that is known here"]);
    }
    for mode in ["allow", "prefer"] {
        assert_eq!(
            enter(&home, &url(&server, "safely", &format!("sslmode={mode}&{other}"))),
            Ok(()),
            "{mode}"
        );
    }
}

fn a_certificate_for_another_host_is_refused_by_verify_full_alone() {
    let server = tls_server("server");
    let home = Home::new();
    let roots = format!("sslrootcert={}", keep(&home, "ca.crt", "ca.crt").display());
    let by_address =
        |mode: &str| format!("postgres://safely@127.0.0.1:{}/postgres?sslmode={mode}&{roots}", server.port());
    for mode in ["require", "verify-ca"] {
        assert_eq!(enter(&home, &by_address(mode)), Ok(()), "{mode}");
    }
    refused(
        &home,
        &by_address("verify-full"),
        &["no safe connection", "its certificate is for", "localhost"],
    );
    // The name is what the certificate has to fit, wherever the packets go.
    let named =
        format!("{}&hostaddr=127.0.0.1", url(&server, "safely", &format!("sslmode=verify-full&{roots}")));
    assert_eq!(enter(&home, &named), Ok(()));
}

fn the_authorities_of_the_user_and_of_the_system_are_found() {
    let server = tls_server("server");
    let home = Home::new();
    let as_anybody = |mode: &str| url(&server, "safely", &format!("sslmode={mode}"));
    refused(&home, &as_anybody("verify-ca"), &["no safe connection", "~/.postgresql/root.crt"]);
    keep(&home, "ca.crt", ".postgresql/root.crt");
    for mode in ["require", "verify-ca", "verify-full"] {
        assert_eq!(enter(&home, &as_anybody(mode)), Ok(()), "{mode}");
    }
    keep(&home, "other.crt", ".postgresql/root.crt");
    refused(&home, &as_anybody("require"), &["of no authority that is known here"]);

    let of_system = url(&server, "safely", "sslrootcert=system");
    let system = keep(&home, "ca.crt", "system.crt");
    let home = home.with("SSL_CERT_FILE", system.to_str().unwrap());
    assert_eq!(enter(&home, &of_system), Ok(()));
    keep(&home, "other.crt", "system.crt");
    refused(&home, &of_system, &["of no authority that is known here"]);
}

fn a_server_may_be_its_own_authority() {
    let server = tls_server("own");
    let home = Home::new();
    let own = format!("sslrootcert={}", keep(&home, "own.crt", "own.crt").display());
    for mode in ["require", "verify-ca", "verify-full"] {
        assert_eq!(enter(&home, &url(&server, "safely", &format!("sslmode={mode}&{own}"))), Ok(()), "{mode}");
    }
    let by_address =
        format!("postgres://safely@127.0.0.1:{}/postgres?sslmode=verify-full&{own}", server.port());
    refused(&home, &by_address, &["its certificate is for"]);
    let other = format!("sslrootcert={}", keep(&home, "other.crt", "other.crt").display());
    refused(&home, &url(&server, "safely", &format!("sslmode=verify-ca&{other}")), &["no safe connection"]);
}

fn a_certificate_that_has_expired_is_refused_where_it_is_looked_at() {
    let server = tls_server("expired");
    let home = Home::new();
    let roots = format!("sslrootcert={}", keep(&home, "ca.crt", "ca.crt").display());
    assert_eq!(enter(&home, &url(&server, "safely", "sslmode=require")), Ok(()));
    for mode in ["verify-ca", "verify-full"] {
        refused(&home, &url(&server, "safely", &format!("sslmode={mode}&{roots}")), &["has expired"]);
    }
}

fn a_certificate_without_extensions_will_do_where_none_is_looked_at() {
    let server = tls_server("oldest");
    let home = Home::new();
    for mode in ["allow", "prefer", "require"] {
        assert_eq!(enter(&home, &url(&server, "safely", &format!("sslmode={mode}"))), Ok(()), "{mode}");
    }
    let roots = format!("sslrootcert={}", keep(&home, "ca.crt", "ca.crt").display());
    for mode in ["verify-ca", "verify-full"] {
        let url = url(&server, "safely", &format!("sslmode={mode}&{roots}"));
        refused(&home, &url, &["no safe connection", "X.509 version 1", "of version 3"]);
    }
}

fn a_client_is_known_by_its_certificate() {
    let server = tls_server("server");
    let home = Home::new();
    let plain = url(&server, "by_certificate", "sslmode=require");
    refused(&home, &plain, &["does not let by_certificate in", "certificate"]);
    let named = format!(
        "{plain}&sslcert={}&sslkey={}",
        keep(&home, "client.crt", "me.crt").display(),
        keep(&home, "client.key", "me.key").display()
    );
    assert_eq!(enter(&home, &named), Ok(()));
    // Where it lies by itself.
    keep(&home, "client.crt", ".postgresql/postgresql.crt");
    refused(&home, &plain, &["no safe connection", "without its key"]);
    keep(&home, "client.key", ".postgresql/postgresql.key");
    for mode in ["prefer", "require"] {
        assert_eq!(
            enter(&home, &url(&server, "by_certificate", &format!("sslmode={mode}"))),
            Ok(()),
            "{mode}"
        );
    }
    // It is shown to a server that asks, which need not look at it.
    assert_eq!(enter(&home, &url(&server, "safely", "")), Ok(()));
    let another = format!("{named}&sslkey={}", keep(&home, "other.key", "another.key").display());
    refused(&home, &another, &["no safe connection", "do not fit together"]);
}

fn a_client_of_another_authority_is_refused() {
    let server = tls_server("server");
    let home = Home::new();
    keep(&home, "stranger.crt", ".postgresql/postgresql.crt");
    keep(&home, "stranger.key", ".postgresql/postgresql.key");
    refused(&home, &url(&server, "by_certificate", "sslmode=require"), &["no safe connection", "UnknownCA"]);
}

fn a_key_that_others_can_read_is_refused() {
    let server = tls_server("server");
    let home = Home::new();
    keep(&home, "client.crt", ".postgresql/postgresql.crt");
    let key = keep(&home, "client.key", ".postgresql/postgresql.key");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let url = url(&server, "by_certificate", "sslmode=require");
    let hint = format!("`chmod 600 {}`", key.display());
    refused(&home, &url, &["no safe connection", &hint]);
    home.program("/bin/sh").args(["-c", hint.trim_matches('`')]).status().unwrap();
    assert_eq!(enter(&home, &url), Ok(()));
}

fn a_password_is_found_in_each_of_its_places() {
    let server = password_server();
    let plain = url(&server, "by_password", "");
    let with_password = plain.replace("by_password@", "by_password:topsecret@");
    let home = Home::new();
    refused(&home, &plain, &["does not let by_password in", "it asks for a password, and none is given"]);
    assert_eq!(enter(&home, &with_password), Ok(()));
    assert_eq!(enter(&home, &format!("{plain}?password=topsecret")), Ok(()));
    assert_eq!(enter(&Home::new().with("PGPASSWORD", "topsecret"), &plain), Ok(()));

    home.configure(&format!("database = \"{with_password}\"\n"));
    fs::set_permissions(home.config_file(), Permissions::from_mode(0o600)).unwrap();
    home.queuectl(["list"]).assert().success();

    let in_a_file = |home: &Home, name: &str| {
        let line = format!("localhost:{}:postgres:by_password:topsecret\n", server.port());
        fs::write(home.user_home().join(name), line).unwrap();
        fs::set_permissions(home.user_home().join(name), Permissions::from_mode(0o600)).unwrap();
        home.user_home().join(name).display().to_string()
    };
    let home = Home::new();
    in_a_file(&home, ".pgpass");
    assert_eq!(enter(&home, &plain), Ok(()));
    refused(&home, &url(&server, "any_way", ""), &["none is given"]);
    let home = Home::new();
    let other = in_a_file(&home, "other");
    assert_eq!(enter(&home, &format!("{plain}?passfile={other}")), Ok(()));
    assert_eq!(enter(&home.with("PGPASSFILE", &other), &plain), Ok(()));
}

fn a_wrong_password_is_refused_and_not_repeated() {
    let server = password_server();
    let words = ["does not let by_password in", "password authentication failed"];
    let wrong = url(&server, "by_password:nottopsecret", "");
    refused(&Home::new(), &wrong, &words);
    refused(&Home::new().with("PGPASSWORD", "nottopsecret"), &url(&server, "by_password", ""), &words);
    // The right one elsewhere is weaker.
    refused(&Home::new().with("PGPASSWORD", "topsecret"), &wrong, &words);
    refused(&Home::new(), &url(&server, "nobody:topsecret", ""), &["does not let nobody in"]);
}

fn a_password_file_that_others_can_read_is_not_used() {
    let server = password_server();
    let home = Home::new();
    let file = home.user_home().join(".pgpass");
    fs::write(&file, "*:*:*:*:topsecret\n").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    let said = enter(&home, &url(&server, "by_password", "")).unwrap_err();
    let warning = format!("the password file {} is not used", file.display());
    assert_eq!(said.matches(&warning).count(), 1, "{said}");
    assert!(said.contains("none is given"), "{said}");
}

fn a_password_is_bound_to_a_safe_connection() {
    let server = tls_server("server");
    let home = Home::new().with("PGPASSWORD", "topsecret");
    let url = |parameters: &str| url(&server, "by_password", parameters);
    for binding in ["require", "prefer", "disable"] {
        assert_eq!(
            enter(&home, &url(&format!("sslmode=require&channel_binding={binding}"))),
            Ok(()),
            "{binding}"
        );
    }
    refused(
        &home,
        &url("sslmode=disable&channel_binding=require"),
        &["does not let by_password in", "channel binding"],
    );
    refused(&home.with("PGPASSWORD", "wrong"), &url("sslmode=require"), &["password authentication failed"]);
}

fn the_variables_of_libpq_say_which_server_is_meant() {
    let server = Server::shared();
    let port = server.port().to_string();
    let folder = server.socket_folder().to_str().unwrap();
    for host in ["localhost", folder] {
        let home = Home::new().with("PGHOST", host).with("PGPORT", &port).with("PGDATABASE", "postgres");
        assert_eq!(enter(&home.with("PGUSER", SUPERUSER), "postgres://"), Ok(()), "{host}");
    }
    let home = Home::new().with("PGHOST", "db.invalid").with("PGSSLMODE", "verify-full");
    let url = format!("postgres://{SUPERUSER}@localhost:{port}/postgres?sslmode=disable");
    assert_eq!(enter(&home, &url), Ok(()));
    let said = enter(&Home::new().with("PGSERVICE", "mine"), &url).unwrap_err();
    assert!(said.contains("service files are not read") && said.contains("PGSERVICE"), "{said}");
}

fn what_is_missing_at_the_server_is_named() {
    let server = Server::shared();
    let home = Home::new();
    let port = server.port();
    refused(
        &home,
        &format!("postgres://{SUPERUSER}@localhost:{port}/nowhere"),
        &[&format!("the server localhost:{port} has no database nowhere")],
    );
    refused(&home, &format!("postgres://nobody@localhost:{port}/postgres"), &["does not let nobody in"]);
    let folder = server.socket_folder().display();
    let said = enter(&home, &format!("postgres:///q?host={folder}&port=1")).unwrap_err();
    assert!(said.contains(&format!("there is no socket {folder}/.s.PGSQL.1")), "{said}");
    // The second of two is there.
    let two = format!("postgres://{SUPERUSER}@localhost:1,localhost:{port}/postgres");
    assert_eq!(enter(&home, &two), Ok(()));
}

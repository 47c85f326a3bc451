//! Tests with servers that answer wrongly, late or never.

use super::*;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;

const AT_MOST: Duration = Duration::from_millis(300);
/// Long enough for a slow machine, and far from what a system would wait.
const SLACK: Duration = Duration::from_secs(5);

/// A server of one connection: what it does with it.
fn server(serve: impl FnOnce(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || serve(listener.accept().unwrap().0));
    port
}

/// A server that says this once the client has said something.
fn saying(answer: impl Into<Vec<u8>>) -> u16 {
    let answer = answer.into();
    server(move |mut client| {
        let _ = client.read(&mut [0; 1000]);
        client.write_all(&answer).unwrap();
        // Closed in order: what was not read would make the other end lose the answer.
        let _ = client.shutdown(std::net::Shutdown::Write);
        let _ = client.read_to_end(&mut Vec::new());
    })
}

/// The message by which a server refuses.
fn refusing(code: &str, said: &str) -> u16 {
    let fields = format!("SFATAL\0VFATAL\0C{code}\0M{said}\0\0");
    let length = u32::try_from(fields.len() + 4).unwrap();
    saying([b"E".as_slice(), &length.to_be_bytes(), fields.as_bytes()].concat())
}

/// A port at which nobody listens.
fn nobody() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn address(url: &str) -> Address {
    Address::find(url, Duration::from_secs(10)).unwrap()
}

fn problem(url: &str, at_most: Duration) -> ServerProblem {
    let began = Instant::now();
    let error = address(url).connect(at_most).err().expect("a server that refuses");
    assert!(began.elapsed() < at_most + SLACK, "{:?}", began.elapsed());
    error
}

fn said_by(port: u16) -> ServerProblem {
    problem(&format!("postgres://me:secret@127.0.0.1:{port}/q?sslmode=disable"), SLACK)
}

#[test]
fn nobody_there_is_said_with_host_and_port() {
    let port = nobody();
    let found = said_by(port);
    let expected = format!("the server 127.0.0.1:{port} cannot be reached: Connection refused");
    assert!(found.to_string().starts_with(&expected), "{found}");
    assert!(found.is_passing());
}

#[test]
fn a_server_that_never_answers_is_given_up_in_time() {
    let port = server(|mut client| {
        let _ = client.read_to_end(&mut Vec::new());
    });
    let found = problem(&format!("postgres://127.0.0.1:{port}/q"), AT_MOST);
    assert!(found.to_string().ends_with("gives no session: no answer within 0.3 s"), "{found}");

    let folder = tempfile::tempdir().unwrap();
    let _listener = UnixListener::bind(socket_in(folder.path(), 5432)).unwrap();
    let found = problem(&format!("postgres:///q?host={}", folder.path().display()), AT_MOST);
    let expected = format!("the server {} (port 5432) cannot be reached: no answer", folder.path().display());
    assert!(found.to_string().starts_with(&expected), "{found}");
}

#[test]
fn a_host_that_swallows_packets_is_given_up_in_time() {
    // Reserved for documentation: nobody has this address. Some networks say so.
    let found = problem("postgres://192.0.2.1/q", AT_MOST);
    assert!(matches!(found, ServerProblem::Unreachable { .. }), "{found}");
}

#[test]
fn a_name_that_nobody_has_is_said() {
    let found = problem("postgres://nobody.invalid/q", SLACK);
    assert!(found.to_string().starts_with("the server nobody.invalid:5432 cannot be reached: "), "{found}");
}

#[test]
fn a_folder_without_a_socket_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let found = problem(&format!("postgres:///q?host={}&port=5433", folder.path().display()), SLACK);
    let socket = format!("there is no socket {}/.s.PGSQL.5433", folder.path().display());
    assert!(found.to_string().ends_with(&socket), "{found}");
}

#[test]
fn a_server_that_hangs_up_or_speaks_otherwise_is_said() {
    let found = said_by(saying(""));
    assert!(found.to_string().ends_with("it has closed the connection"), "{found}");
    // What looks like the beginning of a long message.
    let found = said_by(saying("HTTP/1.1 400 Bad Request\r\n\r\n"));
    assert!(found.to_string().ends_with("it has closed the connection"), "{found}");
    let found = said_by(saying("R\0\0\0\u{1}"));
    assert!(found.to_string().ends_with("does not speak as a PostgreSQL server does"), "{found}");
    let found = said_by(saying("Z\0\0\0\u{5}I"));
    assert!(found.to_string().ends_with("does not speak as a PostgreSQL server does"), "{found}");
}

#[test]
fn what_a_server_refuses_has_its_own_error() {
    type Matches = fn(&ServerProblem) -> bool;
    let cases: [(&str, &str, Matches); 16] = [
        ("28P01", "password authentication failed for user \"me\"", |p| is_login(p)),
        ("28000", "no pg_hba.conf entry", |p| is_login(p)),
        ("3D000", "database \"q\" does not exist", |p| is_database(p)),
        ("42501", "permission denied for database \"q\"", |p| matches!(p, ServerProblem::NoRight { .. })),
        ("57P03", "the database system is starting up", |p| is_later(p)),
        ("53300", "sorry, too many clients already", |p| is_later(p)),
        ("57P01", "terminating connection due to administrator command", |p| is_later(p)),
        ("57P02", "terminating connection because of crash", |p| is_later(p)),
        ("57P05", "terminating connection due to idle-session timeout", |p| is_lost(p)),
        ("08006", "connection failure", |p| is_lost(p)),
        ("25006", "cannot execute in a read-only transaction", |p| {
            matches!(p, ServerProblem::Standby { .. })
        }),
        ("08P01", "no such database: q", |p| is_database(p)),
        ("08P01", "SASL authentication failed", |p| is_login(p)),
        ("08P01", "no more connections allowed (max_client_conn)", |p| is_later(p)),
        ("08P01", "server login has been failing, try again later", |p| is_later(p)),
        ("42704", "unrecognized configuration parameter \"x\"", |p| is_login(p)),
    ];
    for (code, said, matches) in cases {
        let port = refusing(code, said);
        let found = said_by(port);
        assert!(matches(&found), "{code} {said}: {found:?}");
        let shown = found.to_string();
        assert!(shown.contains(&format!("127.0.0.1:{port}")) && !shown.contains("secret"), "{shown}");
    }
}

fn is_login(problem: &ServerProblem) -> bool {
    matches!(problem, ServerProblem::LoginRefused { user, .. } if user == "me") && !problem.is_passing()
}

fn is_database(problem: &ServerProblem) -> bool {
    matches!(problem, ServerProblem::NoSuchDatabase { database, .. } if database == "q")
}

fn is_later(problem: &ServerProblem) -> bool {
    matches!(problem, ServerProblem::NotNow { .. }) && problem.is_passing()
}

fn is_lost(problem: &ServerProblem) -> bool {
    matches!(problem, ServerProblem::Unreachable { .. }) && problem.is_passing()
}

#[test]
fn a_password_that_is_asked_for_and_not_known_is_said() {
    let cleartext = [b'R', 0, 0, 0, 8, 0, 0, 0, 3];
    let port = saying(cleartext);
    let found =
        problem(&format!("postgres://me@127.0.0.1:{port}/q?sslmode=disable&passfile=/nowhere"), SLACK);
    assert!(is_login(&found) && found.to_string().contains("it asks for a password"), "{found:?}");
}

#[test]
fn a_server_without_tls_is_refused_where_tls_is_wanted() {
    for mode in ["require", "verify-full&sslrootcert=system"] {
        let port = saying("N");
        let url = format!("postgres://127.0.0.1:{port}/q?sslmode={mode}");
        let ServerProblem::Tls { host, reason } = problem(&url, SLACK) else { panic!("{mode}") };
        assert_eq!((host, reason), (format!("127.0.0.1:{port}"), "the server does not support TLS".into()));
    }
}

#[test]
fn the_next_server_is_tried_only_if_another_may_let_us_in() {
    let (nobody, refusing) = (nobody(), refusing("28P01", "password authentication failed"));
    let found =
        problem(&format!("postgres://me@127.0.0.1:{nobody},127.0.0.1:{refusing}/q?sslmode=disable"), SLACK);
    assert!(is_login(&found) && found.to_string().contains(&refusing.to_string()), "{found:?}");

    let (first, second) = (self::nobody(), self::refusing("57P03", "the database system is starting up"));
    let found = problem(&format!("postgres://127.0.0.1:{first},127.0.0.1:{second}/q?sslmode=disable"), SLACK);
    let said = found.to_string();
    assert!(
        is_lost(&found) && said.contains("Connection refused") && said.contains("is starting up"),
        "{said}"
    );
    assert!(said.contains(&format!("the server 127.0.0.1:{first}, 127.0.0.1:{second} cannot")), "{said}");
}

#[test]
fn a_server_that_never_answers_leaves_time_for_the_next() {
    let hangs = server(|mut client| {
        let _ = client.read_to_end(&mut Vec::new());
    });
    let refuses = refusing("28P01", "password authentication failed");
    let url = format!("postgres://me@127.0.0.1:{hangs},127.0.0.1:{refuses}/q?sslmode=disable");
    let found = problem(&url, Duration::from_secs(1));
    assert!(is_login(&found), "{found:?}");
}

#[test]
fn a_statement_that_is_wrong_is_no_refusal() {
    let address = address("postgres://me@127.0.0.1/q");
    for code in [SqlState::UNDEFINED_TABLE, SqlState::UNIQUE_VIOLATION, SqlState::SYNTAX_ERROR] {
        assert_eq!(address.problem_of_server("h".into(), &code, "x"), None, "{code:?}");
    }
}

#[test]
fn tries_that_are_never_answered_do_not_pile_up() {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let mut under_way: Vec<UnderWay> = (0..MOST_UNANSWERED).filter_map(|_| UnderWay::begin(&COUNT)).collect();
    assert_eq!(under_way.len(), MOST_UNANSWERED);
    assert!(UnderWay::begin(&COUNT).is_none());
    assert!(UnderWay::begin(&COUNT).is_none());
    under_way.pop();
    assert!(UnderWay::begin(&COUNT).is_some());
    drop(under_way);
    assert_eq!(COUNT.load(Ordering::Relaxed), 0);
}

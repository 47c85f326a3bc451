//! What is said of a server that cannot be used.

use queuectl_store::ServerProblem;

/// What to type when a server cannot be used.
pub(crate) fn hint_for_server(problem: &ServerProblem) -> String {
    const SEE_DATABASE: &str = "see what is meant with `queuectl config get database`";
    match problem {
        ServerProblem::Address { .. } => SEE_DATABASE.to_owned(),
        ServerProblem::Unreachable { host, .. } => {
            format!("see whether it runs with `pg_isready {}`; {SEE_DATABASE}", host_and_port(host))
        }
        ServerProblem::NoSession { host, .. } => format!(
            "a pool in between may be too small: in session mode it needs 2 for each worker and 1 for each manager; \
             without a pool, see whether the server answers with `pg_isready {}`",
            host_and_port(host)
        ),
        ServerProblem::NotNow { .. } => {
            "try again; if it stays so, see `max_connections` of the server and who uses them".to_owned()
        }
        ServerProblem::Failed { .. } => {
            "try again; if it stays so, the server's log says more, and so may `queuectl doctor`".to_owned()
        }
        ServerProblem::Tls { .. } => {
            "say with `?sslmode=…` of the URL how safe it must be, and with `?sslrootcert=FILE` whose certificates to trust".to_owned()
        }
        ServerProblem::LoginRefused { .. } => {
            "put the password into ~/.pgpass, PGPASSWORD or the configuration file, and see pg_hba.conf of the server".to_owned()
        }
        ServerProblem::NoSuchDatabase { host, database } => {
            format!("create it with `createdb {} {}`", host_and_port(host), shell_words::quote(database))
        }
        ServerProblem::NoRight { .. } => {
            "grant what is missing; docs/postgres.md lists the rights that are needed".to_owned()
        }
        ServerProblem::RowsHidden { user, .. } => {
            format!("have a superuser type `ALTER ROLE {user} BYPASSRLS`, or see `queuectl doctor`")
        }
        ServerProblem::Foreign { .. } => {
            format!("see what it has with `queuectl doctor`; {SEE_DATABASE}")
        }
        ServerProblem::TooOld { .. } => {
            "name a newer server with `--database URL`, or a file with `--database PATH`".to_owned()
        }
        ServerProblem::Standby { .. } => {
            "name the primary in the URL, or all servers and `?target_session_attrs=read-write`".to_owned()
        }
    }
}

/// `db:5432`, or `/folder (port 5432)`, as a PostgreSQL program is given it; of several places the first.
fn host_and_port(places: &str) -> String {
    let place = places.split(", ").next().unwrap_or_default();
    let folder = place.strip_suffix(')').and_then(|place| place.rsplit_once(" (port "));
    let quoted = |text: &str| shell_words::quote(text).into_owned();
    match folder.or_else(|| place.rsplit_once(':')) {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            format!("-h {} -p {port}", quoted(host))
        }
        _ => format!("-h {}", quoted(place)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explanation::Explanation;
    use queuectl_core::Exit;
    use queuectl_store::{Location, StoreError};

    fn server(problem: ServerProblem) -> Explanation {
        let queue = Location::Url("postgres://me:secret@db:5432/q".into());
        StoreError::Server { queue, problem }.into()
    }

    /// The whole of what is said.
    fn whole(said: &Explanation) -> String {
        format!("{}\nhint: {}", said.message, said.hint.as_deref().unwrap_or_default())
    }

    /// Asserts the whole of what is said, and that it is an error and no invitation to try again.
    fn says(problem: ServerProblem, what: &str, hint: &str) {
        let said = server(problem);
        assert_eq!(said.exit, Exit::Error);
        assert_eq!(whole(&said), format!("the queue postgres://me@db:5432/q: {what}\nhint: {hint}"));
    }

    fn host() -> String {
        "db:5432".into()
    }

    #[test]
    fn an_address_that_cannot_be_understood_leads_to_where_it_is_said() {
        says(
            ServerProblem::Address { reason: "port is to be a whole number".into() },
            "port is to be a whole number",
            "see what is meant with `queuectl config get database`",
        );
    }

    #[test]
    fn a_server_that_cannot_be_reached_can_be_asked_for() {
        says(
            ServerProblem::Unreachable { host: host(), reason: "connection refused".into() },
            "the server db:5432 cannot be reached: connection refused",
            "see whether it runs with `pg_isready -h db -p 5432`; see what is meant with `queuectl config get database`",
        );
    }

    #[test]
    fn every_place_of_a_server_can_be_typed() {
        for (place, typed) in [
            ("localhost:5432", "-h localhost -p 5432"),
            ("::1:5433", "-h ::1 -p 5433"),
            ("[::1]:5433", "-h ::1 -p 5433"),
            ("/run/my server (port 5432)", "-h '/run/my server' -p 5432"),
            ("a:1, b:2", "-h a -p 1"),
            ("db", "-h db"),
        ] {
            assert_eq!(host_and_port(place), typed, "{place}");
        }
    }

    #[test]
    fn a_server_that_is_full_is_tried_again() {
        says(
            ServerProblem::NotNow { host: host(), reason: "sorry, too many clients already".into() },
            "the server db:5432 takes no connection now: sorry, too many clients already",
            "try again; if it stays so, see `max_connections` of the server and who uses them",
        );
    }

    #[test]
    fn an_unsafe_connection_leads_to_its_settings() {
        let explained = server(ServerProblem::Tls { host: host(), reason: "unknown issuer".into() });
        let said = whole(&explained);
        assert!(said.contains("no safe connection to db:5432: unknown issuer\nhint: "), "{said}");
        assert!(said.contains("sslmode") && said.contains("sslrootcert"), "{said}");
        assert_eq!(explained.exit, Exit::Error);
    }

    #[test]
    fn a_refused_login_leads_to_where_passwords_are_kept() {
        let (user, reason) = ("me".to_owned(), "password authentication failed".to_owned());
        let explained = server(ServerProblem::LoginRefused { host: host(), user, reason });
        let said = whole(&explained);
        assert!(said.contains("does not let me in: password authentication failed\nhint: "), "{said}");
        for place in ["~/.pgpass", "PGPASSWORD", "the configuration file"] {
            assert!(said.contains(place), "{said}");
        }
        assert!(!said.contains("secret"), "{said}");
        assert_eq!(explained.exit, Exit::Error);
    }

    #[test]
    fn a_missing_database_can_be_created() {
        says(
            ServerProblem::NoSuchDatabase { host: host(), database: "my queue".into() },
            "the server db:5432 has no database my queue",
            "create it with `createdb -h db -p 5432 'my queue'`",
        );
    }

    #[test]
    fn a_missing_right_leads_to_the_list_of_rights() {
        says(
            ServerProblem::NoRight { host: host(), user: "me".into(), reason: "permission denied".into() },
            "the role me may not do this at db:5432: permission denied",
            "grant what is missing; docs/postgres.md lists the rights that are needed",
        );
    }

    #[test]
    fn a_server_that_is_too_old_leads_to_another() {
        says(
            ServerProblem::TooOld { host: host(), found: "11.22".into(), wanted: "12" },
            "the server db:5432 is PostgreSQL 11.22; 12 or newer is needed",
            "name a newer server with `--database URL`, or a file with `--database PATH`",
        );
    }

    #[test]
    fn a_standby_leads_to_the_primary() {
        says(
            ServerProblem::Standby { host: host() },
            "the server db:5432 is a standby, where nothing can be written",
            "name the primary in the URL, or all servers and `?target_session_attrs=read-write`",
        );
    }
}

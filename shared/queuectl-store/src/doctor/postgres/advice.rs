//! What to do about what is not well, with what can be typed.

use crate::doctor::words::START_A_WORKER;
use crate::finding::Finding;
use crate::{ServerProblem, StoreError};
use queuectl_files::quoted;
use queuectl_postgres::session::in_schema;
use queuectl_postgres::{Address, Server};
use tokio_postgres::config::Host;

const WHERE_IT_IS_SAID: &str = "where the address comes from says `queuectl config list --origin`";

/// What a refusal means, and what to do about it. There is no address if it could
/// not be understood.
pub(super) fn refusal(check: &'static str, error: &StoreError, address: Option<&Address>) -> Finding {
    let Some(address) = address else {
        let advice =
            format!("write it as postgres://USER@HOST:PORT/DATABASE?schema=NAME; {WHERE_IT_IS_SAID}");
        return Finding::error(check, error.to_string(), advice);
    };
    let advice = match error {
        StoreError::Server { problem, .. } => about_server(problem, address),
        StoreError::NotOurs { .. } => format!(
            "see what is in it with `{}`; another name for the queue is said in the URL, `?schema=NAME`",
            psql(address, &format!("\\dt {}.*", address.schema()))
        ),
        StoreError::NewerSchema { .. } => "use the newer queuectl that wrote it".to_owned(),
        StoreError::OlderSchema { .. } => {
            format!("start a worker, as a role that owns the schema, which brings it there: `{START_A_WORKER}`")
        }
        StoreError::Full { .. } => {
            "make room on the server's disk, for example with `queuectl prune --state completed --older-than 7d`"
                .to_owned()
        }
        StoreError::Corrupt { .. } => format!(
            "stop the workers with `queuectl worker stop --everywhere`, keep a copy of the server's data folder, \
             then save what can be read with `{}`",
            dump(address)
        ),
        StoreError::Moved { to, .. } => format!("use the new place: `--database {}`", quoted(to)),
        StoreError::Io { path, .. } => {
            format!("see whose it is with `ls -ld {}`", quoted(&path.display().to_string()))
        }
        _ => format!("see what the server's log says of it, and how it answers you: `{}`", psql(address, "SELECT 1")),
    };
    Finding::error(check, error.to_string(), advice)
}

fn about_server(problem: &ServerProblem, address: &Address) -> String {
    match problem {
        ServerProblem::Address { .. } => WHERE_IT_IS_SAID.to_owned(),
        ServerProblem::Unreachable { .. } => {
            format!(
                "see whether it runs and can be reached from here with `pg_isready {}`; {WHERE_IT_IS_SAID}",
                place(address)
            )
        }
        ServerProblem::NoSession { .. } => {
            "if there is a pool in between, give it more sessions: in session mode it needs 2 for each worker and \
             1 for each manager, and 1 for each command; else see what the server's log says"
                .to_owned()
        }
        ServerProblem::NotNow { .. } => {
            "try again; if it stays so, end programs that are connected and idle, \
             give the server a higher `max_connections`, or put a pool of connections before it"
                .to_owned()
        }
        ServerProblem::Failed { .. } => "try again; if it stays so, the server's log says more".to_owned(),
        ServerProblem::Tls { .. } => {
            "say in the URL how safe the connection must be, `?sslmode=…`, and whose \
             certificates to trust, `?sslrootcert=FILE`"
                .to_owned()
        }
        ServerProblem::LoginRefused { .. } => format!(
            "see whether `{}` lets you in; a password belongs into ~/.pgpass (mode 0600), PGPASSWORD or the \
             configuration file, and pg_hba.conf of the server says who may log in how",
            psql(address, "SELECT 1")
        ),
        ServerProblem::NoSuchDatabase { database, .. } => {
            let (place, user) = (place(address), quoted(address.user()));
            format!("create it with `createdb {place} -U {user} {}`", quoted(database))
        }
        ServerProblem::NoRight { .. } => {
            format!(
                "have the owner of the schema grant it: `{}`",
                psql_as(address, "OWNER", &grants(address, address.user()))
            )
        }
        ServerProblem::RowsHidden { user, tables, .. } => {
            let off = |table| format!("ALTER TABLE @{table} DISABLE ROW LEVEL SECURITY");
            let all: Vec<String> = tables.split(", ").map(off).collect();
            format!(
                "jobs that are not shown would be taken for not there: have this role see all rows, `{}`, or switch \
                 it off, `{}`",
                psql_as_superuser(address, &format!("ALTER ROLE {} BYPASSRLS", quoted_name(user))),
                psql_as_superuser(address, &all.join("; "))
            )
        }
        ServerProblem::Foreign { .. } => format!(
            "if it is PostgreSQL, see which tables and views are there with `{}`; {WHERE_IT_IS_SAID}",
            psql(address, &format!("\\d {}.*", address.schema()))
        ),
        ServerProblem::TooOld { .. } => "bring the server to a newer version, or name another one".to_owned(),
        ServerProblem::Standby { .. } => {
            "name the primary in the URL, or all servers with `?target_session_attrs=read-write`".to_owned()
        }
    }
}

/// What lets a role work on the queue; `role` as SQL is to read it.
pub(super) fn grants(address: &Address, role: &str) -> String {
    let schema = address.schema();
    format!(
        "GRANT USAGE ON SCHEMA {schema} TO {role}; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}; \
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}"
    )
}

/// What has the server do something, `@` standing for the schema.
pub(super) fn psql(address: &Address, sql: &str) -> String {
    psql_as(address, address.user(), sql)
}

/// The same, for who may do everything.
pub(super) fn psql_as_superuser(address: &Address, sql: &str) -> String {
    psql_as(address, "postgres", sql)
}

/// The same, for another role.
pub(super) fn psql_as(address: &Address, role: &str, sql: &str) -> String {
    let (place, database) = (place(address), quoted(address.database()));
    let sql = quoted(&in_schema(sql, address.schema()));
    format!("psql {place} -U {} -d {database} -c {sql}", quoted(role))
}

/// A name as SQL reads it.
fn quoted_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What copies the queue as it is into a file.
pub(super) fn dump(address: &Address) -> String {
    let (user, database) = (quoted(address.user()), quoted(address.database()));
    format!("pg_dump {} -U {user} -d {database} -n {} -Fc -f FILE", place(address), address.schema())
}

/// Something that must never be.
pub(super) fn report_it(address: &Address) -> String {
    format!("keep a copy with `{}` and report it, for no program of queuectl may do this", dump(address))
}

/// The first server, as programs of PostgreSQL are told of one.
fn place(address: &Address) -> String {
    let Some(Server { host, port, .. }) = address.servers().first() else { return String::new() };
    let host = match host {
        Host::Unix(folder) => folder.display().to_string(),
        Host::Tcp(name) => name.clone(),
    };
    format!("-h {} -p {port}", quoted(&host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_to_be_typed_is_what_a_shell_reads() {
        let url = "postgres://me%20too@db:5433/it's?schema=here";
        let address = Address::find(url, Duration::from_secs(1)).unwrap();
        assert_eq!(
            psql(&address, "SELECT 'a' FROM @job"),
            r#"psql -h db -p 5433 -U 'me too' -d 'it'\''s' -c 'SELECT '\''a'\'' FROM "here".job'"#
        );
        assert_eq!(dump(&address), r"pg_dump -h db -p 5433 -U 'me too' -d 'it'\''s' -n here -Fc -f FILE");
    }
}

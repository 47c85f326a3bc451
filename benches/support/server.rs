//! PostgreSQL servers that are thrown away, as a person would have just installed
//! them: what is committed is on the disk.

use super::{Bench, Result, note};
use crate::ground::hosts::Host;
use crate::ground::postgres::Server;
use crate::ground::trials::Means;
use crate::ground::watched::unprivileged_folder_in;
use std::panic::catch_unwind;

/// What the tests have smaller than PostgreSQL itself: everything is as it comes.
const SETTINGS: [(&str, &str); 1] = [("shared_buffers", "'128MB'")];

/// The longest folder in which a socket of a server's has room, in bytes.
const LONGEST_PATH: usize = 60;

/// Starts a server whose data lie where everything is measured, on a machine of a
/// network or on this one.
///
/// # Errors
///
/// What is missing here.
pub(crate) fn start_server(bench: &Bench, host: Option<&Host>) -> Result<Server> {
    let (needed, folder) = (Means::Postgres, bench.parent());
    if !needed.is_here() {
        return Err(format!("it needs {}", needed.description()).into());
    }
    if folder.as_os_str().len() > LONGEST_PATH {
        return Err(format!("a socket has no room in {}: set QUEUECTL_BENCH_DIR", folder.display()).into());
    }
    // What starts servers for the tests says by a panic why it cannot.
    let start = || Server::start_in(unprivileged_folder_in(folder, "queuectl-pg-"), host, &SETTINGS);
    let server = catch_unwind(start).map_err(|_said_already| "the server could not be started")?;
    note(&format!("PostgreSQL {}, as it comes", server.psql("SHOW server_version").trim()));
    Ok(server)
}

//! What a program says when it cannot do what it was asked to.
//!
//! Each library has its own errors; each becomes a [`Failure`] in one function
//! here, with the exit code and the hint that go with it.

use crate::json;
use crate::logging::beginning_of_line;
use crate::text::escape;
use crate::typed_places::with_typed_places;
use queuectl_core::{Event, Exit, InvalidCommand, InvalidEnvironment, InvalidJobId};
use queuectl_settings::{RAISE_THE_LIMIT, SettingsError};
use queuectl_store::{Location, ServerProblem, StoreError};
use serde::Serialize;
use std::fmt;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

/// Why a program ends without having done what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    code: Exit,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// Makes a failure: one line, lower case, the object and the obstacle.
    pub fn new(code: Exit, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// An [`Exit::Error`].
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Exit::Error, message)
    }

    /// What came of a change: if nobody knows, it is said of which object, and how to
    /// find out.
    pub fn of_change(
        error: StoreError,
        object: impl fmt::Display,
        how_to_find_out: impl Into<String>,
    ) -> Self {
        match error {
            StoreError::OutcomeUnknown { .. } => Self::from(error).about(object).hint(how_to_find_out),
            error => error.into(),
        }
    }

    /// Everything has been said already; only the exit code is left to give.
    pub fn said(code: Exit) -> Self {
        Self::new(code, "")
    }

    /// The reader of standard output has left: nothing to say, and no error.
    pub fn closed_pipe() -> Self {
        Self::said(Exit::Done)
    }

    /// What came of a write to standard output.
    pub fn of_output(error: &io::Error) -> Self {
        let failure = Self::error(format!("cannot write to standard output: {error}"));
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::closed_pipe(),
            io::ErrorKind::FileTooLarge => failure.hint(RAISE_THE_LIMIT),
            _ => failure,
        }
    }

    /// Adds what to type next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says otherwise how to find out, where it is not known whether a change was made.
    #[must_use]
    pub fn hint_if_unknown(self, hint: &str) -> Self {
        if self.hint.as_deref() == Some(FIND_OUT) { self.hint(hint) } else { self }
    }

    /// Says what the failure is about, before its message: `line 3: …`.
    #[must_use]
    pub fn about(mut self, object: impl fmt::Display) -> Self {
        self.message = format!("{object}: {}", self.message);
        self
    }

    /// Ends the program with another exit code.
    #[must_use]
    pub fn with_code(mut self, code: Exit) -> Self {
        self.code = code;
        self
    }

    /// The exit code it leads to.
    pub fn code(&self) -> Exit {
        self.code
    }

    /// Its message, as it was made.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to type next, if that can be said.
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Has every failure of this program written as JSON, or as text.
    pub(crate) fn report_as_json(json: bool) {
        AS_JSON.store(json, Ordering::Relaxed);
    }

    /// Tells whether failures are written as JSON.
    pub(crate) fn is_json() -> bool {
        AS_JSON.load(Ordering::Relaxed)
    }

    /// Writes it to standard error, if there is something to say and somebody
    /// to read it.
    pub fn report(&self) {
        if self.message.is_empty() {
            return;
        }
        let said = Self { hint: self.hint.as_deref().map(with_typed_places), ..self.clone() };
        let document = Document { error: &said.message, hint: said.advice(), exit: said.code.code() };
        let line = match json::to_string(&document) {
            Ok(document) if Self::is_json() => document,
            _ => {
                let beginning = beginning_of_line();
                format!("{beginning}{}", said.to_string().replace('\n', &format!("\n{beginning}")))
            }
        };
        let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
    }
}

/// What can always be done where it is not known whether a change was made.
const FIND_OUT: &str = "see what is there with `queuectl list`, and repeat the command if it was not done";

/// How a failure is written for a program.
#[derive(Serialize)]
struct Document<'a> {
    error: &'a str,
    hint: Option<&'a str>,
    exit: u8,
}

/// Whether `--json` was given: failures are written in more places than one.
static AS_JSON: AtomicBool = AtomicBool::new(false);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "queuectl: error: {}", escape(&self.message))?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {}", escape(hint)),
            None => Ok(()),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        of_store(&error)
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        of_settings(&error)
    }
}

impl From<InvalidJobId> for Failure {
    fn from(error: InvalidJobId) -> Self {
        Self::error(error.to_string())
    }
}

impl From<InvalidCommand> for Failure {
    fn from(error: InvalidCommand) -> Self {
        of_command(&error)
    }
}

impl From<InvalidEnvironment> for Failure {
    fn from(error: InvalidEnvironment) -> Self {
        Self::error(error.to_string())
    }
}

fn of_store(error: &StoreError) -> Failure {
    let message = error.to_string();
    match error {
        StoreError::NoSuchJob { .. } => {
            Failure::new(Exit::NotFound, message).hint("list them with `queuectl list`")
        }
        StoreError::Refused { id, source } => {
            let state = source.state;
            match source.event {
                Event::Revived => {
                    let message = format!("job {id} is {state}; only dead and failed jobs can be retried");
                    Failure::new(Exit::NotFound, message).hint(if state.is_finished() {
                        format!("run it anew: free its id with `queuectl prune {id}`, and enqueue it again")
                    } else {
                        format!("see it with `queuectl show {id}`")
                    })
                }
                Event::Hurried => Failure::new(Exit::NotFound, message)
                    .hint(format!("see what became of it with `queuectl show {id}`")),
                Event::Cancelled => Failure::error(format!(
                    "job {id} is {state}; only pending, processing and failed jobs can be cancelled"
                ))
                .hint(format!("see it with `queuectl show {id}`")),
                _ => Failure::error(message),
            }
        }
        StoreError::UnreadableJob { id, .. } => Failure::error(message).hint(format!(
            "see what is left of it with `queuectl show {id}`, and all such rows with `queuectl doctor`"
        )),
        StoreError::UnreadableRecord { .. } => Failure::error(message)
            .hint("see all such rows, and what to do about them, with `queuectl doctor`"),
        StoreError::OtherState { id, state } if state.is_finished() => {
            Failure::error(message).hint(format!("delete it with `queuectl prune {id}`"))
        }
        StoreError::OtherState { id, .. } => {
            Failure::error(format!("{message}; only completed, dead and cancelled jobs can be deleted"))
                .hint(format!("end it first with `queuectl cancel {id}`"))
        }
        StoreError::DuplicateId { id, .. } => {
            Failure::error(message).hint(format!("see it with `queuectl show {id}`, or choose another --id"))
        }
        StoreError::NotFinished { .. } => {
            Failure::error(message).hint("end them first with `queuectl cancel ID`")
        }
        StoreError::Busy { .. } => Failure::new(Exit::Busy, message)
            .hint("try again, or wait longer with `queuectl config set busy-timeout 2m`"),
        StoreError::OutcomeUnknown { .. } => Failure::new(Exit::Busy, message).hint(FIND_OUT),
        // Its manager starts another, which may work.
        StoreError::CalledDead { .. }
        | StoreError::LeaseLapsed { .. }
        | StoreError::StillAlive { .. }
        | StoreError::BusyWithItself { .. } => Failure::new(Exit::Busy, message),
        StoreError::Moved { .. }
        | StoreError::Staying { .. }
        | StoreError::Arriving { .. }
        | StoreError::NotEmpty { .. }
        | StoreError::NotThisMove { .. } => of_move(error, message),
        StoreError::Server { problem, .. } => Failure::error(message).hint(hint_for_server(problem)),
        StoreError::OlderSchema { .. } => Failure::new(Exit::Busy, message)
            .hint("start a worker, which brings it there: `queuectl worker start`"),
        // What is deleted there leaves the disk as full as it was.
        StoreError::Full { queue: Location::Url(_) } => {
            Failure::error(message).hint("make room on the disk of the server")
        }
        StoreError::Full { .. } => Failure::error(message)
            .hint("make room, for example with `queuectl prune --state completed --older-than 7d`"),
        StoreError::FileLimit { .. } => Failure::error(message).hint(RAISE_THE_LIMIT),
        StoreError::Io { source, .. } if source.kind() == io::ErrorKind::FileTooLarge => {
            Failure::error(message).hint(RAISE_THE_LIMIT)
        }
        StoreError::Disk { .. } => Failure::error(message).hint(
            "look into the disk, for example with `dmesg | tail`, then into the queue: `queuectl doctor`",
        ),
        StoreError::Corrupt { .. } => {
            Failure::error(message).hint("see what can be done with `queuectl doctor`")
        }
        StoreError::NewerSchema { .. } => {
            Failure::error(message).hint("use the newer queuectl that wrote it")
        }
        StoreError::ReadOnlyFileSystem { .. } => Failure::error(message).hint(
            "look at it with `queuectl list`, or copy it to where it can be used: `queuectl backup FILE`",
        ),
        StoreError::ReadOnly { .. } | StoreError::CannotOpen { .. } => {
            Failure::error(message).hint("see where the queue is with `queuectl config get database`")
        }
        StoreError::NotOurs { .. } | StoreError::NoStoreFor { .. } | StoreError::NetworkFileSystem { .. } => {
            Failure::error(message).hint("name another queue with `--database PATH`")
        }
        StoreError::NumbersTaken { .. } => {
            Failure::error(message).hint("see how to set them right with `queuectl doctor`")
        }
        StoreError::Database { .. } => {
            Failure::error(message).hint("see what is wrong with it with `queuectl doctor`")
        }
        StoreError::Unfit(unfit) => {
            Failure::error(message).hint(unfit.hint("name a queue of your own with `--database PATH`"))
        }
        StoreError::LockFileMissing { .. } | StoreError::LockFileReplaced { .. } => Failure::error(message)
            .hint("end the workers that `queuectl worker list` shows, with `kill PID`, then start one again"),
        _ => Failure::error(message),
    }
}

/// What a move has to do with it.
fn of_move(error: &StoreError, message: String) -> Failure {
    match error {
        StoreError::Moved { to, .. } => {
            let place = shell_words::quote(to);
            Failure::new(Exit::Busy, message).hint(format!("use the new place: `--database {place}`"))
        }
        StoreError::Staying { queue, .. } => {
            let place = queue.to_string();
            Failure::new(Exit::Busy, message).hint(format!(
                "finish that with `queuectl move --abort --database {}`",
                shell_words::quote(&place)
            ))
        }
        StoreError::Arriving { queue, from } => {
            let (from, to) = (shell_words::quote(from).into_owned(), queue.to_string());
            Failure::new(Exit::Busy, message).hint(format!(
                "try again when it is complete; if nobody is at it, go on with `queuectl move --to {to} --database \
                 {from}`, or give it up with `queuectl move --abort --database {to}`",
                to = shell_words::quote(&to)
            ))
        }
        StoreError::NotEmpty { .. } => Failure::error(message)
            .hint("name a file that is not there, or another `?schema=NAME` of the server"),
        StoreError::NotThisMove { .. } => Failure::error(message)
            .hint("somebody has given it up or finished it; see what is there with `queuectl status`"),
        _ => Failure::error(message),
    }
}

/// What to type when a server cannot be used.
fn hint_for_server(problem: &ServerProblem) -> String {
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

fn of_settings(error: &SettingsError) -> Failure {
    let failure = Failure::error(error.to_string());
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn of_command(error: &InvalidCommand) -> Failure {
    let failure = Failure::error(error.to_string());
    match error {
        InvalidCommand::Empty => failure.hint("name one, for example `queuectl enqueue 'make all'`"),
        InvalidCommand::TooLong { .. } => failure.hint("put it into a file and enqueue `sh FILE`"),
        InvalidCommand::Nul => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use queuectl_core::{IllegalTransition, JobId, State, WorkerId};

    fn refused(state: State, event: Event) -> Failure {
        let id = JobId::trusted("7f3a".into());
        StoreError::Refused { id, source: IllegalTransition { state, event } }.into()
    }

    #[test]
    fn a_retry_of_a_job_that_is_not_dead_says_which_are() {
        let failure = refused(State::Completed, Event::Revived);
        assert_eq!(failure.code(), Exit::NotFound);
        assert_eq!(
            failure.to_string(),
            "queuectl: error: job 7f3a is completed; only dead and failed jobs can be retried\n\
             hint: run it anew: free its id with `queuectl prune 7f3a`, and enqueue it again"
        );
    }

    #[test]
    fn each_store_error_has_its_exit_code() {
        let queue = queuectl_store::Location::File("queue.db".into());
        let code = |error: StoreError| Failure::from(error).code();
        assert_eq!(code(StoreError::NoSuchJob { id: JobId::trusted("x".into()) }), Exit::NotFound);
        assert_eq!(code(StoreError::Busy { queue: queue.clone(), waited_s: 30 }), Exit::Busy);
        assert_eq!(code(StoreError::OlderSchema { queue: queue.clone(), found: 1, known: 2 }), Exit::Busy);
        assert_eq!(code(StoreError::NewerSchema { queue: queue.clone(), found: 3, known: 2 }), Exit::Error);
        assert_eq!(code(StoreError::Full { queue: queue.clone() }), Exit::Error);
        assert_eq!(code(StoreError::Disk { path: "queue.db".into(), reason: String::new() }), Exit::Error);
        assert_eq!(code(StoreError::Corrupt { queue: queue.clone(), reason: String::new() }), Exit::Error);
        assert_eq!(code(StoreError::CalledDead { worker: WorkerId(1) }), Exit::Busy);
        assert_eq!(code(StoreError::BusyWithItself { path: "queue.db".into(), waited_s: 30 }), Exit::Busy);
        assert_eq!(code(StoreError::LeaseLapsed { worker: WorkerId(1), silent_s: 29 }), Exit::Busy);
        assert_eq!(code(StoreError::StillAlive { worker: WorkerId(1) }), Exit::Busy);
        assert_eq!(code(StoreError::Moved { queue: queue.clone(), to: "there".into() }), Exit::Busy);
        assert_eq!(code(StoreError::Staying { queue: queue.clone(), to: "there".into() }), Exit::Busy);
        assert_eq!(code(StoreError::Arriving { queue: queue.clone(), from: "there".into() }), Exit::Busy);
        assert_eq!(code(StoreError::NotEmpty { queue: queue.clone() }), Exit::Error);
        let reason = String::new();
        assert_eq!(code(StoreError::OutcomeUnknown { queue: queue.clone(), reason }), Exit::Busy);
        assert_eq!(code(StoreError::NotThisMove { queue }), Exit::Error);
        assert_eq!(refused(State::Dead, Event::Cancelled).code(), Exit::Error);
    }

    fn server(problem: ServerProblem) -> Failure {
        let queue = queuectl_store::Location::Url("postgres://me:secret@db:5432/q".into());
        StoreError::Server { queue, problem }.into()
    }

    /// Asserts the whole of what is said, and that it is an error and no invitation to try again.
    fn says(problem: ServerProblem, what: &str, hint: &str) {
        let failure = server(problem);
        assert_eq!(failure.code(), Exit::Error);
        let queue = "queuectl: error: the queue postgres://me@db:5432/q";
        assert_eq!(failure.to_string(), format!("{queue}: {what}\nhint: {hint}"));
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
        let failure = server(ServerProblem::Tls { host: host(), reason: "unknown issuer".into() });
        let said = failure.to_string();
        assert!(said.contains("no safe connection to db:5432: unknown issuer\nhint: "), "{said}");
        assert!(said.contains("sslmode") && said.contains("sslrootcert"), "{said}");
        assert_eq!(failure.code(), Exit::Error);
    }

    #[test]
    fn a_refused_login_leads_to_where_passwords_are_kept() {
        let (user, reason) = ("me".to_owned(), "password authentication failed".to_owned());
        let failure = server(ServerProblem::LoginRefused { host: host(), user, reason });
        let said = failure.to_string();
        assert!(said.contains("does not let me in: password authentication failed\nhint: "), "{said}");
        for place in ["~/.pgpass", "PGPASSWORD", "the configuration file"] {
            assert!(said.contains(place), "{said}");
        }
        assert!(!said.contains("secret"), "{said}");
        assert_eq!(failure.code(), Exit::Error);
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

    #[test]
    fn whoever_comes_to_a_queue_that_has_moved_learns_the_new_place() {
        let queue = queuectl_store::Location::File("queue.db".into());
        let failure = Failure::from(StoreError::Moved { queue, to: "postgres://me@db/q".into() });
        assert_eq!(
            (failure.code(), failure.to_string().as_str()),
            (
                Exit::Busy,
                "queuectl: error: the queue queue.db has moved to postgres://me@db/q\n\
                 hint: use the new place: `--database postgres://me@db/q`"
            )
        );
    }

    #[test]
    fn a_failing_disk_and_a_damaged_queue_lead_to_the_doctor() {
        let queue = queuectl_store::Location::File("queue.db".into());
        let disk = StoreError::Disk { path: "queue.db".into(), reason: "disk I/O error".into() };
        let damaged = StoreError::Corrupt { queue, reason: "malformed".into() };
        for (error, word) in [(disk, "dmesg"), (damaged, "damaged")] {
            let said = Failure::from(error).to_string();
            assert!(said.contains("\nhint: ") && said.contains("`queuectl doctor`"), "{said}");
            assert!(said.contains(word), "{said}");
        }
    }

    #[test]
    fn a_message_stays_on_its_line() {
        let failure = Failure::error("a\nb\u{1b}[2J").about("line 3").hint("c\rd");
        assert_eq!(failure.to_string(), "queuectl: error: line 3: a\\nb\\x1b[2J\nhint: c\\rd");
    }

    #[test]
    fn a_reader_that_left_is_no_error() {
        let failure = Failure::of_output(&io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.code(), failure.message()), (Exit::Done, ""));
        let failure = Failure::of_output(&io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(failure.code(), Exit::Error);
    }
}

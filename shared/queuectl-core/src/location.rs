//! Where a queue is, and what was typed as that: a URL, a path, or neither.
//!
//! An address that is not quite a URL must not become the name of a new file: a
//! password would stand in it, and the jobs would wait where no worker looks. So
//! whatever looks like an address and is none is refused, unless a file of that
//! very name is there already.

use crate::text::is_hidden;
use crate::url::{shown_in_one_line as shown, without_password};
use std::fmt;
use std::path::{Path, PathBuf};

/// The schemes of the servers that can keep a queue.
const SCHEMES: [&str; 2] = ["postgres", "postgresql"];

/// How an address is written, for hints.
const FORM: &str = "postgres://USER@HOST/DATABASE";

/// Quotation marks that an env file, a document or a word processor leaves around an address.
const QUOTES: &str =
    "\"'`<>\u{2018}\u{2019}\u{201a}\u{201b}\u{201c}\u{201d}\u{201e}\u{ab}\u{bb}\u{2039}\u{203a}";

/// The beginning of a connection string, of libpq (`host=db dbname=q`, with `PG` before
/// the names of its variables) or of other drivers (`server=db;database=q`).
const PARAMETERS: [&str; 39] = [
    "host",
    "hostaddr",
    "port",
    "dbname",
    "database",
    "user",
    "password",
    "passfile",
    "service",
    "sslmode",
    "server",
    "data source",
    "initial catalog",
    "uid",
    "user id",
    "pwd",
    "dsn",
    "url",
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "driver",
    "gssencmode",
    "keepalives",
    "krbsrvname",
    "load_balance_hosts",
    "options",
    "replication",
    "require_auth",
    "requirepeer",
    "sslcert",
    "sslcompression",
    "sslkey",
    "sslnegotiation",
    "sslpassword",
    "sslrootcert",
    "target_session_attrs",
    "tcp_user_timeout",
];

/// Where a queue is. Shown, also for programmers, without a password.
#[derive(Clone, Eq, PartialEq)]
pub enum Location {
    /// A file; as it was typed, its path may be relative and begin with `~`.
    File(PathBuf),
    /// The URL of a server that can keep a queue, as it was given.
    Url(String),
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Url(url) => f.debug_tuple("Url").field(&without_password(url)).finish(),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Url(url) => f.write_str(&without_password(url)),
        }
    }
}

/// A text that is not what it should be. Shown in one line and without a password.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{shown}` is {obstacle}")]
pub struct NotALocation {
    shown: String,
    obstacle: &'static str,
    hint: String,
}

impl NotALocation {
    fn new(text: &str, obstacle: &'static str, hint: String) -> Self {
        Self { shown: shown(text), obstacle, hint }
    }

    /// Says what to type instead.
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl Location {
    /// Understands a text.
    ///
    /// `exists` tells whether there is a file of this name: then it is meant,
    /// whatever it looks like.
    ///
    /// # Errors
    ///
    /// [`NotALocation`] with the right form, if it looks like an address and is none,
    /// or if it names no file and is no path with a `/` and no name ending in `.db`.
    pub fn read(text: &str, exists: impl FnOnce(&Path) -> bool) -> Result<Self, NotALocation> {
        if is_url(text) {
            return Ok(Self::Url(text.to_owned()));
        }
        match doubt(text).or_else(|| no_new_file(text)) {
            Some(hint) if !exists(Path::new(text)) => {
                Err(NotALocation::new(text, "neither the path nor the URL of a queue", hint))
            }
            _ => Ok(Self::File(PathBuf::from(text))),
        }
    }

    /// Makes sure that a text is a path, and not what a file or a shell has left of one.
    ///
    /// `exists` is as in [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// [`NotALocation`].
    pub fn check_path(text: &str, exists: impl FnOnce(&Path) -> bool) -> Result<(), NotALocation> {
        match doubt(text) {
            Some(hint) if !exists(Path::new(text)) => Err(NotALocation::new(text, "no path", hint)),
            _ => Ok(()),
        }
    }
}

/// Tells whether a text begins as the URL of a server does: `postgres://`.
pub fn names_a_server(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| SCHEMES.contains(&scheme))
}

/// Tells whether this is `postgres://…`, written as it must be.
fn is_url(text: &str) -> bool {
    names_a_server(text) && text.matches("://").count() == 1 && trimmed(text) == text
}

/// What to type instead of a name that makes no new file.
fn no_new_file(text: &str) -> Option<String> {
    let is_plain =
        !text.contains('/') && text.strip_suffix(".db").is_none() && !matches!(text, "~" | "." | "..");
    is_plain.then(|| format!("for a new file type `./{0}` or `{0}.db`", shown(text)))
}

/// What to type instead of a text that is probably no path; nothing if it is one.
fn doubt(text: &str) -> Option<String> {
    let is_path = ["/", "./", "../", "~/"].iter().any(|start| text.starts_with(start));
    // A path may end in a quotation mark; nothing stands around it that begins as one.
    let inner = if is_path { text.trim_end_matches(is_unseen) } else { trimmed(text) };
    if inner != text {
        let around = "leave out the quotes, blanks and line ends around it";
        let is_location = is_url(inner) || doubt(inner).or_else(|| no_new_file(inner)).is_none();
        return Some(if is_location { format!("{around}: `{}`", shown(inner)) } else { around.to_owned() });
    }
    if let Some(variable) = text.split('/').find(|part| part.starts_with('$') || part.starts_with('%')) {
        return Some(format!("no shell has put in what `{}` stands for; write it out", shown(variable)));
    }
    if text.contains("{{") {
        return Some("a template is not filled in; write out what `{{ … }}` stands for".to_owned());
    }
    if (is_path && !(text.starts_with("//") && text.contains('@'))) || text == "~" {
        return None;
    }
    if text.contains(is_hidden) {
        return Some("leave out the characters that cannot be seen".to_owned());
    }
    if text.starts_with('~') {
        return Some("write the folder of that user out: `/home/USER/queue.db`".to_owned());
    }
    let first = text.split('/').next().unwrap_or_default();
    if text.contains("//") || first.contains([':', '@', '\\']) || is_parameters(text) {
        return Some(of_address(text));
    }
    None
}

/// What an address that is none of ours should have been.
fn of_address(text: &str) -> String {
    if let Some(rest) = after_our_scheme(text) {
        return format!("write it as a URL: `{}`", shown(&format!("postgres://{rest}")));
    }
    let scheme = text.split([':', '/', '=']).next().unwrap_or_default().to_ascii_lowercase();
    if scheme.starts_with("sqlite") || scheme == "file" {
        let path = text.split_once(':').map_or(text, |(_, path)| path);
        let path = path.split('?').next().unwrap_or_default();
        let path = if path.starts_with("//") { path.trim_start_matches("//") } else { path };
        if !path.is_empty() && doubt(path).or_else(|| no_new_file(path)).is_none() {
            return format!("name the file by its path alone: `{}`", shown(path));
        }
        return "name the file by its path alone: `/folder/queue.db`".to_owned();
    }
    if text.starts_with(':') {
        return "a queue lies in a file or on a server; name one: `./queue.db`".to_owned();
    }
    if text.contains('\\') {
        return "write the path with `/`".to_owned();
    }
    let is_address = text.contains("://") || text.contains('@') || is_parameters(text);
    if SCHEMES.contains(&scheme.as_str()) || is_address {
        return format!("a server is named as `{FORM}`, a file by its path: `./queue.db`");
    }
    format!("for a file of this name type `./{}`; a server is named as `{FORM}`", shown(text))
}

/// What follows `POSTGRES://`, `jdbc:postgresql://`, `postgresql+psycopg2://`.
fn after_our_scheme(text: &str) -> Option<&str> {
    let (before, rest) = text.split_once("://")?;
    let scheme = before.rsplit([':', '=', ' ', '<', '(']).next().unwrap_or_default().to_ascii_lowercase();
    let scheme = scheme.split('+').next().unwrap_or_default();
    let is_whole = !rest.is_empty() && !rest.contains("://") && trimmed(rest) == rest;
    (SCHEMES.contains(&scheme) && is_whole).then_some(rest)
}

/// Tells whether a parameter stands in this, as in `host=db dbname=q`, wherever.
fn is_parameters(text: &str) -> bool {
    let is_name = |name: &str| {
        let name = name.trim().to_ascii_lowercase();
        PARAMETERS.contains(&name.strip_prefix("pg").unwrap_or(&name))
    };
    let begins = text.split_once('=').is_some_and(|(name, _)| is_name(name));
    let words = text.split(|character: char| character.is_whitespace() || ";&?,".contains(character));
    begins || words.filter_map(|word| word.split_once('=')).any(|(name, _)| is_name(name))
}

/// Takes away what an editor, a file or a shell has left around a text.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|character: char| is_unseen(character) || QUOTES.contains(character))
}

fn is_unseen(character: char) -> bool {
    character.is_whitespace() || is_hidden(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Location, NotALocation> {
        Location::read(text, |_| false)
    }

    #[test]
    fn a_url_of_ours_is_one() {
        for url in ["postgres://me@host/q", "postgresql:///q?host=/run/postgresql", "postgres://me:pw@a,b/q"]
        {
            assert_eq!(read(url), Ok(Location::Url(url.to_owned())));
        }
    }

    #[test]
    fn a_path_is_one_with_a_slash_or_the_ending_of_a_database() {
        for path in [
            "/var/lib/queue.db",
            "./shop",
            "../a:b",
            "jobs/shop",
            "shop.db",
            "~/q.db",
            "/home/me:you@work/q",
            "./postgres://x",
            "/with space/q.db",
            "grün/漢.db",
            "//srv/q.db",
            "a=b.db",
            "./'quoted'",
        ] {
            assert_eq!(read(path), Ok(Location::File(path.into())), "{path}");
        }
    }

    #[test]
    fn what_looks_like_an_address_and_is_none_is_refused_without_its_password() {
        for text in [
            "\"postgres://queue:s3cret@db/q\"",
            "'postgres://queue:s3cret@db/q'",
            "\u{201c}postgres://queue:s3cret@db/q\u{201d}",
            " postgres://queue:s3cret@db/q",
            "postgres://queue:s3cret@db/q\r",
            "postgres://queue:s3cret@db/q\n",
            "\u{feff}postgres://queue:s3cret@db/q",
            "postgres:/queue:s3cret@h/d",
            "postgres:queue:s3cret@h/d",
            "postgres//queue:s3cret@h/d",
            "postgres;//queue:s3cret@h/d",
            "postgres ://queue:s3cret@h/d",
            "POSTGRES://queue:s3cret@h/d",
            "Postgresql://queue:s3cret@h/d",
            "postgresql+psycopg2://queue:s3cret@h/d",
            "jdbc:postgresql://h/d?user=queue&password=s3cret",
            "jdbc:sqlserver://h;user=queue;password=s3cret",
            "DATABASE_URL=postgres://queue:s3cret@h/d",
            "<postgres://queue:s3cret@h/d>",
            "postgres://a:b@h/d,postgres://queue:s3cret@h/d",
            "mysql://queue:s3cret@h/d",
            "redis://:s3cret@h",
            "http://h/d",
            "host=h dbname=d password=s3cret",
            "server=h;password=s3cret;database=x.db",
            "Data Source=h;Pwd=s3cret;db=x.db",
            "PGHOST=/h PGPASSWORD=s3cret PGDATABASE=d.db",
            "host=/run/postgresql password='s3 cret' dbname=d",
            "password = s3cret host=h",
            "connect_timeout=10 host=h password=s3cret dbname=/x.db",
            "gssencmode=disable host=/run/postgresql user=q password=s3cret dbname=q",
            "sslrootcert=/etc/x host=h password=s3cret.db",
            "target_session_attrs=any password=s3cret/db",
            "options=-csearch_path=x/y",
            "Driver={PostgreSQL};Server=db/x;Pwd=s3cret",
            "application_name=x host=h password=s3cret",
            "unknown=1 host=db/x password=s3cret",
            "{{ database_url }}/x.db",
            "/srv/{{queue}}/queue.db",
            "queue:s3cret@db/q",
            "queue@db/q",
            "//queue:s3cret@db/q",
            "db.example:5432/q",
            "[::1]:5432/q",
            "sqlite:x.db",
            "sqlite:///x.db",
            "file:x.db?mode=ro",
            "file:///x.db",
            ":memory:",
            "://x",
            "a:b",
            "C:\\queue\\q.db",
            "\\\\server\\q.db",
            "~user/q.db",
            "$HOME/q.db",
            "${HOME}/q.db",
            "/home/$USER/q.db",
            "%h/q.db",
            "\"/var/lib/q.db\"",
            "/var/lib/q.db\r",
            " /var/lib/q.db",
            "/var/lib/q.db ",
            "var/\u{200b}lib/q.db",
            "shop",
            "db.example.com",
            "-",
        ] {
            let error = read(text).unwrap_err();
            let said = format!("{error}\n{}", error.hint());
            assert!(!said.contains("s3") && !said.contains("cret"), "{said}");
            assert!(said.lines().count() == 2 && !error.hint().is_empty(), "{said}");
        }
    }

    #[test]
    fn the_hint_shows_the_right_form() {
        for (text, hint) in [
            ("shop", "for a new file type `./shop` or `shop.db`"),
            ("\"shop.db\"", "leave out the quotes, blanks and line ends around it: `shop.db`"),
            (
                "<postgres://me:pw@h/d>",
                "leave out the quotes, blanks and line ends around it: `postgres://me@h/d`",
            ),
            ("POSTGRES://me:pw@h/d", "write it as a URL: `postgres://me@h/d`"),
            ("jdbc:postgresql://h:5432/d", "write it as a URL: `postgres://h:5432/d`"),
            ("sqlite:///var/x.db", "name the file by its path alone: `/var/x.db`"),
            ("file:x.db?mode=ro", "name the file by its path alone: `x.db`"),
            (
                "postgres:/h/d",
                "a server is named as `postgres://USER@HOST/DATABASE`, a file by its path: `./queue.db`",
            ),
            ("$HOME/q.db", "no shell has put in what `$HOME` stands for; write it out"),
        ] {
            assert_eq!(read(text).unwrap_err().hint(), hint, "{text}");
        }
    }

    #[test]
    fn a_file_that_is_there_is_meant_whatever_its_name() {
        for name in ["shop", "a:b", "\"q.db\"", "$HOME", ":memory:"] {
            assert_eq!(Location::read(name, |_| true), Ok(Location::File(name.into())), "{name}");
        }
    }
}

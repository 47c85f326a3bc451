//! The file of passwords, one line each: `host:port:database:user:password`.
//!
//! <https://www.postgresql.org/docs/current/libpq-pgpass.html>. By hand, since the one
//! library there is (`postgres_secrets`) refuses a whole file for one line, which `libpq`
//! passes over.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A password, which is never shown by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub(crate) String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Whose password is looked for, and where it is valid.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// Any of these: a socket has two names.
    pub(super) hosts: &'a [&'a str],
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// The lines of a file of passwords.
#[derive(Default)]
pub(super) struct PasswordFile(String);

impl PasswordFile {
    /// Reads a file. One that others may read too is passed over, as `libpq` does,
    /// with a warning; one that is not there has no password.
    pub(super) fn read(path: &Path) -> Self {
        let refused = |why: &str| {
            tracing::warn!("the password file {} is not used: {why}", path.display());
            Self::default()
        };
        match fs::metadata(path) {
            Ok(metadata) if !metadata.is_file() => return refused("it is not a regular file"),
            Ok(metadata) if metadata.mode() & 0o077 != 0 => {
                return refused("others have access to it; take it from them with `chmod 600`");
            }
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Self::default();
            }
            Err(error) => return refused(&error.to_string()),
        }
        match fs::read(path) {
            Ok(content) => Self(String::from_utf8_lossy(&content).into_owned()),
            Err(error) => refused(&error.to_string()),
        }
    }

    /// The password of the first line that fits.
    pub(super) fn find(&self, wanted: Wanted<'_>) -> Option<Password> {
        self.0.lines().find_map(|line| password(line, wanted))
    }
}

/// The password of a line, if the line is about what is wanted.
fn password(line: &str, wanted: Wanted<'_>) -> Option<Password> {
    if line.starts_with('#') {
        return None;
    }
    let port = wanted.port.to_string();
    let fields: [&[&str]; 4] = [wanted.hosts, &[&port], &[wanted.database], &[wanted.user]];
    let mut rest = line;
    for fitting in fields {
        let (field, after) = split_field(rest)?;
        if field != "*" && !fitting.contains(&unescaped(field).as_str()) {
            return None;
        }
        rest = after;
    }
    // What follows a further colon is no part of it.
    let password = unescaped(split_field(rest).map_or(rest, |(password, _)| password));
    Some(password).filter(|password| !password.is_empty()).map(Password)
}

/// Splits at the first colon without a backslash before it.
fn split_field(line: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (index, byte) in line.bytes().enumerate() {
        match byte {
            b':' if !escaped => return Some((&line[..index], &line[index + 1..])),
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    None
}

/// Takes the backslash away that stands before a colon or another backslash.
fn unescaped(field: &str) -> String {
    let mut plain = String::with_capacity(field.len());
    let mut characters = field.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => characters.next().unwrap_or('\\'),
            other => other,
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    const WANTED: Wanted<'_> = Wanted { hosts: &["db.example"], port: 5432, database: "queue", user: "me" };

    fn found(lines: &str, wanted: Wanted<'_>) -> Option<String> {
        PasswordFile(lines.to_owned()).find(wanted).map(|Password(password)| password)
    }

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        for (lines, expected) in [
            ("db.example:5432:queue:me:secret", Some("secret")),
            ("db.example:5432:queue:me:secret\r\n", Some("secret")),
            ("*:*:*:*:secret", Some("secret")),
            ("db.example:*:*:me:first\ndb.example:5432:queue:me:second\n", Some("first")),
            ("db.example:5433:queue:me:other\n*:*:queue:*:secret\n", Some("secret")),
            ("#db.example:5432:queue:me:no\n\n:::\nx\n*:*:*:*:yes", Some("yes")),
            ("DB.example:5432:queue:me:secret", None),
            ("db.example:5432:queue:you:secret", None),
            ("db.example:5432:queu*:me:secret", None),
            ("db.example:5432:queue:me", None),
            ("db.example:5432:queue:me:", None),
            ("", None),
        ] {
            assert_eq!(found(lines, WANTED).as_deref(), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_colon_and_a_backslash_are_written_with_a_backslash() {
        let odd = Wanted { hosts: &["::1"], database: r"a\b", user: "u:v", ..WANTED };
        assert_eq!(found(r"\:\:1:5432:a\\b:u\:v:p\:q\\r", odd).as_deref(), Some(r"p:q\r"));
        assert_eq!(found(r"*:*:*:*:p\q", WANTED).as_deref(), Some("pq"));
        assert_eq!(found(r"*:*:*:*:p\", WANTED).as_deref(), Some(r"p\"));
        assert_eq!(found("*:*:*:*:one:two", WANTED).as_deref(), Some("one"));
        assert_eq!(found(r"\*:*:*:*:secret", WANTED), None);
    }

    #[test]
    fn a_socket_is_localhost_or_its_folder() {
        let socket = Wanted { hosts: &["localhost", "/run/postgresql"], ..WANTED };
        assert_eq!(found("localhost:*:*:*:a", socket).as_deref(), Some("a"));
        assert_eq!(found("/run/postgresql:*:*:*:b", socket).as_deref(), Some("b"));
        assert_eq!(found("db.example:*:*:*:c", socket), None);
    }

    #[test]
    fn a_file_that_others_can_read_has_no_password() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pgpass");
        fs::write(&path, "*:*:*:*:secret\n").unwrap();
        for (mode, expected) in
            [(0o600, Some("secret")), (0o400, Some("secret")), (0o640, None), (0o604, None), (0o620, None)]
        {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let password = PasswordFile::read(&path).find(WANTED);
            assert_eq!(password, expected.map(|text| Password(text.into())), "{mode:o}");
        }
        assert_eq!(PasswordFile::read(&folder.path().join("none")).find(WANTED), None);
        assert_eq!(PasswordFile::read(folder.path()).find(WANTED), None);
    }

    #[test]
    fn nobody_sees_a_password_by_accident() {
        assert!(!format!("{:?}", Password("secret".into())).contains("secret"));
    }
}

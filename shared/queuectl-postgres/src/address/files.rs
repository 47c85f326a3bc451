//! Files that an address names, as they are meant wherever a process goes.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::path::Path;

/// Parameters whose value is the path of a file.
const PARAMETERS: [&str; 4] = ["passfile", "sslrootcert", "sslcert", "sslkey"];

/// What stays as it is in a path in a URL.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_');

/// Makes the files absolute that a URL names; relative ones start at `folder`.
pub fn with_files_from(url: &str, folder: &Path) -> String {
    let Some((place, parameters)) = url.split_once('?') else { return url.to_owned() };
    let Some(folder) = folder.to_str() else { return url.to_owned() };
    let folder = utf8_percent_encode(folder.trim_end_matches('/'), KEPT);
    let parameter = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) if PARAMETERS.contains(&name) && is_relative(name, value) => {
            format!("{name}={folder}/{value}")
        }
        _ => parameter.to_owned(),
    };
    let parameters: Vec<String> = parameters.split('&').map(parameter).collect();
    format!("{place}?{}", parameters.join("&"))
}

fn is_relative(name: &str, value: &str) -> bool {
    let is_absolute = value.starts_with('/') || value.to_ascii_lowercase().starts_with("%2f");
    !value.is_empty() && !is_absolute && (name, value) != ("sslrootcert", "system")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_files_start_at_the_folder_and_all_else_stays() {
        let absolute = |url: &str| with_files_from(url, Path::new("/a b"));
        assert_eq!(
            absolute("postgres://me@h/q?sslmode=verify-full&sslrootcert=tls/ca.pem"),
            "postgres://me@h/q?sslmode=verify-full&sslrootcert=/a%20b/tls/ca.pem"
        );
        for kept in [
            "postgres://h/q",
            "postgres://h/q?sslrootcert=system&sslkey=/k.pem",
            "postgres://h/q?sslcert=%2Fc.pem&schema=s&passfile=",
        ] {
            assert_eq!(absolute(kept), kept);
        }
    }
}

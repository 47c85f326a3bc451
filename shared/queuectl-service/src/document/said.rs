//! What is said beside the data, as programs read it.

use queuectl_core::Exit;
use queuectl_store::{Finding, Level};
use serde::Serialize;

/// Why something was not done.
#[derive(Debug, Serialize)]
pub struct ErrorDocument<'a> {
    /// The object and the obstacle.
    pub error: &'a str,
    /// What to do about it, if that can be said.
    pub hint: Option<&'a str>,
    /// The exit code that it leads to, as in the one table.
    pub exit: u8,
}

impl<'a> ErrorDocument<'a> {
    /// Says what went wrong.
    pub fn new(error: &'a str, hint: Option<&'a str>, exit: Exit) -> Self {
        Self { error, hint, exit: exit.code() }
    }
}

/// Something that may be a mistake.
#[derive(Debug, Serialize)]
pub struct WarningDocument<'a> {
    /// What it is.
    pub warning: &'a str,
}

/// How well a queue is.
#[derive(Debug, Serialize)]
pub struct ExaminedQueue<'a> {
    /// Whether nothing is an error.
    pub ok: bool,
    /// Everything that was looked at.
    pub findings: Vec<FindingDocument<'a>>,
}

impl<'a> ExaminedQueue<'a> {
    /// All findings, with their advice as it is to be shown.
    pub fn new(findings: &'a [Finding], shown: impl Fn(&str) -> String) -> Self {
        let documents = findings.iter().map(|finding| FindingDocument {
            check: finding.check,
            level: finding.level.as_str(),
            found: &finding.found,
            advice: finding.advice.as_deref().map(&shown),
        });
        Self { ok: is_well(findings), findings: documents.collect() }
    }
}

/// Tells whether nothing of this is an error; warnings are none.
pub fn is_well(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.level < Level::Error)
}

/// One thing about a queue that was looked at.
#[derive(Debug, Serialize)]
pub struct FindingDocument<'a> {
    /// What was looked at; the same word each time.
    pub check: &'static str,
    /// `ok`, `warning` or `error`.
    pub level: &'static str,
    /// What was found.
    pub found: &'a str,
    /// What to do, if there is anything.
    pub advice: Option<String>,
}

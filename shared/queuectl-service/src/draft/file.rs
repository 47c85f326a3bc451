//! A file of jobs, read to its end before the first is added.

use crate::draft::complete::Completion;
use crate::draft::error::Written;
use crate::draft::fields::BYTE_ORDER_MARK;
use crate::draft::file_error::{FileError, LineProblem};
use crate::draft::run::Run;
use crate::draft::{json, shell_lines};
use crate::job_fields::Draft;
use queuectl_core::{JobId, NewJob, OnDuplicate, UniqueKey};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{BufRead, Read as _};

/// No job is longer, however much of it is escaped.
const LONGEST_LINE_BYTES: u64 = 16 << 20;

/// What the lines of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// Each is a job as JSON.
    Json,
    /// Each is a command; blank lines and comments are passed over.
    Shell,
}

/// What to do with a job whose id stands on an earlier line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twice {
    /// The file is refused.
    Refused,
    /// It stays, for the store to leave out.
    Kept,
}

/// How a file of jobs is read.
#[derive(Debug)]
pub struct Reading<'a> {
    /// What it is called in errors.
    pub name: &'a str,
    /// What its lines are.
    pub kind: LineKind,
    /// What to do with an id that is there twice.
    pub twice: Twice,
    /// What is said of each of its jobs, and wins over what its line says.
    pub flags: &'a Draft,
    /// Gives ids to the lines that have none.
    pub run: &'a Run,
}

/// Jobs with the lines they stand on.
#[derive(Debug)]
pub struct JobFile {
    /// What the file is called in errors.
    pub name: String,
    /// The jobs, in the order of their lines.
    pub jobs: Vec<NewJob>,
    /// The line of each job, from 1.
    pub lines: Vec<usize>,
    /// Places of the jobs whose id stands on their line.
    pub chosen: Vec<usize>,
    /// How many lines were left out since an earlier one has the same unique key.
    pub repeated: u64,
}

/// What stands on earlier lines, and on which.
#[derive(Default)]
struct Seen {
    ids: HashMap<JobId, usize>,
    keys: HashMap<UniqueKey, usize>,
}

impl Reading<'_> {
    /// Reads a file to its end.
    ///
    /// # Errors
    ///
    /// The first line that is no job.
    pub fn read(&self, mut input: impl BufRead, completion: &mut Completion) -> Result<JobFile, FileError> {
        let mut file = JobFile {
            name: self.name.to_owned(),
            jobs: Vec::new(),
            lines: Vec::new(),
            chosen: Vec::new(),
            repeated: 0,
        };
        let mut seen = Seen::default();
        let mut bytes = Vec::new();
        for number in 1.. {
            bytes.clear();
            // Of a device that never ends no line does either.
            let mut rest = input.by_ref().take(LONGEST_LINE_BYTES + 1);
            let unreadable = |source| FileError::Unreadable { name: self.name.to_owned(), source };
            if rest.read_until(b'\n', &mut bytes).map_err(unreadable)? == 0 {
                break;
            }
            self.take_line(&mut file, &mut seen, number, &bytes, completion).map_err(|problem| {
                FileError::Line { name: self.name.to_owned(), line: number, problem: Box::new(problem) }
            })?;
        }
        Ok(file)
    }

    fn take_line(
        &self,
        file: &mut JobFile,
        seen: &mut Seen,
        number: usize,
        bytes: &[u8],
        completion: &mut Completion,
    ) -> Result<(), LineProblem> {
        if bytes.len() as u64 > LONGEST_LINE_BYTES {
            return Err(LineProblem::TooLong);
        }
        let text = str::from_utf8(bytes).map_err(|_| not_text(bytes))?;
        let text = text.strip_prefix(BYTE_ORDER_MARK).filter(|_| number == 1).unwrap_or(text);
        if text.trim().is_empty() {
            return Ok(());
        }
        let said = match self.kind {
            LineKind::Shell => shell_lines::parse(text)?,
            LineKind::Json => Some(json::parse(text, Written::InFile)?),
        };
        let Some(said) = said else { return Ok(()) };
        let mut draft = self.flags.clone().over(said);
        let is_chosen = draft.id.is_some();
        if let Some(id) = &draft.id {
            let first = seen.ids.insert(id.clone(), number).filter(|_| self.twice == Twice::Refused);
            if let Some(first) = first {
                return Err(LineProblem::Twice { id: id.clone(), first });
            }
        } else {
            draft.id = Some(self.run.id(number, text.trim()));
        }
        let job = completion.complete(draft)?;
        if let Some(unique) = &job.unique {
            match seen.keys.entry(unique.key.clone()) {
                Entry::Vacant(free) => drop(free.insert(number)),
                Entry::Occupied(first) if unique.on_duplicate == OnDuplicate::Fail => {
                    return Err(LineProblem::KeyTwice { key: unique.key.clone(), first: *first.get() });
                }
                Entry::Occupied(_) => {
                    file.repeated += 1;
                    return Ok(());
                }
            }
        }
        if is_chosen {
            file.chosen.push(file.jobs.len());
        }
        file.jobs.push(job);
        file.lines.push(number);
        Ok(())
    }
}

/// Says what it is instead, if that can be seen.
fn not_text(bytes: &[u8]) -> LineProblem {
    LineProblem::NotText { is_utf16: matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draft::complete::BaseFolder;
    use crate::explanation::Explanation;
    use queuectl_settings::{Overrides, Settings};

    fn read(text: &[u8], kind: LineKind, twice: Twice) -> Result<JobFile, Explanation> {
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join("config.toml");
        std::fs::write(&config, "").unwrap();
        let settings = Settings::load(&Overrides { config: Some(config), ..Overrides::default() }).unwrap();
        let mut completion = Completion::new(&settings, BaseFolder::Given("/".into()));
        let (flags, run) = (Draft { priority: Some(3), ..Draft::default() }, Run::named("test"));
        let reading = Reading { name: "jobs", kind, twice, flags: &flags, run: &run };
        reading.read(text, &mut completion).map_err(Explanation::from)
    }

    #[test]
    fn each_line_is_a_job_and_flags_win() {
        let text = b"{\"id\":\"a\",\"command\":\"x\",\"priority\":1}\n\n{\"command\":\"y\"}\n";
        let file = read(text, LineKind::Json, Twice::Refused).unwrap();
        let jobs: Vec<_> = file.jobs.iter().map(|job| (job.command.as_str(), job.priority)).collect();
        assert_eq!((jobs, file.lines, file.chosen), (vec![("x", 3), ("y", 3)], vec![1, 3], vec![0]));
        assert_eq!(file.jobs[1].id, Run::named("test").id(3, "{\"command\":\"y\"}"));
    }

    #[test]
    fn lines_of_shell_have_comments() {
        let file = read(b"# first\necho a\n", LineKind::Shell, Twice::Refused).unwrap();
        assert_eq!((file.jobs[0].command.as_str(), file.lines), ("echo a", vec![2]));
    }

    #[test]
    fn an_error_has_the_line_and_what_to_do() {
        for (text, message, hint) in [
            (&b"{\"command\":\"x\"}\n{\"command\":1}\n"[..], "jobs, line 2: the field command: ", None),
            (b"\xff\xfea\n", "jobs, line 1: this is not UTF-8 text", Some("iconv")),
            (b"[\n", "jobs, line 1: this is not a JSON job", Some("jq -c '.[]'")),
            (
                b"{\"id\":\"a\",\"command\":\"x\"}\n{\"id\":\"a\",\"command\":\"y\"}\n",
                "jobs, line 2: job a is on line 1 already",
                None,
            ),
        ] {
            let said = read(text, LineKind::Json, Twice::Refused).unwrap_err();
            assert!(said.message.starts_with(message), "{said}");
            assert_eq!(said.hint.is_some(), hint.is_some(), "{said:?}");
            assert!(said.hint.unwrap_or_default().contains(hint.unwrap_or_default()));
        }
        let twice = b"{\"id\":\"a\",\"command\":\"x\"}\n{\"id\":\"a\",\"command\":\"y\"}\n";
        assert_eq!(read(twice, LineKind::Json, Twice::Kept).unwrap().jobs.len(), 2);
    }
}

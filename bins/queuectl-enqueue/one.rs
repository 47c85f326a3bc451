//! One job, from the command line.

use crate::args::Args;
use crate::wait::Added;
use crate::{duplicate, notes, wait};
use queuectl_cli::{Context, Failure, Verbosity};
use queuectl_core::{CommandLine, Job, JobId};
use queuectl_service::document::job::AddedJob;
use queuectl_service::draft::complete::{BaseFolder, Completion};
use queuectl_service::draft::error::Written;
use queuectl_service::draft::fields::{is_field, is_job};
use queuectl_service::draft::{json, lookalike};
use queuectl_service::explain::store::of_change;
use queuectl_service::job_fields::Draft;
use queuectl_service::{typed, typed_option};
use queuectl_store::{Access, OnTaken, Store};
use std::ffi::OsString;

/// Adds the job and prints its id.
pub(crate) fn add(cx: &Context, args: &Args) -> Result<(), Failure> {
    let mut draft = args.given.draft()?;
    draft.id = args.id.as_deref().map(JobId::new).transpose()?;
    let draft = draft.over(command(&args.command, args.shell)?);
    let mut completion = Completion::new(cx.settings()?, BaseFolder::OfThisProcess);
    let job = completion.complete(draft)?;

    let on_taken = if args.skip_existing { OnTaken::Skip } else { OnTaken::Refuse };
    let new = cx.place_of_a_new_queue()?;
    let mut store = cx.store(Access::Write)?;
    let enqueued = store.enqueue(std::slice::from_ref(&job), on_taken, cx.now()).map_err(|error| {
        let (id, given) = (typed(job.id.as_str()), typed_option("--id", job.id.as_str()));
        of_change(
            error,
            format!("job {}", job.id),
            format!(
                "see whether it is there with `queuectl show {id}`; if not, add it with `{given}`, by which it \
                 cannot be added twice"
            ),
        )
    })?;
    if let Some(duplicate) = enqueued.duplicates.first() {
        if args.wait {
            duplicate::say_why(cx, &mut *store, &job, duplicate)?;
            let at_rest = wait_for(cx, &mut *store, &duplicate.holder, Added::Never, args.json)?;
            return wait::end(&at_rest);
        }
        return duplicate::tell(cx, &mut *store, &job, duplicate, args.json);
    }
    if enqueued.added == 0 {
        cx.output().note(format!("job {} exists already: skipped", job.id));
    }
    let added = if enqueued.added > 0 { Added::Now } else { Added::Before };
    let said = if args.wait { Ok(()) } else { say(cx, &mut *store, &job.id, added, args.json) };
    if args.wait && added == Added::Now {
        // Standard output is the job's.
        cx.output().note(format!("Job added with ID: {}", job.id));
    }
    if added == Added::Now {
        let queue = (!job.hold).then_some(job.queue.as_str());
        notes::added(cx, &mut *store, new, &completion, queue);
    }
    let at_rest = said.and_then(|()| {
        let wait = args.wait.then(|| wait_for(cx, &mut *store, &job.id, added, args.json));
        wait.transpose()
    });
    match at_rest {
        Ok(at_rest) => at_rest.as_ref().map_or(Ok(()), wait::end),
        // To try again would add it twice.
        Err(failure) if added == Added::Now && !failure.message().is_empty() => {
            Err(failure.about(format!("job {} was added", job.id)))
        }
        Err(failure) => Err(failure),
    }
}

/// Waits until the job has come to rest; passes on what it writes, or prints the document.
fn wait_for(
    cx: &Context,
    store: &mut dyn Store,
    id: &JobId,
    added: Added,
    json: bool,
) -> Result<Job, Failure> {
    if json { wait::print(cx, store, id, added) } else { wait::pass_on(cx, store, id) }
}

/// Prints the id of the job, or the document of it.
fn say(cx: &Context, store: &mut dyn Store, id: &JobId, added: Added, json: bool) -> Result<(), Failure> {
    if json {
        let job = store.job(id)?;
        let skipped = added == Added::Before;
        return cx.output().json(&job.as_ref().map(|job| AddedJob {
            job: job.into(),
            skipped,
            existing: false,
        }));
    }
    match (added, cx.output().verbosity()) {
        (Added::Before | Added::Never, _) => Ok(()),
        // For a script that keeps it.
        (Added::Now, Verbosity::Quiet) => cx.output().line(id),
        (Added::Now, _) => cx.output().line(format!("Job added with ID: {id}")),
    }
}

/// Understands the words of the command line: shell text, a job as JSON, or a
/// program with its arguments.
fn command(words: &[OsString], shell: bool) -> Result<Draft, Failure> {
    let words: Vec<&str> = words.iter().map(|word| text(word)).collect::<Result<_, _>>()?;
    if let ([first, ..], false) = (&words[..], shell) {
        lookalike::refuse(first, Written::Typed)?;
    }
    let text = match words[..] {
        [text] if is_job(text) && !shell => return Ok(json::parse(text, Written::Typed)?),
        [text] => text.to_owned(),
        [first, ..] if is_job(first) || (words.len() > 1 && words.iter().all(|word| is_field(word))) => {
            return Err(Failure::error("the shell has split the JSON job into several words")
                .hint(r#"put it into single quotes: '{"command":"sleep 2"}'"#));
        }
        _ => shell_words::join(words),
    };
    Ok(Draft { command: Some(CommandLine::new(text)?), ..Draft::default() })
}

fn text(word: &OsString) -> Result<&str, Failure> {
    word.to_str().ok_or_else(|| {
        Failure::error(format!("the command {} is not valid UTF-8", word.to_string_lossy()))
            .hint("put it into a script, and enqueue that")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(words: &[&str], shell: bool) -> Result<String, Failure> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        command(&words, shell).map(|draft| draft.command.unwrap().as_str().to_owned())
    }

    #[test]
    fn one_word_is_shell_text_or_json_and_several_keep_their_quoting() {
        assert_eq!(understood(&["echo 'a b' | wc"], false).unwrap(), "echo 'a b' | wc");
        assert_eq!(understood(&["{ echo a; }"], false).unwrap(), "{ echo a; }");
        assert_eq!(understood(&[r#"{"command":"x"}"#], false).unwrap(), "x");
        assert_eq!(understood(&[r#"{"command":"x"}"#], true).unwrap(), r#"{"command":"x"}"#);
        assert_eq!(
            understood(&["prog", "arg", "two words", "$x"], false).unwrap(),
            "prog arg 'two words' '$x'"
        );
    }

    #[test]
    fn json_that_is_broken_is_never_run_as_shell() {
        assert!(understood(&[r#"{"command":"#], false).is_err());
        assert!(understood(&[r#"{"id":1,"#, "x"], false).is_err());
        assert!(understood(&[""], false).is_err());
        // What bash makes of {"id":"x","command":"sleep 1"} without quotes.
        assert!(understood(&["id:x", "command:sleep 1"], false).is_err());
        assert!(understood(&["id:x", "run"], false).is_ok());
    }
}

//! `queuectl dlq retry`: gives dead jobs another life, and hurries those that wait for a retry.

use queuectl_cli::json::JobDocument;
use queuectl_cli::text::plural;
use queuectl_cli::{Context, Exit, Failure, find_one_of};
use queuectl_core::{Job, JobId, Seq, State, Timestamp};
use queuectl_store::{Store, StoreError};
use serde::Serialize;

/// Put dead jobs back into the queue, with all their retries
///
/// A failed job that waits for its retry need not wait any longer; what it has used up
/// of its retries stays so.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RetryArgs {
    /// The jobs: ids, numbers, beginnings or ends of ids, @last
    #[arg(value_name = "ID", required_unless_present = "all")]
    ids: Vec<String>,

    /// Take every dead job
    #[arg(long, conflicts_with = "ids")]
    all: bool,

    /// Print JSON: the jobs as they are then, or how many they were
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl dlq retry job-1
  queuectl dlq retry --all";

/// Jobs of one transaction, so that workers are not kept waiting.
const BATCH: u32 = 1000;

#[derive(Serialize)]
struct Document {
    retried: u64,
}

pub(crate) fn retry(cx: &Context, args: &RetryArgs) -> Result<(), Failure> {
    if args.all {
        return retry_all(cx, args.json);
    }
    let typed = args.ids.iter().map(JobId::new).collect::<Result<Vec<_>, _>>()?;
    let mut store = cx.existing_store()?;
    let mut worst = None;
    let mut retried = Vec::new();
    for typed in typed {
        match retry_one(cx, store.as_mut(), &typed, args.json) {
            Ok(job) => retried.push(job),
            Err(failure) => {
                failure.report();
                worst.get_or_insert(failure.code());
            }
        }
    }
    if args.json {
        cx.output().json(&retried.iter().map(JobDocument::from).collect::<Vec<_>>())?;
    }
    worst.map_or(Ok(()), |code: Exit| Err(Failure::said(code)))
}

fn retry_one(
    cx: &Context,
    store: Option<&mut Box<dyn Store>>,
    typed: &JobId,
    json: bool,
) -> Result<Job, Failure> {
    let store = store.ok_or_else(|| StoreError::NoSuchJob { id: typed.clone() })?;
    let id = find_one_of(&mut **store, typed.as_str())?.id;
    let now = revive_or_hurry(store.as_mut(), &id, cx.now()).map_err(|error| {
        Failure::of_change(error, format!("job {id}"), format!("see it with `queuectl show {id}`"))
    })?;
    if !json {
        cx.output().line(format!("Job {id} {now}"))?;
    }
    // From here on it has happened, whatever is said of the job as it is then.
    let found = store.job(&id).map_err(|error| Failure::from(error).about(format!("job {id} {now}")))?;
    Ok(found.ok_or(StoreError::NoSuchJob { id })?)
}

/// Does what the state of the job calls for; gives what to say of the job then.
fn revive_or_hurry(store: &mut dyn Store, id: &JobId, now: Timestamp) -> Result<&'static str, StoreError> {
    match store.retry_dead(id, now) {
        Err(StoreError::Refused { source, .. }) if source.state == State::Failed => {
            store.hurry(id, now).map(|()| "waits no longer for its retry")
        }
        revived => revived.map(|()| "is pending again"),
    }
}

fn retry_all(cx: &Context, json: bool) -> Result<(), Failure> {
    let (mut retried, mut refused) = (0, None);
    if let Some(mut store) = cx.existing_store()? {
        // Jobs that die again meanwhile are not for this call.
        let mut left = store.counts()?[State::Dead].max(0) as u64;
        let mut after = Seq(0);
        while left > 0 {
            let batch = u32::try_from(left).unwrap_or(BATCH).min(BATCH);
            let step = store.retry_some_dead(after, batch, cx.now()).map_err(|error| {
                let how = "see which are left with `queuectl dlq list`, and run it again for them";
                Failure::of_change(error, format!("{retried} jobs are pending again, and of some more"), how)
            })?;
            let Some(last) = step.last else { break };
            after = last;
            retried += step.revived;
            left = left.saturating_sub(step.revived + step.unreadable.len() as u64);
            for (seq, id, reason) in step.unreadable {
                // An id that is no text can be typed by nobody; the number always finds it.
                let failure = Failure::from(StoreError::UnreadableJob { id, reason }).hint(format!(
                    "see what is left of it with `queuectl show {seq}`, and all such rows with `queuectl doctor`"
                ));
                failure.report();
                refused = Some(failure.code());
            }
        }
    }
    if json {
        cx.output().json(&Document { retried })?;
    } else {
        let are = if retried == 1 { "is" } else { "are" };
        cx.output().line(format!("{} {are} pending again", plural(retried, "job")))?;
    }
    refused.map_or(Ok(()), |code| Err(Failure::said(code)))
}

//! `queuectl dlq list`: lists the dead jobs and why they died.

use queuectl_cli::Narrow::{CutsBeginnings, CutsEnds, Stays};
use queuectl_cli::json::JobDocument;
use queuectl_cli::{Context, Failure, Table, each_page};
use queuectl_core::State;
use queuectl_store::Access;

/// List dead jobs, oldest first, with their last error
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ListArgs {
    /// List only the newest N jobs [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl dlq list
  queuectl dlq list --limit 20
  queuectl dlq list --json | jq -r '.[].last_error'";

pub(crate) fn list(cx: &Context, args: &ListArgs) -> Result<(), Failure> {
    let mut store = cx.store(Access::Read)?;
    let out = cx.output();
    if args.json {
        let mut array = out.json_array();
        each_page(cx.output(), &mut *store, &[State::Dead], args.limit, |jobs| {
            jobs.iter().try_for_each(|job| array.push(&JobDocument::from(job)))
        })?;
        return array.end();
    }
    let header = ["No", "ID", "Command", "Attempts", "Last Error"];
    let narrow = [Stays, CutsBeginnings, CutsEnds, Stays, CutsEnds];
    // In a pipe the id stands first.
    let first = usize::from(!out.is_terminal());
    let mut table = Table::new(&header[first..]).fit(out.columns(), &narrow[first..]);
    let mut listed = false;
    each_page(cx.output(), &mut *store, &[State::Dead], args.limit, |jobs| {
        listed = true;
        for job in jobs {
            let (number, attempts) = (job.seq.to_string(), job.attempts.to_string());
            let error = job.last_error.as_deref().unwrap_or_default();
            table.row(&[&number, job.id.as_str(), job.command.as_str(), &attempts, error][first..]);
        }
        out.bytes(table.page().as_bytes())
    })?;
    if !listed {
        cx.note_nothing(&mut *store, "No dead jobs")?;
    }
    Ok(())
}

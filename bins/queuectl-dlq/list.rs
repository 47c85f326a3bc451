//! `queuectl dlq list`: lists the dead jobs and why they died.

use queuectl_cli::json::JobDocument;
use queuectl_cli::{Context, Failure, Table, each_page};
use queuectl_core::State;
use queuectl_store::Access;

/// List dead jobs, oldest first, with their last error
#[derive(clap::Args)]
pub(crate) struct ListArgs {
    /// List at most N jobs
    #[arg(long, value_name = "N")]
    limit: Option<u64>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

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
    let mut table = Table::new(&["ID", "Command", "Attempts", "Last Error"]).fit(1, out.columns());
    let mut listed = false;
    each_page(cx.output(), &mut *store, &[State::Dead], args.limit, |jobs| {
        listed = true;
        for job in jobs {
            let error = job.last_error.as_deref().unwrap_or_default();
            table.row([job.id.as_str(), job.command.as_str(), &job.attempts.to_string(), error]);
        }
        out.bytes(table.page().as_bytes())
    })?;
    if !listed {
        out.note("No dead jobs");
    }
    Ok(())
}

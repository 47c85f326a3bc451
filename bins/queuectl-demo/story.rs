//! What happens in the demo, from top to bottom.

use crate::stage::Stage;
use queuectl_cli::Failure;
use queuectl_core::{Job, State};

/// Fails at its first two attempts.
const FLAKY: &str =
    "test \"$QUEUECTL_ATTEMPT\" -ge 3 || { echo 'not yet' >&2; exit 1; }; echo 'third time lucky'";

/// Fails until the report is there.
const HOPELESS: &str = "cat report.txt";

pub(crate) fn tell(stage: &Stage) -> Result<(), Failure> {
    stage.say("Three jobs: one that succeeds, one that fails twice, one that is hopeless.")?;
    stage.run(&["enqueue", "echo hello", "--id", "good"])?;
    stage.run(&["enqueue", FLAKY, "--id", "flaky"])?;
    stage.run(&["enqueue", HOPELESS, "--id", "hopeless", "--max-retries", "1"])?;

    stage.say("Two worker processes; each failure waits longer than the last: 2 s, 4 s, 8 s.")?;
    let workers = stage.start_workers(&["worker", "start", "--count", "2"])?;
    stage.watch_until(all_settled)?;

    stage.say("What has no retries left waits in the dead letter queue, with its reason.")?;
    stage.run(&["dlq", "list"])?;

    stage.say("Somebody mends the reason, and the job gets another life.")?;
    let report = stage.folder().join("report.txt");
    std::fs::write(&report, "all is well\n")
        .map_err(|error| Failure::error(format!("cannot write {}: {error}", report.display())))?;
    stage.run(&["dlq", "retry", "hopeless"])?;
    let jobs = stage.watch_until(all_completed)?;
    stage.run(&["logs", "hopeless"])?;

    stage.say("The end: the workers finish what they run, and stop.")?;
    stage.run(&["worker", "stop"])?;
    workers.wait()?;
    stage.run(&["status"])?;
    stage.print_if_json(&jobs)
}

fn all_settled(jobs: &[Job]) -> bool {
    jobs.iter().all(|job| job.state.is_finished())
}

fn all_completed(jobs: &[Job]) -> bool {
    jobs.iter().all(|job| job.state == State::Completed)
}

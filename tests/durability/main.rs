//! Proof that nothing is lost: faults against every promise, thousands of times,
//! and an oracle outside the database that the queue cannot fool.
//!
//! `cargo test` runs the short form, two minutes or three in all; `just storm` the
//! long one (`QUEUECTL_STORM=1`). A test whose means are missing here shows as
//! ignored, with the reason. `--features planted-bugs` adds the proof that the
//! harness can fail: each planted bug must be caught.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]
#![allow(clippy::format_collect, reason = "shorter than a fold, and fast enough here")]
#![allow(unreachable_pub, reason = "one program: nothing here is reached from outside")]
#![allow(missing_docs, clippy::missing_panics_doc, reason = "the names of tests are sentences")]

mod clock;
mod copies;
mod damage;
mod full_disk;
mod hidden;
mod injection;
mod jobs;
mod machines;
mod moves;
mod namespaces;
mod oracle;
mod planted;
mod power;
mod recovery;
mod scale;
mod schemas;
mod stalled;
mod storm;
#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the other test program, which uses all of it")]
mod support;

use libtest_mimic::Arguments;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each test keeps the machine busy by itself.
    arguments.test_threads.get_or_insert(2);
    let trials = [
        machines::trials(),
        clock::trials(),
        copies::trials(),
        damage::trials(),
        full_disk::trials(),
        hidden::trials(),
        injection::trials(),
        jobs::trials(),
        moves::trials(),
        namespaces::trials(),
        oracle::trials(),
        planted::trials(),
        power::trials(),
        recovery::trials(),
        schemas::trials(),
        stalled::trials(),
        storm::trials(),
    ];
    let trials = trials.into_iter().flatten().collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    support::postgres::stop_shared();
    conclusion.exit_code()
}

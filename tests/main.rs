//! The tests of the whole: every store against one suite, and the real programs.
//!
//! Plain functions named as sentences that can be false; [`support::trials`]
//! lists each once, and one that is not listed is dead code, which the linter
//! refuses. A test whose means are missing here shows as ignored, with the
//! reason; `QUEUECTL_TEST_REQUIRE=root,strace` makes it fail instead.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]
#![allow(clippy::format_collect, reason = "shorter than a fold, and fast enough here")]
#![allow(unreachable_pub, reason = "one program: nothing here is reached from outside")]
#![allow(missing_docs, clippy::missing_panics_doc, reason = "the names of tests are sentences")]

mod cli;
mod documents;
mod recipes;
mod store;
#[allow(dead_code, reason = "shared with the other test program and the benches, which use the rest")]
mod support;

use libtest_mimic::Arguments;
use std::process::ExitCode;
use std::thread::available_parallelism;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Most of a test is waiting for programs that wait.
    let processors = available_parallelism().map_or(2, usize::from);
    arguments.test_threads.get_or_insert(processors * 3);
    let trials = [store::trials(), cli::trials(), documents::trials(), recipes::trials()]
        .into_iter()
        .flatten()
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    support::postgres::stop_shared();
    conclusion.exit_code()
}

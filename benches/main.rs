//! Measures queuectl against what the machine can do.
//!
//! `just bench` runs all, `just bench drain idle` some, `--quick` a tenth of the
//! work, `--long` by the clock what is otherwise hurried. Each benchmark runs both sides of a comparison in turn and prints the
//! ratio: machines are noisy, an absolute figure proves little. A missed target
//! is printed and is no failure.
//!
//! Nothing touches the user's queue: every run has a home of its own, in the
//! target folder or in `$QUEUECTL_BENCH_DIR`, which must be on a real disk.

mod backlog;
mod bulk;
mod crowd;
mod dispatch;
mod drain;
mod enqueue;
mod floor;
#[path = "../tests/support/mod.rs"]
#[allow(
    unused,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::format_collect,
    clippy::missing_panics_doc,
    reason = "what the tests stand on, of which only servers and networks are needed here"
)]
mod ground;
mod idle;
mod latency;
mod limits;
mod look;
mod output;
mod recovery;
mod retries;
mod server;
mod store;
mod support;
mod unserved;
mod wait;
mod wishes;

use support::{Bench, Extent, Result, stamp};

/// One benchmark: its name, and what it does.
type Benchmark = (&'static str, fn(&Bench) -> Result);

const BENCHMARKS: [Benchmark; 29] = [
    ("floor", floor::run),
    ("dispatch", dispatch::run),
    ("drain", drain::run),                               // S1, S2
    ("backlog", backlog::run),                           // S3
    ("enqueue", enqueue::run),                           // S4
    ("bulk", bulk::run),                                 // S5
    ("latency", latency::run),                           // S6
    ("look", look::run),                                 // S7
    ("store", store::run),                               // S8
    ("unserved", unserved::run),                         // S13
    ("limits", limits::run),                             // S15, S16
    ("bulk-verbs", wishes::run),                         // S14
    ("idle", idle::run),                                 // S9
    ("output", output::run),                             // S10
    ("crowd", crowd::run),                               // S11
    ("retries", retries::run),                           // S12
    ("wait", wait::run),                                 // R11
    ("recovery", recovery::run),                         // F12
    ("machines", server::machines::run),                 // P3
    ("server-store", server::store::run),                // P4
    ("server-unserved", unserved::run_on_server),        // P11
    ("server-limits", limits::run_on_server),            // P13, P14
    ("server-bulk-verbs", wishes::run_on_server),        // P12
    ("server-bulk", server::bulk::run),                  // P5
    ("server-latency", server::latency::run),            // P6
    ("idle-transaction", server::idle_transaction::run), // P7
    ("server-wait", wait::run_on_server),                // R11
    ("server-look", server::look::run),                  // P8
    ("server-counts", server::counts::run),              // P10
];

fn main() -> Result {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, file] = &arguments[..]
        && flag == stamp::FLAG
    {
        return stamp::leave(file);
    }
    let is_given = |flag| arguments.iter().any(|argument| argument == flag);
    let extent = match (is_given("--quick"), is_given("--long")) {
        (true, _) => Extent::Quick,
        (false, true) => Extent::Long,
        (false, false) => Extent::Usual,
    };
    let names: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|argument| !argument.starts_with('-')).collect();
    let all: Vec<&str> = BENCHMARKS.iter().map(|(name, _)| *name).collect();
    if let Some(unknown) = names.iter().find(|name| !all.contains(name)) {
        println!("there is no benchmark {unknown}; there are: {}", all.join(" "));
        return Ok(());
    }
    let bench = Bench::new(extent)?;
    bench.introduce()?;
    for (name, run) in BENCHMARKS {
        if !names.is_empty() && !names.contains(&name) {
            continue;
        }
        println!("\n## {name}");
        if let Err(error) = run(&bench) {
            println!("  could not be measured: {error}");
        }
    }
    Ok(())
}

//! The floors: what the machine can do with no queue around it.

use crate::support::{Bench, Result, Unit, figure, in_turn, title};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, posix_spawn};
use nix::sys::wait::wait;
use std::ffi::CString;
use std::os::unix::fs::FileExt;
use std::time::Instant;

pub(crate) fn run(bench: &Bench) -> Result {
    let jobs = bench.work(20_000);
    title("what the machine can do");
    let [spawned, synced] = in_turn(
        bench.rounds(5),
        &mut [&mut || spawns_per_second(jobs, 2), &mut || syncs_per_second(bench, bench.work(2000))],
    )?;
    figure("posix_spawn of `sh -c true`, two at a time", &spawned, Unit::PerSecond);
    figure("4 KiB and fdatasync", &synced, Unit::PerSecond);
    Ok(())
}

/// How many `sh -c true` can be started and reaped in a second, so many at a time.
pub(crate) fn spawns_per_second(jobs: usize, slots: usize) -> Result<f64> {
    let actions = PosixSpawnFileActions::init()?;
    let attributes = PosixSpawnAttr::init()?;
    let arguments = [c"sh", c"-c", c"true"];
    let environment: Vec<CString> = std::env::vars()
        .filter(|(name, _)| !name.starts_with("QUEUECTL"))
        .map(|(name, value)| CString::new(format!("{name}={value}")))
        .collect::<Result<_, _>>()?;
    let (mut live, mut started) = (0, 0);
    let began = Instant::now();
    for _ in 0..jobs {
        while live < slots && started < jobs {
            posix_spawn(c"/bin/sh", &actions, &attributes, &arguments, &environment)?;
            live += 1;
            started += 1;
        }
        wait()?;
        live -= 1;
    }
    Ok(jobs as f64 / began.elapsed().as_secs_f64())
}

/// How many 4 KiB can be written durably in a second, one after the other.
pub(crate) fn syncs_per_second(bench: &Bench, count: usize) -> Result<f64> {
    let folder = bench.folder()?;
    let file = std::fs::File::create(folder.path().join("floor"))?;
    let page = [0; 4096];
    let began = Instant::now();
    for number in 0..count {
        file.write_all_at(&page, (number % 1000 * page.len()) as u64)?;
        file.sync_data()?;
    }
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

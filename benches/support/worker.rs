//! A `worker start` in the background.

use super::{Home, Result, wait_until};
use crate::ground::hosts::Host;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use queuectl_store::Access;
use std::os::unix::process::CommandExt;
use std::process::Child;

/// Workers with their manager; stopped when dropped.
pub(crate) struct Worker {
    manager: Child,
    machine: Option<Host>,
    /// The processes of the workers.
    pub(crate) pids: Vec<u32>,
}

impl Worker {
    /// Starts workers and waits until they are there.
    pub(crate) fn start(home: &Home, arguments: &[&str]) -> Result<Self> {
        let manager = home
            .queuectl(["worker", "start"].into_iter().chain(arguments.iter().copied()))
            .process_group(0)
            .spawn()?;
        let machine = home.machine().cloned();
        let mut worker = Self { manager, machine, pids: Vec::new() };
        let count = arguments.iter().skip_while(|argument| **argument != "--count").nth(1);
        let count: usize = count.map_or(Ok(1), |count| count.parse())?;
        let mut store = home.store(Access::Read)?;
        wait_until("the workers are there", || {
            let workers = store.workers()?;
            worker.pids = workers.iter().filter(|own| worker.has(own)).map(|own| own.pid).collect();
            Ok(worker.pids.len() == count)
        })?;
        Ok(worker)
    }

    /// Tells whether it is one of these. (Another machine has other numbers.)
    fn has(&self, worker: &queuectl_store::WorkerRecord) -> bool {
        match &self.machine {
            Some(machine) => worker.host == machine.name(),
            None => worker.manager_pid == self.manager.id(),
        }
    }

    /// The process that was started.
    pub(crate) fn manager_pid(&self) -> u32 {
        self.manager.id()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(machine) = &self.machine {
            // A signal to what was started here would end nothing there.
            machine.kill_everything();
        } else {
            let _gone_is_fine = kill(Pid::from_raw(self.manager.id().cast_signed()), Signal::SIGTERM);
        }
        let _gone_is_fine = self.manager.wait();
    }
}

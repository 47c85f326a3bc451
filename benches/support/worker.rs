//! A `worker start` in the background.

use super::{Home, Result, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use queuectl_store::Access;
use std::os::unix::process::CommandExt;
use std::process::Child;

/// Workers with their manager; stopped when dropped.
pub(crate) struct Worker {
    manager: Child,
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
        let mut worker = Self { manager, pids: Vec::new() };
        let count = arguments.iter().skip_while(|argument| **argument != "--count").nth(1);
        let count: usize = count.map_or(Ok(1), |count| count.parse())?;
        wait_until("the workers are there", || {
            let workers = home.store(Access::Read)?.workers()?;
            let own = workers.iter().filter(|own| own.manager_pid == worker.manager.id());
            worker.pids = own.map(|own| own.pid).collect();
            Ok(worker.pids.len() == count)
        })?;
        Ok(worker)
    }

    /// The process that was started.
    pub(crate) fn manager_pid(&self) -> u32 {
        self.manager.id()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _gone_is_fine = kill(Pid::from_raw(self.manager.id().cast_signed()), Signal::SIGTERM);
        let _gone_is_fine = self.manager.wait();
    }
}

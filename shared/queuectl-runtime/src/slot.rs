//! One of the jobs a worker runs at a time, as other threads see it.

use crate::lock::lock;
use crate::order::Order;
use crate::output::OutputBuffer;
use crate::stop_signals::Signals;
use os_pipe::{PipeReader, PipeWriter};
use queuectl_core::{Job, Lease, Seq, Timestamp};
use queuectl_store::{OutputPart, OutputTrim};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// One of the jobs a worker runs at a time.
pub(crate) struct Slot {
    number: u32,
    running: Mutex<Option<Running>>,
    bell: PipeReader,
    button: PipeWriter,
}

struct Running {
    lease: Lease,
    since: Instant,
    order: Option<Order>,
    /// An order was given; its ring may not have been heard.
    was_ordered: bool,
    /// What its processes were seen to catch when the worker was signalled.
    seen_to_catch: Signals,
    output: OutputBuffer,
}

impl Slot {
    pub(crate) fn new(number: u32) -> std::io::Result<Self> {
        let (bell, button) = os_pipe::pipe()?;
        Ok(Self { number, running: Mutex::default(), bell, button })
    }

    pub(crate) fn occupy(&self, job: &Job, output_limit: u64) {
        let lease = job.last_lease();
        let output = OutputBuffer::new(lease, Timestamp::default(), output_limit);
        *lock(&self.running) = Some(Running {
            lease,
            since: Instant::now(),
            order: None,
            was_ordered: false,
            seen_to_catch: Signals::default(),
            output,
        });
    }

    /// Since when it is busy; none while it is idle.
    pub(crate) fn busy_since(&self) -> Option<Instant> {
        lock(&self.running).as_ref().map(|running| running.since)
    }

    /// Takes its new output, if the store should have it by now.
    pub(crate) fn flush_due_output(&self, parts: &mut Vec<OutputPart>, trims: &mut Vec<OutputTrim>) {
        if let Some(running) = &mut *lock(&self.running)
            && running.output.is_due()
        {
            running.output.flush(parts, trims);
        }
    }

    /// When its output will be due.
    pub(crate) fn output_due_at(&self) -> Option<Instant> {
        lock(&self.running).as_ref()?.output.due_at()
    }

    /// The attempt has a process now.
    pub(crate) fn begin(&self, output: OutputBuffer) {
        if let Some(running) = &mut *lock(&self.running) {
            running.output = output;
        }
    }

    /// The attempt is over; what is left of its output is handed over.
    pub(crate) fn finish(&self, parts: &mut Vec<OutputPart>, trims: &mut Vec<OutputTrim>) {
        let Some(mut running) = lock(&self.running).take() else { return };
        running.output.flush(parts, trims);
        if running.was_ordered {
            // An order that came too late must not wake the next attempt.
            self.silence_bell();
        }
    }

    pub(crate) fn with_output<T>(&self, action: impl FnOnce(&mut OutputBuffer) -> T) -> T {
        match &mut *lock(&self.running) {
            Some(running) => action(&mut running.output),
            None => action(&mut OutputBuffer::new(Lease { seq: Seq(0), number: 0 }, Timestamp::default(), 0)),
        }
    }

    /// The attempt that runs, if there is one.
    pub(crate) fn lease(&self) -> Option<Lease> {
        lock(&self.running).as_ref().map(|running| running.lease)
    }

    /// Notes what the processes of an attempt catch.
    pub(crate) fn sees_caught(&self, lease: Lease, signals: Signals) {
        if let Some(running) = lock(&self.running).as_mut().filter(|running| running.lease == lease) {
            running.seen_to_catch = running.seen_to_catch.with(signals);
        }
    }

    pub(crate) fn seen_to_catch(&self) -> Signals {
        lock(&self.running).as_ref().map(|running| running.seen_to_catch).unwrap_or_default()
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Readable when there is an order.
    pub(crate) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// The order, if there is one.
    pub(crate) fn take_order(&self) -> Option<Order> {
        self.silence_bell();
        lock(&self.running).as_mut()?.order.take()
    }

    /// Waits for an order, at most so long.
    pub(crate) fn wait_for_order(&self, at_most: Duration) -> Option<Order> {
        let timeout = Timespec::try_from(at_most).ok();
        let mut fds = [PollFd::from_borrowed_fd(self.bell(), PollFlags::IN)];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(count) if count > 0 => self.take_order(),
            _ => None,
        }
    }

    pub(crate) fn give_order(&self, lease: Option<Lease>, order: Order) -> bool {
        let mut running = lock(&self.running);
        let Some(running) =
            running.as_mut().filter(|running| lease.is_none_or(|lease| running.lease == lease))
        else {
            return false;
        };
        running.order = Some(order);
        running.was_ordered = true;
        let mut button = &self.button;
        if let Err(error) = button.write_all(&[1]) {
            tracing::error!("A slot cannot be reached: {error}");
        }
        true
    }

    fn silence_bell(&self) {
        let ready = |slot: &Self| {
            let mut fds = [PollFd::from_borrowed_fd(slot.bell(), PollFlags::IN)];
            poll(&mut fds, Some(&Timespec::default())).is_ok_and(|count| count > 0)
        };
        let mut bell = &self.bell;
        while ready(self) && bell.read(&mut [0; 64]).is_ok() {}
    }
}

//! How the queue is looked at.

use crate::Result;
use crate::clock::Clock;
use crate::counts::Counts;
use crate::finding::Finding;
use crate::output::OutputPart;
use crate::worker_record::WorkerRecord;
use queuectl_core::{
    Attempt, Filter, Job, JobId, JobReference, Lease, QueueRules, Seq, State, Timestamp, UniqueKey, WorkerId,
};

/// Looking at the queue. Changes nothing.
pub trait Reader {
    /// The clock that this queue goes by; every `now` is a reading of it.
    fn clock(&self) -> Clock;

    /// Finds a job by its id.
    fn job(&mut self, id: &JobId) -> Result<Option<Job>>;

    /// The states of the jobs of these numbers, as far as they are there, in no certain
    /// order; reads nothing else of them, so that it can be asked again and again.
    fn states(&mut self, seqs: &[Seq]) -> Result<Vec<(Seq, State)>>;

    /// Lists the jobs that a filter means, in its order.
    fn jobs(&mut self, filter: &Filter) -> Result<Vec<Job>>;

    /// Counts the jobs that a filter means, no further than `most`; in the database, which
    /// reads them all. Where it begins and how many it wants is left out.
    fn count(&mut self, filter: &Filter, most: u32) -> Result<u64>;

    /// The numbers of all jobs that a filter means at one moment, in the order of acceptance;
    /// eight bytes for each. Where it begins and how many it wants is left out.
    fn seqs(&mut self, filter: &Filter) -> Result<Vec<Seq>>;

    /// Finds the jobs that a reference may mean, at most `limit` of them.
    ///
    /// Numbers, beginnings and the last job are found by an index; for an ending the
    /// ids of all jobs are read.
    fn jobs_meant(&mut self, reference: &JobReference, limit: u32) -> Result<Vec<Job>>;

    /// The oldest of the newest `count` jobs that a filter means; none if there is no such
    /// job.
    fn first_of_newest(&mut self, filter: &Filter, count: u64) -> Result<Option<Seq>>;

    /// How many jobs stand where; takes the same time however many there are.
    fn counts(&mut self) -> Result<Counts>;

    /// The same for each queue that has jobs, by name; a queue that had some may be there with
    /// none.
    fn counts_by_queue(&mut self) -> Result<Vec<(String, Counts)>>;

    /// What people have said of queues, by name; of those of which nothing was said there is
    /// nothing.
    fn rules(&mut self) -> Result<Vec<QueueRules>>;

    /// The records of a job's attempts, oldest first.
    fn attempts(&mut self, seq: Seq) -> Result<Vec<Attempt>>;

    /// The output of an attempt from part `from` on, at most `limit` parts.
    fn output(&mut self, lease: Lease, from: i64, limit: u32) -> Result<Vec<OutputPart>>;

    /// The end of an attempt's output, in its order: the last parts, as many as have so
    /// many bytes, and no more. What comes before is not read.
    fn output_end(&mut self, lease: Lease, bytes: u32) -> Result<Vec<OutputPart>>;

    /// Finds a worker, also one that has ended.
    fn worker(&mut self, id: WorkerId) -> Result<Option<WorkerRecord>>;

    /// Workers that have not ended, as far as anybody has noticed.
    fn workers(&mut self) -> Result<Vec<WorkerRecord>>;

    /// Tells whether a worker may be there that takes jobs of this queue: one that serves
    /// it, lives, as far as can be told, and was not asked to stop.
    fn has_workers(&mut self, queue: &str) -> Result<bool> {
        let takes = |worker: &WorkerRecord| worker.takes_jobs() && worker.queues.serves(queue);
        Ok(self.workers()?.iter().any(takes))
    }

    /// Tells which of these ids are taken, in the given order.
    fn taken_ids(&mut self, ids: &[&JobId]) -> Result<Vec<JobId>>;

    /// Tells which of these unique keys are taken, in the given order, and by which jobs.
    fn taken_keys(&mut self, keys: &[&UniqueKey], now: Timestamp) -> Result<Vec<(UniqueKey, JobId)>>;

    /// Examines the whole store; an empty list means that it is sound.
    fn check(&mut self) -> Result<Vec<String>>;

    /// Says what is well with the store and its workers and what is not. Changes
    /// nothing; what cannot be found out is a finding too.
    ///
    /// [`diagnose`](crate::diagnose) does the same for a queue that cannot be opened.
    fn diagnose(&mut self) -> Vec<Finding>;
}

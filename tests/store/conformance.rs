//! What every store must do.
//!
//! Plain functions over [`Queue`], listed once in [`trials`]; a backend gives
//! them a place for a queue, new for each test.

use super::{
    claim, filters, holds, inspect, intake, lifecycle, limits, obstacles, output, pauses, queues, race,
    random, rescue, results, transfer, unique, unique_race, upkeep, wishes, workers,
};
use crate::support::trials::{Means, named_trial};
use libtest_mimic::Trial;
use queuectl_core::{
    CommandLine, Environment, Filter, Job, JobId, Lease, NewJob, Outcome, QueueSet, RetryPolicy, Stage,
    State, Timestamp, WorkerId,
};
use queuectl_store::{Ended, Exchange, Exchanged, NewWorker, OnTaken, Registration, Store, StoreError};
use std::time::Duration;

/// A place for a queue of some backend.
pub trait Harness: Sized + Sync + 'static {
    /// How the backend's tests are called.
    const BACKEND: &str;

    /// What they need beside the programs.
    const MEANS: &[Means] = &[];

    /// Makes a place where no queue is yet.
    fn new() -> Self;

    /// Opens one more connection to the queue there.
    fn connect(&self) -> Box<dyn Store>;

    /// Makes the kept counts wrong, behind the store's back.
    fn falsify_the_counts(&self);

    /// Gives every key to a job that is not there, behind the store's back.
    fn falsify_the_keys(&self);
}

/// A harness of which a test does not know the type.
pub trait Place: Sync {
    fn connect(&self) -> Box<dyn Store>;
    fn falsify_the_counts(&self);
    fn falsify_the_keys(&self);
}

impl<H: Harness> Place for H {
    fn connect(&self) -> Box<dyn Store> {
        Harness::connect(self)
    }

    fn falsify_the_counts(&self) {
        Harness::falsify_the_counts(self);
    }

    fn falsify_the_keys(&self) {
        Harness::falsify_the_keys(self);
    }
}

macro_rules! suite {
    ($($module:ident: $($name:ident),+;)+) => {
        /// The whole suite on one backend.
        pub fn trials<H: Harness>() -> Vec<Trial> {
            vec![$($(
                named_trial(concat_name(H::BACKEND, stringify!($name)), H::MEANS, || {
                    $module::$name(&H::new());
                })
            ),+),+]
        }
    };
}

fn concat_name(backend: &str, name: &str) -> String {
    format!("{backend}::{name}")
}

suite! {
    intake:
        a_refused_batch_leaves_nothing_behind,
        a_duplicate_is_refused_with_its_index,
        a_duplicate_within_the_batch_is_refused_with_its_index,
        a_duplicate_is_skipped_on_request,
        a_duplicate_leaves_the_first_job_untouched,
        every_field_of_a_job_round_trips,
        a_job_that_names_its_time_waits_for_it,
        every_text_round_trips,
        taken_ids_are_told_in_the_given_order,
        numbers_grow_and_are_never_reused,
        ten_thousand_jobs_are_accepted_at_once,
        enqueue_rings_every_worker;
    claim:
        claim_takes_higher_priorities_first_and_then_the_order_of_acceptance,
        claim_takes_no_more_than_is_wanted,
        claim_skips_jobs_that_are_not_due,
        a_delayed_job_becomes_due_exactly_at_its_time,
        a_failed_job_becomes_due_exactly_at_its_time,
        a_failed_job_stays_failed_until_it_is_claimed,
        a_schedule_made_while_a_claim_waited_to_begin_is_kept,
        a_clock_set_back_hides_no_job,
        a_clock_set_forward_and_back_hides_no_failed_job,
        a_result_handed_in_after_the_clock_was_set_back_waits_from_then,
        promotion_takes_no_more_than_is_wanted,
        promotion_takes_no_more_than_200,
        a_flood_of_retries_becomes_ready_behind_all_others,
        a_job_that_is_handed_back_returns_to_its_old_position,
        a_job_that_was_scheduled_is_handed_back_as_ready,
        a_claim_charges_an_attempt_and_handing_back_returns_it,
        the_lease_grows_with_each_claim_and_never_goes_back,
        what_one_worker_holds_no_other_gets,
        an_exchange_without_wishes_changes_nothing,
        an_exchange_tells_when_the_next_job_falls_due;
    results:
        a_job_that_exits_with_0_is_completed,
        a_failed_run_waits_as_long_as_the_policy_says,
        every_kind_of_failure_is_retried,
        a_job_is_dead_when_its_retries_are_used_up,
        a_job_without_retries_runs_once,
        an_interrupted_attempt_is_recorded_and_given_back,
        the_late_result_of_a_superseded_lease_is_discarded,
        the_result_of_a_lease_another_worker_holds_is_discarded,
        a_result_that_is_handed_in_twice_is_recorded_once,
        a_late_hand_back_is_discarded,
        there_is_one_record_of_each_attempt,
        a_claim_that_never_started_leaves_no_record,
        results_and_claims_share_an_exchange,
        one_bad_lease_does_not_spoil_the_others;
    output:
        output_round_trips_in_order,
        output_is_read_from_a_part_on_and_up_to_a_limit,
        the_end_of_an_output_is_read_without_its_beginning,
        output_of_a_running_attempt_can_be_read,
        output_and_end_share_an_exchange,
        trimmed_output_leaves_a_gap,
        each_attempt_keeps_its_own_output,
        late_output_of_a_superseded_lease_is_discarded,
        a_late_trim_of_a_superseded_lease_is_ignored;
    rescue:
        rescue_gives_back_what_a_dead_worker_held,
        rescue_counts_a_crash_only_for_what_was_started,
        a_lost_attempt_begins_after_the_one_before_it,
        rescue_is_free_of_charge,
        a_rescued_job_returns_to_its_old_position,
        a_job_that_crashes_too_often_is_dead,
        a_job_to_be_cancelled_is_cancelled_when_its_worker_dies,
        rescue_records_the_lost_attempt_and_keeps_its_output,
        rescue_takes_the_worker_off_the_roster,
        rescue_ignores_notes_about_claims_that_are_over,
        at_most_one_suspect_is_claimed_at_a_time,
        no_suspect_is_claimed_where_one_runs,
        a_suspect_that_is_passed_over_keeps_its_position,
        a_retry_from_the_dead_letter_queue_clears_the_suspicion;
    workers:
        a_worker_lives_until_its_lock_is_dropped,
        numbers_of_workers_are_never_reused,
        a_worker_is_on_the_roster_until_it_retires,
        a_worker_that_retires_hands_back_what_it_holds,
        everything_about_a_worker_round_trips,
        a_request_to_stop_reaches_only_whom_it_names,
        a_request_to_stop_only_gets_stronger,
        a_request_to_stop_ends_with_its_worker,
        a_stop_that_is_noted_is_seen_and_asks_nobody,
        ring_wakes_every_worker,
        a_dead_workers_lock_has_one_taker,
        a_dead_workers_notes_can_be_read,
        a_new_worker_finds_no_old_notes,
        the_room_of_a_worker_that_was_only_called_dead_is_nobodys,
        two_workers_have_separate_notes;
    inspect:
        an_empty_queue_is_empty,
        an_unknown_job_is_not_found,
        states_are_told_of_the_jobs_that_are_there,
        jobs_are_listed_in_the_order_of_acceptance,
        jobs_are_listed_by_state,
        jobs_are_listed_page_by_page,
        the_newest_jobs_begin_where_they_should,
        a_job_is_meant_by_its_number_its_beginning_or_its_end,
        jobs_that_came_to_rest_since_then_are_found,
        scheduled_jobs_are_counted,
        a_worker_is_counted_by_its_jobs,
        another_connection_sees_what_was_committed;
    filters:
        a_filter_means_what_the_core_says,
        a_pattern_of_a_command_means_the_same_everywhere,
        what_is_counted_is_what_is_deleted;
    upkeep:
        a_job_that_is_not_claimed_is_cancelled_at_once,
        a_running_job_is_asked_to_end,
        a_job_to_be_cancelled_that_fails_is_cancelled,
        a_job_to_be_cancelled_that_succeeds_is_completed,
        a_job_to_be_cancelled_that_is_handed_back_is_cancelled,
        a_job_that_has_come_to_rest_cannot_be_cancelled,
        an_unknown_job_cannot_be_cancelled_or_retried,
        cancel_rings_the_worker,
        a_failed_job_can_be_hurried,
        one_job_is_deleted_only_in_the_states_that_are_meant,
        a_retry_resets_attempts_and_keeps_max_retries,
        only_dead_jobs_can_be_retried,
        a_retried_job_becomes_ready_behind_all_others,
        prune_respects_state_age_and_limit,
        prune_deletes_attempts_and_output,
        prune_refuses_jobs_that_have_not_come_to_rest,
        check_finds_nothing_in_a_sound_queue,
        check_finds_counts_that_are_wrong;
    transfer:
        a_queue_that_leaves_refuses_jobs_and_workers_and_can_be_read,
        a_worker_amid_a_move_hands_in_what_it_has_and_claims_nothing,
        a_queue_that_leaves_still_takes_back_what_a_dead_worker_held,
        a_move_that_is_given_up_opens_the_queue_again,
        a_queue_in_use_receives_nothing,
        a_queue_that_receives_is_closed_until_it_is_complete,
        a_batch_that_comes_twice_is_added_once,
        what_is_withdrawn_leaves_nothing_behind,
        what_was_given_out_at_the_old_location_is_not_given_out_at_the_new,
        a_queue_that_was_moved_can_be_moved_on;
    holds:
        a_held_job_is_pending_and_never_claimed,
        a_released_job_joins_the_end,
        a_released_job_that_has_a_time_waits_for_it,
        a_released_job_whose_time_has_passed_can_be_claimed_at_once,
        what_is_not_held_cannot_be_released,
        a_held_job_can_be_cancelled,
        a_release_rings_every_worker,
        held_jobs_keep_no_worker_from_draining;
    limits:
        no_more_jobs_are_claimed_than_the_limit_of_their_queue,
        a_full_queue_keeps_no_other_waiting,
        jobs_of_a_queue_with_a_limit_keep_their_rank_among_others,
        nothing_is_claimed_in_advance_of_a_queue_with_a_limit,
        whatever_becomes_of_a_job_its_slot_is_free_exactly_once,
        a_suspect_is_one_of_those_there_is_room_for,
        workers_that_claim_at_once_never_exceed_a_limit,
        a_limit_and_a_pause_are_two_things,
        delayed_jobs_of_a_full_queue_keep_no_other_from_becoming_ready,
        a_job_of_a_queue_with_a_limit_is_claimed_when_it_falls_due;
    unique:
        a_key_is_taken_until_its_job_has_come_to_rest,
        no_way_of_a_job_that_goes_on_gives_its_key_back,
        a_window_outlives_its_job_and_also_its_row,
        a_window_that_has_ended_keeps_no_key_of_a_job_that_goes_on,
        the_first_of_a_key_in_a_batch_wins,
        a_duplicate_that_is_to_fail_leaves_nothing_behind,
        a_duplicate_replaces_what_a_waiting_job_says,
        what_runs_or_has_ended_is_never_replaced,
        a_dead_job_takes_its_key_again_or_stays_dead,
        of_several_dead_jobs_of_a_key_the_first_is_revived,
        of_many_jobs_that_are_cancelled_each_gives_its_key_back,
        a_job_whose_id_is_taken_takes_no_key,
        keys_are_told_by_those_who_have_them,
        keys_are_moved_and_copied_with_their_jobs,
        check_finds_keys_that_are_wrong,
        keys_whose_windows_have_ended_do_not_pile_up;
    unique_race:
        eight_threads_that_enqueue_the_same_keys_add_each_once,
        a_claim_and_a_duplicate_that_replaces_never_both_win;
    obstacles:
        nothing_is_in_the_way_of_exactly_those_jobs_that_are_claimed;
    pauses:
        nothing_of_a_paused_queue_is_claimed,
        a_pause_of_all_queues_stops_also_those_to_come,
        a_pause_ends_by_itself_exactly_at_its_time,
        no_way_to_a_start_leads_around_a_pause,
        what_runs_in_a_paused_queue_ends_as_ever,
        the_rules_of_queues_are_told_as_they_were_made,
        many_queues_are_paused_at_once_by_several_people,
        a_worker_that_serves_other_queues_is_told_of_its_own;
    queues:
        a_worker_claims_from_the_queues_it_serves,
        a_claim_merges_its_queues_by_priority_and_then_by_the_order_of_acceptance,
        a_pattern_serves_what_begins_so,
        at_most_one_suspect_is_claimed_from_several_queues,
        a_handed_back_job_returns_to_its_old_place_among_several_queues,
        only_jobs_of_served_queues_become_ready,
        jobs_of_several_queues_become_ready_in_the_order_in_which_they_fell_due,
        a_clock_set_back_hides_no_job_of_a_served_queue,
        a_worker_is_told_of_its_queues_alone,
        jobs_are_counted_by_queue,
        many_queues_are_claimed_in_order,
        a_worker_that_does_not_serve_a_queue_does_not_take_its_jobs,
        a_queue_that_was_empty_is_claimed_from_at_once,
        a_retry_that_is_due_is_claimed_with_the_end_of_its_run,
        a_job_that_is_handed_back_can_be_claimed_at_once;
    wishes:
        what_is_done_to_many_is_what_the_core_says_of_each,
        a_step_ends_where_it_says_and_the_next_begins_there,
        released_and_retried_jobs_join_the_end_in_the_order_of_acceptance,
        many_wishes_ring_every_worker,
        a_job_that_waits_can_be_held,
        a_failed_job_that_is_ready_keeps_its_state_while_it_is_held,
        jobs_are_cancelled_by_a_filter_while_a_worker_claims_them;
    lifecycle:
        every_event_succeeds_exactly_in_the_states_in_which_it_can_happen;
    random:
        counts_equal_a_full_count_whatever_happened;
    race:
        each_of_500_jobs_is_claimed_once_by_four_threads,
        threads_that_enqueue_the_same_ids_add_each_once,
        nothing_is_accepted_or_claimed_after_the_mark_of_a_move;
}

/// When the tests begin.
pub const T0: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// So many seconds after the tests began.
pub fn at(seconds: u64) -> Timestamp {
    T0.after(Duration::from_secs(seconds))
}

pub const POLICY: RetryPolicy = RetryPolicy { base: 2.0, max: Duration::from_hours(24), crash_limit: 5 };

/// Hands in nothing and asks for nothing.
pub const NOTHING: Exchange<'static> = Exchange::nothing(&POLICY);

pub fn id(id: &str) -> JobId {
    JobId::new(id).unwrap()
}

/// An ordinary job; tests change what they are about.
pub fn new_job(name: &str) -> NewJob {
    NewJob {
        id: id(name),
        command: CommandLine::new("true").unwrap(),
        cwd: "/".into(),
        env: Environment::default(),
        queue: "default".into(),
        priority: 0,
        max_retries: 3,
        timeout: None,
        delay: Duration::ZERO,
        run_at: None,
        hold: false,
        unique: None,
    }
}

pub fn new_worker() -> NewWorker {
    NewWorker {
        host: "here".into(),
        pid: std::process::id(),
        manager_pid: 1,
        boot_id: queuectl_store::machine::boot_id(),
        pid_namespace: queuectl_store::machine::pid_namespace(),
        concurrency: 1,
        path: "/bin".into(),
        queues: QueueSet::ALL,
        lease: queuectl_store::LeaseTimes::USUAL,
    }
}

/// The end of an attempt that ran for a second until `now`.
pub fn ended(lease: Lease, outcome: Outcome, now: Timestamp) -> Ended {
    Ended {
        lease,
        started_at: now.before(Duration::from_secs(1)),
        ended_at: now,
        outcome,
        error: (!outcome.is_success()).then(|| format!("it ended with {outcome}")),
        output_bytes: 0,
        dropped_bytes: 0,
    }
}

/// A connection, and the verbs in the short form in which tests need them.
pub struct Queue {
    pub store: Box<dyn Store>,
}

impl Queue {
    pub fn open(place: &dyn Place) -> Self {
        Self { store: place.connect() }
    }

    /// Accepts ordinary jobs at the beginning.
    pub fn enqueue(&mut self, ids: &[&str]) {
        let jobs: Vec<NewJob> = ids.iter().map(|id| new_job(id)).collect();
        self.accept(&jobs, T0);
    }

    pub fn accept(&mut self, jobs: &[NewJob], now: Timestamp) {
        let enqueued = self.store.enqueue(jobs, OnTaken::Refuse, now).unwrap();
        assert_eq!(enqueued.added, jobs.len() as u64);
    }

    pub fn register(&mut self) -> Registration {
        self.store.register(&new_worker(), T0).unwrap()
    }

    pub fn exchange(&mut self, worker: WorkerId, exchange: &Exchange<'_>, now: Timestamp) -> Exchanged {
        self.store.exchange(worker, exchange, now).unwrap()
    }

    /// Claims up to `want` jobs.
    pub fn claim(&mut self, worker: WorkerId, want: u32, now: Timestamp) -> Vec<Job> {
        self.exchange(worker, &Exchange { want, ..NOTHING }, now).claimed
    }

    /// Claims from these queues and gives the ids, in the order of the claim.
    pub fn claim_from(
        &mut self,
        worker: WorkerId,
        patterns: &[&str],
        want: u32,
        now: Timestamp,
    ) -> Vec<String> {
        let queues = QueueSet::of(patterns).unwrap();
        let exchanged = self.exchange(worker, &Exchange { want, queues: &queues, ..NOTHING }, now);
        exchanged.claimed.iter().map(|job| job.id.to_string()).collect()
    }

    /// Claims the one job that can be claimed.
    pub fn claim_one(&mut self, worker: WorkerId, now: Timestamp) -> Job {
        let mut claimed = self.claim(worker, 1, now);
        assert_eq!(claimed.len(), 1, "one job can be claimed");
        claimed.remove(0)
    }

    /// Claims and gives the ids, in the order of the claim.
    pub fn claim_ids(&mut self, worker: WorkerId, want: u32, now: Timestamp) -> Vec<String> {
        self.claim(worker, want, now).iter().map(|job| job.id.to_string()).collect()
    }

    /// Hands in the end of one attempt.
    pub fn end(&mut self, worker: WorkerId, lease: Lease, outcome: Outcome, now: Timestamp) -> Exchanged {
        self.exchange(worker, &Exchange { ended: &[ended(lease, outcome, now)], ..NOTHING }, now)
    }

    /// Hands back one claim.
    pub fn hand_back(&mut self, worker: WorkerId, lease: Lease, now: Timestamp) -> Exchanged {
        self.exchange(worker, &Exchange { unstarted: &[lease], ..NOTHING }, now)
    }

    /// Claims the one job that can be claimed and ends its attempt.
    pub fn run(&mut self, worker: WorkerId, outcome: Outcome, now: Timestamp) -> Lease {
        let lease = self.claim_one(worker, now).last_lease();
        let exchanged = self.end(worker, lease, outcome, now);
        assert_eq!(exchanged.superseded, [], "the result counts");
        lease
    }

    pub fn job(&mut self, name: &str) -> Job {
        self.store.job(&id(name)).unwrap().unwrap_or_else(|| panic!("there is no job {name}"))
    }

    pub fn state(&mut self, name: &str) -> State {
        self.job(name).state
    }

    /// How many jobs wait for a time, counted no further than `most`.
    pub fn scheduled(&mut self, most: u32) -> u64 {
        let scheduled = Filter { stages: vec![Stage::Scheduled], ..Filter::default() };
        self.store.count(&scheduled, most).unwrap()
    }

    /// Deletes up to `limit` jobs in these states that came to rest before a time.
    pub fn prune(&mut self, states: &[State], before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.store.prune(&Filter { limit, ..Filter::finished_before(states, before) })
    }

    /// Every job there is.
    pub fn all(&mut self) -> Vec<Job> {
        self.store.jobs(&Filter::default()).unwrap()
    }
}

/// Ids of jobs, to be compared.
pub fn ids(jobs: &[Job]) -> Vec<&str> {
    jobs.iter().map(|job| job.id.as_str()).collect()
}

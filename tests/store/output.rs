//! What attempts write.

use super::conformance::{NOTHING, POLICY, Place, Queue, T0, at, ended};
use queuectl_core::{Lease, Outcome, Stream};
use queuectl_store::{Exchange, OutputPart, OutputTrim};

pub fn part(lease: Lease, n: i64, bytes: &[u8]) -> OutputPart {
    let stream = if n % 2 == 0 { Stream::Stdout } else { Stream::Stderr };
    OutputPart { lease, started_at: T0, n, stream, at: at(n as u64), bytes: bytes.to_vec() }
}

fn parts(lease: Lease, numbers: std::ops::Range<i64>) -> Vec<OutputPart> {
    numbers.map(|n| part(lease, n, format!("part {n}\n").as_bytes())).collect()
}

fn numbers(parts: &[OutputPart]) -> Vec<i64> {
    parts.iter().map(|part| part.n).collect()
}

pub fn output_round_trips_in_order(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let worker = queue.register();
    let lease = queue.claim_one(worker.id, T0).last_lease();
    let every_byte: Vec<u8> = (0..=255).collect();
    let given =
        [part(lease, 0, &every_byte), part(lease, 1, b"\xff\0\n"), part(lease, 2, &vec![b'x'; 65536])];
    let exchanged = queue.exchange(worker.id, &Exchange { output: &given, ..NOTHING }, at(3));
    assert_eq!(exchanged.superseded, []);
    assert_eq!(queue.store.output(lease, 0, 100).unwrap(), given);
}

pub fn output_is_read_from_a_part_on_and_up_to_a_limit(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let worker = queue.register();
    let lease = queue.claim_one(worker.id, T0).last_lease();
    queue.exchange(worker.id, &Exchange { output: &parts(lease, 0..10), ..NOTHING }, T0);
    assert_eq!(numbers(&queue.store.output(lease, 0, 3).unwrap()), [0, 1, 2]);
    assert_eq!(numbers(&queue.store.output(lease, 8, 100).unwrap()), [8, 9]);
    assert_eq!(queue.store.output(lease, 10, 100).unwrap(), []);
    assert_eq!(queue.store.output(Lease { number: 2, ..lease }, 0, 100).unwrap(), []);
}

pub fn the_end_of_an_output_is_read_without_its_beginning(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let worker = queue.register();
    let lease = queue.claim_one(worker.id, T0).last_lease();
    // Seven bytes each.
    let given = parts(lease, 0..10);
    queue.exchange(worker.id, &Exchange { output: &given, ..NOTHING }, T0);
    let mut end = |bytes| queue.store.output_end(lease, bytes).unwrap();
    assert_eq!(end(14), given[8..]);
    assert_eq!(numbers(&end(15)), [7, 8, 9]);
    assert_eq!(numbers(&end(1)), [9]);
    assert_eq!(end(1000), given);
    assert_eq!(end(0), []);
    assert_eq!(queue.store.output_end(Lease { number: 2, ..lease }, 9).unwrap(), []);
}

pub fn output_of_a_running_attempt_can_be_read(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let worker = queue.register();
    let lease = queue.claim_one(worker.id, T0).last_lease();
    queue.exchange(worker.id, &Exchange { output: &parts(lease, 0..1), ..NOTHING }, T0);
    let mut reader = Queue::open(place);
    assert_eq!(numbers(&reader.store.output(lease, 0, 100).unwrap()), [0]);
    let attempts = reader.store.attempts(lease.seq).unwrap();
    assert_eq!((attempts.len(), attempts[0].outcome, attempts[0].ended_at), (1, None, None));
    // Its record becomes the record of its end.
    queue.exchange(worker.id, &Exchange { output: &parts(lease, 1..2), ..NOTHING }, T0);
    queue.end(worker.id, lease, Outcome::Exit(0), at(9));
    let attempts = reader.store.attempts(lease.seq).unwrap();
    assert_eq!((attempts.len(), attempts[0].outcome), (1, Some(Outcome::Exit(0))));
    assert_eq!(numbers(&reader.store.output(lease, 0, 100).unwrap()), [0, 1]);
}

pub fn output_and_end_share_an_exchange(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let worker = queue.register();
    let lease = queue.claim_one(worker.id, T0).last_lease();
    let exchange =
        Exchange { ended: &[ended(lease, Outcome::Exit(0), at(1))], output: &parts(lease, 0..2), ..NOTHING };
    assert_eq!(queue.exchange(worker.id, &exchange, at(1)).superseded, []);
    assert_eq!(numbers(&queue.store.output(lease, 0, 100).unwrap()), [0, 1]);
    assert_eq!(queue.store.attempts(lease.seq).unwrap().len(), 1);
}

pub fn trimmed_output_leaves_a_gap(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let worker = queue.register();
    let lease = queue.claim_one(worker.id, T0).last_lease();
    queue.exchange(worker.id, &Exchange { output: &parts(lease, 0..8), ..NOTHING }, T0);
    let trims = [OutputTrim { lease, from: 2, to: 3 }, OutputTrim { lease, from: 4, to: 5 }];
    queue.exchange(worker.id, &Exchange { trims: &trims, output: &parts(lease, 8..9), ..NOTHING }, T0);
    assert_eq!(numbers(&queue.store.output(lease, 0, 100).unwrap()), [0, 1, 6, 7, 8]);
}

pub fn each_attempt_keeps_its_own_output(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let worker = queue.register();
    let mut leases = Vec::new();
    for run in 0..2 {
        let lease = queue.claim_one(worker.id, at(run * 100)).last_lease();
        let output = [part(lease, 0, format!("run {run}").as_bytes())];
        queue.exchange(worker.id, &Exchange { output: &output, ..NOTHING }, at(run * 100));
        queue.end(worker.id, lease, Outcome::Exit(1), at(run * 100));
        leases.push(lease);
    }
    for (run, &lease) in leases.iter().enumerate() {
        let output = queue.store.output(lease, 0, 100).unwrap();
        assert_eq!((output.len(), &output[0].bytes), (1, &format!("run {run}").into_bytes()));
    }
}

/// A lease that was lost, and its worker.
fn superseded(queue: &mut Queue) -> (queuectl_store::Registration, Lease) {
    queue.enqueue(&["a"]);
    let worker = queue.register();
    let lease = queue.claim_one(worker.id, T0).last_lease();
    queue.exchange(worker.id, &Exchange { output: &parts(lease, 0..3), ..NOTHING }, T0);
    queue.store.rescue(worker.id, &[lease], &POLICY, at(1)).unwrap();
    (worker, lease)
}

pub fn late_output_of_a_superseded_lease_is_discarded(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let (worker, lease) = superseded(&mut queue);
    let late = parts(lease, 3..5);
    let exchanged = queue.exchange(worker.id, &Exchange { output: &late, ..NOTHING }, at(2));
    assert_eq!(exchanged.superseded, [lease], "it is reported, once");
    assert_eq!(numbers(&queue.store.output(lease, 0, 100).unwrap()), [0, 1, 2]);
    assert_eq!(queue.store.attempts(lease.seq).unwrap().len(), 1);
}

pub fn a_late_trim_of_a_superseded_lease_is_ignored(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let (worker, lease) = superseded(&mut queue);
    let trims = [OutputTrim { lease, from: 0, to: 9 }];
    queue.exchange(worker.id, &Exchange { trims: &trims, ..NOTHING }, at(2));
    assert_eq!(numbers(&queue.store.output(lease, 0, 100).unwrap()), [0, 1, 2]);
}

//! Unique keys that several want at once.

use super::conformance::{Place, Queue, T0};
use super::random::Dice;
use super::unique::{enqueue, is_sound, keyed, on_duplicate};
use queuectl_core::{CommandLine, NewJob, OnDuplicate, Outcome};
use queuectl_store::HolderIs;
use std::thread;

pub fn eight_threads_that_enqueue_the_same_keys_add_each_once(place: &dyn Place) {
    const KEYS: u64 = 40;
    let added: u64 = thread::scope(|scope| {
        let add = |seed| {
            let (mut queue, mut dice) = (Queue::open(place), Dice::new(seed));
            (0..30)
                .map(|step| add_some_of(&mut queue, &mut dice, KEYS, &format!("{seed}-{step}")))
                .sum::<u64>()
        };
        let threads: Vec<_> = (1..=8).map(|seed| scope.spawn(move || add(seed))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let mut queue = Queue::open(place);
    assert_eq!((added, queue.all().len() as u64), (KEYS, KEYS));
    is_sound(&mut queue);
}

/// Adds jobs of some keys, in any order; gives how many were added.
fn add_some_of(queue: &mut Queue, dice: &mut Dice, keys: u64, name: &str) -> u64 {
    let jobs: Vec<NewJob> = (0..8)
        .map(|number| {
            let job = keyed(&format!("{name}-{number}"), &format!("key-{}", dice.below(keys)));
            on_duplicate(dice.of(&[OnDuplicate::Keep, OnDuplicate::Replace]), job)
        })
        .collect();
    enqueue(queue, &jobs, T0).added
}

pub fn a_claim_and_a_duplicate_that_replaces_never_both_win(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let worker = queue.register().id;
    for round in 0..30 {
        let (name, text) = (format!("job-{round}"), format!("key-{round}"));
        enqueue(&mut queue, &[keyed(&name, &text)], T0);
        let new = NewJob { command: CommandLine::new("make new").unwrap(), ..keyed("new", &text) };
        let new = on_duplicate(OnDuplicate::Replace, new);
        let (claimed, replaced) = thread::scope(|scope| {
            let replace = scope.spawn(|| enqueue(&mut Queue::open(place), &[new], T0));
            (queue.claim_one(worker, T0), replace.join().unwrap())
        });
        let is_replaced = replaced.duplicates[0].holder_is == HolderIs::Replaced;
        assert_eq!(claimed.command.as_str() == "make new", is_replaced, "round {round}");
        queue.end(worker, claimed.last_lease(), Outcome::Exit(0), T0);
    }
    is_sound(&mut queue);
}

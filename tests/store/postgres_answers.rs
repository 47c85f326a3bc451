//! An exchange that was sent and never answered: it happened, or it comes too late.

use super::conformance::{Harness as _, NOTHING, Queue, T0, ended, id};
use super::postgres::Harness;
use crate::support::postgres::Server;
use crate::support::trials::trials;
use crate::support::{DEADLINE, wait_until};
use queuectl_core::{Job, Lease, Outcome, State, WorkerId};
use queuectl_store::{Access, Exchange, Exchanged};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

trials![
    an_exchange_whose_answer_was_lost_is_found_to_have_happened if Postgres,
    an_exchange_that_comes_after_its_connection_was_given_up_does_nothing if Postgres,
];

/// What becomes of what is sent over the first connection.
const PASSES: u8 = 0;
/// The next answer is lost, and the connection with it.
const LOSES_ANSWER: u8 = 1;
/// What is sent next stays on the way, and the connection is cut at this end.
const HOLDS: u8 = 2;

/// What is on the way to the server, and how it gets there.
type Held = Arc<Mutex<Option<(Vec<u8>, TcpStream)>>>;

/// A way to the server on which things get lost.
struct Way {
    port: u16,
    does: Arc<AtomicU8>,
    held: Held,
}

impl Way {
    fn to(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, there) = (listener.local_addr().unwrap().port(), ("127.0.0.1", server.port()));
        let (does, held) = (Arc::new(AtomicU8::new(PASSES)), Held::default());
        let way = Self { port, does: Arc::clone(&does), held: Arc::clone(&held) };
        thread::spawn(move || {
            for (number, client) in listener.incoming().enumerate() {
                let (client, server) = (client.unwrap(), TcpStream::connect(there).unwrap());
                let does = if number == 0 { Arc::clone(&does) } else { Arc::default() };
                let ends = || (client.try_clone().unwrap(), server.try_clone().unwrap());
                let ((from, to), asked, held) = (ends(), Arc::clone(&does), Arc::clone(&held));
                thread::spawn(move || ask(from, to, &asked, &held));
                thread::spawn(move || answer(server, client, &does));
            }
        });
        way
    }

    fn does_next(&self, what: u8) {
        self.does.store(what, Ordering::SeqCst);
    }

    /// Lets what was held arrive; comes back when the server has answered it.
    fn arrives(&self) {
        let (sent, mut server) = self.held.lock().unwrap().take().expect("something is on the way");
        server.write_all(&sent).unwrap();
        let mut answer = [0; 1];
        assert_eq!(server.read(&mut answer).unwrap(), 1);
    }
}

/// Passes on what a client sends.
fn ask(mut client: TcpStream, mut server: TcpStream, does: &AtomicU8, held: &Held) {
    while let Some(sent) = read(&mut client) {
        if does.load(Ordering::SeqCst) == HOLDS {
            *held.lock().unwrap() = Some((sent, server));
            client.shutdown(Shutdown::Both).unwrap();
            return;
        }
        server.write_all(&sent).unwrap();
    }
    let _gone_is_fine = server.shutdown(Shutdown::Both);
}

/// Passes on what the server answers.
fn answer(mut server: TcpStream, mut client: TcpStream, does: &AtomicU8) {
    loop {
        // What is answered to what was held is read by who lets it arrive.
        let mut next = [0; 1];
        let arrived = server.peek(&mut next);
        if does.load(Ordering::SeqCst) == HOLDS {
            return;
        }
        if !arrived.is_ok_and(|bytes| bytes > 0) {
            break;
        }
        let Some(answered) = read(&mut server) else { break };
        if does.load(Ordering::SeqCst) == LOSES_ANSWER || client.write_all(&answered).is_err() {
            break;
        }
    }
    let _gone_is_fine = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
}

fn read(from: &mut TcpStream) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return None,
            Ok(bytes) => {
                buffer.truncate(bytes);
                return Some(buffer);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

/// A worker behind such a way, with the one job that it holds.
fn a_worker(place: &Harness, way: &Way) -> (Queue, queuectl_store::Registration, Job) {
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres?schema=", way.port);
    let mut queue = Queue { store: place.open_by(&url, Access::Write).unwrap() };
    queue.enqueue(&["first", "second", "a", "b", "c"]);
    let worker = queue.register();
    let mut held = queue.claim_one(worker.id, T0);
    // By now each statement of an exchange was prepared.
    for name in ["second", "a"] {
        held = exchange(&mut queue, worker.id, held.last_lease()).claimed.remove(0);
        assert_eq!(held.id, id(name));
    }
    (queue, worker, held)
}

/// Hands in a success and claims one.
fn exchange(queue: &mut Queue, worker: WorkerId, lease: Lease) -> Exchanged {
    let ends = [ended(lease, Outcome::Exit(0), T0)];
    let exchange = Exchange { ended: &ends, want: 1, ..NOTHING };
    // A worker asks again.
    let mut exchanged = None;
    wait_until(DEADLINE, "it is answered", || {
        exchanged = match queue.store.exchange(worker, &exchange, T0) {
            Ok(exchanged) => Some(exchanged),
            Err(error) => {
                assert!(error.is_passing(), "{error}");
                None
            }
        };
        exchanged.is_some()
    });
    exchanged.unwrap()
}

/// Asserts that the end of `a` counts, once, and that the worker holds what it was told.
fn is_in_order(queue: &mut Queue, worker: WorkerId, a: Lease, exchanged: &Exchanged) {
    let finished: Vec<(Lease, State)> =
        exchanged.finished.iter().map(|(lease, verdict)| (*lease, verdict.state)).collect();
    assert_eq!(finished, [(a, State::Completed)]);
    assert_eq!(exchanged.superseded, []);
    assert_eq!(queue.store.attempts(a.seq).unwrap().len(), 1);
    let held: Vec<Lease> = exchanged.claimed.iter().map(Job::last_lease).collect();
    assert_eq!(queue.store.claims(worker).unwrap(), held);
    assert_eq!(queue.job("b").attempts, 1, "a claim that nobody was told of is not charged");
    assert_eq!(queue.state("c"), State::Pending);
    assert_eq!(queue.store.check().unwrap(), [""; 0]);
    assert_eq!(queue.store.counts().unwrap(), exchanged.counts);
}

fn an_exchange_whose_answer_was_lost_is_found_to_have_happened() {
    let (place, way) = (Harness::new(), Way::to(Server::shared()));
    let (mut queue, worker, a) = a_worker(&place, &way);
    way.does_next(LOSES_ANSWER);
    let exchanged = exchange(&mut queue, worker.id, a.last_lease());
    is_in_order(&mut queue, worker.id, a.last_lease(), &exchanged);
    // It was claimed once without a word, and given back.
    assert_eq!((exchanged.claimed[0].id.clone(), exchanged.claimed[0].lease), (id("b"), 2));
}

fn an_exchange_that_comes_after_its_connection_was_given_up_does_nothing() {
    let (place, way) = (Harness::new(), Way::to(Server::shared()));
    let (mut queue, worker, a) = a_worker(&place, &way);
    way.does_next(HOLDS);
    let exchanged = exchange(&mut queue, worker.id, a.last_lease());
    is_in_order(&mut queue, worker.id, a.last_lease(), &exchanged);
    assert_eq!((exchanged.claimed[0].id.clone(), exchanged.claimed[0].lease), (id("b"), 1));
    way.arrives();
    is_in_order(&mut queue, worker.id, a.last_lease(), &exchanged);
    assert_eq!(exchange(&mut queue, worker.id, exchanged.claimed[0].last_lease()).claimed[0].id, id("c"));
}

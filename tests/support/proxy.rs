//! A way to a PostgreSQL server on which a test decides what happens.
//!
//! It understands as much of the protocol as it takes to tell one request from the
//! next. What it is given must not be encrypted.

use super::postgres::{SUPERUSER, Server};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// What happens to who comes, and to what is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// It gets through.
    Pass,
    /// The connection is closed.
    Refuse,
    /// There is never an answer.
    Hang,
    /// The server is made to say that it has failed with this code.
    Answer(&'static str),
}

struct Rules {
    /// To new connections.
    door: Does,
    /// To requests over connections that are there.
    asked: Does,
    /// So many commits get through; the answer to the next is lost, and then the door does this.
    loses_commit: Option<(u32, Does)>,
    /// Connections with a lower number have fallen silent for ever.
    silent_below: usize,
    number: usize,
    answered: u32,
    open: Vec<TcpStream>,
}

/// A way to a server.
pub struct Proxy {
    port: u16,
    rules: Arc<Mutex<Rules>>,
}

type Shared = Arc<Mutex<Rules>>;

impl Proxy {
    /// Leads to a server.
    pub fn before(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, there) = (listener.local_addr().unwrap().port(), server.port());
        let rules = Arc::new(Mutex::new(Rules {
            door: Does::Pass,
            asked: Does::Pass,
            loses_commit: None,
            silent_below: 0,
            number: 0,
            answered: 0,
            open: Vec::new(),
        }));
        let shared = Arc::clone(&rules);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, shared) = (client.unwrap(), Arc::clone(&shared));
                thread::spawn(move || serve(client, there, &shared));
            }
        });
        Self { port, rules }
    }

    /// A queue in a schema on the server, by this way.
    pub fn url(&self, schema: &str) -> String {
        self.url_of(SUPERUSER, "postgres", schema)
    }

    /// The same, as another role and in another database.
    pub fn url_of(&self, role: &str, database: &str, schema: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}?schema={schema}&sslmode=disable", self.port)
    }

    /// What happens to new connections from now on.
    pub fn door(&self, does: Does) {
        lock(&self.rules).door = does;
    }

    /// What happens to requests from now on.
    pub fn asked(&self, does: Does) {
        lock(&self.rules).asked = does;
    }

    /// So many commits get through; the next one arrives, and its answer is lost for good.
    /// Who comes later finds the door like this.
    pub fn loses_commit(&self, after: u32, door: Does) {
        lock(&self.rules).loses_commit = Some((after, door));
    }

    /// Tells whether the answer to a commit was lost.
    pub fn has_lost_it(&self) -> bool {
        lock(&self.rules).loses_commit.is_none()
    }

    /// All is well from now on.
    pub fn heal(&self) {
        let mut rules = lock(&self.rules);
        (rules.door, rules.asked, rules.loses_commit) = (Does::Pass, Does::Pass, None);
    }

    /// Nothing comes any more over the connections that are there, which stay open.
    pub fn fall_silent(&self) {
        let mut rules = lock(&self.rules);
        rules.silent_below = rules.number;
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        for connection in lock(&self.rules).open.drain(..) {
            let _gone_is_fine = connection.shutdown(Shutdown::Both);
        }
    }

    /// How many connections were begun.
    pub fn came(&self) -> usize {
        lock(&self.rules).number
    }

    /// How often something was answered in the server's place.
    pub fn answered(&self) -> u32 {
        lock(&self.rules).answered
    }
}

fn lock(rules: &Mutex<Rules>) -> MutexGuard<'_, Rules> {
    rules.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(mut client: TcpStream, there: u16, shared: &Shared) {
    let (door, number) = {
        let mut rules = lock(shared);
        rules.number += 1;
        rules.open.push(client.try_clone().unwrap());
        (rules.door, rules.number - 1)
    };
    let Some(startup) = startup(&mut client) else { return };
    match door {
        Does::Pass => {}
        Does::Refuse => return close(&client),
        Does::Hang => return swallow(&mut client),
        Does::Answer(code) => {
            lock(shared).answered += 1;
            let _gone_is_fine = client.write_all(&error("FATAL", code));
            return close(&client);
        }
    }
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", there)) else { return close(&client) };
    let loses = Arc::new(AtomicBool::new(false));
    let ends = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let (asked, is_lost) = (Arc::clone(shared), Arc::clone(&loses));
    thread::spawn(move || answer(ends.0, ends.1, &asked, number, &is_lost));
    if server.write_all(&startup).is_err() {
        return close(&client);
    }
    while let Some(request) = request(&mut client) {
        let is_commit = request.starts_with(b"Q") && request.get(5..) == Some(b"COMMIT\0");
        let does = {
            let mut rules = lock(shared);
            if number < rules.silent_below {
                drop(rules);
                return swallow(&mut client);
            }
            if is_commit && let Some((after, door)) = rules.loses_commit {
                if after == 0 {
                    loses.store(true, Ordering::SeqCst);
                } else {
                    rules.loses_commit = Some((after - 1, door));
                }
            }
            rules.asked
        };
        match does {
            Does::Pass => {
                if server.write_all(&request).is_err() {
                    break;
                }
            }
            Does::Refuse => break,
            Does::Hang => return swallow(&mut client),
            Does::Answer(code) => {
                lock(shared).answered += 1;
                let said = [error("ERROR", code), b"Z\0\0\0\x05I".to_vec()].concat();
                if client.write_all(&said).is_err() {
                    break;
                }
            }
        }
    }
    close(&client);
    close(&server);
}

/// Passes on what the server answers.
fn answer(mut server: TcpStream, mut client: TcpStream, shared: &Shared, number: usize, loses: &AtomicBool) {
    let mut buffer = vec![0; 1 << 16];
    while let Some(bytes) = read(&mut server, &mut buffer) {
        if loses.load(Ordering::SeqCst) {
            let mut rules = lock(shared);
            let door = rules.loses_commit.take().map_or(Does::Pass, |(_, door)| door);
            rules.door = door;
            drop(rules);
            if door != Does::Hang {
                close(&client);
            }
            return;
        }
        if number < lock(shared).silent_below {
            return;
        }
        if client.write_all(&buffer[..bytes]).is_err() {
            break;
        }
    }
    close(&client);
    close(&server);
}

/// Reads how a client begins.
fn startup(client: &mut TcpStream) -> Option<Vec<u8>> {
    let mut message = vec![0; 4];
    client.read_exact(&mut message).ok()?;
    body(client, message)
}

/// Reads messages up to the one that asks for an answer.
fn request(client: &mut TcpStream) -> Option<Vec<u8>> {
    let mut request = Vec::new();
    loop {
        let mut head = [0; 5];
        client.read_exact(&mut head).ok()?;
        let message = body(client, head[1..].to_vec())?;
        request.push(head[0]);
        request.extend(message);
        // A query, a synchronization, an end.
        if matches!(head[0], b'Q' | b'S' | b'X' | b'p') {
            return Some(request);
        }
    }
}

/// Reads the rest of a message whose length is known.
fn body(client: &mut TcpStream, mut length: Vec<u8>) -> Option<Vec<u8>> {
    let bytes = u32::from_be_bytes(length[..4].try_into().unwrap()) as usize;
    length.resize(bytes, 0);
    client.read_exact(&mut length[4..]).ok()?;
    Some(length)
}

/// The message by which a server refuses.
fn error(severity: &str, code: &str) -> Vec<u8> {
    let fields = format!("S{severity}\0V{severity}\0C{code}\0Mmade up by the test\0\0");
    let length = u32::try_from(fields.len() + 4).unwrap();
    [b"E".as_slice(), &length.to_be_bytes(), fields.as_bytes()].concat()
}

fn swallow(client: &mut TcpStream) {
    let mut buffer = vec![0; 1 << 16];
    while read(client, &mut buffer).is_some() {}
}

fn read(from: &mut TcpStream, buffer: &mut [u8]) -> Option<usize> {
    loop {
        match from.read(buffer) {
            Ok(0) => return None,
            Ok(bytes) => return Some(bytes),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

fn close(connection: &TcpStream) {
    let _gone_is_fine = connection.shutdown(Shutdown::Both);
}

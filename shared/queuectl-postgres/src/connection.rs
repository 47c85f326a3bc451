//! A connection on which every request has an end.
//!
//! The driver itself waits for an answer as long as it takes. That is for ever where
//! nothing ends the connection and nothing comes: behind a proxy that keeps the
//! client's side open while the server fails over, or when the server's process is
//! stopped. So each request has a time, and a connection on which that passes without
//! an answer is given up: what it was asked may happen or not, as with one that is lost.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::{self, Runtime};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{
    AsyncMessage, Client, Config, Error, Notification, Row, SimpleQueryMessage, Socket, Statement,
};

/// What the server sends, whether it was asked or not.
type Messages = Box<dyn FnMut(&mut Context<'_>) -> Poll<Option<Result<AsyncMessage, Error>>> + Send>;

/// A connection to a server, used by one thread.
pub struct Connection {
    client: Client,
    wire: Wire,
    runtime: Arc<Runtime>,
    answers_within: Duration,
    was_unanswered: bool,
}

/// The side of a connection that reads and writes.
struct Wire {
    /// None once the connection has ended, or was given up.
    messages: Option<Messages>,
    notifications: VecDeque<Notification>,
}

impl Connection {
    /// Connects. The driver ends each single try by itself; `answers_within` is for what
    /// is asked later.
    pub(crate) fn open<T>(
        runtime: &Arc<Runtime>,
        config: &Config,
        tls: T,
        answers_within: Duration,
    ) -> Result<Self, Error>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: Send + 'static,
    {
        let (client, mut connection) = runtime.block_on(config.connect(tls))?;
        let messages: Messages = Box::new(move |cx| connection.poll_message(cx));
        let wire = Wire { messages: Some(messages), notifications: VecDeque::new() };
        Ok(Self { client, wire, runtime: Arc::clone(runtime), answers_within, was_unanswered: false })
    }

    /// Says how long an answer may take from now on.
    pub fn set_answers_within(&mut self, at_most: Duration) {
        self.answers_within = at_most;
    }

    /// How long an answer may take.
    pub fn answers_within(&self) -> Duration {
        self.answers_within
    }

    /// Tells whether the connection was given up because an answer did not come.
    pub fn was_unanswered(&self) -> bool {
        self.was_unanswered
    }

    /// Tells whether the connection is gone.
    pub fn is_closed(&self) -> bool {
        self.wire.messages.is_none() || self.client.is_closed()
    }

    /// Runs statements without values, one after the other.
    pub fn batch_execute(&mut self, sql: &str) -> Result<(), Error> {
        let Self { client, wire, runtime, answers_within, was_unanswered } = self;
        answer(runtime, wire, *answers_within, was_unanswered, client.batch_execute(sql))
    }

    /// The same, and gives the rows as texts.
    pub fn simple_query(&mut self, sql: &str) -> Result<Vec<SimpleQueryMessage>, Error> {
        let Self { client, wire, runtime, answers_within, was_unanswered } = self;
        answer(runtime, wire, *answers_within, was_unanswered, client.simple_query(sql))
    }

    /// Runs a statement that is sent with its types and values in one message.
    pub fn query_typed(
        &mut self,
        sql: &str,
        values: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, Error> {
        let Self { client, wire, runtime, answers_within, was_unanswered } = self;
        answer(runtime, wire, *answers_within, was_unanswered, client.query_typed(sql, values))
    }

    /// Prepares a statement for many uses.
    pub fn prepare_typed(&mut self, sql: &str, types: &[Type]) -> Result<Statement, Error> {
        let Self { client, wire, runtime, answers_within, was_unanswered } = self;
        answer(runtime, wire, *answers_within, was_unanswered, client.prepare_typed(sql, types))
    }

    /// Runs a statement that was prepared.
    pub fn query(
        &mut self,
        statement: &Statement,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        let Self { client, wire, runtime, answers_within, was_unanswered } = self;
        answer(runtime, wire, *answers_within, was_unanswered, client.query(statement, values))
    }

    /// Waits for the next notification, so long at most. (None is owed, so silence is
    /// no reason to give the connection up.)
    pub fn next_notification(&mut self, at_most: Duration) -> Result<Option<Notification>, Error> {
        if self.wire.notifications.is_empty() {
            let wire = &mut self.wire;
            let heard = poll_fn(|cx| match wire.take_in(cx) {
                Ok(()) if wire.notifications.is_empty() && wire.messages.is_some() => Poll::Pending,
                taken_in => Poll::Ready(taken_in),
            });
            let waits = async { tokio::time::timeout(at_most, heard).await };
            self.runtime.block_on(waits).unwrap_or(Ok(()))?;
        }
        if self.wire.messages.is_none() && self.wire.notifications.is_empty() {
            // The driver says best that the connection is closed.
            self.batch_execute("")?;
        }
        Ok(self.wire.notifications.pop_front())
    }
}

/// What runs the driver, in the thread that waits for it.
///
/// # Errors
///
/// If this process is short of something.
pub(crate) fn runtime() -> io::Result<Arc<Runtime>> {
    runtime::Builder::new_current_thread().enable_all().build().map(Arc::new)
}

impl Wire {
    /// Takes in what has arrived, and sends what is to be sent; never waits.
    fn take_in(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        while let Some(messages) = &mut self.messages {
            match messages(cx) {
                Poll::Ready(Some(Ok(AsyncMessage::Notification(notification)))) => {
                    self.notifications.push_back(notification);
                }
                Poll::Ready(Some(Ok(AsyncMessage::Notice(notice)))) => {
                    tracing::debug!("the server says: {}", notice.message());
                }
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => {
                    self.messages = None;
                    return Err(error);
                }
                Poll::Ready(None) => self.messages = None,
                Poll::Pending => break,
            }
        }
        Ok(())
    }
}

/// Waits for the answer to a request. If none comes in time, the connection is given up.
fn answer<T>(
    runtime: &Runtime,
    wire: &mut Wire,
    at_most: Duration,
    was_unanswered: &mut bool,
    request: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let mut request = pin!(request);
    let poll = |cx: &mut Context<'_>, wire: &mut Wire, request: Pin<&mut _>| match wire.take_in(cx) {
        Ok(()) => Future::poll(request, cx),
        Err(error) => Poll::Ready(Err(error)),
    };
    let in_time = async {
        let answered = poll_fn(|cx| poll(cx, wire, request.as_mut()));
        tokio::time::timeout(at_most, answered).await
    };
    runtime.block_on(in_time).unwrap_or_else(|_too_late| {
        *was_unanswered = true;
        // With its wire gone, the request ends, as one whose connection was closed.
        wire.messages = None;
        runtime.block_on(poll_fn(|cx| poll(cx, wire, request.as_mut())))
    })
}

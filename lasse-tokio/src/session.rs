//! A connection with its mail and its clock: all of a stream but the socket.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use lasse_core::{Connection, EndReason, Handler, Instant, Output, TransportError};
use tokio::time::{Sleep, sleep_until};

use crate::clock::{at, now};
use crate::gate::Permit;
use crate::mailbox::{Mail, Mailbox};

/// A [`Connection`] with its mail and its clock: all of a stream but the socket.
///
/// [`drive`](crate::drive) brings it to a socket; a body of some HTTP library is a
/// few lines around [`poll_output`](Self::poll_output).
pub struct Session<H: Handler, M = Mailbox<H>> {
    connection: Connection<H>,
    mail: Option<M>,
    permit: Option<Permit>,
    /// When something was last asked or told.
    asked_at: Instant,
    /// Of who has no gate to be woken by.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<H: Handler, M: Stream<Item = Mail<H>> + Unpin> Session<H, M> {
    /// A stream that takes its messages from `mail`.
    pub fn new(connection: Connection<H>, mail: M) -> Self {
        Self::from_parts(connection, Some(mail), None)
    }

    /// Ends when the gate drains that gave the `permit`, and is counted there.
    #[must_use]
    pub fn with_permit(mut self, permit: Permit) -> Self {
        self.permit = Some(permit);
        self
    }

    /// What to do next, after everything that has come is taken in: write, or
    /// close. Pending while there is nothing to do. Bytes that are not
    /// acknowledged by [`handle_written`](Self::handle_written) are given again.
    pub fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<Output> {
        self.begin(now(), cx);
        self.poll_more(cx)
    }

    /// Tells what time it is, and takes in what has come with it. What there is to
    /// do is then for [`poll_more`](Self::poll_more) to say, for as long as that is
    /// the time.
    pub(crate) fn begin(&mut self, now: Instant, cx: &mut Context<'_>) {
        self.take_drain(cx);
        self.asked_at = now;
        // A stream that never waits would not learn of it otherwise.
        if self.connection.deadline().is_some_and(|deadline| deadline <= now) {
            self.connection.handle_timeout(now);
        }
    }

    pub(crate) fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Output> {
        for _ in 0..TURNS {
            let is_all_taken = self.take_mail(cx);
            let now = self.asked_at;
            match self.connection.poll_output(now) {
                Output::Wait if !is_all_taken => continue,
                Output::Wait => {}
                output => return Poll::Ready(output),
            }
            if self.connection.poll_wake(cx).is_pending() {
                ready!(self.poll_timeout_at(now, cx));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes messages while they come and there is room. Whether that is all, for
    /// now.
    fn take_mail(&mut self, cx: &mut Context<'_>) -> bool {
        for _ in 0..MAIL_A_TURN {
            let Some(mail) = self.mail.as_mut().filter(|_| self.connection.wants_input()) else {
                return true;
            };
            match Pin::new(mail).poll_next(cx) {
                Poll::Ready(Some(mail)) => mail.deliver(&mut self.connection),
                Poll::Ready(None) => {
                    self.mail = None;
                    self.connection.handle_end();
                }
                Poll::Pending => return true,
            }
        }
        false
    }
}

impl<H: Handler, M> Session<H, M> {
    pub(crate) fn from_parts(
        connection: Connection<H>,
        mail: Option<M>,
        permit: Option<Permit>,
    ) -> Self {
        Self { connection, mail, permit, asked_at: now(), timer: None }
    }

    /// Ready when a deadline has come: poll the output again. For while a write
    /// is out; [`poll_output`](Self::poll_output) looks to the time by itself.
    pub fn poll_timeout(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_timeout_at(now(), cx)
    }

    fn poll_timeout_at(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.connection.deadline() else { return Poll::Pending };
        ready!(self.poll_until(deadline, now, cx));
        self.connection.handle_timeout(now);
        Poll::Ready(())
    }

    /// Tells that `n` more bytes of the last output are written.
    pub fn handle_written(&mut self, n: usize) {
        self.asked_at = now();
        self.handle_written_at_once(n);
    }

    /// The same, where no time has passed since the output was asked for.
    pub(crate) fn handle_written_at_once(&mut self, n: usize) {
        self.connection.handle_written(n, self.asked_at);
    }

    /// Tells that the client is gone.
    pub fn handle_peer_closed(&mut self) {
        self.connection.handle_peer_closed();
    }

    /// Tells that the last output cannot be written.
    pub fn handle_write_error(&mut self, error: impl Into<TransportError>) {
        self.connection.handle_write_error(error);
    }

    /// Tells that the stream is cut off for a reason that only the driver knows.
    pub fn abort(&mut self, reason: EndReason) {
        self.connection.abort(reason);
    }

    /// Why the stream ended, once it has.
    pub fn reason(&self) -> Option<EndReason> {
        self.connection.reason()
    }

    /// The handler.
    pub fn handler(&self) -> &H {
        self.connection.handler()
    }

    /// Learns of the gate when the stream has to end.
    fn take_drain(&mut self, cx: &mut Context<'_>) {
        if let Some(Poll::Ready(drain)) = self.permit.as_mut().map(|permit| permit.poll_drain(cx)) {
            self.connection.handle_drain(drain);
        }
    }

    /// Waits for a time. Deadlines mostly move on, with every event that is sent;
    /// then the stream is woken too early once, which is cheaper than to set a
    /// timer each time.
    pub(crate) fn poll_until(
        &mut self,
        time: Instant,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if time <= now {
            return Poll::Ready(());
        }
        if let Some(permit) = &mut self.permit {
            permit.wake_at(time, now, cx);
            return Poll::Pending;
        }
        let time = at(time);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(time)));
        loop {
            if time < timer.deadline() {
                timer.as_mut().reset(time);
            }
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() == time {
                self.timer = None;
                return Poll::Ready(());
            }
            timer.as_mut().reset(time);
        }
    }
}

impl<H: Handler, M> Drop for Session<H, M> {
    fn drop(&mut self) {
        if let (Some(permit), Some(reason)) = (&mut self.permit, self.connection.reason()) {
            permit.record(reason);
        }
    }
}

impl<H: Handler, M> std::fmt::Debug for Session<H, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("reason", &self.reason()).finish_non_exhaustive()
    }
}

/// How often a stream may change its mind before others have their turn.
const TURNS: usize = 16;

/// How many messages it may take in one turn.
const MAIL_A_TURN: usize = 64;

//! A handler and its mailbox as the source of a stream.

use std::task::{Context, Poll};

use super::queue::Received;
use super::with_source::WithSource;
use super::{Mailbox, Message};
use crate::contain::contain;
use crate::deadlines::Deadline;
use crate::end::{EndReason, SendError};
use crate::frame::Frame;
use crate::handler::Handler;
use crate::source::{Next, Source};
use crate::time::Instant;

/// A [`Handler`] and its [`Mailbox`] as the [`Source`] of a stream.
///
/// # Examples
///
/// ```
/// use core::task::{Context, Waker};
/// use lasse_core::{
///     Connection, Event, Handler, HandlerSource, Instant, Next, Output, StreamConfig, mailbox,
/// };
///
/// struct Echo;
///
/// impl Handler for Echo {
///     type Notify = String;
///     type Info = ();
///
///     fn handle_notify(&mut self, text: String) -> Next {
///         Next::send(Event::new(text))
///     }
/// }
///
/// let (notifier, mailbox) = mailbox(64);
/// let (source, now) = (HandlerSource::new(Echo, mailbox), Instant::from_nanos(0));
/// let mut connection = Connection::open(source, [], &StreamConfig::new(), now);
/// notifier.notify("one".into())?;
/// notifier.notify("two".into())?;
/// let output = connection.poll_output(now, &mut Context::from_waker(Waker::noop()));
/// assert_eq!(output, Output::Write(":\ndata: one\n\ndata: two\n\n".into()));
/// # Ok::<(), lasse_core::NotifyError>(())
/// ```
#[derive(Debug)]
pub struct HandlerSource<H: Handler> {
    handler: H,
    mailbox: Mailbox<H>,
    deadline: Deadline,
    /// Whether `handle_tick` is due, whatever the deadline is.
    wants_tick: bool,
    /// Whether the last callback was `handle_tick`: then it is a message's turn.
    has_ticked: bool,
    /// Whether another message was queued behind the last one.
    has_more: bool,
}

impl<H: Handler> HandlerSource<H> {
    /// A source that passes the messages of `mailbox` to `handler`.
    pub fn new(handler: H, mailbox: Mailbox<H>) -> Self {
        Self {
            handler,
            mailbox,
            deadline: Deadline::NEVER,
            wants_tick: true,
            has_ticked: false,
            has_more: false,
        }
    }

    /// Adds another source, such as the [`Subscriber`](crate::Subscriber) of a channel. Frames of
    /// both are sent in the order in which they become ready.
    pub fn with_source<S: Source>(self, source: S) -> WithSource<H, S> {
        WithSource::new(self, source)
    }

    /// The handler.
    pub fn handler(&self) -> &H {
        &self.handler
    }

    /// Runs the next callback, or returns `None` if there is nothing to handle.
    /// Messages and ticks that are due at the same time take turns.
    fn run_callback(&mut self, now: Instant, cx: &mut Context<'_>) -> Option<Next> {
        let is_tick_due = self.wants_tick || self.deadline.is_due(now);
        if is_tick_due && !self.has_ticked {
            return Some(self.tick(now));
        }
        self.has_ticked = false;
        match self.mailbox.poll_receive(cx) {
            Poll::Ready((received, has_more)) => {
                self.has_more = has_more;
                Some(match received {
                    Received::Message(Message::Notify(message)) => {
                        self.handler.handle_notify(message)
                    }
                    Received::Message(Message::Info(message)) => self.handler.handle_info(message),
                    Received::Stop => Next::Stop,
                    Received::End => self.handler.handle_end(),
                })
            }
            Poll::Pending => {
                self.has_more = false;
                is_tick_due.then(|| self.tick(now))
            }
        }
    }

    fn tick(&mut self, now: Instant) -> Next {
        self.has_ticked = true;
        self.wants_tick = false;
        if self.deadline.is_due(now) {
            self.deadline = Deadline::NEVER;
        }
        self.handler.handle_tick(now)
    }
}

impl<H: Handler> Source for HandlerSource<H> {
    fn poll_next(&mut self, now: Instant, cx: &mut Context<'_>) -> Next {
        for _ in 0..CALLBACKS {
            match self.run_callback(now, cx) {
                Some(Next::Wait(None)) => {}
                Some(Next::Wait(deadline)) => self.deadline = Deadline::at(deadline),
                Some(next) => {
                    self.wants_tick = true;
                    return next;
                }
                None => return Next::Wait(self.deadline.time()),
            }
        }
        // Other streams of this thread must run, too.
        cx.waker().wake_by_ref();
        Next::Wait(self.deadline.time())
    }

    fn has_more(&self) -> bool {
        self.has_more
    }

    fn handle_error(&mut self, unsent: &[Frame], error: &SendError) {
        self.handler.handle_error(unsent, error);
    }

    fn terminate(&mut self, reason: EndReason) {
        let unhandled = self.mailbox.close();
        contain(|| drop(unhandled)).ok();
        self.handler.terminate(reason);
    }
}

#[cfg(feature = "http")]
mod http {
    use super::{Handler, HandlerSource, Mailbox};
    use crate::request::{Accept, Init, RequestHead};

    impl<H: Handler + Accept> Accept for HandlerSource<H> {
        type Args = (H::Args, Mailbox<H>);

        fn init((args, mailbox): Self::Args, request: &RequestHead<'_>) -> Init<Self> {
            H::init(args, request).map(|handler| Self::new(handler, mailbox))
        }
    }
}

/// How many callbacks run in one poll, if none of them sends a frame.
const CALLBACKS: usize = 64;

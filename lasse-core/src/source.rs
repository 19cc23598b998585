//! The source of a stream's frames: the trait that a stream is polled through.

use alloc::boxed::Box;
use core::task::Context;

use crate::end::{EndReason, SendError};
use crate::event::Event;
use crate::frame::Frame;
use crate::time::Instant;

/// Produces the frames of one stream.
///
/// A [`Connection`](crate::Connection) polls its source whenever the client can take more: not while
/// bytes of an earlier frame are unsent. A reader of a channel
/// ([`Subscriber`](crate::Subscriber)) is a source, and so is a [`Handler`](crate::Handler) with its
/// mailbox ([`HandlerSource`](crate::HandlerSource)).
///
/// # Examples
///
/// A countdown, one event per second:
///
/// ```
/// use core::task::{Context, Waker};
/// use core::time::Duration;
/// use lasse_core::{Connection, Event, Instant, Next, Output, Source, StreamConfig};
///
/// struct Countdown {
///     left: u32,
///     next: Instant,
/// }
///
/// impl Source for Countdown {
///     fn poll_next(&mut self, now: Instant, _: &mut Context<'_>) -> Next {
///         if now < self.next {
///             return Next::Wait(Some(self.next));
///         }
///         if self.left == 0 {
///             return Next::last(Event::new("liftoff"));
///         }
///         let event = Event::new(self.left.to_string());
///         self.left -= 1;
///         self.next = now + Duration::from_secs(1);
///         Next::send(event)
///     }
/// }
///
/// let at = |seconds: u64| Instant::from_nanos(seconds * 1_000_000_000);
/// let mut cx = Context::from_waker(Waker::noop());
/// let config = StreamConfig::new().with_first_byte(false);
/// let mut stream = Connection::open(Countdown { left: 3, next: at(0) }, [], &config, at(0));
/// assert_eq!(stream.poll_output(at(0), &mut cx), Output::Write("data: 3\n\n".into()));
/// stream.handle_written(9, at(0));
/// assert_eq!(stream.poll_output(at(0), &mut cx), Output::Wait);
/// assert_eq!(stream.deadline(), Some(at(1)));
/// assert_eq!(stream.poll_output(at(1), &mut cx), Output::Write("data: 2\n\n".into()));
/// ```
pub trait Source {
    /// Returns the next frame, or [`Next::Wait`] if there is none yet.
    ///
    /// Before it returns `Wait`, a source registers the waker of `cx`, which wakes
    /// the stream once there may be a frame; a source that depends on time alone returns
    /// the time instead. A later call replaces the waker. Repeated calls that wait should
    /// be cheap: a stream is polled for other reasons, too.
    fn poll_next(&mut self, now: Instant, cx: &mut Context<'_>) -> Next;

    /// Whether the next poll probably returns another small frame at once.
    ///
    /// The connection then polls again before it writes, so that up to 16 KiB of
    /// frames go out in one write. `false` is always correct, and the default.
    fn has_more(&self) -> bool {
        false
    }

    /// The frame to send in place of a keep-alive that is due now, or `None`, the default, for that of
    /// the configuration.
    ///
    /// Called only if nothing is unsent. A source around another one forwards the call.
    fn keep_alive(&mut self) -> Option<Frame> {
        None
    }

    /// How far the source is behind the log that it reads, for metrics; `None`, the default, if it
    /// reads none. A driver calls it for a few of its writes only.
    ///
    /// A source around another one forwards the call.
    fn progress(&self) -> Option<Progress> {
        None
    }

    /// Receives the frames that were not wholly written, oldest first, and the
    /// error. Called at most once, before [`terminate`](Self::terminate). If the transport failed
    /// when nothing was unsent, the list is empty.
    fn handle_error(&mut self, unsent: &[Frame], error: &SendError) {
        let _ = (unsent, error);
    }

    /// Called exactly once: when the stream ends, or at once if the request was a
    /// HEAD. The source is not polled again.
    fn terminate(&mut self, reason: EndReason) {
        let _ = reason;
    }
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn poll_next(&mut self, now: Instant, cx: &mut Context<'_>) -> Next {
        (**self).poll_next(now, cx)
    }

    fn has_more(&self) -> bool {
        (**self).has_more()
    }

    fn keep_alive(&mut self) -> Option<Frame> {
        (**self).keep_alive()
    }

    fn progress(&self) -> Option<Progress> {
        (**self).progress()
    }

    fn handle_error(&mut self, unsent: &[Frame], error: &SendError) {
        (**self).handle_error(unsent, error);
    }

    fn terminate(&mut self, reason: EndReason) {
        (**self).terminate(reason);
    }
}

/// How far a [`Source`] is behind the log that it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many events of the log it has not read yet, of all topics.
    pub behind: u64,
    /// How many events the log can still hold behind it: a reader with none is about to lag. `None`
    /// if the log has not dropped any event yet.
    pub ahead_of_oldest: Option<u64>,
    /// When its last event was published, if the channel has taken the time of that event: see
    /// `StatsReader::sample_next`.
    pub published: Option<Instant>,
}

/// What a stream does next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Next {
    /// Sends a frame. The next poll follows once it is written.
    Send(Frame),
    /// Sends a frame, and ends the stream cleanly.
    Last(Frame),
    /// Waits until the waker is woken, or until the given time, if any.
    Wait(Option<Instant>),
    /// Ends the stream cleanly.
    Stop,
    /// Ends the stream cleanly, because the next frame is no longer available to
    /// this client: it reconnects, and resumes or is reset.
    Lagged,
    /// Ends the stream uncleanly, so that the client does not take a part for the whole.
    Abort,
}

impl Next {
    /// Sends an event, or an encoded frame.
    pub fn send(frame: impl Into<Frame>) -> Self {
        Self::Send(frame.into())
    }

    /// Sends an event, or an encoded frame, and ends the stream cleanly.
    pub fn last(frame: impl Into<Frame>) -> Self {
        Self::Last(frame.into())
    }
}

impl From<Frame> for Next {
    fn from(frame: Frame) -> Self {
        Self::Send(frame)
    }
}

impl From<Event<'_>> for Next {
    fn from(event: Event<'_>) -> Self {
        Self::send(event)
    }
}

/// `Ok` is sent; `Err` aborts the stream.
impl<T: Into<Self>, E> From<Result<T, E>> for Next {
    fn from(item: Result<T, E>) -> Self {
        item.map_or(Self::Abort, Into::into)
    }
}

//! What the application writes: one handler a stream.

use alloc::boxed::Box;
use core::error::Error;
use core::fmt;
use core::task::{Context, Poll};

use crate::frame::Frame;
use crate::time::Instant;

/// One stream's side of the conversation.
///
/// Where lasse passes a state in and out of its callbacks, `self` is the state.
/// Messages come in by [`handle_notify`](Self::handle_notify) and
/// [`handle_info`](Self::handle_info); a stream that has a source of its own
/// produces at its reader's pace in [`handle_drained`](Self::handle_drained), and
/// at times of its own choosing in [`handle_tick`](Self::handle_tick). Each
/// answers what is to be done [`Next`].
///
/// # Examples
///
/// ```
/// use lasse_core::{Event, Handler, Next};
///
/// struct Greeter;
///
/// impl Handler for Greeter {
///     type Notify = String;
///     type Info = ();
///
///     fn handle_notify(&mut self, name: String) -> Next {
///         Next::send(Event::new(format!("hello, {name}")))
///     }
/// }
/// ```
pub trait Handler: Sized {
    /// A message sent to this stream by its notifier, in-band.
    type Notify;
    /// A message from elsewhere: a topic, a timer, a watched task.
    type Info;

    /// Answers a message from the notifier.
    fn handle_notify(&mut self, message: Self::Notify) -> Next;

    /// Answers a message from elsewhere. Ignores it, unless you say otherwise.
    fn handle_info(&mut self, message: Self::Info) -> Next {
        let _ = message;
        Next::Wait
    }

    /// All that was sent is written: send more, if you have it. [`Next::Wait`]
    /// means that you have none until something happens.
    fn handle_drained(&mut self) -> Next {
        Next::Wait
    }

    /// Ready when there may be more to send that no message announces; until
    /// then, remembers to wake `cx`. Asked when
    /// [`handle_drained`](Self::handle_drained) had nothing, which then is called
    /// again.
    fn poll_wake(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let _ = cx;
        Poll::Pending
    }

    /// When to call [`handle_tick`](Self::handle_tick). Asked after each
    /// callback, so the time must move on for the next tick to be another.
    fn wake_at(&self) -> Option<Instant> {
        None
    }

    /// The time given by [`wake_at`](Self::wake_at) has come. While the client is
    /// slow to read it waits until there is room.
    fn handle_tick(&mut self, now: Instant) -> Next {
        let _ = now;
        Next::Wait
    }

    /// No one can send messages to this stream any more. Waits on, for the sake
    /// of handlers that produce by themselves; answer [`Next::Stop`] where
    /// messages are all there is.
    fn handle_end(&mut self) -> Next {
        Next::Wait
    }

    /// Learns which frames did not wholly reach the client, oldest first, and
    /// why. Called at most once, before [`terminate`](Self::terminate); with no
    /// frames, if the transport failed when none was on its way.
    fn handle_error(&mut self, unsent: &[Frame], error: &SendError) {
        let _ = (unsent, error);
    }

    /// Says goodbye. Called once for each handler made, whichever way the stream
    /// ends.
    fn terminate(&mut self, reason: EndReason) {
        let _ = reason;
    }
}

/// What a stream does next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Next {
    /// Sends a frame, and waits.
    Send(Frame),
    /// Sends a frame, and ends cleanly when all is written.
    Last(Frame),
    /// Waits for what comes next.
    Wait,
    /// Ends cleanly when all is written.
    Stop,
    /// Ends cleanly when all is written, because what should come next is lost
    /// to this stream: the client comes back and resumes.
    Lagged,
    /// Ends uncleanly when all is written: the client must not take what it has
    /// for all there is.
    Abort,
}

impl Next {
    /// Sends an event, or a frame encoded before.
    pub fn send(frame: impl Into<Frame>) -> Self {
        Self::Send(frame.into())
    }

    /// Sends an event, or a frame encoded before, as the last one.
    pub fn last(frame: impl Into<Frame>) -> Self {
        Self::Last(frame.into())
    }
}

/// Why a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// The request was a HEAD: it was answered by the head alone.
    HeadOnly,
    /// The handler said [`Next::Stop`] or [`Next::Last`].
    Stopped,
    /// The handler said [`Next::Abort`].
    Aborted,
    /// The client went away.
    PeerClosed,
    /// The client took no byte for as long as the write timeout.
    Stalled,
    /// Bytes could not be written.
    WriteFailed,
    /// The client was too slow for what it should have been sent: the queue ran
    /// full, or the handler said [`Next::Lagged`].
    Lagged,
    /// The server is shutting down.
    Shutdown,
    /// The stream reached its maximum age.
    Expired,
    /// The driver dropped the stream, and did not say why.
    Dropped,
    /// A callback panicked.
    Panicked,
}

impl EndReason {
    /// All reasons, in the order of their declaration, for who counts by reason.
    pub const ALL: [Self; 11] = [
        Self::HeadOnly,
        Self::Stopped,
        Self::Aborted,
        Self::PeerClosed,
        Self::Stalled,
        Self::WriteFailed,
        Self::Lagged,
        Self::Shutdown,
        Self::Expired,
        Self::Dropped,
        Self::Panicked,
    ];

    /// The reason as a word, in `snake_case`, as figures and logs have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HeadOnly => "head_only",
            Self::Stopped => "stopped",
            Self::Aborted => "aborted",
            Self::PeerClosed => "peer_closed",
            Self::Stalled => "stalled",
            Self::WriteFailed => "write_failed",
            Self::Lagged => "lagged",
            Self::Shutdown => "shutdown",
            Self::Expired => "expired",
            Self::Dropped => "dropped",
            Self::Panicked => "panicked",
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why frames did not reach the client.
#[derive(Debug)]
pub struct SendError {
    reason: EndReason,
    source: Option<TransportError>,
}

impl SendError {
    pub(crate) fn new(reason: EndReason, source: Option<TransportError>) -> Self {
        Self { reason, source }
    }

    /// Why the stream ended.
    pub fn reason(&self) -> EndReason {
        self.reason
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(error) => write!(f, "the client was not sent everything: {error}"),
            None => write!(f, "the client was not sent everything: {}", self.reason),
        }
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|error| error as _)
    }
}

/// Why bytes could not be written, in the driver's own terms.
pub type TransportError = Box<dyn Error + Send + Sync>;

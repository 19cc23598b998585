//! The callbacks of a stream that is driven by messages.

use crate::end::{EndReason, SendError};
use crate::frame::Frame;
use crate::source::Next;
use crate::time::Instant;

/// The callbacks of one stream that is driven by messages, as in Erlang's lasse.
///
/// Where lasse passes a state in and out of its callbacks, `self` is the state.
/// Each callback returns what the stream does [`Next`]. A
/// [`HandlerSource`](crate::HandlerSource) makes a [`Source`](crate::Source) of a handler and its
/// mailbox.
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
pub trait Handler {
    /// A message that is sent to this stream with [`Notifier::notify`](crate::Notifier::notify).
    type Notify;
    /// A message that is sent to this stream with [`Notifier::inform`](crate::Notifier::inform): from a
    /// topic, a timer, a watched task.
    type Info;

    /// Handles a message of [`Notifier::notify`](crate::Notifier::notify). Ignores it by default.
    fn handle_notify(&mut self, message: Self::Notify) -> Next {
        let _ = message;
        Next::Wait(None)
    }

    /// Handles a message of [`Notifier::inform`](crate::Notifier::inform). Ignores it by default.
    fn handle_info(&mut self, message: Self::Info) -> Next {
        let _ = message;
        Next::Wait(None)
    }

    /// Sends what depends on time, or is available without a message.
    ///
    /// Called when the stream opens, after each frame of this handler once the
    /// client can take more, and at the deadline. Whenever a callback returns
    /// [`Next::Wait`] with a time, that becomes the deadline; `Wait(None)` leaves
    /// the deadline as it is. A deadline that was reached is over.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::time::Duration;
    /// use lasse_core::{Event, Handler, Instant, Next};
    ///
    /// struct Heartbeat {
    ///     next: Instant,
    /// }
    ///
    /// impl Handler for Heartbeat {
    ///     type Notify = ();
    ///     type Info = ();
    ///
    ///     fn handle_tick(&mut self, now: Instant) -> Next {
    ///         if now < self.next {
    ///             return Next::Wait(Some(self.next));
    ///         }
    ///         self.next = now + Duration::from_secs(1);
    ///         Next::send(Event::new("beat"))
    ///     }
    /// }
    /// ```
    fn handle_tick(&mut self, now: Instant) -> Next {
        let _ = now;
        Next::Wait(None)
    }

    /// Called once, when every notifier of this stream is dropped, and all
    /// messages are handled. Waits by default; return [`Next::Stop`] if the stream
    /// has no other frames than those for messages.
    fn handle_end(&mut self) -> Next {
        Next::Wait(None)
    }

    /// Receives the frames that were not wholly written, oldest first, and the
    /// error. Called at most once, before [`terminate`](Self::terminate). If the transport failed
    /// when nothing was unsent, the list is empty.
    fn handle_error(&mut self, unsent: &[Frame], error: &SendError) {
        let _ = (unsent, error);
    }

    /// Called exactly once: when the stream ends, or at once if the request was a
    /// HEAD.
    fn terminate(&mut self, reason: EndReason) {
        let _ = reason;
    }
}

//! Messages to one stream: a bounded queue, from any thread, for any runtime or none.

mod closed;
mod handler_source;
mod queue;
mod with_source;

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

pub use closed::Closed;
pub use handler_source::HandlerSource;
use queue::{Queue, Received};
pub use with_source::WithSource;

use crate::handler::Handler;

/// Makes a mailbox with room for `capacity` messages, and the notifier that fills it.
///
/// Memory is allocated as messages are queued. With a capacity of zero, each
/// message is refused.
pub fn mailbox<H: Handler>(capacity: usize) -> (Notifier<H>, Mailbox<H>) {
    let queue = Arc::new(Queue::new(capacity));
    (Notifier { queue: queue.clone() }, Mailbox { queue })
}

/// Sends messages to one stream. Clones send to the same stream.
///
/// # Examples
///
/// ```
/// use lasse_core::{Handler, NotifyError, mailbox};
///
/// struct Echo;
///
/// impl Handler for Echo {
///     type Notify = &'static str;
///     type Info = ();
/// }
///
/// let (notifier, mailbox) = mailbox::<Echo>(1);
/// notifier.notify("hello")?;
/// assert_eq!(notifier.notify("too many"), Err(NotifyError::Full));
/// drop(mailbox);
/// assert_eq!(notifier.notify("too late"), Err(NotifyError::Closed));
/// # Ok::<(), NotifyError>(())
/// ```
pub struct Notifier<H: Handler> {
    queue: Arc<Queue<Message<H>>>,
}

impl<H: Handler> Notifier<H> {
    /// Queues a message for [`Handler::handle_notify`]. Never blocks.
    ///
    /// # Errors
    ///
    /// If the mailbox is full, because the client is too slow; or if the stream
    /// has ended.
    pub fn notify(&self, message: H::Notify) -> Result<(), NotifyError> {
        self.queue.push(Message::Notify(message))
    }

    /// Queues a message for [`Handler::handle_info`]. Never blocks.
    ///
    /// # Errors
    ///
    /// As [`notify`](Self::notify).
    pub fn inform(&self, message: H::Info) -> Result<(), NotifyError> {
        self.queue.push(Message::Info(message))
    }

    /// Ends the stream cleanly, after all queued messages. Later messages are
    /// refused as [`NotifyError::Closed`]. Works although the mailbox is full.
    #[doc(alias = "disconnect")]
    pub fn stop(&self) {
        self.queue.stop();
    }

    /// Whether the stream has ended, or was [stopped](Self::stop).
    pub fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Waits until the stream has ended.
    #[doc(alias = "disconnect")]
    pub fn closed(&self) -> Closed<H> {
        Closed::new(self.queue.clone())
    }
}

impl<H: Handler> Clone for Notifier<H> {
    fn clone(&self) -> Self {
        self.queue.add_notifier();
        Self { queue: self.queue.clone() }
    }
}

impl<H: Handler> Drop for Notifier<H> {
    fn drop(&mut self) {
        self.queue.drop_notifier();
    }
}

impl<H: Handler> fmt::Debug for Notifier<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// The messages to one stream, in the order in which they were sent. If it is dropped, its
/// notifiers are refused.
pub struct Mailbox<H: Handler> {
    queue: Arc<Queue<Message<H>>>,
}

impl<H: Handler> Mailbox<H> {
    /// Receives a message, or registers the waker; and whether another one is
    /// queued.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<(Received<Message<H>>, bool)> {
        self.queue.poll_receive(cx)
    }

    /// Refuses messages from now on, and returns the queued ones.
    fn close(&mut self) -> VecDeque<Message<H>> {
        self.queue.close()
    }
}

impl<H: Handler> Drop for Mailbox<H> {
    fn drop(&mut self) {
        drop(self.close());
    }
}

impl<H: Handler> fmt::Debug for Mailbox<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("len", &self.queue.len()).finish_non_exhaustive()
    }
}

/// A message to a handler.
enum Message<H: Handler> {
    Notify(H::Notify),
    Info(H::Info),
}

/// Why a message was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotifyError {
    /// The mailbox is full: the client is slower than the messages.
    Full,
    /// The stream has ended, or was stopped.
    Closed,
}

impl fmt::Display for NotifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the stream's mailbox is full",
            Self::Closed => "the stream has ended",
        })
    }
}

impl Error for NotifyError {}

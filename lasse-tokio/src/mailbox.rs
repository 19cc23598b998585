//! How messages reach a stream.

use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures_core::Stream;
use lasse_core::{Connection, Handler};
use tokio::sync::mpsc;

/// Makes a notifier and the mailbox it fills, with room for `capacity` messages.
pub fn mailbox<H: Handler>(capacity: usize) -> (Notifier<H>, Mailbox<H>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared { room: capacity.into(), is_stopped: false.into() });
    (Notifier { sender, shared: shared.clone() }, Mailbox { receiver, shared })
}

/// What bounds the queue between a notifier and its mailbox.
struct Shared {
    /// How many more messages may be queued.
    room: AtomicUsize,
    is_stopped: AtomicBool,
}

/// Sends messages to one stream. Clone it, hand it out.
///
/// # Examples
///
/// ```
/// # use lasse_tokio::lasse_core::{Handler, Next};
/// # struct Echo;
/// # impl Handler for Echo {
/// #     type Notify = &'static str;
/// #     type Info = ();
/// #     fn handle_notify(&mut self, _: &'static str) -> Next { Next::Wait }
/// # }
/// use lasse_tokio::NotifyError;
///
/// let (notifier, mailbox) = lasse_tokio::mailbox::<Echo>(1);
/// notifier.notify("hello")?;
/// assert_eq!(notifier.notify("too much"), Err(NotifyError::Full));
/// drop(mailbox);
/// assert_eq!(notifier.notify("too late"), Err(NotifyError::Closed));
/// # Ok::<(), NotifyError>(())
/// ```
pub struct Notifier<H: Handler> {
    sender: mpsc::UnboundedSender<Mail<H>>,
    shared: Arc<Shared>,
}

impl<H: Handler> Notifier<H> {
    /// Queues a message for [`Handler::handle_notify`], without waiting.
    ///
    /// # Errors
    ///
    /// When the client is too slow and the mailbox is full, or the stream is
    /// over.
    pub fn notify(&self, message: H::Notify) -> Result<(), NotifyError> {
        self.send(Mail::Notify(message))
    }

    /// Queues a message for [`Handler::handle_info`], without waiting.
    ///
    /// # Errors
    ///
    /// As [`notify`](Self::notify).
    pub fn inform(&self, message: H::Info) -> Result<(), NotifyError> {
        self.send(Mail::Info(message))
    }

    /// Ends the stream cleanly, after all messages that are queued. Gets through
    /// though the mailbox be full; of a stream that is over it asks nothing.
    pub fn stop(&self) {
        if !self.shared.is_stopped.swap(true, Ordering::Relaxed) {
            let _ = self.sender.send(Mail::Stop);
        }
    }

    /// Whether the stream is over, or was told to [`stop`](Self::stop).
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed() || self.shared.is_stopped.load(Ordering::Relaxed)
    }

    /// Returns when the stream is over.
    pub async fn closed(&self) {
        self.sender.closed().await;
    }

    fn send(&self, mail: Mail<H>) -> Result<(), NotifyError> {
        if self.is_closed() {
            return Err(NotifyError::Closed);
        }
        let take = |room: usize| room.checked_sub(1);
        if self.shared.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            return Err(NotifyError::Full);
        }
        self.sender.send(mail).map_err(|_| NotifyError::Closed)
    }
}

impl<H: Handler> Clone for Notifier<H> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), shared: self.shared.clone() }
    }
}

impl<H: Handler> fmt::Debug for Notifier<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// A message on its way to a handler.
pub enum Mail<H: Handler> {
    /// For [`Handler::handle_notify`].
    Notify(H::Notify),
    /// For [`Handler::handle_info`].
    Info(H::Info),
    /// The stream is to end.
    Stop,
}

impl<H: Handler> Mail<H> {
    /// Passes the message to a connection.
    pub fn deliver(self, connection: &mut Connection<H>) {
        match self {
            Self::Notify(message) => connection.handle_notify(message),
            Self::Info(message) => connection.handle_info(message),
            Self::Stop => connection.handle_stop(),
        }
    }
}

impl<H: Handler> fmt::Debug for Mail<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Notify(_) => "Notify",
            Self::Info(_) => "Info",
            Self::Stop => "Stop",
        })
    }
}

/// A stream's messages, in the order sent. It ends when every notifier is gone.
pub struct Mailbox<H: Handler> {
    receiver: mpsc::UnboundedReceiver<Mail<H>>,
    shared: Arc<Shared>,
}

impl<H: Handler> Stream for Mailbox<H> {
    type Item = Mail<H>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Mail<H>>> {
        let mailbox = self.get_mut();
        let mail = mailbox.receiver.poll_recv(cx);
        if matches!(mail, Poll::Ready(Some(Mail::Notify(_) | Mail::Info(_)))) {
            mailbox.shared.room.fetch_add(1, Ordering::Relaxed);
        }
        mail
    }
}

impl<H: Handler> fmt::Debug for Mailbox<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("len", &self.receiver.len()).finish_non_exhaustive()
    }
}

/// The mailbox of a handler that is sent no messages. It takes no room, and
/// never ends.
pub struct Silence<H>(PhantomData<fn() -> H>);

impl<H> Silence<H> {
    /// No messages.
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<H> Default for Silence<H> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H: Handler> Stream for Silence<H> {
    type Item = Mail<H>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Mail<H>>> {
        Poll::Pending
    }
}

impl<H> fmt::Debug for Silence<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Silence")
    }
}

/// Why a message was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifyError {
    /// The client reads more slowly than messages come.
    Full,
    /// The stream is over.
    Closed,
}

impl fmt::Display for NotifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the stream's mailbox is full",
            Self::Closed => "the stream is over",
        })
    }
}

impl Error for NotifyError {}

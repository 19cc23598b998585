//! Why a stream ends, passed from a server to the bodies of its responses.

use std::sync::{Arc, OnceLock};

use lasse_tokio::EndReason;

/// The reason with which a body ends its stream if it is dropped: a cell that is
/// written once.
///
/// A body only sees that it is dropped, not why. A server that knows more puts a cell
/// into the extensions of each request, as [`serve`](crate::serve()) does. Without one, the
/// reason is [`EndReason::Dropped`].
///
/// # Examples
///
/// ```
/// use lasse_hyper::{EndReason, EndReasonCell};
///
/// let connection = EndReasonCell::new();
/// let stream = connection.of_stream();
/// assert_eq!(stream.reason(), EndReason::PeerClosed);
///
/// stream.decide(EndReason::Stalled);
/// connection.decide(EndReason::WriteFailed);
/// assert_eq!(stream.reason(), EndReason::Stalled);
/// assert_eq!(connection.of_stream().reason(), EndReason::WriteFailed);
/// ```
#[derive(Clone, Debug, Default)]
pub struct EndReasonCell(Arc<Decision>);

#[derive(Debug, Default)]
struct Decision {
    reason: OnceLock<EndReason>,
    connection: Option<EndReasonCell>,
}

impl EndReasonCell {
    /// The cell of a connection, and of all streams on it.
    pub fn new() -> Self {
        Self::default()
    }

    /// The cell of one stream on this connection. If it is not written, the connection's
    /// reason holds.
    #[must_use]
    pub fn of_stream(&self) -> Self {
        let connection = Some(self.clone());
        Self(Arc::new(Decision { reason: OnceLock::new(), connection }))
    }

    /// Sets the reason of all bodies that are dropped from now on. The first call counts.
    pub fn decide(&self, reason: EndReason) {
        let _ = self.0.reason.set(reason);
    }

    /// The reason, if the body is dropped now: [`EndReason::PeerClosed`] by default.
    pub fn reason(&self) -> EndReason {
        self.decided().unwrap_or(EndReason::PeerClosed)
    }

    pub(crate) fn decided(&self) -> Option<EndReason> {
        let Decision { reason, connection } = &*self.0;
        reason.get().copied().or_else(|| connection.as_ref()?.decided())
    }
}

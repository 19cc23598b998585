//! Why a stream ended, where its server knows and its body does not.

use std::sync::{Arc, OnceLock};

use lasse_tokio::lasse_core::EndReason;

/// Tells a body that is dropped before its end what its handler is to hear.
///
/// A body learns of the network only by being dropped. A server that knows more
/// puts a fate into the extensions of each request, as [`serve`](crate::serve())
/// does; without one, the handler hears [`EndReason::Dropped`].
///
/// # Examples
///
/// ```
/// use lasse_hyper::EndReasonCell;
/// use lasse_hyper::lasse_core::EndReason;
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
    /// The fate of a connection, and of all streams on it.
    pub fn new() -> Self {
        Self::default()
    }

    /// The fate of one stream on this connection: its own if there is one, else
    /// the connection's.
    #[must_use]
    pub fn of_stream(&self) -> Self {
        let connection = Some(self.clone());
        Self(Arc::new(Decision { reason: OnceLock::new(), connection }))
    }

    /// Decides why whatever is dropped from now on ends. The first word counts.
    pub fn decide(&self, reason: EndReason) {
        let _ = self.0.reason.set(reason);
    }

    /// Why the stream ended, if it ends now: the client left, unless something
    /// else was decided.
    pub fn reason(&self) -> EndReason {
        self.decided().unwrap_or(EndReason::PeerClosed)
    }

    pub(crate) fn decided(&self) -> Option<EndReason> {
        let Decision { reason, connection } = &*self.0;
        reason.get().copied().or_else(|| connection.as_ref()?.decided())
    }
}

//! The options of a client.

use core::time::Duration;

use super::{Backoff, Client};
use crate::decode::Decoder;
use crate::field::EventId;

/// Options, set before the first poll.
impl Client {
    /// Sets the decoder of the stream, and with it the limit on an event's size.
    #[must_use]
    pub fn with_decoder(self, decoder: Decoder) -> Self {
        Self { decoder, ..self }
    }

    /// Starts after the event with this id, which was received earlier.
    #[must_use]
    pub fn with_last_event_id(self, id: &EventId) -> Self {
        Self { decoder: self.decoder.with_last_event_id(id), ..self }
    }

    /// Sets how long to wait before reconnecting.
    #[must_use]
    pub fn with_backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// Sets the reconnection time until the server sets another with `retry:`; 3
    /// seconds, if not set.
    #[must_use]
    pub fn with_retry(self, delay: Duration) -> Self {
        Self { retry: delay, ..self }
    }

    /// Also reconnects after 429 and 5xx, but not before the `Retry-After` of the
    /// response. An `EventSource` never does.
    #[must_use]
    pub fn with_retried_statuses(self) -> Self {
        Self { retries_statuses: true, ..self }
    }

    /// Closes a connection when no byte has arrived for this long, the response's
    /// head included; never, if not set. A server's keep-alive counts as a
    /// byte. Zero closes every connection at once.
    #[doc(alias = "heartbeat")]
    #[doc(alias = "timeout")]
    #[must_use]
    pub fn with_read_timeout(self, timeout: Duration) -> Self {
        Self { read_timeout: Some(timeout), ..self }
    }

    /// Stops after this many failed attempts in a row; never, if not set. Zero
    /// counts as one.
    ///
    /// An attempt has failed if its stream brought no new event and was open only
    /// briefly ([`Backoff::with_reset_after`]).
    #[must_use]
    pub fn with_max_failures(self, attempts: u32) -> Self {
        Self { max_failures: attempts, ..self }
    }

    /// Follows at most this many redirects in a row; 20, if not set.
    #[must_use]
    pub fn with_max_redirects(self, redirects: u32) -> Self {
        Self { max_redirects: redirects, ..self }
    }
}

//! A response after which the client tries again later.

use core::time::Duration;

use http::{HeaderValue, StatusCode};

use crate::event::Event;
use crate::notice::{REFUSED, UNAUTHORIZED, notice};

/// A response without a stream, after which the client tries again later.
///
/// An `EventSource` never reconnects after a status other than 200 (HTML 9.2.3). So it gets a stream
/// with one event, which ends at once. The event has a `retry`, and is named `refused` if the refusal has
/// no event of its own. Clients of the other [dialects](crate::Dialect) get the status, with
/// `Retry-After`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use lasse_core::{Event, Refusal};
///
/// let minute = Duration::from_secs(60);
/// let sign_in = Refusal::unauthorized(minute);
/// let full = Refusal::unavailable(minute)
///     .with_event(Event::new("the room is full").with_static_name("full"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub(super) status: StatusCode,
    pub(super) retry_after: Duration,
    pub(super) event: Option<Event<'static>>,
    pub(super) challenge: Option<HeaderValue>,
}

impl Refusal {
    /// A refusal with this status. The client tries again after `retry_after`: in whole
    /// milliseconds for an `EventSource`, else in whole seconds, rounded up.
    pub fn new(status: StatusCode, retry_after: Duration) -> Self {
        Self { status, retry_after, event: None, challenge: None }
    }

    /// `503 Service Unavailable`: the server has no room, or shuts down.
    pub fn unavailable(retry_after: Duration) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, retry_after)
    }

    /// `429 Too Many Requests`: this client has as many streams as its limit allows. An
    /// `EventSource` gets an event named `refused`.
    pub fn too_many_streams(retry_after: Duration) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, retry_after).with_event(notice(
            REFUSED,
            "limit_per_key",
            Some(retry_after),
        ))
    }

    /// `401 Unauthorized`: the client must sign in. An `EventSource` gets an event named
    /// `unauthorized`, which its page can act upon.
    pub fn unauthorized(retry_after: Duration) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, retry_after).with_event(notice(
            UNAUTHORIZED,
            "unauthorized",
            Some(retry_after),
        ))
    }

    /// Sends an `EventSource` this event. An event named `open` or `error` fires the page's
    /// `onopen` or `onerror`.
    #[must_use]
    pub fn with_event(self, event: Event<'static>) -> Self {
        Self { event: Some(event), ..self }
    }

    /// Sets the `WWW-Authenticate` of a 401, which must have one (RFC 9110 15.5.2): `Bearer` by
    /// default.
    #[must_use]
    pub fn with_challenge(self, challenge: HeaderValue) -> Self {
        Self { challenge: Some(challenge), ..self }
    }

    /// The status for clients that read it.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// How long the client waits.
    pub fn retry_after(&self) -> Duration {
        self.retry_after
    }
}

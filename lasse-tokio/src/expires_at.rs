//! When the credentials of a request expire.

use std::time::Duration;

use lasse_core::Instant;

use crate::clock::now;

/// When the credentials of a request expire: an extension of the request, which the application or
/// its layer for sign-in adds.
///
/// At that time the stream ends as
/// [`EndReason::CredentialsExpired`](lasse_core::EndReason::CredentialsExpired), and its client is sent
/// an event named `expired`. A request whose credentials have expired already is refused as
/// [`unauthorized`](crate::unauthorized).
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use lasse_tokio::ExpiresAt;
///
/// /// For a token that expires at `expiry`.
/// fn expires_at(expiry: SystemTime, now: SystemTime) -> ExpiresAt {
///     ExpiresAt::after(expiry.duration_since(now).unwrap_or(Duration::ZERO))
/// }
///
/// let mut request = http::Request::get("/events").body(())?;
/// let now = SystemTime::now();
/// request.extensions_mut().insert(expires_at(now + Duration::from_secs(900), now));
/// # Ok::<(), http::Error>(())
/// ```
#[doc(alias = "token expiry")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpiresAt(pub Instant);

impl ExpiresAt {
    /// Credentials that expire after `remaining`, counted from now.
    pub fn after(remaining: Duration) -> Self {
        Self(now() + remaining)
    }

    pub(crate) fn has_passed(self) -> bool {
        self.0 <= now()
    }
}

//! Events of the protocol that report why a stream ends, or does not start.

use alloc::format;
use core::time::Duration;

use crate::event::Event;
use crate::field::EventName;

/// An event whose data is a JSON object with the string `reason` and the number `retry`: the
/// milliseconds after which the client reconnects, since a page cannot read the field `retry`.
pub(crate) fn notice(name: EventName, reason: &str, retry: Option<Duration>) -> Event<'static> {
    match retry {
        Some(retry) => {
            let millis = u64::try_from(retry.as_millis()).unwrap_or(u64::MAX);
            let data = format!("{{\"reason\":\"{reason}\",\"retry\":{millis}}}");
            Event::new(data).with_name(name).with_retry(retry)
        }
        None => Event::new(format!("{{\"reason\":\"{reason}\"}}")).with_name(name),
    }
}

/// There is nothing more for the client. The name is not `end` nor `closed`: some clients call the
/// listeners of these names when a connection ends.
pub(crate) const COMPLETE: EventName = EventName::from_static("complete");
/// The server shuts down.
pub(crate) const SHUTDOWN: EventName = EventName::from_static("shutdown");
/// The credentials of the client have expired.
pub(crate) const EXPIRED: EventName = EventName::from_static("expired");
/// The server has ended the streams of the client.
pub(crate) const REVOKED: EventName = EventName::from_static("revoked");
/// A newer stream of the same client has taken the place of this one.
pub(crate) const REPLACED: EventName = EventName::from_static("replaced");
/// There is no room for the client: as its limit allows, or on the server.
#[cfg(feature = "http")]
pub(crate) const REFUSED: EventName = EventName::from_static("refused");
/// The client must sign in.
#[cfg(feature = "http")]
pub(crate) const UNAUTHORIZED: EventName = EventName::from_static("unauthorized");

//! How a stream ends: what its client is sent last, and whether the body is complete.

use core::time::Duration;

use super::Close;
use crate::config::Settings;
use crate::contain::contain;
use crate::dialect::Dialect;
use crate::end::EndReason;
use crate::event::Event;
use crate::frame::Frame;
use crate::notice::{COMPLETE, EXPIRED, REPLACED, REVOKED, SHUTDOWN, notice};

/// The last frame, and the end of the body.
///
/// An `EventSource` reconnects after a clean end. A client over `fetch` takes a clean end for the
/// end of all, so that a stream to which it must return ends incomplete.
pub(super) fn closing(
    settings: &Settings,
    dialect: Dialect,
    reason: EndReason,
    retry: Option<Duration>,
) -> (Option<Frame>, Close) {
    let is_event_source = dialect == Dialect::EventSource;
    let is_data_only = dialect == Dialect::DataOnly;
    let name = match reason {
        EndReason::Stopped if dialect == Dialect::Fetch => COMPLETE,
        EndReason::Stopped => return (None, Close::Clean),
        EndReason::Lagged | EndReason::Expired if is_event_source => return (None, Close::Clean),
        EndReason::Shutdown if is_event_source => return (retry.map(Frame::retry), Close::Clean),
        EndReason::Lagged | EndReason::Expired if is_data_only => {
            return of_data_only(settings, reason);
        }
        EndReason::Shutdown => SHUTDOWN,
        EndReason::CredentialsExpired => EXPIRED,
        EndReason::Revoked => REVOKED,
        EndReason::Replaced => REPLACED,
        _ => return (None, Close::Abort),
    };
    if is_data_only {
        return of_data_only(settings, reason);
    }
    let close = if reason == EndReason::Shutdown { Close::Abort } else { Close::Clean };
    (Some(Event::encode(&notice(name, reason.as_str(), retry))), close)
}

/// A client that takes every event for one of the application is sent the application's own event, or
/// an incomplete end.
fn of_data_only(settings: &Settings, reason: EndReason) -> (Option<Frame>, Close) {
    let last_event = settings.last_event.as_ref();
    match contain(|| last_event.and_then(|last_event| last_event.make(reason))) {
        Ok(Some(event)) => (Some(event.encode()), Close::Clean),
        Ok(None) | Err(_) => (None, Close::Abort),
    }
}

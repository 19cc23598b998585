//! The field `Date` of a response.

use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderValue;

/// The `Date` of a response that is sent now (RFC 9110 6.6.1). `None` if the clock is
/// not set.
pub(super) fn date() -> Option<HeaderValue> {
    #[expect(clippy::disallowed_methods, reason = "no decision depends on it")]
    let now = SystemTime::now();
    if now < UNIX_EPOCH {
        return None;
    }
    HeaderValue::try_from(httpdate::fmt_http_date(now)).ok()
}

//! The `Date` of an answer.

use std::time::SystemTime;

use http::header::DATE;
use http::{HeaderMap, HeaderValue};

/// Sets the `Date`, as a server with a clock must (RFC 9110 6.6.1), unless there
/// is one.
pub(super) fn set_date(headers: &mut HeaderMap) {
    #[expect(clippy::disallowed_methods, reason = "nothing but what it tells depends on it")]
    let now = SystemTime::now();
    if let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(now)) {
        headers.entry(DATE).or_insert(date);
    }
}

//! What the head of a response means to the client.

use alloc::vec::Vec;
use core::time::Duration;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::ClientClosed;
use super::content_type::is_event_stream;
use crate::decode::whole_number;

/// What to do about a response.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Read its body.
    Open,
    /// Send the request to this location.
    Redirect(HeaderValue),
    /// Reconnect, but not before this delay.
    Unavailable(Duration),
    /// Never reconnect.
    Closed(ClientClosed),
}

/// Judges a response as HTML 9.2.2 does: only 200 with the right type is a stream. With `retries`,
/// 429 and 5xx are temporary.
pub(super) fn judge(status: StatusCode, headers: &HeaderMap, retries: bool) -> Verdict {
    match status {
        StatusCode::OK => judge_stream(headers),
        StatusCode::NO_CONTENT => Verdict::Closed(ClientClosed::NoContent),
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => judge_redirect(headers),
        _ if retries && is_temporary(status) => Verdict::Unavailable(retry_after(headers)),
        _ => Verdict::Closed(ClientClosed::Status(status)),
    }
}

fn judge_stream(headers: &HeaderMap) -> Verdict {
    if !is_event_stream(headers) {
        let found = combined(headers, &CONTENT_TYPE);
        return Verdict::Closed(ClientClosed::ContentType(found));
    }
    match combined(headers, &CONTENT_ENCODING) {
        Some(value) if !is_identity(&value) => {
            Verdict::Closed(ClientClosed::ContentEncoding(value))
        }
        _ => Verdict::Open,
    }
}

fn judge_redirect(headers: &HeaderMap) -> Verdict {
    let Some(location) = headers.get(LOCATION) else {
        return Verdict::Closed(ClientClosed::Location(None));
    };
    if headers.get_all(LOCATION).iter().any(|other| other != location) {
        return Verdict::Closed(ClientClosed::Location(combined(headers, &LOCATION)));
    }
    Verdict::Redirect(location.clone())
}

fn is_temporary(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

/// Whether the content is not encoded, although a field about its encoding exists.
fn is_identity(encoding: &HeaderValue) -> bool {
    encoding.as_bytes().split(|byte| *byte == b',').all(|coding| {
        let coding = coding.trim_ascii();
        coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")
    })
}

/// The seconds of `Retry-After`. A date is ignored, since the core has no calendar.
fn retry_after(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(RETRY_AFTER).and_then(|value| whole_number(value.as_bytes()));
    Duration::from_secs(seconds.unwrap_or(0))
}

/// All values of a field in one, with commas between them (Fetch, "get").
pub(super) fn combined(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let values: Vec<_> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    match values.as_slice() {
        [] => None,
        values => HeaderValue::from_bytes(&values.join(b", ".as_slice())).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers<const N: usize>(fields: [(HeaderName, &'static str); N]) -> HeaderMap {
        fields.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn another_type_is_refused_with_all_that_was_found() {
        for (fields, found) in [
            (headers([]), None),
            (headers([(CONTENT_TYPE, "text/html")]), Some("text/html")),
            (
                headers([(CONTENT_TYPE, "text/event-stream"), (CONTENT_TYPE, "text/html")]),
                Some("text/event-stream, text/html"),
            ),
        ] {
            let reason = ClientClosed::ContentType(found.map(HeaderValue::from_static));
            assert_eq!(judge(StatusCode::OK, &fields, true), Verdict::Closed(reason));
        }
    }

    #[test]
    fn temporary_statuses_delay_the_client_by_the_seconds_of_retry_after() {
        for (value, seconds) in [
            ("7", 7),
            ("-1", 0),
            ("99999999999999999999", u64::MAX),
            ("Fri, 31 Dec 1999 23:59:59 GMT", 0),
        ] {
            let headers = headers([(RETRY_AFTER, value)]);
            for status in [429, 500, 503, 599] {
                let status = StatusCode::from_u16(status).unwrap();
                let expected = Verdict::Unavailable(Duration::from_secs(seconds));
                assert_eq!(judge(status, &headers, true), expected, "{value}");
                let closed = Verdict::Closed(ClientClosed::Status(status));
                assert_eq!(judge(status, &headers, false), closed);
            }
        }
        let not_found = Verdict::Closed(ClientClosed::Status(StatusCode::NOT_FOUND));
        assert_eq!(judge(StatusCode::NOT_FOUND, &HeaderMap::new(), true), not_found);
    }
}

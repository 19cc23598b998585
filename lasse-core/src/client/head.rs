//! What the head of a response says to a client.

use core::time::Duration;

use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::ClientClosed;

/// What to do about a response.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict<'a> {
    /// Read its body.
    Open,
    /// Go elsewhere.
    Redirect(&'a HeaderValue),
    /// Come back, but not before so long.
    Unavailable(Duration),
    /// Never come back.
    Closed(ClientClosed),
}

/// Judges a response by HTML 9.2.2: 200 and the right type, or none.
pub(super) fn judge(status: StatusCode, headers: &HeaderMap, retries: bool) -> Verdict<'_> {
    match status {
        StatusCode::OK if is_event_stream(headers) => Verdict::Open,
        StatusCode::OK => {
            Verdict::Closed(ClientClosed::ContentType(headers.get(CONTENT_TYPE).cloned()))
        }
        StatusCode::NO_CONTENT => Verdict::Closed(ClientClosed::NoContent),
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => match headers.get(LOCATION) {
            Some(location) => Verdict::Redirect(location),
            None => Verdict::Closed(ClientClosed::Location(None)),
        },
        _ if retries && is_temporary(status) => Verdict::Unavailable(retry_after(headers)),
        _ => Verdict::Closed(ClientClosed::Status(status)),
    }
}

fn is_temporary(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

/// Whether the type is `text/event-stream`, in UTF-8 if it says so at all.
fn is_event_stream(headers: &HeaderMap) -> bool {
    let Some(Ok(value)) = headers.get(CONTENT_TYPE).map(HeaderValue::to_str) else { return false };
    let mut parts = value.split(';').map(str::trim);
    let is_stream =
        parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("text/event-stream"));
    is_stream
        && parts.filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
            !name.eq_ignore_ascii_case("charset")
                || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
}

/// The seconds of `Retry-After`. A date is no use to who has no calendar.
fn retry_after(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: http::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_stream_is_known_by_its_type_however_it_is_written() {
        for value in [
            "text/event-stream",
            "Text/Event-Stream",
            "text/event-stream; charset=utf-8",
            "text/event-stream;charset=\"UTF-8\"; what=ever",
        ] {
            let headers = headers(CONTENT_TYPE, value);
            assert_eq!(judge(StatusCode::OK, &headers, true), Verdict::Open, "{value}");
        }
    }

    #[test]
    fn another_type_or_another_charset_ends_the_client() {
        for value in [
            "text/html",
            "text/event-stream-not",
            "",
            "text/event-stream; charset=latin1",
            "text/event-stream; charset=",
        ] {
            let headers = headers(CONTENT_TYPE, value);
            let reason = ClientClosed::ContentType(Some(HeaderValue::from_static(value)));
            let expected = Verdict::Closed(reason);
            assert_eq!(judge(StatusCode::OK, &headers, true), expected, "{value}");
        }
        let headers = HeaderMap::new();
        let expected = Verdict::Closed(ClientClosed::ContentType(None));
        assert_eq!(judge(StatusCode::OK, &headers, true), expected);
    }

    #[test]
    fn who_may_retry_waits_as_long_as_it_is_told() {
        for (value, seconds) in [("7", 7), ("-1", 0), ("Fri, 31 Dec 1999 23:59:59 GMT", 0)] {
            let headers = headers(RETRY_AFTER, value);
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

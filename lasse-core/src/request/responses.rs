//! The responses to requests, and their settings.

use core::time::Duration;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue,
    RETRY_AFTER, TRANSFER_ENCODING, WWW_AUTHENTICATE,
};
use http::{HeaderMap, Method, Response, StatusCode};

use super::negotiate::admits_event_stream;
use super::origin::{Hosts, Origins};
use super::{Refusal, RequestHead};
use crate::dialect::Dialect;
use crate::notice::{COMPLETE, REFUSED, notice};

/// The settings of responses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Responses {
    pub(crate) headers: HeaderMap,
    pub(crate) strict_accept: bool,
    pub(crate) post: bool,
    pub(crate) origins: Option<Origins>,
    pub(crate) hosts: Option<Hosts>,
}

impl Responses {
    /// The refusal of a request that asks for something else than a stream.
    pub(crate) fn refusal(&self, request: &RequestHead<'_>) -> Option<Response<Bytes>> {
        let is_own_host = self.hosts.as_ref().is_none_or(|hosts| hosts.admit(request));
        let is_own_page = self.origins.as_ref().is_none_or(|origins| origins.admit(request));
        if !is_own_host || !is_own_page {
            return Some(self.own(bare(StatusCode::FORBIDDEN, &[], Bytes::new())));
        }
        let method = request.method();
        let is_post = method == Method::POST && self.post;
        if !(is_post || method == Method::GET || method == Method::HEAD) {
            let allow = if self.post { "GET, HEAD, POST" } else { "GET, HEAD" };
            let status = StatusCode::METHOD_NOT_ALLOWED;
            return Some(self.own(bare(status, &[(ALLOW, allow)], Bytes::new())));
        }
        if self.strict_accept && !admits_event_stream(request.headers()) {
            return Some(self.own(bare(StatusCode::NOT_ACCEPTABLE, &[], Bytes::new())));
        }
        None
    }

    /// The head of a stream.
    pub(crate) fn stream(&self) -> Response<()> {
        let mut head = bare(StatusCode::OK, &STREAM_HEADERS, ());
        for name in self.headers.keys() {
            head.headers_mut().remove(name);
            add(head.headers_mut(), name, &self.headers);
        }
        head
    }

    /// The response to a client for which there is nothing more.
    pub(crate) fn complete(&self, dialect: Dialect) -> Response<Bytes> {
        if dialect == Dialect::Fetch {
            let end = notice(COMPLETE, "complete", Some(RETRY_AFTER_THE_END));
            return self.stream().map(|()| end.encode().into_bytes());
        }
        self.own(bare(StatusCode::NO_CONTENT, &[], Bytes::new()))
    }

    /// The response after which the client reconnects, as its dialect has it.
    pub(crate) fn refuse(&self, dialect: Dialect, refusal: Refusal) -> Response<Bytes> {
        let Refusal { status, retry_after, event, challenge } = refusal;
        if dialect == Dialect::EventSource {
            // Some clients read `retry` only in an event with data.
            let event = event.unwrap_or_else(|| notice(REFUSED, "unavailable", Some(retry_after)));
            return self.stream().map(|()| event.with_retry(retry_after).encode().into_bytes());
        }
        let mut response = bare(status, &[], Bytes::new());
        if status == StatusCode::UNAUTHORIZED {
            let challenge = challenge.unwrap_or(HeaderValue::from_static("Bearer"));
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        // Whole seconds, rounded up (RFC 9110 10.2.3).
        let seconds = retry_after.saturating_add(Duration::from_nanos(999_999_999)).as_secs();
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        self.own(response)
    }

    /// A response of the application: without its framing, and with the configured
    /// headers that it does not have itself.
    pub(crate) fn own(&self, mut response: Response<Bytes>) -> Response<Bytes> {
        let headers = response.headers_mut();
        for name in FRAMING_HEADERS {
            headers.remove(name);
        }
        for name in self.headers.keys() {
            if !headers.contains_key(name) {
                add(headers, name, &self.headers);
            }
        }
        if has_no_body(response.status()) {
            response.body_mut().clear();
        }
        response
    }
}

/// Whether a header frames the message (RFC 9112 6), which is the adapter's part.
pub(crate) fn is_framing(name: &HeaderName) -> bool {
    FRAMING_HEADERS.contains(name)
}

fn bare<T>(status: StatusCode, headers: &[(HeaderName, &'static str)], body: T) -> Response<T> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    // Without spare capacity: hyper keeps the map as long as the connection.
    *response.headers_mut() = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn add(headers: &mut HeaderMap, name: &HeaderName, from: &HeaderMap) {
    for value in from.get_all(name) {
        headers.append(name, value.clone());
    }
}

/// Whether responses of this status end after the head (RFC 9110 6.4.1).
pub(crate) fn has_no_body(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// For clients that return after the end for good.
const RETRY_AFTER_THE_END: Duration = Duration::from_secs(60);

const STREAM_HEADERS: [(HeaderName, &str); 3] = [
    (CONTENT_TYPE, "text/event-stream"),
    (CACHE_CONTROL, "no-cache"),
    // Nginx buffers 8 KiB of a response without this field.
    (HeaderName::from_static("x-accel-buffering"), "no"),
];

const FRAMING_HEADERS: [HeaderName; 3] = [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION];

//! Plain responses, and the check of a post, for servers that have a page and a stream.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;

/// Whether a browser sends this for a page of another origin. Such a request needs
/// no permission of the server if it looks like that of a form.
pub(crate) fn is_cross_origin<B>(request: &Request<B>) -> bool {
    let header = |name| request.headers().get(name).map(HeaderValue::as_bytes);
    if let Some(site) = header("sec-fetch-site") {
        return site != b"same-origin" && site != b"none";
    }
    // An older browser, or no browser at all: curl sends no Origin.
    let Some(origin) = header(ORIGIN.as_str()) else { return false };
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let host = authority.or_else(|| header(HOST.as_str()));
    let is_ours =
        |scheme: &[u8]| origin.strip_prefix(scheme).is_some_and(|from| Some(from) == host);
    !is_ours(b"http://") && !is_ours(b"https://")
}

pub(crate) fn not_allowed() -> Response<Full<Bytes>> {
    let mut response = failure(StatusCode::METHOD_NOT_ALLOWED, "this page allows GET and HEAD");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

pub(crate) fn failure(status: StatusCode, problem: &str) -> Response<Full<Bytes>> {
    reply(status, "text/plain; charset=utf-8", format!("{problem}\n"))
}

pub(crate) fn reply(
    status: StatusCode,
    kind: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

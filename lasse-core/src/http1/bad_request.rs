//! Why bytes are not a request that can be answered.

use std::error::Error;
use std::fmt;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};

/// Why a request cannot be answered. The connection is closed after the
/// [`response`](Self::response), because the start of the next request is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadRequest {
    /// The head does not have the syntax of RFC 9112 2 to 5.
    Syntax,
    /// The version is neither HTTP/1.0 nor HTTP/1.1.
    Version,
    /// The target does not have one of the forms of RFC 9112 3.2.
    Target,
    /// The method is CONNECT, which only a proxy can answer.
    Connect,
    /// There is no `Host`, more than one, or one that is not a host and a port (RFC
    /// 9112 3.2).
    Host,
    /// The length of the body is not known for certain: `Content-Length` is not a
    /// number, or not one number, or `Transfer-Encoding` is present too, or does not
    /// end with `chunked` (RFC 9112 6.3).
    Length,
    /// `Transfer-Encoding` names a coding other than `chunked` (RFC 9112 6.1).
    TransferCoding,
    /// The head has more bytes than [`Limits::head_bytes`](super::Limits::head_bytes).
    HeadTooLarge,
    /// The head has more fields than [`Limits::headers`](super::Limits::headers).
    TooManyHeaders,
    /// The head did not arrive within the head timeout.
    Timeout,
}

impl BadRequest {
    /// The response to such a request.
    pub fn response(self) -> Response<Bytes> {
        plain_text(self.status(), &self)
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Syntax | Self::Target | Self::Host | Self::Length => StatusCode::BAD_REQUEST,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::HeadTooLarge | Self::TooManyHeaders => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::Connect | Self::TransferCoding => StatusCode::NOT_IMPLEMENTED,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        }
    }
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "the request does not have the syntax of HTTP/1.1",
            Self::Version => "the version must be HTTP/1.0 or HTTP/1.1",
            Self::Target => "the request target must be a path, or a URI with http or https",
            Self::Connect => "this server is not a proxy",
            Self::Host => "there must be one Host field, with a host and possibly a port",
            Self::Length => {
                "there must be one Content-Length, or a Transfer-Encoding that ends with chunked"
            }
            Self::TransferCoding => "the only transfer coding must be chunked",
            Self::HeadTooLarge => "the head of the request is too large",
            Self::TooManyHeaders => "the request has too many header fields",
            Self::Timeout => "the head of the request took too long",
        })
    }
}

impl Error for BadRequest {}

/// A response that the server makes itself.
pub(super) fn plain_text(status: StatusCode, text: &dyn fmt::Display) -> Response<Bytes> {
    let mut response = Response::new(std::format!("{text}\n").into());
    *response.status_mut() = status;
    let text_plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text_plain);
    response
}

//! The head of a request (RFC 9112 2 to 6).

use std::error::Error;
use std::fmt;
use std::vec;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use memchr::memchr_iter;

/// The head of a request, and what the driver must know of what follows it.
#[derive(Debug)]
pub struct Head {
    /// The request. Its body, if it has one, is not read.
    pub request: Request<()>,
    /// How many bytes the head took.
    pub len: usize,
    /// What the request settles about the framing of its answer.
    pub context: ResponseContext,
}

/// What a request settles about the framing of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseContext {
    pub(super) is_1_0: bool,
    pub(super) is_head: bool,
    /// Whether the connection may serve another request after this one: not if
    /// the client asked to close it, speaks HTTP/1.0, or sends a body, since
    /// nobody reads that. The server may settle on [`Persistence::Close`].
    pub persistence: Persistence,
}

impl ResponseContext {
    /// The context for the answer to what is not a request, after which the
    /// connection is closed.
    pub const BAD_REQUEST: Self =
        Self { is_1_0: false, is_head: false, persistence: Persistence::Close };

    /// Whether a stream goes out in chunks, so that its end can be told from an
    /// end of the connection. HTTP/1.0 has none (RFC 9112 6.1).
    pub fn has_chunks(self) -> bool {
        !self.is_1_0
    }
}

/// Whether a connection serves another request after this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence {
    /// It does.
    KeepAlive,
    /// It is closed.
    #[default]
    Close,
}

/// How large a head may be.
///
/// # Examples
///
/// ```
/// let limits = lasse_core::http1::Limits::default();
/// assert_eq!((limits.head_bytes, limits.headers), (16 * 1024, 100));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes that a head may have, request line and all.
    pub head_bytes: usize,
    /// The most header fields that a head may have.
    pub headers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head_bytes: 16 * 1024, headers: 100 }
    }
}

/// Reads the head at the beginning of `input`; `None` while it is not whole.
///
/// # Errors
///
/// When `input` does not begin with a head, or with one that is over the limits.
/// Answer by [`BadRequest::response`] and close.
///
/// # Examples
///
/// ```
/// use lasse_core::http1::{Limits, parse_request};
///
/// let input = b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\nGET /next";
/// let head = parse_request(input, &Limits::default())?.expect("a whole head");
/// assert_eq!(head.request.uri(), "/events");
/// assert_eq!(&input[head.len..], b"GET /next");
/// assert!(parse_request(b"GET /events HT", &Limits::default())?.is_none());
/// # Ok::<(), lasse_core::http1::BadRequest>(())
/// ```
pub fn parse_request(input: &[u8], limits: &Limits) -> Result<Option<Head>, BadRequest> {
    let Some(len) = head_len(input) else {
        let is_too_long = input.len() >= limits.head_bytes;
        return if is_too_long { Err(BadRequest::HeadTooLarge) } else { Ok(None) };
    };
    if len > limits.head_bytes {
        return Err(BadRequest::HeadTooLarge);
    }
    let mut fields = vec![httparse::EMPTY_HEADER; limits.headers];
    let mut parsed = httparse::Request::new(&mut fields);
    match parsed.parse(input).map_err(BadRequest::from)? {
        httparse::Status::Complete(len) => head(&parsed, len).map(Some),
        httparse::Status::Partial => Ok(None),
    }
}

/// Where the blank line ends that ends a head, if it is there: a cheap look, so
/// that a head that comes byte by byte is parsed once.
fn head_len(input: &[u8]) -> Option<usize> {
    let start = input.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
    let mut ends = memchr_iter(b'\n', input).filter(|end| *end > start);
    let blank = ends.find(|end| {
        let after = input.get(end + 1..).unwrap_or_default();
        after.starts_with(b"\n") || after.starts_with(b"\r\n")
    })?;
    let after = input.get(blank + 1..).unwrap_or_default();
    Some(blank + 1 + if after.starts_with(b"\n") { 1 } else { 2 })
}

fn head(parsed: &httparse::Request<'_, '_>, len: usize) -> Result<Head, BadRequest> {
    let mut request = Request::new(());
    *request.method_mut() = parse(parsed.method.unwrap_or_default())?;
    *request.uri_mut() = parse(parsed.path.unwrap_or_default())?;
    let is_1_0 = parsed.version == Some(0);
    *request.version_mut() = if is_1_0 { Version::HTTP_10 } else { Version::HTTP_11 };
    let headers = request.headers_mut();
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| BadRequest::Syntax)?;
        let value = HeaderValue::from_bytes(field.value).map_err(|_| BadRequest::Syntax)?;
        headers.append(name, value);
    }
    check_host(headers, is_1_0)?;
    let is_last = is_1_0 || wants_close(headers) || has_body(headers)?;
    let persistence = if is_last { Persistence::Close } else { Persistence::KeepAlive };
    let is_head = request.method() == Method::HEAD;
    Ok(Head { request, len, context: ResponseContext { is_1_0, is_head, persistence } })
}

fn parse<T: core::str::FromStr>(text: &str) -> Result<T, BadRequest> {
    text.parse().map_err(|_| BadRequest::Syntax)
}

/// RFC 9112 3.2: one `Host`, and none only in HTTP/1.0.
fn check_host(headers: &HeaderMap, is_1_0: bool) -> Result<(), BadRequest> {
    match headers.get_all(HOST).iter().count() {
        1 => Ok(()),
        0 if is_1_0 => Ok(()),
        _ => Err(BadRequest::Host),
    }
}

fn wants_close(headers: &HeaderMap) -> bool {
    let options = headers.get_all(CONNECTION).into_iter().filter_map(|value| value.to_str().ok());
    let mut options = options.flat_map(|value| value.split(','));
    options.any(|option| option.trim().eq_ignore_ascii_case("close"))
}

/// RFC 9112 6.3. Lengths that contradict each other are how requests are
/// smuggled, so they are refused.
fn has_body(headers: &HeaderMap) -> Result<bool, BadRequest> {
    let is_encoded = headers.contains_key(TRANSFER_ENCODING);
    let mut lengths = headers.get_all(CONTENT_LENGTH).into_iter();
    let Some(length) = lengths.next() else { return Ok(is_encoded) };
    let is_number = !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit);
    if is_encoded || !is_number || lengths.any(|other| other != length) {
        return Err(BadRequest::Length);
    }
    Ok(length.as_bytes().iter().any(|digit| *digit != b'0'))
}

/// Bytes that are no request, or one that asks too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadRequest {
    /// Not the syntax of a request.
    Syntax,
    /// A version other than HTTP/1.0 and HTTP/1.1.
    Version,
    /// No `Host`, or several.
    Host,
    /// Two ways to tell the body's length, or a length that is no number.
    Length,
    /// More bytes than [`Limits::head_bytes`].
    HeadTooLarge,
    /// More fields than [`Limits::headers`].
    TooManyHeaders,
    /// The head did not come in time. Said by the driver, who has the clock.
    Timeout,
}

impl BadRequest {
    /// The answer to such a request, after which the connection is closed.
    pub fn response(self) -> Response<Bytes> {
        let mut response = Response::new(std::format!("{self}\n").into());
        *response.status_mut() = match self {
            Self::Syntax | Self::Host | Self::Length => StatusCode::BAD_REQUEST,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::HeadTooLarge | Self::TooManyHeaders => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
        };
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(http::header::CONTENT_TYPE, plain);
        response
    }
}

impl From<httparse::Error> for BadRequest {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::Version => Self::Version,
            httparse::Error::TooManyHeaders => Self::TooManyHeaders,
            _ => Self::Syntax,
        }
    }
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "this is not the head of an HTTP/1.1 request",
            Self::Version => "the version of HTTP must be 1.0 or 1.1",
            Self::Host => "a request of HTTP/1.1 has one host field",
            Self::Length => "the length of the body must be told once, as a number",
            Self::HeadTooLarge => "the head of the request is too large",
            Self::TooManyHeaders => "the request has too many header fields",
            Self::Timeout => "the head of the request took too long",
        })
    }
}

impl Error for BadRequest {}

//! The head of a request (RFC 9112 2 to 6).

mod body;
mod check;
mod host;
mod target;

use std::vec;

use http::header::CONNECTION;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version};
use memchr::memchr_iter;

use super::bad_request::BadRequest;
use body::has_body;
pub use check::check_request;
pub use host::check_host;
use target::parse_target;

/// The head of a request, and what its response depends on.
#[derive(Debug)]
pub struct Head {
    /// The request, without its body. If the target is in absolute form, its host replaces the
    /// field `Host` (RFC 9112 3.2.2).
    pub request: Request<()>,
    /// The length of the head in bytes.
    pub len: usize,
    /// The properties on which the framing of the response depends.
    pub context: ResponseContext,
}

/// The properties of a request on which the framing of its response depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseContext {
    pub(super) is_1_0: bool,
    pub(super) is_head: bool,
    /// Whether another request can follow on the connection. It cannot if the client
    /// asked to close it, if it uses HTTP/1.0, or if the request has a body, because
    /// bodies are not read (RFC 9112 9.3). A server can set it to
    /// [`Persistence::Close`].
    pub persistence: Persistence,
}

impl ResponseContext {
    /// The context of a response to bytes that are not a request.
    pub const BAD_REQUEST: Self =
        Self { is_1_0: false, is_head: false, persistence: Persistence::Close };

    /// Whether a stream is sent in chunks, so that its end is not the end of the
    /// connection. HTTP/1.0 has no chunks (RFC 9112 6.1).
    pub fn has_chunks(self) -> bool {
        !self.is_1_0
    }
}

/// Whether another request can follow on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence {
    /// Another request can follow.
    KeepAlive,
    /// The connection is closed after the response.
    #[default]
    Close,
}

/// The limits for the head of a request.
///
/// # Examples
///
/// ```
/// let limits = lasse_core::http1::Limits::default();
/// assert_eq!((limits.head_bytes, limits.headers), (16 * 1024, 100));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many bytes a head can have, with the request line and the blank line.
    pub head_bytes: usize,
    /// How many header fields a head can have.
    pub headers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head_bytes: 16 * 1024, headers: 100 }
    }
}

/// Parses the head at the start of `input`. Returns `None` if the head is not
/// complete.
///
/// A line ends with CR LF or with LF (RFC 9112 2.2). Empty lines before the request
/// line are ignored.
///
/// # Errors
///
/// If `input` does not start with a valid head within the limits: send
/// [`BadRequest::response`] and close the connection.
///
/// # Examples
///
/// ```
/// use lasse_core::http1::{Limits, parse_request};
///
/// let input = b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\nGET /next";
/// let head = parse_request(input, &Limits::default())?.expect("a complete head");
/// assert_eq!(head.request.uri(), "/events");
/// assert_eq!(&input[head.len..], b"GET /next");
/// assert!(parse_request(b"GET /events HT", &Limits::default())?.is_none());
/// # Ok::<(), lasse_core::http1::BadRequest>(())
/// ```
pub fn parse_request(input: &[u8], limits: &Limits) -> Result<Option<Head>, BadRequest> {
    let Some(len) = head_len(input) else {
        let is_too_large = input.len() >= limits.head_bytes;
        return if is_too_large { Err(BadRequest::HeadTooLarge) } else { Ok(None) };
    };
    if len > limits.head_bytes {
        return Err(BadRequest::HeadTooLarge);
    }
    let input = input.get(..len).unwrap_or_default();
    let fields = limits.headers.min(len / SHORTEST_FIELD);
    let mut fields = vec![httparse::EMPTY_HEADER; fields];
    let mut parsed = httparse::Request::new(&mut fields);
    match parsed.parse(input).map_err(|error| bad_request(error, input))? {
        httparse::Status::Complete(parsed_len) if parsed_len == len => head(&parsed, len).map(Some),
        // The two parsers disagree about the end of the head.
        httparse::Status::Complete(_) | httparse::Status::Partial => Err(BadRequest::Syntax),
    }
}

/// The position after the blank line that ends the head. This scan is cheap, so that
/// a head that arrives byte by byte is parsed once only.
fn head_len(input: &[u8]) -> Option<usize> {
    let start = input.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
    let lines = input.get(start..)?;
    memchr_iter(b'\n', lines).find_map(|at| {
        let after = lines.get(at + 1..).unwrap_or_default();
        let blank_line = [b"\n".as_slice(), b"\r\n"].into_iter().find(|end| after.starts_with(end));
        blank_line.map(|end| start + at + 1 + end.len())
    })
}

fn bad_request(error: httparse::Error, input: &[u8]) -> BadRequest {
    match error {
        httparse::Error::TooManyHeaders => BadRequest::TooManyHeaders,
        // The parser returns this for anything that is not a version.
        httparse::Error::Version if has_version(input) => BadRequest::Version,
        _ => BadRequest::Syntax,
    }
}

/// Whether the request line has a version (RFC 9112 2.3), though not one of ours.
fn has_version(input: &[u8]) -> bool {
    let mut lines = input.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let line = lines.find(|line| !line.is_empty()).unwrap_or_default();
    let mut parts = line.split(|byte| *byte == b' ').skip(2);
    let version = parts.next().and_then(|version| version.strip_prefix(b"HTTP/"));
    let is_version = matches!(version, Some([major, b'.', minor])
        if major.is_ascii_digit() && minor.is_ascii_digit());
    is_version && parts.next().is_none()
}

fn head(parsed: &httparse::Request<'_, '_>, len: usize) -> Result<Head, BadRequest> {
    let mut request = Request::new(());
    let method = parsed.method.unwrap_or_default();
    *request.method_mut() = method.parse().map_err(|_| BadRequest::Syntax)?;
    let is_1_0 = parsed.version == Some(0);
    *request.version_mut() = if is_1_0 { Version::HTTP_10 } else { Version::HTTP_11 };
    let (uri, host) = parse_target(request.method(), parsed.path.unwrap_or_default())?;
    *request.uri_mut() = uri;
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| BadRequest::Syntax)?;
        let value = HeaderValue::from_bytes(field.value).map_err(|_| BadRequest::Syntax)?;
        let appended = request.headers_mut().try_append(name, value);
        appended.map_err(|_| BadRequest::TooManyHeaders)?;
    }
    check_host(&request)?;
    if let Some(host) = host {
        request.headers_mut().insert(http::header::HOST, host);
    }
    let has_body = has_body(request.headers(), is_1_0)?;
    let is_last = is_1_0 || wants_close(request.headers()) || has_body;
    let persistence = if is_last { Persistence::Close } else { Persistence::KeepAlive };
    let is_head = request.method() == Method::HEAD;
    Ok(Head { request, len, context: ResponseContext { is_1_0, is_head, persistence } })
}

/// Whether the client asks to close the connection (RFC 9112 9.6).
fn wants_close(headers: &HeaderMap) -> bool {
    list(headers, &CONNECTION).any(|option| option.eq_ignore_ascii_case(b"close"))
}

/// The elements of a field that is a list (RFC 9110 5.6.1), some of which can be
/// empty.
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).into_iter();
    lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

/// The length of `a:` and a line feed: the shortest field, which bounds how many fit
/// into a head.
const SHORTEST_FIELD: usize = 3;

//! What a request asks for, and how it may be answered.

mod answers;
mod negotiate;
mod query;

use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue, Method, Uri, Version};

use crate::field::LastEventId;
use crate::frame::Frame;
use crate::handler::Handler;

#[cfg(feature = "http1")]
pub(crate) use answers::has_no_body;
pub(crate) use answers::{Answers, is_framing};

/// The head of a request, and where its client left off.
#[derive(Clone, Debug)]
pub struct RequestHead<'a> {
    method: &'a Method,
    uri: &'a Uri,
    version: Version,
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
    last_event_id: LastEventId,
}

impl<'a> RequestHead<'a> {
    /// The method: GET or HEAD, or POST where that was allowed.
    pub fn method(&self) -> &'a Method {
        self.method
    }

    /// The request's target.
    pub fn uri(&self) -> &'a Uri {
        self.uri
    }

    /// The version of HTTP.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The header fields.
    pub fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// What the server and the layers before this one know of the request: the
    /// peer's address, a session.
    pub fn extensions(&self) -> &'a Extensions {
        self.extensions
    }

    /// Where the client left off: what the `Last-Event-ID` field says, else, for
    /// a client that connects for the first time, the parameter `last_event_id`
    /// or `lastEventId` of the query.
    pub fn last_event_id(&self) -> &LastEventId {
        &self.last_event_id
    }
}

impl<'a, B> From<&'a http::Request<B>> for RequestHead<'a> {
    fn from(request: &'a http::Request<B>) -> Self {
        let (method, uri, version) = (request.method(), request.uri(), request.version());
        let (headers, extensions) = (request.headers(), request.extensions());
        let last_event_id = last_event_id(headers, uri);
        Self { method, uri, version, headers, extensions, last_event_id }
    }
}

impl<'a> From<&'a Parts> for RequestHead<'a> {
    fn from(parts: &'a Parts) -> Self {
        let Parts { method, uri, version, headers, extensions, .. } = parts;
        let last_event_id = last_event_id(headers, uri);
        Self { method, uri, version: *version, headers, extensions, last_event_id }
    }
}

/// A handler that is made for a request.
///
/// # Examples
///
/// ```
/// use lasse_core::{Accept, Event, Handler, Init, Next, RequestHead};
///
/// struct Greeter;
///
/// impl Accept for Greeter {
///     type Args = String;
///
///     fn init(greeting: String, request: &RequestHead<'_>) -> Init<Self> {
///         match request.last_event_id().id() {
///             Some(_) => Init::NoContent,
///             None => Init::Stream(Self, vec![Event::new(greeting).encode()]),
///         }
///     }
/// }
/// # impl Handler for Greeter {
/// #     type Notify = ();
/// #     type Info = ();
/// #     fn handle_notify(&mut self, (): ()) -> Next { Next::Wait }
/// # }
/// ```
pub trait Accept: Handler {
    /// What the application passes to [`init`](Self::init).
    type Args;

    /// Opens the stream, or declines to.
    fn init(args: Self::Args, request: &RequestHead<'_>) -> Init<Self>;
}

/// How a handler answers a request.
#[derive(Debug)]
#[must_use]
pub enum Init<H> {
    /// Streams events, the given ones first.
    Stream(H, Vec<Frame>),
    /// Answers `204 No Content`, which tells an `EventSource` not to come back.
    NoContent,
    /// Answers with a response of the handler's own. What frames a message
    /// (`content-length`, `transfer-encoding`, `connection`) is the adapter's, and
    /// is dropped. Any status but 200 ends an `EventSource` for ever.
    Respond(http::Response<Bytes>),
    /// Answers with an empty stream that tells the client to come back after
    /// this long, in whole milliseconds.
    Refuse {
        /// How long the client is to wait, in whole milliseconds.
        retry_after: Duration,
    },
}

fn last_event_id(headers: &HeaderMap, uri: &Uri) -> LastEventId {
    let fields = headers.get_all(LAST_EVENT_ID).into_iter();
    match LastEventId::from_values(fields.map(HeaderValue::as_bytes)) {
        LastEventId::Absent => query::last_event_id(uri.query().unwrap_or_default()),
        said => said,
    }
}

const LAST_EVENT_ID: &str = "last-event-id";

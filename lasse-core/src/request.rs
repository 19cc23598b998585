//! Requests, and the decision how they are answered.

mod dialect;
mod negotiate;
mod origin;
mod query;
mod refusal;
mod responses;

use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue, Method, Uri, Version};

use crate::dialect::Dialect;
use crate::field::LastEventId;
use crate::frame::Frame;

pub(crate) use origin::{Hosts, Origins};
pub use refusal::Refusal;
pub(crate) use responses::{Responses, has_no_body, is_framing};

/// The head of a request, with the last event id that its client received.
#[derive(Clone, Debug)]
pub struct RequestHead<'a> {
    method: &'a Method,
    uri: &'a Uri,
    version: Version,
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
    last_event_id: LastEventId,
    dialect: Dialect,
}

impl<'a> RequestHead<'a> {
    /// The method: GET or HEAD, or POST if the endpoint allows it.
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

    /// The extensions that the server and earlier layers added: the address of the
    /// peer, a session.
    pub fn extensions(&self) -> &'a Extensions {
        self.extensions
    }

    /// The id of the last event that the client received: from the `Last-Event-ID`
    /// field, else from the query parameter `last_event_id` or `lastEventId`, for
    /// clients that cannot set a header on their first request.
    pub fn last_event_id(&self) -> &LastEventId {
        &self.last_event_id
    }

    /// What the client understands, as the stream's configuration sets it: never [`Dialect::Auto`].
    /// [`Dialect::EventSource`] before a [`Connection`](crate::Connection) accepts the request.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The same head, of a client that understands `dialect`.
    pub(crate) fn in_dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect.resolve(&self);
        self
    }
}

impl<'a, B> From<&'a http::Request<B>> for RequestHead<'a> {
    fn from(request: &'a http::Request<B>) -> Self {
        let (method, uri, version) = (request.method(), request.uri(), request.version());
        let (headers, extensions) = (request.headers(), request.extensions());
        let last_event_id = last_event_id(headers, uri);
        let dialect = Dialect::default();
        Self { method, uri, version, headers, extensions, last_event_id, dialect }
    }
}

impl<'a> From<&'a Parts> for RequestHead<'a> {
    fn from(parts: &'a Parts) -> Self {
        let Parts { method, uri, version, headers, extensions, .. } = parts;
        let last_event_id = last_event_id(headers, uri);
        let (version, dialect) = (*version, Dialect::default());
        Self { method, uri, version, headers, extensions, last_event_id, dialect }
    }
}

/// A handler or a source that is made for a request.
///
/// # Examples
///
/// ```
/// use lasse_core::{Accept, Event, Handler, Init, RequestHead};
///
/// struct Greeter;
///
/// impl Handler for Greeter {
///     type Notify = ();
///     type Info = ();
/// }
///
/// impl Accept for Greeter {
///     type Args = String;
///
///     fn init(greeting: String, request: &RequestHead<'_>) -> Init<Self> {
///         match request.last_event_id().id() {
///             Some(_) => Init::Complete,
///             None => Init::Stream(Self, vec![Event::new(greeting).encode()]),
///         }
///     }
/// }
/// ```
pub trait Accept: Sized {
    /// What the application passes to [`init`](Self::init).
    type Args;

    /// Opens the stream, or returns another response.
    fn init(args: Self::Args, request: &RequestHead<'_>) -> Init<Self>;
}

/// How a request is answered.
#[derive(Debug)]
#[must_use]
#[non_exhaustive]
pub enum Init<T> {
    /// With a stream, which starts with the given frames.
    Stream(T, Vec<Frame>),
    /// With the end of the stream: there is nothing more for this client. An `EventSource` gets
    /// `204 No Content`, after which it does not reconnect, and so does a client of
    /// [`Dialect::DataOnly`]. Some clients over `fetch` reconnect endlessly after a 204: those of
    /// [`Dialect::Fetch`] get a stream of one event, named `complete`, and a `retry` of a minute.
    #[doc(alias = "204")]
    Complete,
    /// With a response of the application. Headers that frame a message
    /// (`content-length`, `transfer-encoding`, `connection`) belong to the adapter and
    /// are removed. After any status but 200, an `EventSource` never reconnects.
    Respond(http::Response<Bytes>),
    /// With a refusal, after which the client reconnects. Its form depends on the
    /// [`Dialect`].
    Refuse(Refusal),
}

impl<T> Init<T> {
    /// Refuses with `503 Service Unavailable`: the client reconnects after `retry_after`.
    pub fn refuse(retry_after: Duration) -> Self {
        Self::Refuse(Refusal::unavailable(retry_after))
    }

    /// The same decision with `map(stream)` in place of its stream.
    pub fn map<U>(self, map: impl FnOnce(T) -> U) -> Init<U> {
        match self {
            Self::Stream(stream, first) => Init::Stream(map(stream), first),
            Self::Complete => Init::Complete,
            Self::Respond(response) => Init::Respond(response),
            Self::Refuse(refusal) => Init::Refuse(refusal),
        }
    }
}

fn last_event_id(headers: &HeaderMap, uri: &Uri) -> LastEventId {
    let fields = headers.get_all(LAST_EVENT_ID).into_iter();
    match LastEventId::from_values(fields.map(HeaderValue::as_bytes)) {
        LastEventId::Absent => query::last_event_id(uri.query().unwrap_or_default()),
        id => id,
    }
}

const LAST_EVENT_ID: &str = "last-event-id";

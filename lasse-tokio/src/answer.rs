//! What a request is answered with.

use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream;
use http::Response;
use lasse_core::{Accept, Body, Config, Connection, Handler, RequestHead};

use crate::clock::now;
use crate::mailbox::{Mail, Mailbox, Notifier, mailbox};
use crate::session::Session;

/// Answers a request by a stream of events, or as [`Accept::init`] decides.
///
/// `args` is given the notifier of the new stream, to put wherever its messages
/// will come from. It does not run if the request is refused.
///
/// # Examples
///
/// ```
/// # use lasse_tokio::lasse_core::{Accept, Config, Event, Handler, Init, Next, RequestHead};
/// # struct Echo;
/// # impl Handler for Echo {
/// #     type Notify = &'static str;
/// #     type Info = ();
/// #     fn handle_notify(&mut self, text: &'static str) -> Next { Next::send(Event::new(text)) }
/// # }
/// # impl Accept for Echo {
/// #     type Args = ();
/// #     fn init((): (), _: &RequestHead<'_>) -> Init<Self> { Init::Stream(Self, vec![]) }
/// # }
/// let request = http::Request::get("/events").body(())?;
/// let mut subscribers = Vec::new();
/// let response =
///     lasse_tokio::respond::<Echo, _>(&request, &Config::new(), |notifier| subscribers.push(notifier));
/// assert_eq!(response.status(), 200);
/// subscribers[0].notify("hello")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn respond<'a, H: Accept, R: Into<RequestHead<'a>>>(
    request: R,
    config: &Config,
    args: impl FnOnce(Notifier<H>) -> H::Args,
) -> Response<Answer<H>> {
    let (notifier, mailbox) = mailbox(MAILBOX_CAPACITY);
    let response = Connection::accept(request, || args(notifier), config, now());
    response.map(|body| Answer::new(body, mailbox))
}

/// The body of an answer: a stream, or bytes.
#[derive(Debug)]
pub enum Answer<H: Handler, M = Mailbox<H>> {
    /// A stream of events.
    Events(Pin<Box<Session<H, M>>>),
    /// All there is to say, if anything.
    Full(Bytes),
    /// None, though a GET would have been answered by a stream.
    HeadOnly,
}

impl<H: Handler, M: Stream<Item = Mail<H>> + Unpin> Answer<H, M> {
    /// An answer of the core's, its stream fed by `mail`.
    pub fn new(body: Body<H>, mail: M) -> Self {
        match body {
            Body::Events(connection) => Self::Events(Box::pin(Session::new(connection, mail))),
            Body::Full(bytes) => Self::Full(bytes),
            Body::HeadOnly => Self::HeadOnly,
        }
    }
}

impl<H: Handler, M, T: Into<Bytes>> From<T> for Answer<H, M> {
    fn from(bytes: T) -> Self {
        Self::Full(bytes.into())
    }
}

/// How many messages wait for a slow client, at the most.
const MAILBOX_CAPACITY: usize = 64;

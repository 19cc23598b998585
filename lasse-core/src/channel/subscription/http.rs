//! A subscription as the answer to a request.

use std::string::String;
use std::vec::Vec;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

use super::{Subscriber, Subscription};
use crate::channel::Channel;
use crate::dialect::Dialect;
use crate::frame::Frame;
use crate::request::{Accept, Init, RequestHead};

impl Subscription {
    /// The answer to a request: a stream of what `source` makes of the subscriber.
    ///
    /// A client of [`Dialect::DataOnly`] that cannot resume gets a 410 instead of a reset, with
    /// the data of the reset as JSON.
    ///
    /// # Examples
    ///
    /// Private messages in addition to the events of the channel:
    ///
    /// ```
    /// use lasse_core::mailbox::WithSource;
    /// use lasse_core::{
    ///     Channel, Event, Handler, HandlerSource, Init, Next, Notifier, RequestHead, Subscriber,
    ///     mailbox,
    /// };
    ///
    /// struct Desk;
    ///
    /// impl Handler for Desk {
    ///     type Notify = String;
    ///     type Info = ();
    ///
    ///     fn handle_notify(&mut self, private: String) -> Next {
    ///         Next::send(Event::new(private))
    ///     }
    /// }
    ///
    /// fn open(
    ///     news: &Channel,
    ///     request: &RequestHead<'_>,
    /// ) -> (Notifier<Desk>, Init<WithSource<Desk, Subscriber>>) {
    ///     let (notifier, mailbox) = mailbox(64);
    ///     let desk = HandlerSource::new(Desk, mailbox);
    ///     let subscription = news.subscribe(request.last_event_id());
    ///     (notifier, subscription.into_init(request, |events| desk.with_source(events)))
    /// }
    /// ```
    pub fn into_init<S>(
        self,
        request: &RequestHead<'_>,
        source: impl FnOnce(Subscriber) -> S,
    ) -> Init<S> {
        match self {
            Self::Stream(subscriber) => {
                let omit = Subscriber::without_notices;
                stream(subscriber, request, omit, Subscriber::first_frames, source)
            }
            Self::NeedsSnapshot(never) => match never {},
            Self::Complete => Init::Complete,
            Self::Full(delay) | Self::Undecided(delay) => Init::refuse(delay),
        }
    }
}

/// Answers a request for a channel with its events.
impl Accept for Subscriber {
    type Args = Channel;

    fn init(channel: Channel, request: &RequestHead<'_>) -> Init<Self> {
        channel.subscribe(request.last_event_id()).into_init(request, |subscriber| subscriber)
    }
}

/// The stream of a reader, of one channel or several. If its client reads no notices, they are omitted;
/// if it cannot resume then, the answer is a 410.
pub(in crate::channel) fn stream<R, S>(
    mut reader: R,
    request: &RequestHead<'_>,
    omit_notices: impl FnOnce(R) -> Result<R, String>,
    first_frames: impl FnOnce(&mut R) -> Vec<Frame>,
    source: impl FnOnce(R) -> S,
) -> Init<S> {
    if request.dialect() == Dialect::DataOnly {
        reader = match omit_notices(reader) {
            Ok(reader) => reader,
            Err(reset) => return Init::Respond(gone(reset)),
        };
    }
    let first = first_frames(&mut reader);
    Init::Stream(source(reader), first)
}

/// The response to a client that cannot resume and reads no event about that.
fn gone(reset: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(reset));
    *response.status_mut() = StatusCode::GONE;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // Without this field, a 410 may be cached (RFC 9110 15.5.11).
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

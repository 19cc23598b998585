//! The reconnecting client as a state machine: what to do next, and when.

mod backoff;
mod client_closed;
mod content_type;
mod head;
mod location;
mod options;
mod redirect;

use alloc::string::String;
use core::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, HeaderName};
use http::{HeaderValue, Request, Response};

use crate::decode::{Decoded, Decoder, EventTooLarge};
use crate::field::LastEventId;
use crate::time::Instant;
use head::Verdict;
use redirect::Target;

pub use backoff::Backoff;
pub use client_closed::ClientClosed;

/// A client that reconnects as `EventSource` does (HTML 9.2), without I/O.
///
/// A driver does what [`poll_output`](Self::poll_output) returns and passes the
/// result on:
///
/// | output | to do | input |
/// |---|---|---|
/// | [`Connect`](ClientOutput::Connect) | close any connection, send the request | [`handle_head`](Self::handle_head), or [`handle_error`](Self::handle_error) |
/// | [`Listen`](ClientOutput::Listen) | await the head, or read the body | the same, [`handle_bytes`](Self::handle_bytes), [`handle_end`](Self::handle_end) |
/// | [`Wait`](ClientOutput::Wait) | close any connection, wait | none |
/// | [`Closed`](ClientOutput::Closed) | close any connection, stop | none |
///
/// It polls again after each input and at the time that the output names. Every
/// input is allowed at any time; one that is too late is ignored.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
/// use http::{Request, Response};
/// use lasse_core::{Client, ClientOutput, Decoded, Instant};
///
/// let now = Instant::from_nanos(0);
/// let mut client = Client::new(Request::get("http://localhost/events").body("".into())?);
/// assert!(matches!(client.poll_output(now, 0), ClientOutput::Connect(_)));
///
/// let head = Response::builder().header("content-type", "text/event-stream").body(())?;
/// client.handle_head(&head, now);
/// let mut input = b"id: 7\ndata: hello\n\n".as_slice();
/// while let Some(decoded) = client.handle_bytes(&mut input, now)? {
///     assert!(matches!(decoded, Decoded::Message(message) if message.data() == "hello"));
/// }
///
/// client.handle_end(now);
/// let again = now + Duration::from_secs(3);
/// assert!(matches!(client.poll_output(now, 0), ClientOutput::Wait(until) if until == again));
/// let ClientOutput::Connect(request) = client.poll_output(again, 0) else { panic!() };
/// assert_eq!(request.headers()["last-event-id"], "7");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "EventSource")]
#[doc(alias = "reconnect")]
#[derive(Debug)]
pub struct Client {
    target: Target,
    decoder: Decoder,
    /// The last event id when the stream began.
    first_id: String,
    has_message: bool,
    retry: Duration,
    backoff: Backoff,
    failures: u32,
    is_once: bool,
    max_failures: u32,
    max_redirects: u32,
    retries_statuses: bool,
    read_timeout: Option<Duration>,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// The request must be sent now.
    Due,
    /// The request was sent.
    Listening {
        /// When the head arrived, if it has.
        open_since: Option<Instant>,
        /// When the last byte arrived, or the request was sent.
        active_at: Instant,
    },
    /// The stream is lost, and the wait is not chosen yet: it needs a random
    /// number.
    Lost {
        at: Instant,
        least: Duration,
    },
    Waiting {
        until: Instant,
    },
    Closed(ClientClosed),
}

impl Client {
    /// A client that sends `request`, and sends it again whenever the stream ends
    /// or is lost: its method, its headers and its body.
    ///
    /// `accept: text/event-stream` and `cache-control: no-cache` are added if they
    /// are absent, as browsers do, and so is `last-event-id` once there is one. If
    /// `request` has a `last-event-id`, the client starts from it.
    ///
    /// If a request has effects, such as a `POST` that is paid for, use
    /// [`once`](Self::once).
    pub fn new(mut request: Request<Bytes>) -> Self {
        let headers = request.headers_mut();
        let id = LastEventId::from_values(
            headers.remove(LAST_EVENT_ID).iter().map(HeaderValue::as_bytes),
        );
        let decoder = Decoder::new();
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("text/event-stream"));
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
        Self {
            target: Target::new(request),
            decoder: match id.id() {
                Some(id) => decoder.with_last_event_id(id),
                None => decoder,
            },
            first_id: String::new(),
            has_message: false,
            retry: Duration::from_secs(3),
            backoff: Backoff::new(),
            failures: 0,
            is_once: false,
            max_failures: u32::MAX,
            max_redirects: 20,
            retries_statuses: false,
            read_timeout: None,
            state: State::Due,
        }
    }

    /// A client that sends `request` once and never reconnects, such as a `POST` to a language
    /// model, where each answer costs money.
    ///
    /// When the response ends, the client is closed with [`ClientClosed::Ended`],
    /// when the connection is lost, with [`ClientClosed::Disconnected`].
    /// Redirects are followed: 307 and 308 repeat method and body. Options about
    /// reconnecting have no effect.
    pub fn once(request: Request<Bytes>) -> Self {
        Self { is_once: true, ..Self::new(request) }
    }

    /// The id that the next request sends as `last-event-id`, unless it is empty or
    /// has control characters, which HTTP cannot carry.
    pub fn last_event_id(&self) -> &str {
        self.decoder.last_event_id()
    }

    /// Whether a stream is open, so that events can arrive.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Listening { open_since: Some(_), .. })
    }

    /// Returns what to do now. `random` is any number, a new one for each call: it
    /// spreads the waits of many clients.
    pub fn poll_output(&mut self, now: Instant, random: u64) -> ClientOutput {
        if self.timeout_at().is_some_and(|end| end <= now) {
            self.lose(now, Duration::ZERO);
        }
        if let State::Lost { at, least } = self.state {
            let delay = self.backoff.delay(self.retry, self.failures, random).max(least);
            self.state = State::Waiting { until: at + delay };
        }
        match &self.state {
            State::Waiting { until } if *until > now => ClientOutput::Wait(*until),
            State::Waiting { .. } | State::Due => ClientOutput::Connect(self.connect(now)),
            State::Listening { .. } | State::Lost { .. } => ClientOutput::Listen(self.timeout_at()),
            State::Closed(reason) => ClientOutput::Closed(reason.clone()),
        }
    }

    /// Takes the head of the response to the last request.
    pub fn handle_head<B>(&mut self, response: &Response<B>, now: Instant) {
        let State::Listening { open_since: None, .. } = self.state else { return };
        let status = response.status();
        let is_retried = self.retries_statuses && !self.is_once;
        match head::judge(status, response.headers(), is_retried) {
            Verdict::Open => {
                self.state = State::Listening { open_since: Some(now), active_at: now };
            }
            Verdict::Redirect(location) => {
                let followed = self.target.follow(status, location, self.max_redirects);
                self.state = followed.map_or_else(State::Closed, |()| State::Due);
            }
            Verdict::Unavailable(delay) => self.lose(now, self.backoff.limit(delay)),
            Verdict::Closed(reason) => self.state = State::Closed(reason),
        }
    }

    /// Takes bytes of the body and returns the next thing in them, as
    /// [`Decoder::decode`] does. Call it until it returns `None`.
    ///
    /// # Errors
    ///
    /// If an event is larger than the limit. The stream continues with the next event.
    pub fn handle_bytes<'c, 'i: 'c>(
        &'c mut self,
        input: &mut &'i [u8],
        now: Instant,
    ) -> Result<Option<Decoded<'c>>, EventTooLarge> {
        let State::Listening { open_since: Some(_), active_at } = &mut self.state else {
            *input = &[];
            return Ok(None);
        };
        if !input.is_empty() {
            *active_at = now;
        }
        let decoded = self.decoder.decode(input)?;
        match decoded {
            Some(Decoded::Retry(delay)) => self.retry = self.backoff.limit(delay),
            Some(Decoded::Message(_)) => self.has_message = true,
            _ => {}
        }
        Ok(decoded)
    }

    /// Takes the end of the body. An event without its blank line is dropped.
    pub fn handle_end(&mut self, now: Instant) {
        if self.is_once && self.is_open() {
            self.state = State::Closed(ClientClosed::Ended);
        }
        self.handle_error(now);
    }

    /// Takes any failure of the transport: to connect, to send, or to read.
    pub fn handle_error(&mut self, now: Instant) {
        if let State::Listening { .. } = self.state {
            self.lose(now, Duration::ZERO);
        }
    }

    /// When the read timeout ends.
    fn timeout_at(&self) -> Option<Instant> {
        match self.state {
            State::Listening { active_at, .. } => Some(active_at + self.read_timeout?),
            _ => None,
        }
    }

    fn connect(&mut self, now: Instant) -> Request<Bytes> {
        self.state = State::Listening { open_since: None, active_at: now };
        let id = self.decoder.last_event_id();
        self.first_id.clear();
        self.first_id.push_str(id);
        self.has_message = false;
        let mut request = self.target.request().clone();
        if let (false, Ok(value)) = (id.is_empty(), HeaderValue::from_bytes(id.as_bytes())) {
            request.headers_mut().insert(LAST_EVENT_ID, value);
        }
        request
    }

    /// The only way from a connection to a wait. `least` is the shortest wait.
    fn lose(&mut self, now: Instant, least: Duration) {
        if self.is_once {
            self.state = State::Closed(ClientClosed::Disconnected);
            return;
        }
        self.failures = if self.is_success(now) { 0 } else { self.failures.saturating_add(1) };
        self.decoder.restart();
        self.target.reset();
        self.state = if self.failures >= self.max_failures.max(1) {
            State::Closed(ClientClosed::Failures(self.failures))
        } else {
            State::Lost { at: now, least }
        };
    }

    /// Whether the stream that ends now brought something new, or was open for
    /// long. A stream that ends with the id that it began with can repeat itself
    /// for ever.
    fn is_success(&self, now: Instant) -> bool {
        let State::Listening { open_since: Some(since), .. } = self.state else { return false };
        let id = self.decoder.last_event_id();
        let is_new = id != self.first_id || (self.has_message && id.is_empty());
        is_new || self.backoff.is_reset_after(now.saturating_duration_since(since))
    }
}

/// What a [`Client`] wants its driver to do.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a request is rare, and the value is short-lived")]
pub enum ClientOutput {
    /// Send this request, on a connection that follows no redirects by itself.
    Connect(Request<Bytes>),
    /// Continue with the request that was sent. Poll again at the given time, if there is one.
    Listen(Option<Instant>),
    /// Close the connection, if there is one, and poll again at this time.
    Wait(Instant),
    /// Close the connection, if there is one; if its response was refused, its body
    /// can be read before. This output never changes.
    Closed(ClientClosed),
}

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

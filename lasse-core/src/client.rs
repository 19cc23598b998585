//! The reconnecting client, as a state machine: what to do next, and when.

mod backoff;
mod client_closed;
mod head;
mod redirect;

use alloc::string::String;
use core::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, HeaderName};
use http::{HeaderValue, Request, Response, StatusCode};

use crate::decode::{Decoded, Decoder, EventTooLarge};
use crate::field::{EventId, LastEventId};
use crate::time::Instant;
use head::Verdict;

pub use backoff::Backoff;
pub use client_closed::ClientClosed;

/// A client that comes back, as `EventSource` does (HTML 9.2), without I/O.
///
/// Whoever drives it does what [`poll_output`](Self::poll_output) says and tells
/// it what came of it:
///
/// | said | to do | to tell |
/// |---|---|---|
/// | [`Connect`](ClientOutput::Connect) | close any connection, send the request | [`handle_head`](Self::handle_head), or [`handle_error`](Self::handle_error) |
/// | [`Listen`](ClientOutput::Listen) | await the head, or read the body | the same, [`handle_bytes`](Self::handle_bytes), [`handle_end`](Self::handle_end) |
/// | [`Wait`](ClientOutput::Wait) | close any connection, wait | nothing |
/// | [`Closed`](ClientOutput::Closed) | close any connection, stop | nothing |
///
/// and polls again after each thing told, and when the time it named has come.
/// Every input is legal at any time; one that comes too late is ignored.
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
#[derive(Debug)]
pub struct Client {
    /// What to begin with whenever a stream was lost.
    home: Request<Bytes>,
    /// What was asked last, where redirects have led.
    asked: Request<Bytes>,
    redirects: u32,
    max_redirects: u32,
    /// Whether no redirect so far was for the time being only.
    is_moved_for_good: bool,
    decoder: Decoder,
    /// The last event id when the stream began.
    began_at: String,
    has_heard: bool,
    retry: Duration,
    backoff: Backoff,
    failures: u32,
    max_failures: u32,
    retries_statuses: bool,
    read_timeout: Option<Duration>,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// It is time to connect.
    Due,
    /// Connected at `since`, if the head has come; a byte came at `heard_at`.
    Listening {
        since: Option<Instant>,
        heard_at: Instant,
    },
    /// The stream was lost, and the wait is not drawn yet.
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
    /// A client that sends `request`, once and again whenever the stream is
    /// lost: its method, its headers and its body too. `accept`,
    /// `cache-control` and `last-event-id` are added; if it has the last already,
    /// it starts from there.
    pub fn new(mut request: Request<Bytes>) -> Self {
        let headers = request.headers_mut();
        let id = LastEventId::from_values(
            headers.remove(LAST_EVENT_ID).iter().map(HeaderValue::as_bytes),
        );
        let decoder = Decoder::new();
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("text/event-stream"));
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
        Self {
            asked: request.clone(),
            home: request,
            redirects: 0,
            max_redirects: 20,
            is_moved_for_good: true,
            decoder: match id.id() {
                Some(id) => decoder.with_last_event_id(id),
                None => decoder,
            },
            began_at: String::new(),
            has_heard: false,
            retry: Duration::from_secs(3),
            backoff: Backoff::new(),
            failures: 0,
            max_failures: u32::MAX,
            retries_statuses: false,
            read_timeout: None,
            state: State::Due,
        }
    }

    /// Sets what decodes the stream, and thus the limit on an event's size.
    #[must_use]
    pub fn with_decoder(self, decoder: Decoder) -> Self {
        Self { decoder, ..self }
    }

    /// Starts after an event that was heard earlier.
    #[must_use]
    pub fn with_last_event_id(self, id: &EventId) -> Self {
        Self { decoder: self.decoder.with_last_event_id(id), ..self }
    }

    /// Sets how long to wait before connecting again.
    #[must_use]
    pub fn with_backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// Sets how long to wait before connecting again until the server says
    /// otherwise; 3 seconds if not set.
    #[must_use]
    pub fn with_retry(self, delay: Duration) -> Self {
        Self { retry: delay, ..self }
    }

    /// Also comes back after 429 and any 5xx, no sooner than `Retry-After`
    /// says. An `EventSource` never does.
    #[must_use]
    pub fn with_retried_statuses(self) -> Self {
        Self { retries_statuses: true, ..self }
    }

    /// Gives a connection up that brings no byte for so long, the head
    /// included. A server's keep-alive is a byte.
    #[must_use]
    pub fn with_read_timeout(self, silence: Duration) -> Self {
        Self { read_timeout: Some(silence), ..self }
    }

    /// Gives up after so many attempts in a row that came to nothing; never, if
    /// not set.
    #[must_use]
    pub fn with_max_failures(self, attempts: u32) -> Self {
        Self { max_failures: attempts, ..self }
    }

    /// Follows no more than so many redirects in a row; 20 if not set.
    #[must_use]
    pub fn with_max_redirects(self, redirects: u32) -> Self {
        Self { max_redirects: redirects, ..self }
    }

    /// The id that the next request will name, unless it is empty or holds
    /// control characters that HTTP cannot carry.
    pub fn last_event_id(&self) -> &str {
        self.decoder.last_event_id()
    }

    /// Whether a stream is open: events may come.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Listening { since: Some(_), .. })
    }

    /// What to do now. `random` is any number, new each time: it spreads the
    /// waits.
    pub fn poll_output(&mut self, now: Instant, random: u64) -> ClientOutput {
        if self.silence_ends().is_some_and(|end| end <= now) {
            self.lose(now, Duration::ZERO);
        }
        if let State::Lost { at, least } = self.state {
            let delay = self.backoff.delay(self.retry, self.failures, random).max(least);
            self.state = State::Waiting { until: at + delay };
        }
        match &self.state {
            State::Waiting { until } if *until > now => ClientOutput::Wait(*until),
            State::Waiting { .. } | State::Due => ClientOutput::Connect(self.connect(now)),
            State::Listening { .. } | State::Lost { .. } => {
                ClientOutput::Listen(self.silence_ends())
            }
            State::Closed(reason) => ClientOutput::Closed(reason.clone()),
        }
    }

    /// Takes the head of the response to the request that was sent last.
    pub fn handle_head<B>(&mut self, response: &Response<B>, now: Instant) {
        let State::Listening { since: None, .. } = self.state else { return };
        let status = response.status();
        match head::judge(status, response.headers(), self.retries_statuses) {
            Verdict::Open => {
                self.state = State::Listening { since: Some(now), heard_at: now };
            }
            Verdict::Redirect(location) => self.follow(status, location),
            Verdict::Unavailable(least) => self.lose(now, least),
            Verdict::Closed(reason) => self.state = State::Closed(reason),
        }
    }

    /// Takes bytes of the body up to the next thing heard, as
    /// [`Decoder::decode`] does.
    ///
    /// # Errors
    ///
    /// When an event outgrows the limit. The stream goes on with the next.
    pub fn handle_bytes<'c, 'i: 'c>(
        &'c mut self,
        input: &mut &'i [u8],
        now: Instant,
    ) -> Result<Option<Decoded<'c>>, EventTooLarge> {
        let State::Listening { since: Some(_), heard_at } = &mut self.state else {
            *input = &[];
            return Ok(None);
        };
        if !input.is_empty() {
            *heard_at = now;
        }
        let decoded = self.decoder.decode(input)?;
        match decoded {
            Some(Decoded::Retry(delay)) => self.retry = delay,
            Some(Decoded::Message(_)) => self.has_heard = true,
            _ => {}
        }
        Ok(decoded)
    }

    /// Takes the end of the body. An event that was not whole is dropped.
    pub fn handle_end(&mut self, now: Instant) {
        self.handle_error(now);
    }

    /// Takes any failure of the transport: to connect, to send, to read.
    pub fn handle_error(&mut self, now: Instant) {
        if let State::Listening { .. } = self.state {
            self.lose(now, Duration::ZERO);
        }
    }

    fn silence_ends(&self) -> Option<Instant> {
        match self.state {
            State::Listening { heard_at, .. } => Some(heard_at + self.read_timeout?),
            _ => None,
        }
    }

    fn connect(&mut self, now: Instant) -> Request<Bytes> {
        self.state = State::Listening { since: None, heard_at: now };
        let id = self.decoder.last_event_id();
        self.began_at.clear();
        self.began_at.push_str(id);
        self.has_heard = false;
        let mut request = self.asked.clone();
        if let (false, Ok(value)) = (id.is_empty(), HeaderValue::from_bytes(id.as_bytes())) {
            request.headers_mut().insert(LAST_EVENT_ID, value);
        }
        request
    }

    fn follow(&mut self, status: StatusCode, location: &HeaderValue) {
        if self.redirects == self.max_redirects {
            self.state = State::Closed(ClientClosed::Redirects(self.max_redirects));
            return;
        }
        let Some(request) = redirect::follow(&self.asked, status, location) else {
            self.state = State::Closed(ClientClosed::Location(Some(location.clone())));
            return;
        };
        self.asked = request;
        self.redirects += 1;
        self.is_moved_for_good &= redirect::is_permanent(status);
        if self.is_moved_for_good {
            self.home = self.asked.clone();
        }
        self.state = State::Due;
    }

    /// The only way back to waiting.
    fn lose(&mut self, now: Instant, least: Duration) {
        let was_fruitful = self.was_fruitful(now);
        self.failures = if was_fruitful { 0 } else { self.failures.saturating_add(1) };
        self.decoder.restart();
        self.asked = self.home.clone();
        self.redirects = 0;
        self.is_moved_for_good = true;
        self.state = if self.failures >= self.max_failures {
            State::Closed(ClientClosed::Failures(self.failures))
        } else {
            State::Lost { at: now, least }
        };
    }

    /// Whether the stream that ends now brought anything new, or lived. One
    /// that ends where it began may repeat itself for ever.
    fn was_fruitful(&self, now: Instant) -> bool {
        let State::Listening { since: Some(since), .. } = self.state else { return false };
        let id = self.decoder.last_event_id();
        let is_new = id != self.began_at || (self.has_heard && id.is_empty());
        is_new || self.backoff.has_lived(now.saturating_duration_since(since))
    }
}

/// What a [`Client`] wants done.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a request is rare, and the value is short-lived")]
pub enum ClientOutput {
    /// Send this request on a connection that follows no redirects, and tell
    /// what comes of it.
    Connect(Request<Bytes>),
    /// Go on with the request that was sent; poll again at the time given, if
    /// there is one.
    Listen(Option<Instant>),
    /// Close the connection, if there still is one, and poll again at this time.
    Wait(Instant),
    /// Close the connection, if there still is one. Nothing will change this.
    Closed(ClientClosed),
}

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

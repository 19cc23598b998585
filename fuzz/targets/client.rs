//! A client against arbitrary responses: no panic, no request loop, no way out of a closed client,
//! no secret for another origin, no wait without end.

#![no_main]

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Uri};
use lasse_core::{Backoff, Client, ClientClosed, ClientOutput, Decoded, Decoder, EventId, Instant};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Scenario<'a> {
    options: Options,
    calls: Vec<Call<'a>>,
}

#[derive(Arbitrary, Debug)]
struct Options {
    id: Option<String>,
    is_once: bool,
    retries_statuses: bool,
    read_timeout: Option<u16>,
    jitter: u8,
    max_failures: Option<u8>,
    max_redirects: u8,
    limit: u8,
}

#[derive(Arbitrary, Debug)]
enum Call<'a> {
    Poll(u64),
    Sleep(u32),
    Head { status: Status, fields: Vec<(Field, &'a [u8])> },
    Stream,
    Bytes(&'a [u8]),
    End,
    Error,
}

/// A status, mostly one that the client has a rule for.
#[derive(Debug)]
struct Status(StatusCode);

impl<'a> Arbitrary<'a> for Status {
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let common = [200, 200, 200, 204, 301, 302, 303, 307, 308, 401, 429, 503];
        let any = input.int_in_range(100..=999)?;
        let status = if input.ratio(7, 8)? { *input.choose(&common)? } else { any };
        Ok(Self(StatusCode::from_u16(status).unwrap()))
    }
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Field {
    ContentType,
    ContentEncoding,
    Location,
    RetryAfter,
}

impl Field {
    fn name(self) -> HeaderName {
        match self {
            Self::ContentType => http::header::CONTENT_TYPE,
            Self::ContentEncoding => http::header::CONTENT_ENCODING,
            Self::Location => http::header::LOCATION,
            Self::RetryAfter => http::header::RETRY_AFTER,
        }
    }
}

fuzz_target!(|scenario: Scenario<'_>| {
    let mut checked = Checked::new(&scenario.options);
    for call in &scenario.calls {
        match call {
            Call::Poll(random) => checked.poll(*random),
            Call::Sleep(millis) => {
                checked.now = checked.now + Duration::from_millis((*millis).into());
            }
            Call::Head { status, fields } => {
                let mut head = Response::new(());
                *head.status_mut() = status.0;
                for (field, value) in fields {
                    if let Ok(value) = HeaderValue::from_bytes(value) {
                        head.headers_mut().append(field.name(), value);
                    }
                }
                checked.head(&head);
            }
            Call::Stream => {
                let mut head = Response::new(());
                let kind = HeaderValue::from_static("text/event-stream");
                head.headers_mut().insert(http::header::CONTENT_TYPE, kind);
                checked.head(&head);
            }
            Call::Bytes(bytes) => checked.bytes(bytes),
            Call::End => checked.end(Client::handle_end),
            Call::Error => checked.end(Client::handle_error),
        }
    }
});

/// A client, and what it did so far.
struct Checked {
    client: Client,
    now: Instant,
    is_once: bool,
    longest_wait: Duration,
    max_redirects: u32,
    /// When the client connected last without a redirect.
    connected_at: Option<Instant>,
    awaits_head: bool,
    is_redirected: bool,
    redirects: u32,
    closed: Option<ClientClosed>,
}

impl Checked {
    fn new(options: &Options) -> Self {
        let max_redirects = u32::from(options.max_redirects);
        let longest = LONGEST_SERVER_DELAY;
        Self {
            client: client(options),
            now: Instant::from_nanos(1 << 62),
            is_once: options.is_once,
            longest_wait: longest + longest * options.jitter.into() / 100,
            max_redirects,
            connected_at: None,
            awaits_head: false,
            is_redirected: false,
            redirects: 0,
            closed: None,
        }
    }

    fn poll(&mut self, random: u64) {
        let output = self.client.poll_output(self.now, random);
        if let Some(closed) = &self.closed {
            assert!(matches!(output, ClientOutput::Closed(reason) if reason == *closed));
            return;
        }
        self.awaits_head &= matches!(output, ClientOutput::Listen(_));
        match output {
            ClientOutput::Connect(request) => self.connect(&request),
            ClientOutput::Listen(until) => assert!(until.is_none_or(|until| until > self.now)),
            ClientOutput::Wait(until) => {
                assert!(until > self.now && !self.is_once);
                let wait = until.saturating_duration_since(self.now);
                assert!(wait <= self.longest_wait, "{wait:?}");
            }
            ClientOutput::Closed(reason) => {
                assert!(!reason.to_string().is_empty());
                self.closed = Some(reason);
            }
        }
    }

    fn connect<B>(&mut self, request: &Request<B>) {
        self.awaits_head = true;
        let (uri, headers) = (request.uri(), request.headers());
        assert!(matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some());
        assert!(uri.to_string().is_ascii());
        assert_eq!(headers["x-key"], "1");
        for name in ["authorization", "cookie", "host"] {
            assert!(!headers.contains_key(name) || is_home(uri), "{name} for {uri}");
        }
        let id = headers.get("last-event-id").map_or(&[][..], HeaderValue::as_bytes);
        assert!(id.is_empty() || id == self.client.last_event_id().as_bytes());
        if std::mem::take(&mut self.is_redirected) {
            self.redirects += 1;
            assert!(self.redirects <= self.max_redirects);
            return;
        }
        if let Some(then) = self.connected_at {
            assert!(!self.is_once);
            assert!(self.now.saturating_duration_since(then) >= FLOOR, "a tight loop");
        }
        self.connected_at = Some(self.now);
        self.redirects = 0;
    }

    fn head(&mut self, head: &Response<()>) {
        let was_open = self.client.is_open();
        self.client.handle_head(head, self.now);
        self.is_redirected |= self.awaits_head && head.status().is_redirection();
        self.awaits_head = false;
        assert!(was_open || !self.client.is_open() || head.status() == StatusCode::OK);
    }

    fn end(&mut self, end: fn(&mut Client, Instant)) {
        self.awaits_head = false;
        end(&mut self.client, self.now);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let mut input = bytes;
        let is_open = self.client.is_open();
        while let Some(decoded) = self.client.handle_bytes(&mut input, self.now).transpose() {
            assert!(is_open);
            if let Ok(Decoded::Message(message)) = decoded {
                assert!(!message.name().is_empty());
            }
        }
        assert!(input.is_empty());
    }
}

fn client(options: &Options) -> Client {
    let request = Request::post("http://localhost/a/b?c")
        .header("authorization", "Bearer secret")
        .header("cookie", "a=secret")
        .header("host", "virtual.example")
        .header("x-key", "1")
        .body("body".into())
        .unwrap();
    let new = if options.is_once { Client::once } else { Client::new };
    let backoff = Backoff::new()
        .with_floor(FLOOR)
        .with_jitter(options.jitter.into())
        .with_max_server_delay(LONGEST_SERVER_DELAY);
    let mut client = new(request)
        .with_decoder(Decoder::new().with_limit(options.limit.into()))
        .with_backoff(backoff)
        .with_max_redirects(options.max_redirects.into());
    if let Some(id) = options.id.clone().and_then(|id| EventId::new(id).ok()) {
        client = client.with_last_event_id(&id);
    }
    if let Some(millis) = options.read_timeout {
        client = client.with_read_timeout(Duration::from_millis(u64::from(millis) + 1));
    }
    if let Some(attempts) = options.max_failures {
        client = client.with_max_failures(attempts.into());
    }
    if options.retries_statuses { client.with_retried_statuses() } else { client }
}

fn is_home(uri: &Uri) -> bool {
    uri.scheme_str() == Some("http")
        && uri.host().is_some_and(|host| host.eq_ignore_ascii_case("localhost"))
        && uri.port_u16().is_none_or(|port| port == 80)
}

const FLOOR: Duration = Duration::from_millis(500);
/// Above the ceiling of the backoff, a minute.
const LONGEST_SERVER_DELAY: Duration = Duration::from_secs(90);

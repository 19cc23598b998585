//! What a client does by itself: lasse's own client, or a page in a browser.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use lasse_core::{Client, ClientOutput, Decoded, Decoder, EventTooLarge, Instant};

use super::reader::End;
use super::settings::ClientKind;
use crate::browser::{Browser, BrowserStream};

#[derive(Debug)]
pub(super) enum Agent {
    Lasse(Box<Client>),
    Page(Box<Page>),
}

/// What a client wants to do next.
#[derive(Debug)]
pub(super) enum Wish {
    /// Connect, with this last event id if there is one.
    Connect(Option<Vec<u8>>),
    /// Go on with the connection, at most until this time.
    Listen(Option<Instant>),
    /// Be without a connection until this time.
    Wait(Instant),
    /// Be without a connection for ever.
    Stop,
}

impl Agent {
    pub(super) fn new(kind: ClientKind, read_timeout: Option<Duration>) -> Self {
        let browser = match kind {
            ClientKind::Lasse => None,
            ClientKind::Chrome => Some(Browser::Chrome),
            ClientKind::Firefox => Some(Browser::Firefox),
            ClientKind::WebKit => Some(Browser::WebKit),
        };
        if let Some(browser) = browser {
            return Self::Page(Box::new(Page::new(browser)));
        }
        let request = Request::get("http://sim/").body(Bytes::new());
        let client = Client::new(request.expect("its parts are valid"));
        Self::Lasse(Box::new(match read_timeout {
            Some(timeout) => client.with_read_timeout(timeout),
            None => client,
        }))
    }

    pub(super) fn poll(&mut self, now: Instant, random: u64) -> Wish {
        match self {
            Self::Page(page) => page.poll(now),
            Self::Lasse(client) => match client.poll_output(now, random) {
                ClientOutput::Connect(request) => Wish::Connect(last_event_id(request.headers())),
                ClientOutput::Listen(until) => Wish::Listen(until),
                ClientOutput::Wait(until) => Wish::Wait(until),
                ClientOutput::Closed(_) => Wish::Stop,
            },
        }
    }

    pub(super) fn handle_head(&mut self, response: &Response<()>, now: Instant) {
        match self {
            Self::Lasse(client) => client.handle_head(response, now),
            Self::Page(page) => page.handle_head(response),
        }
    }

    /// Takes bytes of the body.
    pub(super) fn handle_body(&mut self, bytes: &[u8]) {
        if let Self::Page(page) = self {
            page.stream.receive(bytes);
        }
    }

    /// Decodes what was taken, up to the next thing that there is.
    pub(super) fn decode<'c, 'i: 'c>(
        &'c mut self,
        input: &mut &'i [u8],
        now: Instant,
    ) -> Result<Option<Decoded<'c>>, EventTooLarge> {
        match self {
            Self::Lasse(client) => client.handle_bytes(input, now),
            Self::Page(page) => page.decoder.decode(input),
        }
    }

    /// Takes the end of the connection.
    pub(super) fn handle_end(&mut self, end: End, now: Instant) {
        match (self, end) {
            (Self::Lasse(client), End::Clean) => client.handle_end(now),
            (Self::Lasse(client), End::Broken) => client.handle_error(now),
            (Self::Page(page), end) => page.handle_end(end, now),
        }
    }
}

fn last_event_id(headers: &HeaderMap) -> Option<Vec<u8>> {
    headers.get("last-event-id").map(|id| id.as_bytes().to_vec())
}

/// A page with an `EventSource`.
#[derive(Debug)]
pub(super) struct Page {
    /// What the browser makes of the stream: the next id and the next wait.
    stream: BrowserStream,
    /// What was really sent.
    decoder: Decoder,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Due,
    Listening,
    Waiting(Instant),
    Stopped,
}

impl Page {
    fn new(browser: Browser) -> Self {
        Self { stream: BrowserStream::new(browser), decoder: Decoder::new(), state: State::Due }
    }

    fn poll(&mut self, now: Instant) -> Wish {
        match self.state {
            State::Waiting(until) if until > now => Wish::Wait(until),
            State::Listening => Wish::Listen(None),
            State::Stopped => Wish::Stop,
            State::Due | State::Waiting(_) => {
                self.state = State::Listening;
                self.decoder.restart();
                let id = self.stream.last_event_id();
                Wish::Connect((!id.is_empty()).then(|| id.as_bytes().to_vec()))
            }
        }
    }

    /// Any status but 200 ends an `EventSource` for ever (HTML 9.2.2).
    fn handle_head(&mut self, response: &Response<()>) {
        if response.status() != StatusCode::OK {
            self.state = State::Stopped;
        }
    }

    fn handle_end(&mut self, end: End, now: Instant) {
        if let State::Listening = self.state {
            match end {
                End::Clean => self.stream.end(),
                End::Broken => self.stream.fail(),
            }
            // Chrome and WebKit have no least wait, but a connection takes some time.
            let wait = self.stream.reconnection_time().max(LATENCY);
            self.state = State::Waiting(now + wait);
        }
    }
}

/// How long it takes to connect, at least.
const LATENCY: Duration = Duration::from_millis(300);

//! The `EventSource` of each browser, where it differs from the standard: which id it keeps, what
//! it does with NUL, and what survives a lost connection.
//!
//! The rules were read from the sources of Chromium (`event_source_parser.cc`), Firefox
//! (`EventSource.cpp`) and `WebKit` (`EventSource.cpp`). Not modelled: `retry` without a value, and
//! in Firefox an id whose value begins with NUL right after the colon.

mod firefox_lines;

use std::time::Duration;

use lasse_core::{Decoded, Decoder, EventId};

use crate::Received;
use firefox_lines::FirefoxLines;

/// A browser, by its engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Browser {
    /// Chrome, Edge and all others with Blink.
    Chrome,
    /// Firefox.
    Firefox,
    /// Safari, and all browsers on iOS.
    WebKit,
}

impl Browser {
    /// All browsers.
    pub const ALL: &[Self] = &[Self::Chrome, Self::Firefox, Self::WebKit];

    /// The reconnection time before the server sets one.
    pub fn default_reconnection_time(self) -> Duration {
        Duration::from_secs(match self {
            Self::Chrome | Self::WebKit => 3,
            Self::Firefox => 5,
        })
    }

    /// The shortest reconnection time that a server can set.
    pub fn least_reconnection_time(self) -> Duration {
        Duration::from_millis(match self {
            Self::Chrome | Self::WebKit => 0,
            Self::Firefox => 500,
        })
    }
}

/// The `EventSource` of a browser across its connections.
///
/// | | Chrome | Firefox | WebKit |
/// |---|---|---|---|
/// | an id without data | committed | dropped | committed with the next event |
/// | the same at the end of the body | kept | dropped | dropped |
/// | after a failure | as at the end | as at the end | the rest of the stream is continued by the next |
/// | NUL in data | kept | removed | kept |
#[derive(Clone, Debug)]
pub struct BrowserStream {
    browser: Browser,
    decoder: Decoder,
    firefox_lines: FirefoxLines,
    last_event_id: String,
    reconnection_time: Duration,
}

impl BrowserStream {
    /// An `EventSource` that a page has just made.
    pub fn new(browser: Browser) -> Self {
        Self {
            browser,
            decoder: Decoder::new().with_limit(usize::MAX),
            firefox_lines: FirefoxLines::default(),
            last_event_id: String::new(),
            reconnection_time: browser.default_reconnection_time(),
        }
    }

    /// The id that the next request sends as `Last-Event-ID`. Empty if it sends none.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// How long the browser waits before the next request.
    pub fn reconnection_time(&self) -> Duration {
        self.reconnection_time
    }

    /// Takes bytes of the body, and returns the events that the page receives.
    pub fn receive(&mut self, chunk: &[u8]) -> Vec<Received> {
        let lines;
        let mut input = chunk;
        if self.browser == Browser::Firefox {
            lines = self.firefox_lines.convert(chunk);
            input = &lines;
        }
        let mut events = Vec::new();
        while let Some(decoded) = self.decoder.decode(&mut input).expect("there is no limit") {
            match decoded {
                Decoded::Message(message) => {
                    message.last_event_id().clone_into(&mut self.last_event_id);
                    events.push(Received::from(Ok(Decoded::Message(message))));
                }
                Decoded::LastEventId(id) => match self.browser {
                    Browser::Chrome => id.clone_into(&mut self.last_event_id),
                    Browser::Firefox => self.take_id_back(),
                    // The decoder has it for the next event.
                    Browser::WebKit => {}
                },
                Decoded::Retry(delay) => {
                    self.reconnection_time = delay.max(self.browser.least_reconnection_time());
                }
                Decoded::Comment(_) => {}
            }
        }
        events
    }

    /// Takes the end of the body.
    pub fn end(&mut self) {
        self.decoder.restart();
        self.firefox_lines = FirefoxLines::default();
        self.take_id_back();
    }

    /// Takes the failure of a connection.
    ///
    /// `WebKit` then forgets nothing: the next connection continues the line and the event that
    /// were cut off.
    pub fn fail(&mut self) {
        match self.browser {
            Browser::Chrome | Browser::Firefox => self.end(),
            Browser::WebKit => {}
        }
    }

    /// Makes the decoder forget an id that this browser does not commit.
    fn take_id_back(&mut self) {
        let id = EventId::new(self.last_event_id.clone()).expect("a decoder checked it");
        self.decoder = std::mem::take(&mut self.decoder).with_last_event_id(&id);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::oracle;
    use crate::streams::{cut, cuts, streams};

    fn message(data: &str, last_event_id: &str) -> Received {
        Received::message("message", data, last_event_id)
    }

    #[test]
    fn an_id_without_data_is_committed_dropped_or_waits_for_an_event() {
        for (browser, id, id_of_next) in
            [(Browser::Chrome, "2", "2"), (Browser::Firefox, "1", "1"), (Browser::WebKit, "1", "2")]
        {
            let mut stream = BrowserStream::new(browser);
            assert_eq!(stream.receive(b"id: 1\ndata: a\n\n"), [message("a", "1")]);
            assert_eq!(stream.receive(b"id: 2\n\n"), []);
            assert_eq!(stream.last_event_id(), id, "{browser:?}");
            assert_eq!(stream.receive(b"data: b\n\n"), [message("b", id_of_next)], "{browser:?}");
            assert_eq!(stream.last_event_id(), id_of_next, "{browser:?}");
        }
    }

    #[test]
    fn an_id_without_data_is_kept_at_the_end_by_chrome_alone() {
        for (browser, id) in
            [(Browser::Chrome, "2"), (Browser::Firefox, "1"), (Browser::WebKit, "1")]
        {
            let mut stream = BrowserStream::new(browser);
            stream.receive(b"id: 1\ndata: a\n\nid: 2\n\n");
            stream.end();
            assert_eq!(stream.last_event_id(), id, "{browser:?}");
            assert_eq!(stream.receive(b"data: b\n\n"), [message("b", id)], "{browser:?}");
        }
    }

    #[test]
    fn an_empty_id_without_data_makes_only_chrome_forget() {
        for (browser, id) in
            [(Browser::Chrome, ""), (Browser::Firefox, "1"), (Browser::WebKit, "1")]
        {
            let mut stream = BrowserStream::new(browser);
            stream.receive(b"id: 1\ndata: a\n\nid\n\n");
            assert_eq!(stream.last_event_id(), id, "{browser:?}");
        }
    }

    #[test]
    fn webkit_continues_a_stream_that_failed() {
        let mut stream = BrowserStream::new(Browser::WebKit);
        assert_eq!(
            stream.receive(b"data: a\nid: 1\n\nid: 2\n\ndata: b\ndata: cut"),
            [message("a", "1")]
        );
        stream.fail();
        assert_eq!(stream.last_event_id(), "1");
        assert_eq!(stream.receive(b":\ndata: c\n\n"), [message("b\ncut:\nc", "2")]);

        for browser in [Browser::Chrome, Browser::Firefox] {
            let mut stream = BrowserStream::new(browser);
            stream.receive(b"data: a\nid: 1\n\ndata: b\ndata: cut");
            stream.fail();
            assert_eq!(stream.receive(b":\ndata: c\n\n"), [message("c", "1")], "{browser:?}");
        }
    }

    #[test]
    fn the_reconnection_time_has_a_default_and_in_firefox_a_minimum() {
        for (browser, default, least) in
            [(Browser::Chrome, 3000, 0), (Browser::Firefox, 5000, 500), (Browser::WebKit, 3000, 0)]
        {
            let mut stream = BrowserStream::new(browser);
            let millis = |stream: &BrowserStream| stream.reconnection_time().as_millis();
            assert_eq!(millis(&stream), default);
            stream.receive(b"retry: 0\n");
            assert_eq!(millis(&stream), least, "{browser:?}");
            stream.receive(b"retry: 7000\n");
            stream.end();
            assert_eq!(millis(&stream), 7000, "it survives a reconnect");
        }
    }

    #[test]
    fn nul_in_data_is_removed_by_firefox_alone() {
        let wire = b"data: a\0b\ndata:\0c\0\nevent: n\0\n\n";
        for (browser, name, data) in [
            (Browser::Chrome, "n\0", "a\0b\n\0c\0"),
            (Browser::Firefox, "n", "ab\n\0c"),
            (Browser::WebKit, "n\0", "a\0b\n\0c\0"),
        ] {
            let events = BrowserStream::new(browser).receive(wire);
            assert_eq!(events, [Received::message(name, data, "")], "{browser:?}");
        }
    }

    #[test]
    fn after_an_id_with_nul_firefox_loses_the_next_field() {
        let wire = b"id: 1\0\n:comment\ndata: a\ndata: b\n\ndata: c\n\n";
        for (browser, first) in
            [(Browser::Chrome, "a\nb"), (Browser::Firefox, "b"), (Browser::WebKit, "a\nb")]
        {
            let events = BrowserStream::new(browser).receive(wire);
            assert_eq!(events, [message(first, ""), message("c", "")], "{browser:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn all_follow_the_standard_until_an_id_without_data_or_a_nul(
            stream in streams(),
            cuts in cuts(),
        ) {
            let stream: Vec<_> = stream.into_iter().filter(|byte| *byte != 0).collect();
            let expected = oracle::decode(&stream, "", usize::MAX);
            let messages: Vec<_> = expected
                .into_iter()
                .take_while(|event| !matches!(event, Received::LastEventId(_)))
                .filter(|event| matches!(event, Received::Message(..)))
                .collect();
            for browser in Browser::ALL {
                let mut source = BrowserStream::new(*browser);
                let events = cut(&stream, &cuts).flat_map(|chunk| source.receive(chunk));
                let events: Vec<_> = events.take(messages.len()).collect();
                prop_assert_eq!(&events, &messages, "{:?}", browser);
            }
        }
    }
}

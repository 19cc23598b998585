//! An encoded event is decoded to the same event, except that every line ending is LF, and so do
//! browsers, except that Firefox removes NUL.

#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use bytes::BytesMut;
use lasse_core::{Decoder, Event, EventId, EventName};
use lasse_testkit::browser::{Browser, BrowserStream};
use lasse_testkit::{Received, Recorder};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Fields {
    data: String,
    name: Option<String>,
    id: Option<String>,
    retry: Option<u64>,
    comment: Option<String>,
    chunk: u8,
}

fuzz_target!(|fields: Fields| {
    let mut event = Event::new(&fields.data);
    let mut expected = Vec::new();
    if let Some(text) = &fields.comment {
        event = event.with_comment(text);
        expected.extend(lines(text).map(|line| Received::Comment(line.into())));
    }
    if let Some(delay) = fields.retry.map(Duration::from_millis) {
        event = event.with_retry(delay);
        expected.push(Received::Retry(delay));
    }
    let name = fields.name.and_then(|name| EventName::new(name).ok());
    let id = fields.id.and_then(|id| EventId::new(id).ok());
    let data = lines(&fields.data).collect::<Vec<_>>().join("\n");
    let name_text = name.as_ref().map_or("message", EventName::as_str).to_owned();
    let id_text = id.as_ref().map_or("", EventId::as_str).to_owned();
    expected.push(Received::message(&name_text, &data, &id_text));
    event = name.into_iter().fold(event, Event::with_name);
    event = id.into_iter().fold(event, Event::with_id);

    let frame = event.encode();
    assert_eq!(frame.len(), event.encoded_len());
    let mut appended = BytesMut::from(b"before".as_slice());
    event.encode_into(&mut appended);
    assert_eq!(appended.strip_prefix(b"before".as_slice()), Some(frame.as_bytes()));

    let chunk = usize::from(fields.chunk) + 1;
    let decoder = Decoder::new().with_limit(usize::MAX);
    let recorder = Recorder::new(decoder).receive_in_chunks(frame.as_bytes(), chunk);
    assert_eq!(recorder.received, expected);

    for browser in Browser::ALL {
        let mut stream = BrowserStream::new(*browser);
        let events = frame.as_bytes().chunks(chunk).flat_map(|chunk| stream.receive(chunk));
        let data = match browser {
            Browser::Firefox => &data.replace('\0', ""),
            _ => &data,
        };
        assert_eq!(events.collect::<Vec<_>>(), [Received::message(&name_text, data, &id_text)]);
    }
});

fn lines(text: &str) -> impl Iterator<Item = String> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.split('\n').map(str::to_owned).collect::<Vec<_>>().into_iter()
}

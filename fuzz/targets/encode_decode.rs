//! What is sent is heard, but that every line ending is LF.

#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use lasse_core::{Decoder, Event, EventId, EventName};
use lasse_testkit::{Heard, Listener};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Said {
    data: String,
    name: Option<String>,
    id: Option<String>,
    retry: Option<u64>,
    comment: Option<String>,
    chunk: u8,
}

fuzz_target!(|said: Said| {
    let mut event = Event::new(&said.data);
    let mut expected = Vec::new();
    if let Some(text) = &said.comment {
        event = event.with_comment(text);
        expected.extend(lines(text).map(|line| Heard::Comment(line.into())));
    }
    if let Some(delay) = said.retry.map(Duration::from_millis) {
        event = event.with_retry(delay);
        expected.push(Heard::Retry(delay));
    }
    let name = said.name.and_then(|name| EventName::new(name).ok());
    let id = said.id.and_then(|id| EventId::new(id).ok());
    let data = lines(&said.data).collect::<Vec<_>>().join("\n");
    expected.push(Heard::message(
        name.as_ref().map_or("message", EventName::as_str),
        &data,
        id.as_ref().map_or("", EventId::as_str),
    ));
    if let Some(name) = name {
        event = event.with_name(name);
    }
    if let Some(id) = id {
        event = event.with_id(id);
    }

    let frame = event.encode();
    assert_eq!(frame.len(), event.encoded_len());
    let chunk = usize::from(said.chunk) + 1;
    let decoder = Decoder::new().with_limit(usize::MAX);
    let listener = Listener::new(decoder).hear_in_chunks(frame.as_bytes(), chunk);
    assert_eq!(listener.heard, expected);
});

fn lines(text: &str) -> impl Iterator<Item = String> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.split('\n').map(str::to_owned).collect::<Vec<_>>().into_iter()
}

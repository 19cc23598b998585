//! An encoded event is decoded to the same event, except that every line ending is LF, and so do
//! browsers, except that Firefox removes NUL. An id of several channels is read as it is written, and
//! other text is no such id.

#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use bytes::BytesMut;
use lasse_core::{Decoder, Event, EventId, EventName, LastEventId, MergedId};
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
    places: Vec<(Option<u64>, String)>,
}

fuzz_target!(|fields: Fields| {
    check_places(&fields.places);
    fields.id.iter().for_each(|id| check_merged_id(id));
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

/// Places in channels, each with its name: read from the id as they are written into it.
fn check_places(places: &[(Option<u64>, String)]) {
    let name = |nth: usize| format!("channel_{nth}");
    let is_epoch = |text: &str| {
        (1..=32).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let written: Vec<String> = places
        .iter()
        .enumerate()
        .map(|(nth, (number, epoch))| match number {
            Some(number) => format!("{}.{epoch}-{}", name(nth), in_base_62(*number)),
            None => name(nth),
        })
        .collect();
    let written = written.join("~");
    let is_valid = (1..=4).contains(&places.len())
        && written.len() <= MergedId::MAX_LEN
        && places.iter().all(|(number, epoch)| number.is_none() || is_epoch(epoch));
    let Some(id) = EventId::new(written).ok().filter(|_| is_valid) else { return };
    let read = MergedId::from(&LastEventId::Id(id));
    for (nth, (number, epoch)) in places.iter().enumerate() {
        let expected = number.map(|number| format!("{epoch}-{number}"));
        let last = read.of_channel(&name(nth));
        assert_eq!(last.id().map(EventId::as_str), expected.as_deref());
        assert!(!matches!(last, LastEventId::Invalid(_)), "{last:?}");
    }
}

/// A text of the client is an id of several channels only if these places, written again, are in it.
fn check_merged_id(text: &str) {
    let Ok(id) = EventId::new(text.to_owned()) else { return };
    let read = MergedId::from(&LastEventId::Id(id));
    for place in text.split('~') {
        let name = place.split('.').next().unwrap_or_default();
        match read.of_channel(name) {
            LastEventId::Id(id) => {
                let (epoch, number) = id.as_str().rsplit_once('-').expect("it is numbered");
                let number = number.parse().expect("it is a number");
                assert_eq!(place, format!("{name}.{epoch}-{}", in_base_62(number)));
            }
            LastEventId::Absent => assert_eq!(place, name),
            last => assert!(matches!(last, LastEventId::Invalid(_)), "{last:?}"),
        }
    }
}

fn in_base_62(number: u64) -> String {
    let digits: Vec<char> = ('0'..='9').chain('A'..='Z').chain('a'..='z').collect();
    let last = digits[(number % 62) as usize];
    if number < 62 { last.into() } else { format!("{}{last}", in_base_62(number / 62)) }
}

fn lines(text: &str) -> impl Iterator<Item = String> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.split('\n').map(str::to_owned).collect::<Vec<_>>().into_iter()
}

//! The encoder against the table of seeds.

use std::time::Duration;

use bytes::BytesMut;
use lasse_core::{Event, EventId, EventName, Frame};
use lasse_testkit::seeds::seeds;

#[test]
fn every_seed_is_encoded_to_its_bytes() {
    let sent: Vec<_> = seeds().into_iter().filter(|seed| !seed.sent.is_empty()).collect();
    assert!(sent.len() > 10);
    for seed in sent {
        let wire = Frame::concat(&seed.sent);
        assert_eq!(
            String::from_utf8_lossy(wire.as_bytes()),
            String::from_utf8_lossy(seed.wire),
            "{}",
            seed.name
        );
    }
}

#[test]
fn a_frame_is_its_bytes() {
    let frame = Event::new("x").encode();
    let bytes: &[u8] = frame.as_ref();
    assert_eq!(bytes, b"data: x\n\n");
}

#[test]
fn an_event_is_appended_to_a_buffer_with_each_field_that_it_has() {
    for mask in 0..16 {
        let has = |bit: u32| mask >> bit & 1 == 1;
        let mut event = Event::new("a\nb\n\nc");
        if has(0) {
            event = event.with_name(EventName::from_static("name"));
        }
        if has(1) {
            event = event.with_id(EventId::from_static("1"));
        }
        if has(2) {
            event = event.with_comment("comment");
        }
        if has(3) {
            event = event.with_retry(Duration::from_millis(5));
        }
        let mut out = BytesMut::from("before ");
        event.encode_into(&mut out);
        let frame = event.encode();
        assert_eq!(out, [b"before ", frame.as_bytes()].concat(), "{event:?}");
        assert_eq!(event.encoded_len(), frame.len(), "{event:?}");
    }
}

//! The encoder against the table of seeds.

use lasse_core::{Event, Frame};
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

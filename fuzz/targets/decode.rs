//! Any bytes, cut anywhere, are decoded as the standard requires.

#![no_main]

use lasse_core::Decoder;
use lasse_testkit::streams::cut;
use lasse_testkit::{Recorder, oracle};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u8>, u16, &[u8])| {
    let (cuts, limit, stream) = input;
    let cuts: Vec<_> = cuts.iter().map(|len| usize::from(*len) + 1).chain([7]).collect();
    let limit = usize::from(limit);
    let new = || Recorder::new(Decoder::new().with_limit(limit));
    let expected = oracle::decode(stream, "", limit);

    assert_eq!(new().receive_in_chunks(stream, usize::MAX).received, expected, "whole");
    assert_eq!(new().receive_in_chunks(stream, 1).received, expected, "byte by byte");
    let mut pieces = new();
    cut(stream, &cuts).for_each(|chunk| pieces.receive(chunk));
    assert_eq!(pieces.received, expected, "in pieces");
});

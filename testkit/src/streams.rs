//! Random streams, made of the pieces that matter: uniform bytes would never
//! contain them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Bytes that look like a stream, with everything that can go wrong in one.
pub fn streams() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => select(NAMES).prop_map(<[u8]>::to_vec),
        6 => select(ENDINGS).prop_map(<[u8]>::to_vec),
        4 => select(SEPARATORS).prop_map(<[u8]>::to_vec),
        2 => select(TEXTS).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..3),
    ];
    vec(piece, 0..48).prop_map(|pieces| pieces.concat())
}

/// Lengths of chunks, which are repeated to the end of the stream.
pub fn cuts() -> impl Strategy<Value = Vec<usize>> {
    vec(1usize..24, 1..8)
}

/// Cuts `stream` into chunks of these lengths, repeatedly.
pub fn cut<'s>(stream: &'s [u8], cuts: &'s [usize]) -> impl Iterator<Item = &'s [u8]> {
    let mut lens = cuts.iter().cycle();
    let mut rest = stream;
    std::iter::from_fn(move || {
        let len = rest.len().min(*lens.next()?);
        let (chunk, after) = rest.split_at(len);
        rest = after;
        (!chunk.is_empty()).then_some(chunk)
    })
}

const NAMES: &[&[u8]] = &[b"data", b"id", b"event", b"retry", b"dat", b"data: x", b"id: 7"];
const ENDINGS: &[&[u8]] = &[b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n"];
const SEPARATORS: &[&[u8]] = &[b": ", b":", b" ", b":  "];
const TEXTS: &[&[u8]] = &[
    b"12",
    b"99999999999999999999",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xef",
    b"\xef\xbb",
    b"\xbf",
    b"\xf0\x9f\xa6\x80",
    b"\xf0\x9f",
    b"\x80",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xe2\x80\xa8",
    b"\xc2\x85",
];

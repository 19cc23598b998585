//! The time to decode events, beside a walk over the line ends, `memcpy` and the peers.
//!
//! The events borrow from the input in lasse, and own their text in the peers: each as
//! its users get them.

use std::convert::Infallible;
use std::hint::black_box;
use std::pin::pin;
use std::slice::Chunks;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use eventsource_stream::Eventsource;
use futures_util::stream::{self, Stream};
use lasse_benches::cases::Case;
use lasse_core::{Decoded, Decoder};
use memchr::memchr2;

/// In pieces of the size of a packet, and of a read.
fn in_pieces(criterion: &mut Criterion) {
    for case in Case::all() {
        for size in [1400, 16 * 1024] {
            compare(criterion, &case, size);
        }
    }
}

/// In pieces of one byte.
fn byte_by_byte(criterion: &mut Criterion) {
    for case in Case::all().iter().filter(|case| case.name == "b") {
        compare(criterion, case, 1);
    }
}

fn compare(criterion: &mut Criterion, case: &Case, size: usize) {
    let wire = case.wire();
    let count = (256 * 1024 / wire.len()).max(1);
    let bytes = wire.repeat(count).into_bytes();
    let pieces = || black_box(&bytes).chunks(size);
    let mut group = group(criterion, &format!("decode/{}/{size}", case.name), bytes.len());

    let mut decoder = Decoder::new().with_limit(2 * LARGEST);
    assert_eq!(lasse(&mut decoder, pieces()), count);
    group.bench_function("lasse", |bencher| bencher.iter(|| lasse(&mut decoder, pieces())));
    group.bench_function("walk", |bencher| bencher.iter(|| pieces().map(walk).sum::<usize>()));
    let mut copy = bytes.clone();
    group.bench_function("memcpy", |bencher| {
        bencher.iter(|| black_box(&mut copy).copy_from_slice(black_box(&bytes)));
    });

    assert_eq!(sse_core(pieces()), count);
    group.bench_function("sse-core", |bencher| bencher.iter(|| sse_core(pieces())));
    assert_eq!(sse_stream(pieces()), count);
    group.bench_function("sse-stream", |bencher| bencher.iter(|| sse_stream(pieces())));
    // It reads its whole buffer again with each piece: seconds for a mebibyte.
    if wire.len() < LARGEST {
        assert_eq!(eventsource_stream(pieces()), count);
        group.bench_function("eventsource-stream", |bencher| {
            bencher.iter(|| eventsource_stream(pieces()));
        });
    }
}

fn lasse(decoder: &mut Decoder, pieces: Chunks<'_, u8>) -> usize {
    let mut count = 0;
    for mut piece in pieces {
        while let Some(decoded) = decoder.decode(&mut piece).expect("no event is too large") {
            if let Decoded::Message(message) = decoded {
                black_box(message.data());
                count += 1;
            }
        }
    }
    count
}

/// The least work: find the lines.
fn walk(piece: &[u8]) -> usize {
    let (mut rest, mut lines) = (piece, 0);
    while let Some(end) = memchr2(b'\r', b'\n', rest) {
        rest = &rest[end + 1..];
        lines += 1;
    }
    lines
}

fn sse_core(pieces: Chunks<'_, u8>) -> usize {
    let limit = (2 * LARGEST).try_into().expect("a limit above zero");
    let mut decoder = sse_core::SseDecoder::with_limit(limit);
    let mut count = 0;
    for mut piece in pieces {
        while let Some(event) = decoder.next(&mut piece) {
            black_box(event.expect("no event is too large"));
            count += 1;
        }
    }
    count
}

fn sse_stream(pieces: Chunks<'_, u8>) -> usize {
    drain(sse_stream::SseByteStream::new(stream::iter(pieces.map(Ok::<_, Infallible>))))
}

fn eventsource_stream(pieces: Chunks<'_, u8>) -> usize {
    drain(stream::iter(pieces.map(Ok::<_, Infallible>)).eventsource())
}

/// Counts the events of a stream that is always ready.
fn drain<T, E>(events: impl Stream<Item = Result<T, E>>) -> usize {
    let mut events = pin!(events);
    let mut count = 0;
    while let Poll::Ready(Some(event)) =
        events.as_mut().poll_next(&mut Context::from_waker(Waker::noop()))
    {
        assert!(event.is_ok());
        count += 1;
        black_box(event.ok());
    }
    count
}

fn group<'a>(
    criterion: &'a mut Criterion,
    name: &str,
    bytes: usize,
) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(bytes as u64));
    group.sample_size(20);
    group.warm_up_time(Duration::from_millis(100));
    group.measurement_time(Duration::from_millis(400));
    group
}

const LARGEST: usize = 1 << 20;

criterion_group!(benches, in_pieces, byte_by_byte);
criterion_main!(benches);

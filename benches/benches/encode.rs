//! The time to encode an event, beside `write!`, `memcpy` and the peers.

mod peers;

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

use bytes::BytesMut;
use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use lasse_benches::cases::Case;
use lasse_core::{Event, EventId, EventName};

use crate::peers::{Actix, Axum, Russe, SseStream};

/// Appends to a buffer of the caller's.
fn append(criterion: &mut Criterion) {
    for case in Case::all() {
        let mut group = group(criterion, "append", &case);
        let wire = case.wire();
        let mut out = BytesMut::with_capacity(2 * wire.len());
        group.bench_function("lasse", |bencher| {
            bencher.iter(|| {
                out.clear();
                event(black_box(&case)).encode_into(black_box(&mut out));
            });
        });
        assert_eq!(out, wire);
        group.bench_function("write!", |bencher| {
            bencher.iter(|| {
                out.clear();
                format(black_box(&case), black_box(&mut out));
            });
        });
        group.bench_function("memcpy", |bencher| {
            bencher.iter(|| {
                out.clear();
                black_box(&mut out).extend_from_slice(black_box(wire.as_bytes()));
            });
        });
        group.bench_function("russe", |bencher| {
            bencher.iter(|| {
                out.clear();
                Russe::encode_into(black_box(&case), black_box(&mut out));
            });
        });
        // Its API needs an owned event.
        let mut axum = Axum::new(&case);
        group.bench_function("axum", |bencher| bencher.iter(|| axum.encode()));
    }
}

/// As one owned frame.
fn own(criterion: &mut Criterion) {
    for case in Case::all() {
        let mut group = group(criterion, "own", &case);
        let wire = case.wire();
        assert_eq!(event(&case).encode().as_bytes(), wire.as_bytes());
        group.bench_function("lasse", |bencher| {
            bencher.iter(|| event(black_box(&case)).encode());
        });
        group.bench_function("memcpy", |bencher| {
            bencher.iter(|| black_box(wire.as_bytes()).to_vec());
        });
        group.bench_function("russe", |bencher| {
            bencher.iter(|| Russe::encode(black_box(&case)));
        });
        let mut axum = Axum::new(&case);
        group.bench_function("axum", |bencher| bencher.iter(|| axum.encode()));
        let mut actix = Actix::new(&case);
        group.bench_function("actix-web-lab", |bencher| bencher.iter(|| actix.encode()));
        let mut sse_stream = SseStream::new(&case);
        group.bench_function("sse-stream", |bencher| bencher.iter(|| sse_stream.encode()));
    }
}

fn group<'a>(
    criterion: &'a mut Criterion,
    what: &str,
    case: &Case,
) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(format!("{what}/{}", case.name));
    group.throughput(Throughput::Bytes(case.wire().len() as u64));
    // Samples of two milliseconds: other programs leave some of them undisturbed.
    group.sampling_mode(SamplingMode::Flat);
    group.sample_size(200);
    group.nresamples(1_000);
    group.warm_up_time(Duration::from_millis(100));
    group.measurement_time(Duration::from_millis(400));
    group
}

/// The event of a case. Its fields are checked here.
fn event(case: &Case) -> Event<'_> {
    let mut event = Event::new(&case.data);
    if let Some(name) = case.event {
        event = event.with_name(EventName::new(name).expect("a name of one line"));
    }
    if let Some(id) = case.id {
        event = event.with_id(EventId::new(id).expect("an id of one line"));
    }
    event
}

/// The code that one writes without a library. It is wrong for data of several lines.
fn format(case: &Case, out: &mut BytesMut) {
    let Case { event, data, id, .. } = case;
    let written = match (event, id) {
        (Some(event), Some(id)) => {
            write!(out, "event: {event}\ndata: {data}\nid: {id}\n\n")
        }
        _ => write!(out, "data: {data}\n\n"),
    };
    written.expect("a buffer takes all bytes");
}

criterion_group!(benches, append, own);
criterion_main!(benches);

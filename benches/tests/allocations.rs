//! The number of allocations for an event.

use std::alloc::System;

use bytes::BytesMut;
use lasse_benches::cases::Case;
use lasse_core::{Decoded, Decoder, Event, EventId, EventName};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Without the harness, because all threads share the allocator, and the harness has one of its own.
fn main() {
    for case in Case::all() {
        an_own_frame_is_one_allocation_of_its_size(&case);
        an_event_appended_to_a_buffer_with_room_allocates_nothing(&case);
        a_kept_event_holds_its_own_bytes_and_no_more(&case);
    }
    for case in Case::all().iter().filter(|case| case.wire().len() < 1400) {
        for size in [1400, 16 * 1024] {
            a_decoded_event_allocates_nothing(case, size);
        }
    }
}

fn an_own_frame_is_one_allocation_of_its_size(case: &Case) {
    let event = event(case);
    let region = Region::new(ALLOCATOR);
    let frame = event.encode();
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (1, 0), "case {}", case.name);
    assert_eq!(change.bytes_allocated, frame.len(), "case {}", case.name);
}

fn an_event_appended_to_a_buffer_with_room_allocates_nothing(case: &Case) {
    let event = event(case);
    let mut out = BytesMut::with_capacity(case.wire().len() + 1024);
    let region = Region::new(ALLOCATOR);
    event.encode_into(&mut out);
    let change = region.change();
    assert_eq!(change.allocations + change.reallocations, 0, "case {}", case.name);
    assert_eq!(out, case.wire(), "case {}", case.name);
}

fn a_decoded_event_allocates_nothing(case: &Case, size: usize) {
    let bytes = case.wire().repeat(1000).into_bytes();
    let mut decoder = Decoder::new();
    assert_eq!(decode(&mut decoder, &bytes, size), 1000);
    let region = Region::new(ALLOCATOR);
    assert_eq!(decode(&mut decoder, &bytes, size), 1000);
    let change = region.change();
    assert_eq!(change.allocations + change.reallocations, 0, "case {}, {size} bytes", case.name);
}

fn a_kept_event_holds_its_own_bytes_and_no_more(case: &Case) {
    let bytes = case.wire().into_bytes();
    let mut decoder = Decoder::new().with_limit(2 * bytes.len());
    let mut kept = None;
    for mut piece in bytes.chunks(1400) {
        while let Some(decoded) = decoder.decode(&mut piece).unwrap() {
            let Decoded::Message(message) = decoded else { continue };
            let region = Region::new(ALLOCATOR);
            kept = Some(message.to_event().unwrap());
            let change = region.change();
            let len = case.data.len()
                + [case.event, case.id].iter().flatten().map(|t| t.len()).sum::<usize>();
            assert_eq!(
                (change.bytes_allocated, change.bytes_deallocated),
                (len, 0),
                "case {}",
                case.name
            );
        }
    }
    assert_eq!(kept.unwrap().data(), case.data, "case {}", case.name);
}

fn decode(decoder: &mut Decoder, bytes: &[u8], size: usize) -> usize {
    let mut count = 0;
    for mut piece in bytes.chunks(size) {
        while let Some(decoded) = decoder.decode(&mut piece).unwrap() {
            count += usize::from(matches!(decoded, Decoded::Message(_)));
        }
    }
    count
}

fn event(case: &Case) -> Event<'_> {
    let mut event = Event::new(&case.data);
    if let Some(name) = case.event {
        event = event.with_name(EventName::new(name).unwrap());
    }
    if let Some(id) = case.id {
        event = event.with_id(EventId::new(id).unwrap());
    }
    event
}

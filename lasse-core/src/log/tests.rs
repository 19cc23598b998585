mod keys;
mod topics;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::*;
use crate::event::Event;
use crate::field::{InvalidLastEventId, LastEventId};
use crate::frame::Frame;

fn log(retention: Retention) -> Log {
    Log::new(Epoch::new("k").unwrap(), retention)
}

fn keeping(events: u64) -> Log {
    log(Retention::new().with_events(events))
}

fn append(log: &mut Log, range: core::ops::RangeInclusive<u64>) {
    for n in range {
        log.append(&Event::new(n.to_string())).unwrap();
    }
}

fn id(text: &str) -> EventId {
    EventId::new(text.to_string()).unwrap()
}

fn last(text: &str) -> LastEventId {
    LastEventId::Id(id(text))
}

fn at(seconds: u64) -> Instant {
    Instant::from_nanos(0) + Duration::from_secs(seconds)
}

/// The bytes that are read in one go.
fn read(log: &mut Log, cursor: &mut Cursor, budget: usize) -> Bytes {
    match log.read(cursor, budget) {
        Read::Events(frame) => frame.into_bytes(),
        other => panic!("{other:?}"),
    }
}

/// All data from `cursor` on, one event at a time.
fn rest(log: &mut Log, mut cursor: Cursor) -> Vec<String> {
    let mut data = Vec::new();
    while let Read::Events(frame) = log.read(&mut cursor, 1) {
        let text = core::str::from_utf8(frame.as_bytes()).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("data: "));
        data.push(line.unwrap().to_string());
    }
    data
}

/// The decision on a client whose last event id is `last`, and the data that it is sent.
fn resumed(log: &mut Log, last: &LastEventId, start: StartAt) -> (&'static str, Vec<String>) {
    let (decision, cursor) = match log.resume(last, start) {
        Resume::Fresh(cursor) => ("fresh", cursor),
        Resume::Resumed(cursor) => ("resumed", cursor),
        Resume::Complete => return ("complete", Vec::new()),
        Resume::Reset(gap, cursor) => (gap.as_str(), cursor),
    };
    (decision, rest(log, cursor))
}

#[test]
fn every_row_of_the_resume_table() {
    let mut log = keeping(3);
    append(&mut log, 1..=5);
    let invalid = |why| LastEventId::Invalid(why);
    for (last, decision, data) in [
        (LastEventId::Absent, "fresh", ""),
        (LastEventId::Empty, "fresh", ""),
        (last("k-5"), "resumed", ""),
        (last("k-4"), "resumed", "5"),
        (last("k-3"), "resumed", "45"),
        (last("k-2"), "resumed", "345"),
        (last("k-1"), "expired", ""),
        (last("k-0"), "expired", ""),
        (last("j-5"), "foreign", ""),
        (last("k-6"), "ahead", ""),
        (last("k-999999999999999999"), "ahead", ""),
        (last("k-9999999999999999999"), "ahead", ""),
        (last("k-18446744073709551615"), "ahead", ""),
        (last("k-18446744073709551616"), "unknown", ""),
        (last("k-05"), "unknown", ""),
        (last("K-5"), "foreign", ""),
        (last("5"), "unknown", ""),
        (last("k-"), "unknown", ""),
        (last("x".repeat(300).as_str()), "unknown", ""),
        (invalid(InvalidLastEventId::TooLong), "unknown", ""),
        (invalid(InvalidLastEventId::NotUtf8), "unknown", ""),
        (invalid(InvalidLastEventId::NotOneLine), "unknown", ""),
        (invalid(InvalidLastEventId::Conflicting), "unknown", ""),
    ] {
        let resumed = resumed(&mut log, &last, StartAt::Now);
        assert_eq!((resumed.0, resumed.1.concat()), (decision, data.to_string()), "{last:?}");
    }
}

#[test]
fn new_clients_and_reset_clients_begin_where_the_start_says() {
    let mut log = keeping(3);
    append(&mut log, 1..=5);
    for (start, data) in [
        (StartAt::Now, ""),
        (StartAt::Oldest, "345"),
        (StartAt::Last(0), ""),
        (StartAt::Last(2), "45"),
        (StartAt::Last(100), "345"),
    ] {
        assert_eq!(resumed(&mut log, &LastEventId::Absent, start).1.concat(), data);
        assert_eq!(resumed(&mut log, &last("k-1"), start).1.concat(), data);
    }
}

#[test]
fn a_log_that_has_ended_is_complete_for_clients_that_have_all_of_it() {
    let mut log = keeping(3);
    append(&mut log, 1..=5);
    log.finish();
    log.abort();
    assert_eq!(log.ending(), Some(Ending::Finished));
    for (last, start, decision, data) in [
        (last("k-5"), StartAt::Oldest, "complete", ""),
        (LastEventId::Absent, StartAt::Now, "complete", ""),
        (LastEventId::Empty, StartAt::Last(0), "complete", ""),
        (LastEventId::Absent, StartAt::Oldest, "fresh", "345"),
        (last("k-4"), StartAt::Now, "resumed", "5"),
        (last("k-1"), StartAt::Now, "expired", ""),
        (last("j-5"), StartAt::Now, "foreign", ""),
    ] {
        let resumed = resumed(&mut log, &last, start);
        assert_eq!((resumed.0, resumed.1.concat()), (decision, data.to_string()), "{last:?}");
    }
    let mut end = log.cursor(StartAt::Now);
    assert_eq!(log.read(&mut end, 1), Read::Over(Ending::Finished));
    let refused = log.append(&Event::new("late")).unwrap_err();
    assert_eq!(refused.ending(), Some(Ending::Finished));
    assert_eq!(refused.to_string(), "the log is finished");
}

#[test]
fn an_empty_log_knows_the_place_before_its_first_event() {
    let mut log = keeping(3);
    assert_eq!(log.id_before(log.cursor(StartAt::Now)), Some(id("k-0")));
    assert_eq!(resumed(&mut log, &last("k-0"), StartAt::Now).0, "resumed");
    assert_eq!(resumed(&mut log, &last("k-1"), StartAt::Now).0, "ahead");
    append(&mut log, 1..=2);
    let resumed = resumed(&mut log, &last("k-0"), StartAt::Now);
    assert_eq!((resumed.0, resumed.1.concat()), ("resumed", "12".to_string()));
}

#[test]
fn every_place_of_a_numbered_log_has_an_id_that_resumes_there() {
    let mut log = keeping(4);
    append(&mut log, 1..=7);
    let mut cursor = log.cursor(StartAt::Oldest);
    let mut ids = Vec::new();
    loop {
        let name = log.id_before(cursor).unwrap();
        assert_eq!(log.after(&name), Ok(cursor), "{name}");
        ids.push(name.to_string());
        if !matches!(log.read(&mut cursor, 1), Read::Events(_)) {
            break;
        }
    }
    assert_eq!(ids, ["k-3", "k-4", "k-5", "k-6", "k-7"]);
}

#[test]
fn an_own_id_is_kept_and_found_and_no_number_is_known_beside_it() {
    let mut log = keeping(3);
    for own in ["a", "b", "Zürich 7", "d"] {
        assert_eq!(log.append(&Event::new(own).with_id(id(own))).unwrap(), id(own));
    }
    assert_eq!(resumed(&mut log, &last("b"), StartAt::Now).1, ["Zürich 7", "d"]);
    assert_eq!(resumed(&mut log, &last("Zürich 7"), StartAt::Now).1, ["d"]);
    assert_eq!(resumed(&mut log, &last("a"), StartAt::Now).0, "resumed", "all after it is held");
    for unknown in ["k-0", "k-2", "k-4", "j-1", "e"] {
        assert_eq!(resumed(&mut log, &last(unknown), StartAt::Now).0, "unknown", "{unknown}");
    }
    assert_eq!(log.id_before(log.cursor(StartAt::Oldest)), Some(id("a")));
    log.clear();
    assert_eq!(log.id_before(log.cursor(StartAt::Now)), Some(id("d")));
    assert_eq!(resumed(&mut log, &last("d"), StartAt::Now).0, "resumed");
    assert_eq!(resumed(&mut log, &last("b"), StartAt::Now).0, "unknown");
}

#[test]
fn a_place_without_an_own_id_has_no_id() {
    let mut log = keeping(3);
    log.append(&Event::new("1").with_id(id("a"))).unwrap();
    assert_eq!(log.id_before(Cursor(0)), None, "before the first event");
    assert_eq!(log.append_hole().unwrap(), None);
    assert_eq!(log.id_before(log.cursor(StartAt::Now)), None, "after a hole");
}

#[test]
fn a_log_takes_ids_of_one_kind() {
    let own = || Event::new("").with_id(id("own"));
    let mut numbered = keeping(3);
    append(&mut numbered, 1..=1);
    let refused = [
        numbered.append(&own()),
        numbered.append_as(&id("j-7"), &Event::new("")),
        numbered.append_as(&id("own"), &Event::new("")),
    ];
    assert_eq!(refused, [(); 3].map(|()| Err(AppendError::OwnIdInNumberedLog)));

    let mut owned = keeping(3);
    owned.append(&own()).unwrap();
    let refused = [owned.append(&Event::new("")), owned.append_as(&id("k-7"), &Event::new(""))];
    assert_eq!(refused, [(); 2].map(|()| Err(AppendError::NumberInOwnIdLog)));
    assert_eq!(owned.skip_unused(7), Err(AppendError::NumberInOwnIdLog));
    assert_eq!(owned.begin_epoch(Epoch::new("j").unwrap()), Err(AppendError::NumberInOwnIdLog));

    let mut new = keeping(3);
    assert!(new.append_all(&[&Event::new(""), &own()]).is_err());
    assert!(new.append_all(&[&own(), &Event::new("")]).is_err());
    assert!(new.is_empty());
    append(&mut new, 1..=1);
}

#[test]
fn a_hole_resets_clients_that_resume_at_it_and_readers_that_cross_it() {
    let mut log = keeping(10);
    append(&mut log, 1..=3);
    let mut reader = log.cursor(StartAt::Now);
    log.append_as(&id("k-7"), &Event::new("7")).unwrap();
    for (number, decision) in
        [(2, "resumed"), (3, "hole"), (4, "hole"), (5, "hole"), (6, "resumed"), (7, "resumed")]
    {
        let last = last(&format!("k-{number}"));
        assert_eq!(resumed(&mut log, &last, StartAt::Now).0, decision, "{number}");
    }
    assert!(log.is_ready(reader));
    assert_eq!(log.read(&mut reader, 1000), Read::Hole);
    assert_eq!(log.id_before(reader), Some(id("k-6")));
    assert_eq!(read(&mut log, &mut reader, 1000).as_ref(), b"data: 7\nid: k-7\n\n");
    assert_eq!((log.len(), log.appended()), (4, 4));
}

#[test]
fn a_client_that_was_reset_at_a_hole_does_not_meet_it_again() {
    let mut log = keeping(10);
    append(&mut log, 1..=3);
    log.append_as(&id("k-7"), &Event::new("7")).unwrap();
    for start in [StartAt::Oldest, StartAt::Last(3)] {
        for number in 3..=5 {
            let (decision, events) = resumed(&mut log, &last(&format!("k-{number}")), start);
            assert_eq!((decision, events), ("hole", vec!["7".to_owned()]), "{number}");
        }
    }
    log.append_hole().unwrap();
    log.append_hole().unwrap();
    assert_eq!(resumed(&mut log, &last("k-7"), StartAt::Oldest), ("hole", vec![]));
}

#[test]
fn a_hole_at_the_end_of_a_log_is_read_at_once() {
    let mut log = keeping(10);
    append(&mut log, 1..=3);
    let mut reader = log.cursor(StartAt::Now);
    assert_eq!(log.append_hole().unwrap(), Some(id("k-4")));
    assert_eq!(log.read(&mut reader, 1000), Read::Hole);
    assert_eq!(log.read(&mut reader, 1000), Read::Wait);
    assert_eq!(resumed(&mut log, &last("k-3"), StartAt::Now).0, "hole");
    assert_eq!(resumed(&mut log, &last("k-4"), StartAt::Now).0, "resumed");
    assert_eq!(log.append(&Event::new("5")).unwrap(), id("k-5"));
    assert_eq!(
        resumed(&mut log, &LastEventId::Absent, StartAt::Last(2)).1,
        ["3"],
        "up to the hole"
    );
    assert_eq!(resumed(&mut log, &LastEventId::Absent, StartAt::Last(1)).1, ["5"]);
}

#[test]
fn a_hole_of_all_numbers_that_are_left_has_no_place_in_it_that_resumes() {
    let mut log = keeping(3);
    append(&mut log, 1..=1);
    log.append_hole_up_to(u64::MAX).unwrap();
    let (in_hole, behind) = (u64::MAX - 1, format!("k-{}", u64::MAX));
    assert_eq!(log.after(&id(&format!("k-{in_hole}"))), Err(ResetReason::Hole));
    assert_eq!(log.after(&id(&behind)), Ok(log.cursor(StartAt::Now)));
    assert_eq!(log.id_before(log.cursor(StartAt::Now)), Some(id(&behind)));
    log.begin_epoch(Epoch::new("l").unwrap()).unwrap();
    append(&mut log, 2..=2);
    assert_eq!(resumed(&mut log, &last(&behind), StartAt::Now).0, "resumed");
}

#[test]
fn numbers_that_were_never_used_are_no_hole() {
    let mut log = keeping(10);
    append(&mut log, 1..=3);
    assert_eq!(log.skip_unused(3), Err(AppendError::NumberNotAbove { newest: 3 }));
    log.skip_unused(6).unwrap();
    assert_eq!(log.append(&Event::new("7")).unwrap(), id("k-7"));
    for number in 3..7 {
        assert_eq!(resumed(&mut log, &last(&format!("k-{number}")), StartAt::Now).1, ["7"]);
    }
}

#[test]
fn a_log_that_goes_on_under_another_epoch_holds_older_events() {
    let mut log = keeping(10);
    append(&mut log, 1..=3);
    log.begin_epoch(Epoch::new("m").unwrap()).unwrap();
    for epoch in ["k", "m"] {
        let refused = log.begin_epoch(Epoch::new(epoch).unwrap()).unwrap_err();
        assert_eq!(refused.to_string(), "the log holds events of this epoch already");
    }
    assert_eq!(log.append(&Event::new("m1")).unwrap(), id("m-1"));
    assert_eq!(resumed(&mut log, &last("k-2"), StartAt::Now).1, ["3", "m1"]);
    assert_eq!(resumed(&mut log, &last("k-3"), StartAt::Now).1, ["m1"]);
    assert_eq!(resumed(&mut log, &last("k-4"), StartAt::Now).0, "ahead");
    assert_eq!(resumed(&mut log, &last("m-0"), StartAt::Now).1, ["m1"]);
    log.append_hole().unwrap();
    log.begin_epoch(Epoch::new("n").unwrap()).unwrap();
    assert_eq!(resumed(&mut log, &last("m-1"), StartAt::Now).0, "hole");
    assert_eq!(resumed(&mut log, &last("m-2"), StartAt::Now).0, "resumed");
    log.clear();
    append(&mut log, 1..=1);
    assert_eq!(resumed(&mut log, &last("k-3"), StartAt::Now).0, "foreign");
    assert_eq!(resumed(&mut log, &last("n-0"), StartAt::Now).0, "resumed");
}

#[test]
fn numbers_left_out_at_the_start_of_another_epoch_are_a_hole() {
    let mut log = keeping(10);
    log.skip_unused(100).unwrap();
    log.begin_epoch(Epoch::new("m").unwrap()).unwrap();
    log.append_as(&id("m-34"), &Event::new("34")).unwrap();
    for (id, decision) in [("k-11", "hole"), ("k-50", "hole"), ("m-5", "hole"), ("m-33", "resumed")]
    {
        let resumed = resumed(&mut log, &last(id), StartAt::Oldest);
        assert_eq!(resumed, (decision, vec!["34".to_owned()]), "{id}");
    }
}

#[test]
fn epochs_take_bounded_memory() {
    let mut log = log(Retention::new().with_events(10).with_bytes(4096));
    for n in 0..10_000_u64 {
        log.begin_epoch(Epoch::from(n + 1_000_000)).unwrap();
        append(&mut log, 1..=1);
    }
    assert!(log.memory() < 8192, "{}", log.memory());
    for n in 10_000..20_000_u64 {
        log.begin_epoch(Epoch::from(n + 1_000_000)).unwrap();
    }
    assert!(log.memory() < 8192, "{}", log.memory());
}

#[test]
fn holes_take_bounded_memory() {
    let mut log = log(Retention::new().with_bytes(100_000));
    append(&mut log, 1..=1);
    for _ in 0..200_000 {
        log.append_hole().unwrap();
    }
    assert!(log.memory() < 1_000_000, "{}", log.memory());
}

#[test]
fn a_client_with_an_id_that_two_events_have_loses_nothing() {
    let mut log = keeping(3);
    for data in ["1", "2"] {
        log.append(&Event::new(data).with_id(id("same"))).unwrap();
    }
    assert_eq!(resumed(&mut log, &last("same"), StartAt::Now).1, ["2"]);
}

#[test]
fn an_id_that_no_client_could_send_back_is_refused() {
    let mut log = keeping(3);
    let control = "a header has no control characters, and no blanks at its ends";
    let form = "the id has the form of the log's own ids, <epoch>-<number>; append_as takes those";
    for (own, message) in [
        ("", "the empty id makes a client forget; omit it to get a number".to_string()),
        (&"x".repeat(257), "the id has 257 bytes; a client can send back 256".to_string()),
        ("a\tb", format!("byte 1 of the id is 0x09; {control}")),
        ("a\u{7f}", format!("byte 1 of the id is 0x7f; {control}")),
        (" a", format!("byte 0 of the id is 0x20; {control}")),
        ("a ", format!("byte 1 of the id is 0x20; {control}")),
        ("k-7", form.to_string()),
        ("j-7", form.to_string()),
    ] {
        let refused = log.append(&Event::new("").with_id(id(own))).unwrap_err();
        assert_eq!((refused.to_string(), refused.ending()), (message, None));
    }
    assert!(log.is_empty());
    log.append(&Event::new("").with_id(id(&"x".repeat(256)))).unwrap();
}

#[test]
fn ids_from_another_source_can_have_any_form() {
    let mut log = keeping(3);
    let event = Event::new("x").with_id(id("replaced"));
    for given in ["1526919030474-55", "upstream-3", "plain"] {
        assert_eq!(log.append_as(&id(given), &event).unwrap(), id(given));
    }
    assert_eq!(resumed(&mut log, &last("upstream-3"), StartAt::Now).0, "resumed");
    assert_eq!(resumed(&mut log, &last("upstream-2"), StartAt::Now).0, "unknown");
    assert_eq!(resumed(&mut log, &last("replaced"), StartAt::Now).0, "unknown");
}

#[test]
fn given_numbers_only_increase() {
    let mut log = keeping(3);
    for (number, data) in [(100, "a"), (101, "b"), (110, "c"), (111, "d")] {
        log.append_as(&id(&format!("k-{number}")), &Event::new(data)).unwrap();
    }
    let refused = log.append_as(&id("k-111"), &Event::new("again")).unwrap_err();
    assert_eq!(refused.to_string(), "the number is not above the newest, which is 111");
    assert_eq!(log.append(&Event::new("e")).unwrap(), id("k-112"));
    for (number, decision, data) in [
        (99, "expired", ""),
        (100, "expired", ""),
        (101, "expired", ""),
        (105, "expired", ""),
        (109, "resumed", "cde"),
        (110, "resumed", "de"),
        (112, "resumed", ""),
        (113, "ahead", ""),
    ] {
        let resumed = resumed(&mut log, &last(&format!("k-{number}")), StartAt::Now);
        assert_eq!((resumed.0, resumed.1.concat()), (decision, data.to_string()), "{number}");
    }
}

#[test]
fn every_number_that_a_log_gives_resumes() {
    let mut log = keeping(3);
    log.append_as(&id("k-999999999999999998"), &Event::new("a")).unwrap();
    for data in ["b", "c"] {
        log.append(&Event::new(data)).unwrap();
    }
    assert_eq!(resumed(&mut log, &last("k-1000000000000000000"), StartAt::Now).0, "resumed");
    assert_eq!(resumed(&mut log, &last("k-999999999999999999"), StartAt::Now).1, ["c"]);
}

#[test]
fn a_log_that_has_given_its_last_number_takes_no_more_events() {
    let mut log = keeping(3);
    let last = id("k-18446744073709551615");
    log.append_as(&last, &Event::new("a")).unwrap();
    let refused = log.append(&Event::new("b")).unwrap_err();
    assert_eq!(refused.to_string(), "the log has given its last number, 18446744073709551615");
    assert_eq!(resumed(&mut log, &LastEventId::Id(last), StartAt::Now).0, "resumed");
    log.clear();
    assert!(log.append(&Event::new("b")).is_err());
}

#[test]
fn ids_before_the_first_number_of_a_log_are_expired() {
    let mut log = keeping(3);
    assert!(log.append_as(&id("k-0"), &Event::new("")).is_err());
    log.append_as(&id("k-100"), &Event::new("a")).unwrap();
    assert_eq!(resumed(&mut log, &last("k-99"), StartAt::Now).1, ["a"]);
    assert_eq!(resumed(&mut log, &last("k-98"), StartAt::Now).0, "expired");
}

#[test]
fn readers_at_one_place_share_the_bytes() {
    let mut log = keeping(100);
    append(&mut log, 1..=50);
    let (mut one, mut other) = (log.cursor(StartAt::Now), log.cursor(StartAt::Now));
    for _ in 0..2 {
        append(&mut log, 1..=3);
        let (a, b) = (read(&mut log, &mut one, 1000), read(&mut log, &mut other, 1000));
        assert_eq!(a.as_ptr(), b.as_ptr());
    }
}

#[test]
fn events_that_were_read_piecemeal_are_read_up_to_the_budget() {
    let mut log = keeping(100);
    let (mut fast, mut slow) = (log.cursor(StartAt::Now), log.cursor(StartAt::Now));
    for n in 1..=3 {
        append(&mut log, n..=n);
        read(&mut log, &mut fast, 1000);
    }
    let event = "data: 1\nid: k-1\n\n".len();
    assert_eq!(read(&mut log, &mut slow, 2 * event + 1).len(), 2 * event);
    assert_eq!(read(&mut log, &mut slow, 1000).as_ref(), b"data: 3\nid: k-3\n\n");
    assert_eq!(log.read(&mut slow, 1000), Read::Wait);
}

#[test]
fn a_slice_that_is_held_keeps_at_most_twice_its_length_allocated_and_is_counted() {
    let mut log = log(Retention::new().with_bytes(1 << 20));
    let mut held = Vec::new();
    let mut cursor = log.cursor(StartAt::Now);
    for _ in 0..2000 {
        log.append(&Event::new("x".repeat(1000))).unwrap();
        if let Read::Events(frame) = log.read(&mut cursor, 16 * 1024) {
            held.push(frame);
        }
    }
    let len: usize = held.iter().map(Frame::len).sum();
    let in_flight = log.bytes_in_flight();
    assert!((len..=len + 2000).contains(&in_flight), "{in_flight} for {len}");
    log.append(&Event::new("x".repeat(200_000))).unwrap();
    let large = read(&mut log, &mut cursor, 1000);
    let again = read(&mut log, &mut Cursor(cursor.0 - 1), 100);
    assert_eq!(large.as_ptr(), again.as_ptr(), "it is all that its memory holds");
    drop((large, again, held));
    log.append(&Event::new("x")).unwrap();
    assert_eq!(log.bytes_in_flight(), 0);
}

#[test]
fn a_large_log_copies_once_for_readers_at_one_place() {
    let mut log = keeping(10_000);
    append(&mut log, 1..=5000);
    let from = log.cursor(StartAt::Now);
    append(&mut log, 5001..=5003);
    let slices = [1000; 2].map(|budget| read(&mut log, &mut from.clone(), budget));
    assert_eq!(slices[0].as_ptr(), slices[1].as_ptr());
    append(&mut log, 5004..=5004);
    let more = read(&mut log, &mut from.clone(), 1000);
    assert!(more.starts_with(&slices[0]) && more.len() > slices[0].len());
    assert!(read(&mut log, &mut from.clone(), 50).len() <= 50);
}

#[test]
fn an_event_larger_than_the_budget_is_read_whole() {
    let mut log = keeping(100);
    let mut cursor = log.cursor(StartAt::Now);
    append(&mut log, 1..=1);
    log.append(&Event::new("x".repeat(200_000))).unwrap();
    append(&mut log, 3..=3);
    assert_eq!(read(&mut log, &mut cursor, 0).as_ref(), b"data: 1\nid: k-1\n\n");
    assert_eq!(read(&mut log, &mut cursor, 100).len(), 200_000 + 16);
    assert_eq!(read(&mut log, &mut cursor, 100).as_ref(), b"data: 3\nid: k-3\n\n");
}

#[test]
fn a_reader_that_lags_stays_where_it_is() {
    let mut log = keeping(2);
    let mut slow = log.cursor(StartAt::Now);
    append(&mut log, 1..=2);
    assert!(matches!(log.read(&mut slow.clone(), 1000), Read::Events(_)));
    append(&mut log, 3..=3);
    assert!(log.is_ready(slow));
    assert_eq!(log.read(&mut slow, 1000), Read::Lagged);
    assert_eq!(log.read(&mut slow, 1000), Read::Lagged);
    slow = log.cursor(StartAt::Oldest);
    assert_eq!(rest(&mut log, slow), ["2", "3"]);
}

#[test]
fn a_reader_is_ready_when_there_is_an_event_or_an_end() {
    let mut log = keeping(2);
    let mut cursor = log.cursor(StartAt::Now);
    assert!(!log.is_ready(cursor));
    append(&mut log, 1..=1);
    assert!(log.is_ready(cursor));
    read(&mut log, &mut cursor, 1000);
    assert!(!log.is_ready(cursor));
    log.abort();
    assert!(log.is_ready(cursor));
    assert_eq!(log.read(&mut cursor, 1000), Read::Over(Ending::Aborted));
}

#[test]
fn events_that_are_too_old_are_dropped_and_others_are_not() {
    let mut log = log(Retention::new().with_age(Duration::from_secs(160)));
    assert_eq!(log.deadline(), None);
    append(&mut log, 1..=1);
    assert_eq!(log.deadline(), Some(at(0)), "the time was never set");
    for second in 1..=160 {
        log.advance(at(second));
        append(&mut log, 1..=1);
    }
    assert_eq!(log.len(), 161);
    log.advance(at(170));
    assert_eq!(log.deadline(), Some(at(1 + 10 + 160)));
    log.advance(at(171));
    assert_eq!(log.len(), 161 - 11, "those of the first interval, seen at the seconds 1 to 11");
    log.advance(at(1000));
    assert_eq!((log.len(), log.deadline()), (0, None));
    assert_eq!(log.id_before(log.cursor(StartAt::Now)), Some(id("k-161")));
    assert_eq!(resumed(&mut log, &last("k-161"), StartAt::Now).0, "resumed");
    assert_eq!(resumed(&mut log, &last("k-160"), StartAt::Now).0, "expired");
}

#[test]
fn an_event_after_a_long_silence_is_new() {
    let mut log = log(Retention::new().with_age(Duration::from_secs(160)));
    log.advance(at(0));
    append(&mut log, 1..=1);
    log.advance(at(1));
    append(&mut log, 2..=2);
    assert_eq!(log.deadline(), Some(at(0)), "the age of the second event is not known yet");
    log.advance(at(150));
    assert_eq!(log.deadline(), Some(at(1 + 10 + 160)));
    log.advance(at(310));
    assert_eq!((log.len(), log.deadline()), (1, Some(at(150 + 10 + 160))));
    log.advance(at(320));
    assert_eq!(log.len(), 0);
}

#[test]
fn a_cleared_log_goes_on_where_it_was() {
    let mut log = keeping(100);
    append(&mut log, 1..=7);
    let mut slow = log.cursor(StartAt::Last(1));
    log.clear();
    assert_eq!(log.read(&mut slow, 1000), Read::Lagged);
    assert_eq!(log.append(&Event::new("8")).unwrap(), id("k-8"));
    assert_eq!(resumed(&mut log, &last("k-7"), StartAt::Now).1, ["8"]);
}

#[test]
fn the_newest_event_is_kept_however_large_it_is() {
    let mut log = log(Retention::new().with_bytes(0).with_events(0));
    let mut cursor = log.cursor(StartAt::Now);
    for len in [10, 100_000, 10] {
        log.append(&Event::new("x".repeat(len))).unwrap();
        assert_eq!((log.len(), read(&mut log, &mut cursor, 0).len() > len), (1, true));
    }
}

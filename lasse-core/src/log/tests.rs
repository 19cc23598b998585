use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::*;
use crate::field::{InvalidLastEventId, LastEventId};

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

fn said(text: &str) -> LastEventId {
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

/// What a client hears that says it left off at `last`.
fn heard(log: &mut Log, last: &LastEventId, start: StartAt) -> (&'static str, Vec<String>) {
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
        (said("k-5"), "resumed", ""),
        (said("k-4"), "resumed", "5"),
        (said("k-3"), "resumed", "45"),
        (said("k-2"), "resumed", "345"),
        (said("k-1"), "expired", ""),
        (said("k-0"), "expired", ""),
        (said("j-5"), "foreign", ""),
        (said("k-6"), "ahead", ""),
        (said("k-999999999999999999"), "ahead", ""),
        (said("k-9999999999999999999"), "ahead", ""),
        (said("k-18446744073709551615"), "ahead", ""),
        (said("k-18446744073709551616"), "unknown", ""),
        (said("k-05"), "unknown", ""),
        (said("K-5"), "foreign", ""),
        (said("5"), "unknown", ""),
        (said("k-"), "unknown", ""),
        (said("x".repeat(300).as_str()), "unknown", ""),
        (invalid(InvalidLastEventId::TooLong), "unknown", ""),
        (invalid(InvalidLastEventId::NotUtf8), "unknown", ""),
        (invalid(InvalidLastEventId::NotOneLine), "unknown", ""),
        (invalid(InvalidLastEventId::Conflicting), "unknown", ""),
    ] {
        let heard = heard(&mut log, &last, StartAt::Now);
        assert_eq!((heard.0, heard.1.concat()), (decision, data.to_string()), "{last:?}");
    }
}

#[test]
fn a_start_is_for_who_is_fresh_and_for_who_is_reset() {
    let mut log = keeping(3);
    append(&mut log, 1..=5);
    for (start, data) in [
        (StartAt::Now, ""),
        (StartAt::Oldest, "345"),
        (StartAt::Last(0), ""),
        (StartAt::Last(2), "45"),
        (StartAt::Last(100), "345"),
    ] {
        assert_eq!(heard(&mut log, &LastEventId::Absent, start).1.concat(), data);
        assert_eq!(heard(&mut log, &said("k-1"), start).1.concat(), data);
    }
}

#[test]
fn a_log_that_is_over_is_complete_for_who_has_all_of_it() {
    let mut log = keeping(3);
    append(&mut log, 1..=5);
    log.finish();
    log.abort();
    assert_eq!(log.ending(), Some(Ending::Finished));
    for (last, start, decision, data) in [
        (said("k-5"), StartAt::Oldest, "complete", ""),
        (LastEventId::Absent, StartAt::Now, "complete", ""),
        (LastEventId::Empty, StartAt::Last(0), "complete", ""),
        (LastEventId::Absent, StartAt::Oldest, "fresh", "345"),
        (said("k-4"), StartAt::Now, "resumed", "5"),
        (said("k-1"), StartAt::Now, "expired", ""),
        (said("j-5"), StartAt::Now, "foreign", ""),
    ] {
        let heard = heard(&mut log, &last, start);
        assert_eq!((heard.0, heard.1.concat()), (decision, data.to_string()), "{last:?}");
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
    assert_eq!(log.id_before(log.cursor(StartAt::Now)), id("k-0"));
    assert_eq!(heard(&mut log, &said("k-0"), StartAt::Now).0, "resumed");
    assert_eq!(heard(&mut log, &said("k-1"), StartAt::Now).0, "ahead");
    append(&mut log, 1..=2);
    let heard = heard(&mut log, &said("k-0"), StartAt::Now);
    assert_eq!((heard.0, heard.1.concat()), ("resumed", "12".to_string()));
}

#[test]
fn every_place_has_an_id_that_leads_back_to_it() {
    let mut log = keeping(4);
    append(&mut log, 1..=5);
    log.append(&Event::new("own").with_id(id("mine"))).unwrap();
    append(&mut log, 7..=7);
    let mut cursor = log.cursor(StartAt::Oldest);
    let mut ids = Vec::new();
    loop {
        let name = log.id_before(cursor);
        assert_eq!(log.after(&name), Ok(cursor), "{name}");
        ids.push(name.to_string());
        if !matches!(log.read(&mut cursor, 1), Read::Events(_)) {
            break;
        }
    }
    assert_eq!(ids, ["k-3", "k-4", "k-5", "mine", "k-7"]);
}

#[test]
fn an_id_of_the_users_own_is_kept_and_found_again() {
    let mut log = keeping(3);
    for own in ["a", "b", "Zürich 7", "d"] {
        assert_eq!(log.append(&Event::new(own).with_id(id(own))).unwrap(), id(own));
    }
    assert_eq!(heard(&mut log, &said("b"), StartAt::Now).1, ["Zürich 7", "d"]);
    assert_eq!(heard(&mut log, &said("Zürich 7"), StartAt::Now).1, ["d"]);
    assert_eq!(heard(&mut log, &said("a"), StartAt::Now).0, "unknown");
    assert_eq!(heard(&mut log, &said("k-2"), StartAt::Now).1, ["Zürich 7", "d"]);
}

#[test]
fn an_id_that_was_given_twice_loses_nothing() {
    let mut log = keeping(3);
    for data in ["1", "2"] {
        log.append(&Event::new(data).with_id(id("same"))).unwrap();
    }
    assert_eq!(heard(&mut log, &said("same"), StartAt::Now).1, ["2"]);
}

#[test]
fn an_id_that_no_client_could_send_back_is_refused() {
    let mut log = keeping(3);
    let control = "a header holds no control characters, and no blanks at its ends";
    let shape = "the id looks like one that a log makes, <epoch>-<number>; append_as takes those";
    for (own, message) in [
        ("", "the empty id makes a client forget; leave it out to have a number".to_string()),
        (&"x".repeat(257), "the id has 257 bytes; a client may send back 256".to_string()),
        ("a\tb", format!("byte 1 of the id is 0x09; {control}")),
        ("a\u{7f}", format!("byte 1 of the id is 0x7f; {control}")),
        (" a", format!("byte 0 of the id is 0x20; {control}")),
        ("a ", format!("byte 1 of the id is 0x20; {control}")),
        ("k-7", shape.to_string()),
        ("j-7", shape.to_string()),
    ] {
        let refused = log.append(&Event::new("").with_id(id(own))).unwrap_err();
        assert_eq!((refused.to_string(), refused.ending()), (message, None));
    }
    assert!(log.is_empty());
    log.append(&Event::new("").with_id(id(&"x".repeat(256)))).unwrap();
}

#[test]
fn ids_from_outside_are_taken_in_any_shape() {
    let mut log = keeping(3);
    let event = Event::new("x").with_id(id("replaced"));
    for given in ["1526919030474-55", "upstream-3", "plain"] {
        assert_eq!(log.append_as(&id(given), &event).unwrap(), id(given));
    }
    assert_eq!(heard(&mut log, &said("upstream-3"), StartAt::Now).0, "resumed");
    assert_eq!(heard(&mut log, &said("upstream-2"), StartAt::Now).0, "foreign");
    assert_eq!(heard(&mut log, &said("replaced"), StartAt::Now).0, "unknown");
}

#[test]
fn numbers_from_outside_go_up_and_may_skip() {
    let mut log = keeping(3);
    for (number, data) in [(100, "a"), (101, "b"), (110, "c"), (111, "d")] {
        log.append_as(&id(&format!("k-{number}")), &Event::new(data)).unwrap();
    }
    let refused = log.append_as(&id("k-111"), &Event::new("again")).unwrap_err();
    assert_eq!(refused.to_string(), "the id's number is not above the newest, which is 111");
    assert_eq!(log.append(&Event::new("e")).unwrap(), id("k-112"));
    for (number, decision, data) in [
        (99, "expired", ""),
        (100, "expired", ""),
        (101, "resumed", "cde"),
        (105, "resumed", "cde"),
        (110, "resumed", "de"),
        (112, "resumed", ""),
        (113, "ahead", ""),
    ] {
        let heard = heard(&mut log, &said(&format!("k-{number}")), StartAt::Now);
        assert_eq!((heard.0, heard.1.concat()), (decision, data.to_string()), "{number}");
    }
}

#[test]
fn every_number_that_a_log_gives_resumes() {
    let mut log = keeping(3);
    log.append_as(&id("k-999999999999999998"), &Event::new("a")).unwrap();
    for data in ["b", "c"] {
        log.append(&Event::new(data)).unwrap();
    }
    assert_eq!(heard(&mut log, &said("k-1000000000000000000"), StartAt::Now).0, "resumed");
    assert_eq!(heard(&mut log, &said("k-999999999999999999"), StartAt::Now).1, ["c"]);
}

#[test]
fn a_log_that_has_given_its_last_number_takes_no_more_events() {
    let mut log = keeping(3);
    let last = id("k-18446744073709551615");
    log.append_as(&last, &Event::new("a")).unwrap();
    let refused = log.append(&Event::new("b")).unwrap_err();
    assert_eq!(refused.to_string(), "the log has given its last number, 18446744073709551615");
    assert_eq!(heard(&mut log, &LastEventId::Id(last), StartAt::Now).0, "resumed");
    log.clear();
    assert!(log.append(&Event::new("b")).is_err());
}

#[test]
fn what_was_said_before_the_first_number_was_said_elsewhere() {
    let mut log = keeping(3);
    assert!(log.append_as(&id("k-0"), &Event::new("")).is_err());
    log.append_as(&id("k-100"), &Event::new("a")).unwrap();
    assert_eq!(heard(&mut log, &said("k-99"), StartAt::Now).1, ["a"]);
    assert_eq!(heard(&mut log, &said("k-98"), StartAt::Now).0, "expired");
}

#[test]
fn readers_at_one_place_share_the_bytes() {
    let mut log = keeping(100);
    let (mut one, mut other) = (log.cursor(StartAt::Now), log.cursor(StartAt::Now));
    append(&mut log, 1..=3);
    let (a, b) = (read(&mut log, &mut one, 1000), read(&mut log, &mut other, 1000));
    assert_eq!(a.as_ptr(), b.as_ptr());
    append(&mut log, 4..=5);
    let (c, d) = (read(&mut log, &mut one, 1000), read(&mut log, &mut other, 1000));
    assert_eq!(c.as_ptr(), d.as_ptr());
    assert_eq!(c.as_ptr(), a.as_ptr().wrapping_add(a.len()), "in the memory it was appended to");
}

#[test]
fn what_lies_in_several_pieces_is_copied_up_to_the_budget() {
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
fn a_large_log_copies_once_for_those_who_read_the_same() {
    let mut log = keeping(10_000);
    append(&mut log, 1..=5000);
    let from = log.cursor(StartAt::Now);
    let mut fast = from;
    for n in 5001..=5003 {
        append(&mut log, n..=n);
        read(&mut log, &mut fast, 1000);
    }
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
fn a_reader_that_fell_off_is_told_and_stays_where_it_is() {
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
fn a_reader_is_ready_when_there_is_something_to_say() {
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
fn what_is_too_old_goes_and_what_is_not_stays() {
    let mut log = log(Retention::new().with_age(Duration::from_secs(160)));
    assert_eq!(log.deadline(), None);
    append(&mut log, 1..=1);
    assert_eq!(log.deadline(), Some(at(0)), "the log was never told the time");
    for second in 1..=160 {
        log.advance(at(second));
        append(&mut log, 1..=1);
    }
    assert_eq!(log.len(), 161);
    log.advance(at(170));
    assert_eq!(log.deadline(), Some(at(1 + 10 + 160)));
    log.advance(at(171));
    assert_eq!(log.len(), 161 - 11, "those of the first stretch, seen at the seconds 1 to 11");
    log.advance(at(1000));
    assert_eq!((log.len(), log.deadline()), (0, None));
    assert_eq!(log.id_before(log.cursor(StartAt::Now)), id("k-161"));
    assert_eq!(heard(&mut log, &said("k-161"), StartAt::Now).0, "resumed");
    assert_eq!(heard(&mut log, &said("k-160"), StartAt::Now).0, "expired");
}

#[test]
fn what_comes_after_a_long_silence_is_new() {
    let mut log = log(Retention::new().with_age(Duration::from_secs(160)));
    log.advance(at(0));
    append(&mut log, 1..=1);
    log.advance(at(1));
    append(&mut log, 2..=2);
    assert_eq!(log.deadline(), Some(at(0)), "it is to be told when that was");
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
    assert_eq!(heard(&mut log, &said("k-7"), StartAt::Now).1, ["8"]);
}

#[test]
fn the_newest_event_is_kept_whatever_it_takes() {
    let mut log = log(Retention::new().with_bytes(0).with_events(0));
    let mut cursor = log.cursor(StartAt::Now);
    for len in [10, 100_000, 10] {
        log.append(&Event::new("x".repeat(len))).unwrap();
        assert_eq!((log.len(), read(&mut log, &mut cursor, 0).len() > len), (1, true));
    }
}

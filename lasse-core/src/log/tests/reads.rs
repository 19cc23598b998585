//! Reads: shared slices, budgets, readers that lag.

use super::*;

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

//! Retention: events that are dropped because of their age or size, or when the log is cleared.

use super::*;

#[test]
fn events_that_are_too_old_are_dropped_and_others_are_not() {
    let mut log = log(Retention::new().with_age(Duration::from_secs(160)));
    assert_eq!((log.deadline(), log.is_empty()), (None, true));
    append(&mut log, 1..=1);
    assert!(!log.is_empty());
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

#[test]
fn a_log_without_an_age_has_no_deadline() {
    let mut log = keeping(10);
    append(&mut log, 1..=3);
    assert_eq!(log.deadline(), None);
    log.advance(at(1));
    assert_eq!((log.deadline(), log.len()), (None, 3));
}

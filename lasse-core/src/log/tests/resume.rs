//! Resume: the decision on each kind of `Last-Event-ID`, and where clients start.

use super::*;

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
fn new_clients_and_reset_clients_begin_at_the_configured_start() {
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
fn ids_before_the_first_number_of_a_log_are_expired() {
    let mut log = keeping(3);
    assert!(log.append_as(&id("k-0"), &Event::new("")).is_err());
    log.append_as(&id("k-100"), &Event::new("a")).unwrap();
    assert_eq!(resumed(&mut log, &last("k-99"), StartAt::Now).1, ["a"]);
    assert_eq!(resumed(&mut log, &last("k-98"), StartAt::Now).0, "expired");
}

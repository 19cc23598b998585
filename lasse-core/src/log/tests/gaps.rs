//! Gaps in the numbers: holes, unused numbers, and further epochs.

use super::*;

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
fn the_place_where_an_epoch_begins_has_an_id_of_that_epoch() {
    let epoch = |name| Epoch::new(name).unwrap();
    let mut log = keeping(2);
    append(&mut log, 1..=3);
    log.begin_epoch(epoch("m")).unwrap();
    // Another log can have k-4, which a client at this place must not be sent.
    let begun = log.cursor(StartAt::Now);
    assert_eq!(log.id_before(begun), Some(id("m-0")));
    log.begin_epoch(epoch("n")).unwrap();
    assert_eq!(log.id_before(begun), Some(id("n-0")));
    for name in ["k-3", "m-0", "n-0"] {
        assert_eq!(log.after(&id(name)), Ok(begun), "{name}");
    }
    append(&mut log, 1..=2);
    assert_eq!(log.id_before(begun), Some(id("n-0")), "it is the first place that is held");
    assert_eq!((log.after(&id("k-3")), log.after(&id("n-0"))), (Ok(begun), Ok(begun)));
    log.append_hole().unwrap();
    log.begin_epoch(epoch("o")).unwrap();
    log.skip_unused(7).unwrap();
    assert_eq!(log.id_before(log.cursor(StartAt::Now)), Some(id("o-7")));
    assert_eq!(log.after(&id("m-1")), Err(ResetReason::Ahead), "it was never given");
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
fn holes_and_epochs_count_as_memory() {
    let mut log = keeping(10_000);
    append(&mut log, 1..=1);
    let before = log.memory();
    (0..1000).for_each(|_| drop(log.append_hole().unwrap()));
    // A hole takes a position of eight bytes and a run, whose two numbers take sixteen.
    assert!(log.memory() - before > 1000 * (8 + 16), "{}", log.memory() - before);

    let mut log = keeping(10_000);
    append(&mut log, 1..=1);
    let before = log.memory();
    for n in 1_000_000..1_000_064 {
        log.begin_epoch(Epoch::from(n)).unwrap();
        append(&mut log, 1..=1);
    }
    let each = size_of::<Epoch>() + 16;
    assert!(log.memory() - before > 64 * each, "{}", log.memory() - before);
}

#[test]
fn ids_of_the_64_epochs_before_the_newest_resume() {
    let mut log = keeping(10_000);
    for n in 1_000_000..=1_000_100 {
        log.begin_epoch(Epoch::from(n)).unwrap();
        append(&mut log, 1..=1);
    }
    let mut resume = |n| {
        let last = last(&format!("{}-1", Epoch::from(n)));
        let (decision, data) = resumed(&mut log, &last, StartAt::Now);
        (decision, data.len())
    };
    assert_eq!(resume(1_000_100), ("resumed", 0));
    assert_eq!(resume(1_000_036), ("resumed", 64));
    assert_eq!(resume(1_000_035), ("foreign", 0));
}

#[test]
fn a_place_after_a_hole_has_no_id_if_the_events_have_ids_of_their_own() {
    let mut log = keeping(2);
    // Each has a segment of its own, so the first is dropped with its segment.
    let large = "x".repeat(70_000);
    for own in ["a", "b", "c"] {
        log.append(&Event::new(large.as_str()).with_id(id(own))).unwrap();
    }
    assert_eq!(log.id_before(log.cursor(StartAt::Oldest)), Some(id("a")));
    assert_eq!(log.id_before(log.cursor(StartAt::Now)), Some(id("c")));
    log.append_hole().unwrap();
    assert_eq!(log.id_before(log.cursor(StartAt::Now)), None);
}

#[test]
fn an_event_that_fills_a_segment_is_read_whole_before_a_hole() {
    let mut log = keeping(10);
    let large = "x".repeat(70_000);
    log.append(&Event::new(large.as_str())).unwrap();
    log.append_hole().unwrap();
    let mut cursor = Cursor(0);
    let frame = read(&mut log, &mut cursor, 1 << 20);
    assert_eq!(frame, format!("data: {large}\nid: k-1\n\n"));
    assert_eq!(log.read(&mut cursor, 1 << 20), Read::Hole);
}

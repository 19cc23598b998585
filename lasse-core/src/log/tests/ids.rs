//! Ids: those of the log, those of the application, and those given by another source.

use super::*;

#[test]
fn an_own_id_is_kept_and_found_and_its_number_is_unknown() {
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
fn hashes_of_ids_differ_between_ids_and_between_logs() {
    let (log, other) = (keeping(1), Log::new(Epoch::new("j").unwrap(), Retention::new()));
    assert_ne!(log.hash("a"), log.hash("b"));
    assert_ne!(log.hash("a"), other.hash("a"));
}

#[test]
fn several_events_can_all_have_ids_of_their_own() {
    let mut log = keeping(3);
    let [a, b] = ["a", "b"].map(|own| Event::new(own).with_id(id(own)));
    assert_eq!(log.append_all(&[&a, &b]), Ok(Some(id("b"))));
    assert_eq!(rest(&mut log, Cursor(0)), ["a", "b"]);
}

#[test]
fn several_events_can_have_the_last_numbers_but_no_more() {
    let x = Event::new("x");
    let mut log = keeping(10);
    log.append_as(&id(&format!("k-{}", u64::MAX - 2)), &x).unwrap();
    assert_eq!(log.append_all(&[&x, &x, &x]), Err(AppendError::NumbersUsedUp));
    assert_eq!(log.append_all(&[&x, &x]), Ok(Some(id(&format!("k-{}", u64::MAX)))));
}

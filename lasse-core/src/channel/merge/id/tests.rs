use std::format;
use std::string::ToString;

use super::*;

fn merged(id: &str) -> MergedId {
    MergedId::from(&LastEventId::Id(EventId::new(id.to_string()).unwrap()))
}

fn place(name: &str, id: &str) -> String {
    let mut place = String::from(name);
    assert!(write_place(&mut place, id.as_bytes()), "{id}");
    place
}

#[test]
fn a_place_is_read_as_it_was_written() {
    let epoch = "x".repeat(32);
    for id in ["k-0", "k-61", "_-62", "k-3843", &format!("{epoch}-{}", u64::MAX)] {
        let place = place("me", id);
        let last = merged(&place).of_channel("me");
        assert_eq!(last.id().map(EventId::as_str), Some(id), "{place}");
    }
    assert_eq!(place("me", "k-62"), "me.k-10");
    let longest = place("", &format!("{epoch}-{}", u64::MAX));
    assert_eq!(longest.len(), longest_place(&Epoch::new(&epoch).unwrap()));
}

#[test]
fn a_channel_that_is_not_in_the_id_is_reset_and_one_without_a_place_is_fresh() {
    let last = merged("me.k-5~all");
    assert_eq!(last.of_channel("me"), LastEventId::Id(EventId::from_static("k-5")));
    assert_eq!(last.of_channel("all"), LastEventId::Absent);
    let other = LastEventId::Invalid(InvalidLastEventId::OtherChannels);
    assert_eq!(last.of_channel("staff"), other);
    assert_eq!(last.of_channel(""), other);
    assert_eq!(merged("~").of_channel("me"), other);
}

#[test]
fn an_id_that_is_not_merged_is_invalid_in_all_channels() {
    let epoch = "x".repeat(33);
    for id in [
        "k-1",
        "me.",
        "me.k",
        "me.k-",
        "me.-1",
        "me.k-01",
        "me.k-+1",
        "me.k-1 ",
        "me.k-1~",
        "~me.k-1",
        "me.k-1~~all.k-1",
        "me.k-1~me.k-1",
        "me.k-1~me",
        "m-e.k-1",
        ".k-1",
        "me.k.k-1",
        "me.k-LygHa16AHYG",
        "me.k-zzzzzzzzzzz",
        "me.k-000000000000",
        "a~b~c~d~e",
        "ä.k-1",
        "me.k-1\u{a0}",
        &format!("me.{epoch}-1"),
        &format!("{}.k-1", "n".repeat(33)),
        &"a".repeat(129),
    ] {
        let invalid = LastEventId::Invalid(InvalidLastEventId::NotMerged);
        assert_eq!(merged(id).of_channel("me"), invalid, "{id}");
    }
}

#[test]
fn without_an_id_a_client_is_new_in_all_channels() {
    for last in [
        LastEventId::Absent,
        LastEventId::Empty,
        LastEventId::Invalid(InvalidLastEventId::Conflicting),
    ] {
        assert_eq!(MergedId::from(&last).of_channel("me"), last);
    }
}

#[test]
fn an_id_of_a_channel_is_a_place_only_in_the_form_of_numbered_ids() {
    for id in ["", "k", "k-", "k-01", "order 7", "k-1\n", "a-b-1"] {
        let mut out = String::from("me");
        assert!(!write_place(&mut out, id.as_bytes()), "{id}");
        assert_eq!(out, "me");
    }
    assert!(!write_place(&mut String::new(), b"\xff-1"));
}

#[test]
fn places_that_are_empty_are_left_out() {
    let join = |places: &[&str]| {
        let mut out = String::from("id: ");
        join(&mut out, places.iter().copied());
        out
    };
    assert_eq!(join(&["a.k-1", "", "c"]), "id: a.k-1~c");
    assert_eq!(join(&["", ""]), "id: ~");
}

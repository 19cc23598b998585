//! Slots, opened and closed.

use super::*;

fn slots() -> Slots {
    Slots::new(&RedisGateConfig::new())
}

/// Redis counts these streams at this time, of which some have only a place.
fn count(slots: &Slots, node: &str, now: i64, streams: &[SlotId], reserved: &[SlotId]) -> bool {
    let entries: Vec<_> = streams.iter().filter_map(|id| slots.entry(*id)).collect();
    let counted = Counted { now, reserved: reserved.to_vec(), replaced: Vec::new() };
    slots.set_counted(node, &entries, &counted)
}

#[test]
fn the_oldest_open_streams_of_a_key_are_those_beyond_the_limit() {
    let slots = slots();
    let streams: Vec<_> = (0..4).map(|_| slots.insert("ada")).collect();
    let (bob, _bobs) = slots.insert("bob");
    let newest = streams.last().map(|(id, _)| *id).unwrap();
    let over = |id, limit| slots.0.lock().over(id, limit);
    assert_eq!((over(newest, 0).len(), slots.len_of_key(newest)), (0, 4), "none is open");
    slots.0.lock().open.values_mut().for_each(|slot| slot.is_open = true);
    for (limit, len) in [(0, 4), (1, 3), (3, 1), (4, 0), (usize::MAX, 0)] {
        assert_eq!(over(newest, limit).len(), len, "{limit}");
    }
    assert_eq!((over(bob, 1).len(), over(bob, 0).len()), (0, 1));
    let minute = std::time::Duration::from_secs(60);
    assert!(over(newest, 3).remove(0).end(EndReason::Replaced, minute));
    assert!(!streams[0].1.end(EndReason::Replaced, minute), "the oldest");
}

#[test]
fn a_stream_is_written_again_when_it_opens_unless_redis_counts_it() {
    let policy = lasse_tokio::KeyLimitPolicy::ReplaceOldest;
    let config = RedisGateConfig::new().with_limit_per_key(1).with_key_limit_policy(policy);
    let slots = Slots::new(&config);
    let ((first, _one), (second, _two)) = (slots.insert("ada"), slots.insert("ada"));
    assert!(count(&slots, &slots.node(), 9, &[first, second], &[second]));
    slots.0.set_open(first);
    assert!(!slots.has_unwritten());
    slots.0.set_open(second);
    let written = slots.take_unwritten(usize::MAX);
    assert!(written.iter().any(|entry| entry.id == second && entry.is_open), "{written:?}");
    assert!(!slots.has_unwritten());
    assert!(!_one.end(EndReason::Revoked, std::time::Duration::ZERO), "it is replaced");
}

#[test]
fn a_stream_is_remembered_as_closed_when_its_handle_is_dropped() {
    let slots = slots();
    let (id, handle) = slots.insert("ada");
    let clone = handle.clone();
    drop(handle);
    assert_eq!(slots.take_closed().unwrap(), []);
    drop(clone);
    assert_eq!(slots.take_closed().unwrap(), [("ada".into(), id)]);
    assert!(slots.entry(id).is_none() && slots.0.lock().by_key.is_empty());
}

#[test]
fn more_closed_streams_than_are_remembered_need_a_new_name() {
    let slots = slots();
    let (kept, _handle) = slots.insert("bob");
    slots.admit_locally(kept);
    for _ in 0..=MOST_CLOSED {
        drop(slots.insert("ada"));
    }
    assert_eq!(slots.0.lock().closed.len(), MOST_CLOSED);
    assert_eq!(slots.take_closed(), None);
    let before = slots.node();
    let next = slots.next_node();
    assert_eq!(
        (slots.node(), slots.take_closed()),
        (before.clone(), None),
        "until it has the lease"
    );
    let written = slots.take_unwritten(600);
    assert!(written.iter().any(|entry| entry.id == kept));
    slots.use_next_node();
    assert_eq!((slots.node(), slots.take_closed()), (next, Some(Vec::new())));
    assert_eq!(slots.own(&format!("{before}/{kept}")), Some(kept), "an earlier name");
    assert_eq!(slots.own("0123/1"), None);
}

#[test]
fn streams_that_could_not_be_removed_are_remembered() {
    let slots = slots();
    drop(slots.insert("ada"));
    let closed = slots.take_closed().unwrap();
    slots.close_again(closed.clone());
    assert_eq!(slots.take_closed(), Some(closed));
    let many = vec![("ada".into(), 1); MOST_CLOSED + 1];
    slots.close_again(many);
    assert_eq!(slots.take_closed(), None);
}

#[test]
fn a_stream_keeps_the_time_at_which_it_was_admitted_first() {
    let slots = slots();
    let (id, _handle) = slots.insert("ada");
    assert!(slots.entry(id).unwrap().admitted_at <= 0, "its age");
    assert!(count(&slots, &slots.node(), 1_000_000_000_000, &[id], &[]));
    let admitted = slots.entry(id).unwrap().admitted_at;
    assert!((1..=1_000_000_000_000).contains(&admitted));
    let next = slots.next_node();
    assert!(count(&slots, &next, 2_000_000_000_000, &[id], &[]));
    assert_eq!(slots.entry(id).unwrap().admitted_at, admitted);
}

#[test]
fn a_stream_that_is_counted_under_an_earlier_name_is_not_admitted() {
    let slots = slots();
    let (id, _handle) = slots.insert("ada");
    let before = slots.node();
    let next = slots.next_node();
    assert!(!count(&slots, &before, 1, &[id], &[]), "Redis has only the others under the new one");
    assert!(!slots.0.lock().open[&id].is_admitted);
    assert!(count(&slots, &next, 1, &[id], &[]));
    assert!(slots.0.lock().open[&id].is_admitted);
}

#[test]
fn a_stream_is_written_after_it_was_admitted_alone() {
    let slots = slots();
    let (id, _handle) = slots.insert("ada");
    assert!(slots.take_unwritten(1).is_empty());
    slots.admit_locally(id);
    assert!(slots.has_unwritten());
    assert_eq!(slots.take_unwritten(1).len(), 1);
}

#[test]
fn a_write_that_is_given_up_is_repeated_for_the_streams_that_are_open() {
    let slots = slots();
    let ((open, _handle), (closed_id, closed)) = (slots.insert("ada"), slots.insert("ada"));
    assert!(count(&slots, &slots.node(), 1, &[open, closed_id], &[]));
    let written = slots.take_unwritten(1);
    assert_eq!(written.len(), 2);
    slots.unwritten(&written).written();
    assert!(!slots.has_unwritten());
    let given_up = slots.unwritten(&written);
    drop(closed);
    drop(given_up);
    let again: Vec<_> = slots.0.lock().unwritten.iter().copied().collect();
    assert_eq!(again, [open]);
}

#[test]
fn each_stream_has_its_turn_to_be_refreshed() {
    let slots = slots();
    let streams: Vec<_> = (0..1000).map(|n| slots.insert(&n.to_string())).collect();
    let ids: Vec<_> = streams.iter().map(|(id, _)| *id).collect();
    assert!(count(&slots, &slots.node(), 1, &ids, &[]));
    let mut seen = BTreeSet::new();
    for _ in 0..=10 {
        let part = slots.take_unwritten(10);
        assert!(part.len() <= 100, "{}", part.len());
        seen.extend(part.into_iter().map(|entry| entry.id));
    }
    assert_eq!(seen.len(), streams.len());
}

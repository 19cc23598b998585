//! Topics: what a reader of a part of the log gets, and when it is reset.

use super::*;
use crate::topic::{Topic, TopicFilter, TopicPattern};

pub(super) fn topic(text: &str) -> Topic {
    Topic::new(text.to_string()).unwrap()
}

pub(super) fn append_to(log: &mut Log, name: &str, data: &str) -> EventId {
    log.append_to(&topic(name), &Event::new(data.to_string())).unwrap()
}

/// The data of all events that are read, one event at a time, and how the reading ends.
pub(super) fn rest_of(log: &mut Log, cursor: &mut Cursor, view: &mut View) -> (Vec<String>, Read) {
    let mut data = Vec::new();
    loop {
        match log.read_view(cursor, view, 1) {
            Read::Events(frame) => {
                let text = core::str::from_utf8(frame.as_bytes()).unwrap();
                let line = text.lines().find_map(|line| line.strip_prefix("data: "));
                data.push(line.unwrap().to_string());
            }
            end => return (data, end),
        }
    }
}

fn patterns(texts: &[&'static str]) -> TopicFilter {
    TopicFilter::new(texts.iter().map(|text| TopicPattern::from_static(text))).unwrap()
}

#[test]
fn a_reader_gets_the_events_of_its_topics_in_order_and_each_once() {
    let mut log = keeping(100);
    for (n, name) in
        ["room.tea", "user.ada", "room.cake", "room.tea.cups", "room"].iter().enumerate()
    {
        append_to(&mut log, name, &n.to_string());
    }
    log.append(&Event::new("without a topic")).unwrap();
    for (filter, expected) in [
        (&["room.tea"][..], "0"),
        (&["room.*"], "02"),
        (&["room.>"], "023"),
        (&["room.>", "room.tea", "user.ada"], "0123"),
        (&[">"], "01234"),
        (&["*"], "4"),
        (&["nothing"], ""),
        (&[], ""),
    ] {
        let (mut view, mut cursor) = (log.view(&patterns(filter)), Cursor(0));
        let read = rest_of(&mut log, &mut cursor, &mut view);
        assert_eq!((read.0.concat(), read.1), (expected.to_string(), Read::Wait), "{filter:?}");
        log.release(view);
    }
    assert_eq!(rest(&mut log, Cursor(0)).len(), 6, "a reader of all has them, too");
}

#[test]
fn neighbours_are_read_as_one_slice_and_shared() {
    let mut log = keeping(100);
    let mut cursor = log.cursor(StartAt::Now);
    for data in ["1", "2", "3"] {
        append_to(&mut log, "a", data);
    }
    append_to(&mut log, "b", "4");
    append_to(&mut log, "a", "5");
    let (mut one, mut other) = (log.view(&patterns(&["a"])), log.view(&patterns(&["a", "c"])));
    let mut read = |view: &mut View, budget| match log.read_view(&mut cursor.clone(), view, budget)
    {
        Read::Events(frame) => frame.into_bytes(),
        other => panic!("{other:?}"),
    };
    let three = "data: 1\nid: k-1\n\n".len() * 3;
    assert_eq!(read(&mut one, three).as_ptr(), read(&mut other, three).as_ptr());
    assert_eq!(read(&mut one, 1000).len(), three + "data: 5\nid: k-5\n\n".len());
    assert_eq!(log.read_view(&mut cursor, &mut one, 0).to_owned(), {
        Read::Events(Frame::from_bytes_unchecked(Bytes::from_static(b"data: 1\nid: k-1\n\n")))
    });
}

/// Whether a reader of a topic or a prefix resumes after the last event that it had.
fn resumes(log: &mut Log, pattern: &str, last: &LastEventId) -> bool {
    let mut view = log.view(&TopicPattern::new(pattern.to_string()).unwrap().into());
    let resume = log.resume_view(last, StartAt::Now, &mut view);
    log.release(view);
    matches!(resume, Resume::Resumed(_))
}

#[test]
fn a_hundred_thousand_quiet_readers_are_not_reset_by_events_of_others() {
    let retention = Retention::new().with_events(1_000).with_bytes(8 << 20);
    let mut log = log(retention);
    // Each reads a topic of its own, and every tenth a prefix of its own: `user.7`, `user.10.>`.
    let pattern_of = |n| if n % 10 == 0 { format!("user.{n}.>") } else { format!("user.{n}") };
    let patterns = || (0..100_000).map(pattern_of);
    let lasts: Vec<LastEventId> = patterns()
        .map(|pattern| LastEventId::Id(append_to(&mut log, &pattern.replace('>', "feed"), "hello")))
        .collect();
    for n in 0..100_000 {
        append_to(&mut log, &format!("busy.{}", n % 100), "news");
    }
    for (pattern, last) in patterns().zip(&lasts) {
        assert!(resumes(&mut log, &pattern, last), "{pattern}");
    }
    // In place of a keep-alive they were sent a position. The log is loaded from its tail.
    let position = LastEventId::Id(log.id_before(log.cursor(StartAt::Last(900))).unwrap());
    let mut loaded = Log::new(Epoch::new("k").unwrap(), retention);
    for n in 199_000..200_000 {
        let name = topic(&format!("busy.{}", n % 100));
        loaded.append_to_as(&id(&format!("k-{}", n + 1)), &name, &Event::new("news")).unwrap();
    }
    assert!(patterns().all(|pattern| resumes(&mut loaded, &pattern, &position)));
    // They are quiet for ten retentions more, while a hundred thousand topics come and go.
    for n in 200_000..299_000 {
        append_to(&mut loaded, &format!("other.{n}"), "news");
    }
    for _ in 299_000..300_000 {
        append_to(&mut loaded, "busy.0", "news");
    }
    assert!(patterns().all(|pattern| resumes(&mut loaded, &pattern, &position)));
    assert!(!resumes(&mut loaded, "other.*", &position));
    for (pattern, last_seen, expected) in [
        ("other.>", "k-298999", false),
        ("other.>", "k-299000", true),
        ("busy.1", "k-199901", false),
        ("busy.1", "k-199902", true),
    ] {
        assert_eq!(resumes(&mut loaded, pattern, &last(last_seen)), expected, "{pattern}");
    }
    assert!(loaded.memory() < 12 << 20, "{} bytes", loaded.memory());
}

#[test]
fn a_prefix_that_a_log_forgot_resets_only_readers_that_lack_an_event() {
    let mut log = keeping(2);
    append_to(&mut log, "room.tea", "1");
    append_to(&mut log, "room.cake.crumbs", "2");
    for n in 0..100 {
        // So the log forgets the prefixes of the rooms, which nobody reads now.
        assert!(!resumes(&mut log, &format!("user.{n}.>"), &LastEventId::Absent));
        append_to(&mut log, &format!("user.{n}.feed"), "news");
    }
    for (pattern, last_seen, expected) in [
        ("room.*", "k-1", true),
        ("room.>", "k-1", false),
        ("room.>", "k-2", true),
        ("room.cake.*", "k-1", false),
        ("room.cake.*", "k-2", true),
        ("room.pie.>", "k-1", true),
        ("*", "k-1", true),
        ("user.7.>", "k-10", true),
        ("user.8.>", "k-10", false),
        (">", "k-99", false),
    ] {
        assert_eq!(resumes(&mut log, pattern, &last(last_seen)), expected, "{pattern} {last_seen}");
    }
}

#[test]
fn a_reader_is_reset_if_an_event_of_its_topics_is_gone() {
    let mut log = keeping(2);
    append_to(&mut log, "mine", "1");
    append_to(&mut log, "mine", "2");
    for data in ["3", "4"] {
        append_to(&mut log, "others", data);
    }
    for (last_seen, expected) in [("k-1", "expired"), ("k-2", "resumed"), ("k-3", "resumed")] {
        let mut view = log.view(&patterns(&["mine"]));
        let decision = match log.resume_view(&last(last_seen), StartAt::Now, &mut view) {
            Resume::Resumed(_) => "resumed",
            Resume::Reset(reason, _) => reason.as_str(),
            other => panic!("{other:?}"),
        };
        assert_eq!(decision, expected, "{last_seen}");
    }
    let mut slow = (Cursor(1), log.view(&patterns(&["mine", "other"])));
    assert_eq!(log.read_view(&mut slow.0, &mut slow.1, 1000), Read::Lagged);
}

#[test]
fn a_resume_does_not_replay_events_before_the_bound() {
    let mut log = keeping(100);
    let seen = append_to(&mut log, "user.ada", "1");
    append_to(&mut log, "room.tea", "before");
    let joined = append_to(&mut log, "user.ada", "2");
    append_to(&mut log, "room.tea", "after");
    let filter = patterns(&["user.ada"]).with_after(topic("room.tea"), joined).unwrap();
    let mut view = log.view(&filter);
    let resume = log.resume_view(&LastEventId::Id(seen), StartAt::Now, &mut view);
    let Resume::Resumed(mut cursor) = resume else { panic!("{resume:?}") };
    assert_eq!(rest_of(&mut log, &mut cursor, &mut view).0, ["2", "after"]);
}

#[test]
fn a_bound_that_the_log_does_not_have_yet_applies_when_it_has() {
    let mut log = keeping(100);
    append_to(&mut log, "room", "1");
    let filter = TopicFilter::default().with_after(topic("room"), id("k-3")).unwrap();
    let (mut view, mut cursor) = (log.view(&filter), Cursor(0));
    append_to(&mut log, "room", "2");
    assert_eq!(rest_of(&mut log, &mut cursor, &mut view), (Vec::new(), Read::Wait));
    for data in ["3", "4"] {
        append_to(&mut log, "room", data);
    }
    assert_eq!(rest_of(&mut log, &mut cursor, &mut view).0, ["4"]);
}

#[test]
fn a_bound_of_a_foreign_epoch_applies_from_now_on() {
    let mut log = keeping(100);
    append_to(&mut log, "room", "1");
    let filter = TopicFilter::default().with_after(topic("room"), id("j-3")).unwrap();
    let (mut view, mut cursor) = (log.view(&filter), Cursor(0));
    append_to(&mut log, "room", "2");
    assert_eq!(rest_of(&mut log, &mut cursor, &mut view).0, ["2"]);
}

#[test]
fn a_bound_of_a_foreign_epoch_hides_nothing_of_a_topic_that_is_kept() {
    let mut log = keeping(100);
    append_to(&mut log, "room", "1");
    let bounded = TopicFilter::default().with_after(topic("room"), id("j-3")).unwrap();
    let both = bounded.clone().with_after(topic("hall"), id("j-3")).unwrap();
    for filter in [bounded, both] {
        for before in [Some(patterns(&["room"])), None] {
            let mut view = before.map_or(View::all(), |before| log.view(&before));
            let mut cursor = Cursor(0);
            log.change_view(&mut cursor, &mut view, &filter);
            assert_eq!(rest_of(&mut log, &mut cursor, &mut view).0, ["1"]);
            log.release(view);
        }
    }
}

#[test]
fn a_bound_before_a_hole_hides_no_event_after_it() {
    let mut log = keeping(100);
    let joined = append_to(&mut log, "room", "1");
    log.append_hole().unwrap();
    append_to(&mut log, "room", "3");
    let filter = TopicFilter::default().with_after(topic("room"), joined).unwrap();
    let mut view = log.view(&filter);
    let resume = log.resume_view(&last("k-2"), StartAt::Now, &mut view);
    let Resume::Resumed(mut cursor) = resume else { panic!("{resume:?}") };
    assert_eq!(rest_of(&mut log, &mut cursor, &mut view).0, ["3"]);

    let mut view = log.view(&patterns(&["hall"]));
    log.change_view(&mut cursor, &mut view, &filter);
    assert_eq!(rest_of(&mut log, &mut cursor, &mut view), (Vec::new(), Read::Hole));
    assert_eq!(rest_of(&mut log, &mut cursor, &mut view).0, ["3"]);
}

#[test]
fn a_topic_that_is_joined_applies_from_now_on_or_after_an_id() {
    let mut log = keeping(100);
    for (name, data) in [("cake", "1"), ("tea", "2"), ("cake", "3")] {
        append_to(&mut log, name, data);
    }
    for (after, expected) in [(None, &["2", "5"][..]), (Some("k-1"), &["2", "3", "5"])] {
        let mut log = keeping(100);
        for (name, data) in [("cake", "1"), ("tea", "2"), ("cake", "3")] {
            append_to(&mut log, name, data);
        }
        let (mut view, mut cursor) = (log.view(&patterns(&["tea"])), Cursor(0));
        let filter = match after {
            None => patterns(&["tea", "cake"]),
            Some(after) => patterns(&["tea"]).with_after(topic("cake"), id(after)).unwrap(),
        };
        log.change_view(&mut cursor, &mut view, &filter);
        append_to(&mut log, "cake", "5");
        assert_eq!(rest_of(&mut log, &mut cursor, &mut view).0, expected);
        log.change_view(&mut cursor, &mut view, &patterns(&["tea"]));
        append_to(&mut log, "cake", "left");
        assert_eq!(rest_of(&mut log, &mut cursor, &mut view), (Vec::new(), Read::Wait));
    }
}

#[test]
fn topics_and_own_ids_do_not_mix() {
    let mut log = keeping(10);
    let refused = log.append_to(&topic("a"), &Event::new("x").with_id(id("own"))).unwrap_err();
    let message = "an event with a topic cannot have an id of its own; omit it to get a number";
    assert_eq!(refused.to_string(), message);
    assert!(log.append_to_as(&id("j-7"), &topic("a"), &Event::new("x")).is_err());
    log.append(&Event::new("x").with_id(id("own"))).unwrap();
    let refused = log.append_to(&topic("a"), &Event::new("x")).unwrap_err();
    assert_eq!(refused, AppendError::NumberInOwnIdLog);
}

#[test]
fn the_index_of_topics_takes_bounded_memory_and_counts_it() {
    let mut log = log(Retention::new().with_events(1000));
    for n in 0..200_000 {
        append_to(&mut log, &format!("user.{n}"), "x");
    }
    assert!(log.memory() < 2_000_000, "{} bytes", log.memory());
    let before = log.memory();
    let views: Vec<View> =
        (0..1000).map(|n| log.view(&TopicFilter::from(topic(&format!("quiet.{n}"))))).collect();
    assert!((80_000..200_000).contains(&(log.memory() - before)), "{}", log.memory() - before);
    views.into_iter().for_each(|view| log.release(view));
    log.clear();
    assert!(log.memory() < 1_200_000, "{} bytes, of which most are forgotten topics", log.memory());
}

#[test]
fn a_topic_that_was_forgotten_for_too_long_resets_its_readers() {
    let mut log = log(Retention::new().with_events(1).with_bytes(1000));
    append_to(&mut log, "user.quiet", "1");
    append_to(&mut log, "notices", "2");
    (3..3000).for_each(|n| drop(append_to(&mut log, &format!("user.{n}"), "x")));
    assert!(resumes(&mut log, "notices", &last("k-2")), "there are few topics of one token");
    let mut view = log.view(&patterns(&["user.quiet"]));
    let resume = log.resume_view(&last("k-1"), StartAt::Now, &mut view);
    assert!(matches!(resume, Resume::Reset(ResetReason::Expired, _)), "{resume:?}");
    let resume = log.resume_view(&last("k-2500"), StartAt::Now, &mut view);
    assert!(matches!(resume, Resume::Resumed(_)), "{resume:?}");
}

#[test]
fn an_event_with_a_topic_can_have_a_number_from_another_source() {
    let mut log = keeping(10);
    let mut append = |own| log.append_to_as(&id(own), &topic("tea"), &Event::new("x"));
    assert_eq!(append("k-7"), Ok(id("k-7")));
    assert_eq!(append("k-6"), Err(AppendError::NumberNotAbove { newest: 7 }));
    for other in ["j-8", "own"] {
        assert_eq!(append(other), Err(AppendError::TopicWithOwnId), "{other}");
    }
    let mut view = log.view(&TopicFilter::from(topic("tea")));
    assert_eq!(rest_of(&mut log, &mut Cursor(0), &mut view).0, ["x"]);
}

#[test]
fn several_events_with_topics_can_have_the_last_numbers_but_no_more() {
    let (tea, x) = (topic("tea"), Event::new("x"));
    let mut log = keeping(10);
    log.append_as(&id(&format!("k-{}", u64::MAX - 2)), &x).unwrap();
    let refused = log.append_all_to(&[(&tea, &x), (&tea, &x), (&tea, &x)]);
    assert_eq!((refused, log.len()), (Err(AppendError::NumbersUsedUp), 1));
    log.append_all_to(&[(&tea, &x)]).unwrap();
    assert_eq!(log.append_all_to(&[(&tea, &x)]), Ok(Some(id(&format!("k-{}", u64::MAX)))));
}

#[test]
fn topics_that_readers_come_to_and_leave_take_no_memory() {
    let mut log = keeping(10);
    append_to(&mut log, "room", "1");
    for wildcard in ["feed", ">"] {
        let come_and_go = |log: &mut Log, numbers: core::ops::Range<u32>| {
            for n in numbers {
                let pattern = TopicPattern::new(format!("user.{n:05}.{wildcard}")).unwrap();
                let view = log.view(&TopicFilter::from(pattern));
                log.release(view);
            }
            log.memory()
        };
        // The log keeps a few prefixes that nobody reads.
        let before = come_and_go(&mut log, 0..1_000);
        assert_eq!(come_and_go(&mut log, 1_000..3_000), before, "{wildcard}");
    }
}

#[test]
fn the_events_that_a_reader_has_not_read_are_those_of_its_topics_from_its_place_on() {
    let mut log = keeping(8);
    for name in ["a", "b", "a", "a", "b", "a", "b", "a", "a", "b"] {
        append_to(&mut log, name, "x");
    }
    let (a, all) = (log.view(&patterns(&["a"])), View::all());
    let behind = |view: &View| [0, 2, 3, 4, 7, 9, 10].map(|at| log.behind(Cursor(at), view));
    assert_eq!(behind(&a), [5, 5, 4, 3, 2, 0, 0]);
    assert_eq!(behind(&all), [8, 8, 7, 6, 3, 1, 0]);
}

#[test]
fn a_reader_of_topics_starts_with_their_last_events() {
    let mut log = keeping(10);
    for (name, data) in [("a", "1"), ("a", "2"), ("b", "3"), ("a", "4"), ("b", "5"), ("b", "6")] {
        append_to(&mut log, name, data);
    }
    for (last, expected) in [(0, &[][..]), (1, &["4"]), (2, &["2", "4"]), (9, &["1", "2", "4"])] {
        let mut view = log.view(&patterns(&["a"]));
        let mut cursor = log.start_view(StartAt::Last(last), &mut view);
        assert_eq!(rest_of(&mut log, &mut cursor, &mut view).0, expected, "{last}");
        log.release(view);
    }
}

//! The decoder against the standard, and against an oracle that follows it word by word.

use std::time::Duration;

use lasse_core::{Decoded, Decoder, Event, EventId};
use lasse_testkit::streams::{cut, cuts, streams};
use lasse_testkit::{Received, Recorder, oracle, seeds::seeds};
use proptest::prelude::*;

const MEBIBYTE: usize = 1 << 20;

#[test]
fn every_seed_is_decoded_at_every_cut() {
    for seed in seeds() {
        for len in 1..=seed.wire.len() {
            let recorder = Recorder::default().receive_in_chunks(seed.wire, len);
            assert_eq!(recorder.received, seed.received, "{}, by {len}", seed.name);
        }
        for cut in 0..=seed.wire.len() {
            let (first, second) = seed.wire.split_at(cut);
            let mut recorder = Recorder::default();
            recorder.receive(first);
            recorder.receive(second);
            assert_eq!(recorder.received, seed.received, "{}, at {cut}", seed.name);
        }
    }
}

#[test]
fn the_oracle_decodes_every_seed() {
    for seed in seeds() {
        assert_eq!(oracle::decode(seed.wire, "", MEBIBYTE), seed.received, "{}", seed.name);
    }
}

#[test]
fn a_cr_at_the_end_of_the_input_dispatches_at_once() {
    let mut recorder = Recorder::default();
    recorder.receive(b"data: a\r\n\r");
    assert_eq!(recorder.received, [Received::message("message", "a", "")]);
    recorder.receive(b"\ndata: b\r");
    recorder.receive(b"\r");
    assert_eq!(recorder.received.len(), 2, "the LF belongs to the CR");
}

#[test]
fn a_cr_at_the_end_of_the_input_takes_no_lf_but_the_next_byte() {
    for pieces in [["data: a\r", "data: b\n", "\n"], ["\r", "data: a\ndata: b\n", "\n"]] {
        let mut recorder = Recorder::default();
        pieces.iter().for_each(|piece| recorder.receive(piece.as_bytes()));
        let expected = [Received::message("message", "a\nb", "")];
        assert_eq!(recorder.received, expected, "{pieces:?}");
    }
}

#[test]
fn a_restart_keeps_only_the_last_event_id() {
    let mut recorder = Recorder::default();
    recorder.receive(b"id: 1\ndata: a\n\nid: 2\nevent: x\ndata: never ended\ndata: cut he");
    recorder.decoder.restart();
    recorder.receive(b"\xef\xbb\xbfdata: b\n\n");
    assert_eq!(
        recorder.received,
        [Received::message("message", "a", "1"), Received::message("message", "b", "1")]
    );
    recorder.receive(b"data: c\r\n\r");
    recorder.decoder.restart();
    recorder.receive(b"\ndata: d\n\n");
    assert_eq!(recorder.received.len(), 4, "after a restart, a LF is a blank line");
}

#[test]
fn an_id_from_an_earlier_stream_is_kept() {
    let id = EventId::from_static("41");
    let mut recorder = Recorder::new(Decoder::new().with_last_event_id(&id));
    assert_eq!(recorder.decoder.last_event_id(), "41");
    recorder.receive(b"data: a\n\n");
    assert_eq!(recorder.received, [Received::message("message", "a", "41")]);
}

#[test]
fn an_event_over_the_limit_is_one_error_and_the_next_one_is_decoded() {
    let stream = b": before\nid: 1\ndata: 12345678\n: within\n\nid: 2\ndata: a\n\n";
    for len in 1..=stream.len() {
        let recorder = Recorder::new(Decoder::new().with_limit(16)).receive_in_chunks(stream, len);
        let expected = [
            Received::Comment("before".into()),
            Received::TooLarge,
            Received::message("message", "a", "2"),
        ];
        assert_eq!(recorder.received, expected, "by {len}");
    }
}

#[test]
fn the_limit_is_that_of_all_lines_in_chunks_of_any_size() {
    let line = format!("data: {}\n", "x".repeat(300));
    for len in [1, 7, 100, 10_000] {
        for (lines, fits) in [(3, true), (4, false)] {
            let stream = line.repeat(lines) + "\n";
            let recorder = Recorder::new(Decoder::new().with_limit(1_000))
                .receive_in_chunks(stream.as_bytes(), len);
            let is_message = matches!(recorder.received.as_slice(), [Received::Message(..)]);
            assert_eq!(is_message, fits, "{lines} lines by {len}");
            assert_eq!(recorder.received == [Received::TooLarge], !fits, "{lines} lines by {len}");
        }
    }
}

#[test]
fn the_limit_holds_for_lines_that_begin_in_one_chunk_and_end_byte_by_byte() {
    let lines_within = |limit, len| {
        let mut recorder = Recorder::new(Decoder::new().with_limit(limit));
        for line in 1.. {
            recorder.receive(b"data: x");
            (1..len).for_each(|_| recorder.receive(b"x"));
            recorder.receive(b"\n");
            if recorder.received == [Received::TooLarge] {
                return line - 1;
            }
        }
        0
    };
    assert_eq!(lines_within(1_000, 300), 3);
    assert_eq!(lines_within(800, 1), 100);
}

#[test]
fn the_error_names_the_limit() {
    let mut decoder = Decoder::new().with_limit(3);
    let error = decoder.decode(&mut b"data".as_slice()).unwrap_err();
    assert_eq!(error.to_string(), "an event is larger than the limit of 3 bytes");
}

#[test]
fn comments_and_retries_do_not_count_as_an_event() {
    let mut recorder = Recorder::new(Decoder::new().with_limit(32));
    recorder.receive(b"data: a\n");
    for _ in 0..1000 {
        recorder.receive(b":\nretry: 1\nunknown\n");
    }
    recorder.receive(b"\n");
    assert_eq!(recorder.received.last(), Some(&Received::message("message", "a", "")));
}

#[test]
fn events_and_comments_are_borrowed_from_the_input() {
    let wire = b"event: n\ndata: one line\nid: 7\n\n: and a comment\n".as_slice();
    let lies_within = |text: &str| wire.as_ptr_range().contains(&text.as_ptr());
    let (mut decoder, mut input) = (Decoder::new(), wire);
    let Ok(Some(Decoded::Message(message))) = decoder.decode(&mut input) else {
        panic!("a message")
    };
    assert!(lies_within(message.data()) && lies_within(message.name()));
    let Ok(Some(Decoded::Comment(text))) = decoder.decode(&mut input) else { panic!("a comment") };
    assert!(lies_within(text));
}

#[test]
fn a_message_can_be_sent_on_as_an_event() {
    let mut decoder = Decoder::new();
    let mut input =
        b"id: 7\nevent: n\ndata: a\n\nevent: message\nid\ndata: b\n\nevent: \0\ndata\n\n"
            .as_slice();
    let mut events = Vec::new();
    while let Some(Decoded::Message(message)) = decoder.decode(&mut input).unwrap() {
        events.push(message.to_event().map(|event| event.encode()));
    }
    assert_eq!(events[0].as_ref().unwrap().as_bytes(), b"event: n\ndata: a\nid: 7\n\n");
    assert_eq!(events[1].as_ref().unwrap(), &Event::new("b").encode());
    assert!(events[2].is_err(), "a name with NUL");
}

/// Has no time limit of its own: with quadratic work it would take hours.
#[test]
fn mebibytes_on_one_line_take_linear_time_in_chunks_of_any_size() {
    for (mebibytes, chunk) in [(1, 1), (8, 1024), (8, 65536)] {
        let mut stream = vec![b'x'; mebibytes * MEBIBYTE];
        stream[..6].copy_from_slice(b"data: ");
        stream.extend_from_slice(b"\n\n");
        let decoder = Decoder::new().with_limit(16 * MEBIBYTE);
        let recorder = Recorder::new(decoder).receive_in_chunks(&stream, chunk);
        let [Received::Message(_, data, _)] = recorder.received.as_slice() else {
            panic!("one message")
        };
        assert_eq!(data.len(), mebibytes * MEBIBYTE - 6);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_stream_is_decoded_as_in_the_standard_wherever_it_is_cut(
        stream in streams(),
        cuts in cuts(),
        limit in prop_oneof![Just(MEBIBYTE), Just(usize::MAX), 0usize..40],
    ) {
        let expected = oracle::decode(&stream, "0", limit);
        let id = EventId::from(0);
        let new = || Recorder::new(Decoder::new().with_limit(limit).with_last_event_id(&id));
        let mut pieces = new();
        cut(&stream, &cuts).for_each(|chunk| pieces.receive(chunk));
        prop_assert_eq!(&pieces.received, &expected);
        for len in [1, 2, 3, 5, usize::MAX] {
            prop_assert_eq!(&new().receive_in_chunks(&stream, len).received, &expected, "by {}", len);
        }
    }

    #[test]
    fn an_encoded_event_is_decoded(
        data in "(?s)[ -~\r\n:\\PC]{0,40}",
        name in proptest::option::of("[^\r\n\0]{1,8}"),
        id in proptest::option::of("[^\r\n\0]{0,8}"),
        millis in proptest::option::of(any::<u64>()),
        comment in proptest::option::of("[ -~]{0,12}"),
        cuts in cuts(),
    ) {
        let mut event = Event::new(&data);
        let mut expected = Vec::new();
        if let Some(text) = &comment {
            event = event.with_comment(text);
            expected.push(Received::Comment(text.clone()));
        }
        if let Some(name) = &name {
            event = event.with_name(lasse_core::EventName::new(name.clone()).unwrap());
        }
        if let Some(id) = &id {
            event = event.with_id(EventId::new(id.clone()).unwrap());
        }
        if let Some(delay) = millis.map(Duration::from_millis) {
            event = event.with_retry(delay);
            expected.push(Received::Retry(delay));
        }
        let lines = data.replace("\r\n", "\n").replace('\r', "\n");
        let name = name.as_deref().unwrap_or("message");
        expected.push(Received::message(name, &lines, id.as_deref().unwrap_or("before")));

        let frame = event.encode();
        let before = EventId::from_static("before");
        let mut recorder = Recorder::new(Decoder::new().with_last_event_id(&before));
        cut(frame.as_bytes(), &cuts).for_each(|chunk| recorder.receive(chunk));
        prop_assert_eq!(recorder.received, expected);
    }
}

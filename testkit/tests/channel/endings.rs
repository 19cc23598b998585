//! Channels that end because of a panic.

use std::panic::resume_unwind;
use std::thread;

use lasse_core::{Channel, ChannelConfig, Channels, EndReason, Epoch, Event, StartAt};
use lasse_testkit::Received;

use crate::reader::{End, Reader};
use crate::server::{STACKS, Server, settle};

#[test]
fn when_a_publisher_panics_each_stream_is_cut_and_each_client_gets_the_last_event() {
    for stack in STACKS {
        let answer = Channel::with_epoch(&ChannelConfig::new(), Epoch::new("k").unwrap());
        let server = Server::of(stack, &answer);
        let readers = [(); 10].map(|()| Reader::resume(&server, None));
        let publisher = answer.publisher().with_last_event(Event::new("the model failed"));
        let task = thread::spawn(move || {
            publisher.publish(Event::new("to be")).unwrap();
            resume_unwind(Box::new("as ordered"));
        });
        assert!(task.join().is_err());
        for reader in readers {
            let mut all = cut(reader);
            loop {
                let last = all.iter().rev().find_map(id);
                let again = Reader::resume(&server, last);
                if again.status == 204 {
                    break;
                }
                let rest = cut(again);
                assert!(!rest.is_empty(), "{stack:?}: it would reconnect for ever");
                all.extend(rest);
            }
            assert_eq!(all, all_events(), "{stack:?}");
        }
        settle("the gate counts them", || server.gate.stats().ended(EndReason::Aborted) >= 10);
    }
}

#[test]
fn a_client_of_a_channel_that_was_replaced_is_reset() {
    for stack in STACKS {
        let answers = Channels::<&str>::new(&ChannelConfig::new().with_start(StartAt::Oldest));
        let server = Server::with_init(stack, {
            let answers = answers.clone();
            move |request| {
                let subscription = answers.open("tea").subscribe(request.last_event_id());
                subscription.into_init(request, |subscriber| subscriber)
            }
        });
        let readers = [(); 10].map(|()| Reader::resume(&server, None));
        let publisher = answers.open("tea").publisher();
        let task = thread::spawn(move || {
            publisher.publish(Event::new("to be")).unwrap();
            resume_unwind(Box::new("as ordered"));
        });
        assert!(task.join().is_err());
        let lasts = readers.map(|reader| cut(reader).iter().rev().find_map(id).unwrap().to_owned());

        answers.remove("tea");
        let again = answers.open("tea");
        let whole = again.finish_with(Event::new("milk first")).unwrap();
        for last in lasts {
            let (heard, end) = Reader::resume(&server, Some(&last)).read_to_end();
            let at = format!("{}-0", again.epoch());
            let data =
                format!(r#"{{"reason":"foreign","requested":"{last}","resumed_at":"{at}"}}"#);
            let told = Received::message("reset", &data, &at);
            let event = Received::message("message", "milk first", whole.as_str());
            assert_eq!((heard, end), (vec![told, event], End::Clean), "{stack:?}");
        }
    }
}

/// Everything before the cut.
fn cut(reader: Reader) -> Vec<Received> {
    let (heard, end) = reader.read_to_end();
    assert_eq!(end, End::Cut, "after {heard:?}");
    heard
}

fn id(heard: &Received) -> Option<&str> {
    match heard {
        Received::Message(_, _, id) => Some(id),
        _ => None,
    }
}

fn all_events() -> [Received; 3] {
    [
        Received::position("k-0"),
        Received::message("message", "to be", "k-1"),
        Received::message("message", "the model failed", "k-2"),
    ]
}

//! The example `feeds`.

use crate::events::Events;
use crate::program::Program;

#[test]
fn a_stream_has_the_private_feed_of_its_user_and_the_one_for_all() {
    let feeds = Program::start("feeds", &[]);
    assert_eq!(post(&feeds, "/users/Ada", "before"), 204);
    assert_eq!(post(&feeds, "/all", "before"), 204);
    let mut ada = Events::new(feeds.stream("/events?name=Ada", ""));
    assert_eq!(next(&mut ada)[0], "position");
    assert_eq!(next(&mut ada), ["private", "before"]);
    assert_eq!(post(&feeds, "/users/Bob", "not for Ada"), 204);
    assert_eq!(post(&feeds, "/users/Ada", "one"), 204);
    assert_eq!(next(&mut ada), ["private", "one"]);
    assert_eq!(post(&feeds, "/all", "two"), 204);
    assert_eq!(next(&mut ada), ["public", "two"]);
}

#[test]
fn a_client_resumes_in_both_feeds_by_one_id() {
    let feeds = Program::start("feeds", &[]);
    let mut ada = Events::new(feeds.stream("/events?name=Ada", ""));
    assert_eq!(next(&mut ada)[0], "position");
    assert_eq!(post(&feeds, "/all", "one"), 204);
    assert_eq!(next(&mut ada), ["public", "one"]);
    let last = format!("last-event-id: {}\r\n", ada.last_id);
    drop(ada);
    assert_eq!(post(&feeds, "/users/Ada", "two"), 204);
    assert_eq!(post(&feeds, "/all", "three"), 204);
    let mut ada = Events::new(feeds.stream("/events?name=Ada", &last));
    assert_eq!(next(&mut ada), ["private", "two"]);
    assert_eq!(next(&mut ada), ["public", "three"]);
    // The stream of another user has another private feed, and the same one for all.
    let mut bob = Events::new(feeds.stream("/events?name=Bob", &last));
    let [name, data] = next(&mut bob);
    assert_eq!(name, "reset");
    assert!(data.starts_with("{\"channel\":\"me\",\"reason\":\"foreign\","), "{data}");
    assert_eq!(next(&mut bob), ["public", "three"]);
}

fn post(feeds: &Program, path: &str, text: &str) -> u16 {
    feeds.request(&format!("POST {path}"), "", text).status
}

fn next<L: Iterator<Item = String>>(events: &mut Events<L>) -> [String; 2] {
    let event = events.next().unwrap();
    [event.name, event.data]
}

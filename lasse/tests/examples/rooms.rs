//! The example `rooms`.

use crate::events::Events;
use crate::program::Program;

#[test]
fn a_stream_has_the_private_feed_and_the_rooms_of_its_user() {
    let rooms = Program::start("rooms", &[]);
    let mut ada = Events::new(rooms.stream("/events?name=Ada&rooms=tea,cake", ""));
    assert_eq!(ada.next().unwrap().name, "position");
    for (room, text) in [("tea", "1"), ("cats", "2"), ("cake", "3")] {
        assert_eq!(post(&rooms, room, "Bob", text), 204);
    }
    assert_eq!(next(&mut ada), message("tea", "Bob", "1"));
    assert_eq!(next(&mut ada), message("cake", "Bob", "3"));
}

#[test]
fn a_room_is_joined_and_left_while_the_stream_is_open() {
    let rooms = Program::start("rooms", &[]);
    let mut ada = Events::new(rooms.stream("/events?name=Ada&rooms=tea", ""));
    assert_eq!(ada.next().unwrap().name, "position");
    assert_eq!(post(&rooms, "cats", "Bob", "before"), 204);
    assert_eq!(rooms.request("POST /join?name=Ada&room=cats", "", "").status, 204);
    assert_eq!(next(&mut ada), ["joined".to_string(), "cats".into()]);
    assert_eq!(post(&rooms, "cats", "Bob", "after"), 204);
    assert_eq!(next(&mut ada), message("cats", "Bob", "after"));
    assert_eq!(rooms.request("POST /leave?name=Ada&room=tea", "", "").status, 204);
    assert_eq!(next(&mut ada), ["left".to_string(), "tea".into()]);
    assert_eq!(post(&rooms, "tea", "Bob", "left"), 204);
    assert_eq!(post(&rooms, "cats", "Ada", "still here"), 204);
    assert_eq!(next(&mut ada), message("cats", "Ada", "still here"));
}

#[test]
fn a_client_that_reconnects_keeps_its_rooms_without_events_from_before_it_joined() {
    let rooms = Program::start("rooms", &[]);
    let mut ada = Events::new(rooms.stream("/events?name=Ada&rooms=tea", ""));
    assert_eq!(ada.next().unwrap().name, "position");
    let last = format!("last-event-id: {}\r\n", ada.last_id);
    drop(ada);
    assert_eq!(post(&rooms, "cats", "Bob", "before"), 204);
    assert_eq!(rooms.request("POST /join?name=Ada&room=cats", "", "").status, 204);
    assert_eq!(rooms.request("POST /leave?name=Ada&room=tea", "", "").status, 204);
    for room in ["cats", "tea"] {
        assert_eq!(post(&rooms, room, "Bob", "after"), 204);
    }
    let mut ada = Events::new(rooms.stream("/events?name=Ada&rooms=tea", &last));
    assert_eq!(next(&mut ada), ["joined".to_string(), "cats".into()]);
    assert_eq!(next(&mut ada), ["left".to_string(), "tea".into()]);
    assert_eq!(next(&mut ada), message("cats", "Bob", "after"));
}

#[test]
fn a_user_reads_only_what_the_application_permits() {
    let rooms = Program::start("rooms", &[]);
    for (line, status) in [
        ("GET /events?name=Eve&rooms=staff", 403),
        ("POST /join?name=Eve&room=staff-room", 403),
        ("POST /rooms/staff?name=Eve", 403),
        ("POST /rooms/staff?name=Ada", 204),
        ("GET /events?name=*", 400),
        ("GET /events?name=Ada&rooms=%3E", 400),
        ("POST /join?name=Ada&room=a..b", 400),
        ("GET /events", 400),
    ] {
        assert_eq!(rooms.request(line, "", "").status, status, "{line}");
    }
    assert_eq!(post(&rooms, "tea", "Ada", &"x".repeat(5000)), 413);
    assert_eq!(rooms.request("GET /", "", "").status, 200);
}

fn post(rooms: &Program, room: &str, name: &str, text: &str) -> u16 {
    rooms.request(&format!("POST /rooms/{room}?name={name}"), "", text).status
}

fn message(room: &str, from: &str, text: &str) -> [String; 2] {
    let data = format!(r#"{{"room":"{room}","from":"{from}","text":"{text}"}}"#);
    [String::new(), data]
}

/// The name and the data of the next event, positions aside.
fn next<L: Iterator<Item = String>>(events: &mut Events<L>) -> [String; 2] {
    let event = events.find(|event| event.name != "position").expect("an event");
    [event.name, event.data]
}

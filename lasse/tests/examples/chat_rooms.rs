//! The example `chat_rooms`.

use crate::events::{Event, Events};
use crate::program::Program;

#[test]
fn a_message_reaches_the_room_and_a_client_that_was_away() {
    let chat = Program::start("chat_rooms", &[]);
    let (ada, bob) = (log_in(&chat, "ada"), log_in(&chat, "bob"));
    let mut reader = Events::new(chat.stream("/rooms/tea", &ada));
    assert_eq!(next(&mut reader), ["enter", "ada"]);
    assert_eq!(chat.request("POST /rooms/tea", &bob, "one").status, 204);
    assert_eq!(next(&mut reader), ["message", r#"{"from":"bob","text":"one"}"#]);
    let last = format!("{ada}last-event-id: {}\r\n", reader.last_id);
    drop(reader);

    assert_eq!(chat.request("POST /rooms/tea", &bob, "two").status, 204);
    assert_eq!(chat.request("POST /rooms/coffee", &bob, "elsewhere").status, 204);
    let mut reader = Events::new(chat.stream("/rooms/tea", &last));
    assert_eq!(next(&mut reader), ["message", r#"{"from":"bob","text":"two"}"#]);
}

#[test]
fn a_private_message_reaches_only_its_receiver() {
    let chat = Program::start("chat_rooms", &[]);
    let (ada, bob) = (log_in(&chat, "ada"), log_in(&chat, "bob"));
    let mut inboxes = [&ada, &bob].map(|user| Events::new(chat.stream("/inbox", user)));
    assert_eq!(chat.request("POST /users/ada", &bob, "psst").status, 204);
    assert_eq!(chat.request("POST /users/bob", &ada, "yes?").status, 204);
    assert_eq!(next(&mut inboxes[0]), ["private", r#"{"from":"bob","text":"psst"}"#]);
    assert_eq!(next(&mut inboxes[1]), ["private", r#"{"from":"ada","text":"yes?"}"#]);
    assert_eq!(chat.request("POST /users/eve", &ada, "hello?").status, 404);
}

#[test]
fn a_logout_ends_the_streams_of_the_session_and_no_others() {
    let chat = Program::start("chat_rooms", &[]);
    let [ada, bob, other_ada] = ["ada", "bob", "ada"].map(|user| log_in(&chat, user));
    let mut bobs = Events::new(chat.stream("/rooms/tea", &bob));
    assert_eq!(next(&mut bobs), ["enter", "bob"]);
    let mut adas = ["/rooms/tea", "/inbox"].map(|path| Events::new(chat.stream(path, &ada)));
    assert_eq!(next(&mut bobs), ["enter", "ada"]);
    let others = Events::new(chat.stream("/rooms/tea", &other_ada));
    assert_eq!(chat.request("POST /logout", &ada, "").status, 200);
    let is_quiet = |event: Event| ["position", "enter"].contains(&event.name.as_str());
    assert!(adas.iter_mut().all(|stream| stream.all(is_quiet)), "they end");
    assert_eq!(chat.request("GET /rooms/tea", &ada, "").status, 401);
    drop(others);
    assert_eq!(next(&mut bobs), ["leave", "ada"], "with her last stream");
}

#[test]
fn without_a_session_there_is_nothing() {
    let chat = Program::start("chat_rooms", &[]);
    for line in ["GET /rooms/tea", "GET /inbox", "POST /rooms/tea", "POST /users/a", "POST /logout"]
    {
        assert_eq!(chat.request(line, "cookie: session=guess\r\n", "text").status, 401, "{line}");
    }
    assert_eq!(chat.request("POST /login", "", "a b").status, 400);
    assert_eq!(chat.request("POST /login", "", &"a".repeat(5000)).status, 413);
    assert_eq!(chat.request("GET /", "", "").status, 200);
}

#[test]
fn a_session_has_ten_streams_at_most() {
    let chat = Program::start("chat_rooms", &[]);
    let ada = log_in(&chat, "ada");
    let mut streams: Vec<_> = (0..10).map(|_| chat.stream("/inbox", &ada)).collect();
    streams.iter_mut().for_each(|lines| assert!(lines.any(|line| line.starts_with("id: "))));
    let refused = chat.request("GET /inbox", &ada, "");
    assert!(refused.body.contains("event: refused\n"), "{refused:?}");
}

/// Signs a user in, and returns the field of the cookie.
fn log_in(chat: &Program, user: &str) -> String {
    let response = chat.request("POST /login", "", user);
    let field = response.head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = field.and_then(|field| field.split(';').next()).expect("a session");
    format!("cookie: {cookie}\r\n")
}

/// The name and the data of the next event, positions aside.
fn next<L: Iterator<Item = String>>(events: &mut Events<L>) -> [String; 2] {
    let event = events.find(|event| event.name != "position").expect("an event");
    [event.name, event.data]
}

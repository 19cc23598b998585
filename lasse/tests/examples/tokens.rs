//! The example `tokens`.

use crate::events::Events;
use crate::program::Program;

#[test]
fn an_answer_continues_after_a_reconnect_and_is_complete_after_its_end() {
    let proxy = Program::start("tokens", &[]);
    let mut first = Events::new(proxy.stream(ANSWER_OF_RUN, ""));
    let mut text: String = first.by_ref().take(4).map(|token| token.data).collect();
    let fields = format!("last-event-id: {}\r\n", first.last_id);
    drop(first);

    let mut resumed = Events::new(proxy.stream(ANSWER_OF_RUN, &fields));
    text.extend(resumed.until("done"));
    assert_eq!(text, ANSWER);
    let fields = format!("last-event-id: {}\r\n", resumed.last_id);
    assert_eq!(proxy.request(&format!("GET {ANSWER_OF_RUN}"), &fields, "").status, 204);
}

#[test]
fn a_prompt_can_be_posted() {
    let proxy = Program::start("tokens", &[]);
    let mut answer = Events::new(proxy.open("POST /", "", "tea"));
    assert_eq!(answer.until("done").concat(), ANSWER);
}

#[test]
fn a_prompt_that_is_too_long_and_a_wrong_id_are_refused() {
    let proxy = Program::start("tokens", &[]);
    assert_eq!(proxy.request("POST /", "", &"x".repeat(64 * 1024 + 1)).status, 413);
    assert_eq!(proxy.request("GET /?prompt=tea&run=a%20b", "", "").status, 400);
}

#[test]
fn a_model_that_cannot_be_reached_fails_the_run() {
    let proxy = Program::start("tokens", &[("MODEL", "http://127.0.0.1:9/")]);
    let mut events = Events::new(proxy.stream(ANSWER_OF_RUN, ""));
    assert_eq!(events.next().unwrap().name, "failed");
}

const ANSWER_OF_RUN: &str = "/?prompt=tea&run=1";
const ANSWER: &str = r#"You said "tea". I have nothing to add, but I shall say it slowly."#;

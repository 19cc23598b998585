//! The example `chat`.

use serde_json::Value;

use crate::events::{Event, Events};
use crate::program::Program;

#[test]
fn an_answer_continues_without_its_first_reader_and_is_resumed() {
    let chat = Program::start("chat", &[]);
    let mut first = chat.open("POST /v1/chat/completions", &ask("a-1"), QUESTION);
    let head: Vec<String> = first.by_ref().take_while(|line| !line.is_empty()).collect();
    assert!(head.contains(&"x-run-id: a-1".into()), "{head:?}");
    let mut read = Events::new(first);
    let mut text: String = read.by_ref().take(4).filter_map(|event| token(&event)).collect();
    let last = read.last_id.clone();
    drop(read);

    let resumed = chat.stream("/runs/a-1", &format!("{USER}last-event-id: {last}\r\n"));
    let resumed: Vec<Event> = Events::new(resumed).take_while(is_not_done).collect();
    text.extend(resumed.iter().filter_map(token));
    assert_eq!(text, ANSWER);

    let from_the_beginning = Events::new(chat.stream("/runs/a-1", USER));
    let whole = from_the_beginning.take_while(is_not_done);
    assert_eq!(whole.filter_map(|event| token(&event)).collect::<String>(), ANSWER);
    let runs = chat.request("GET /runs", USER, "").body;
    assert!(runs.contains("done"), "{runs}");
}

#[test]
fn a_run_reports_a_stop_and_belongs_to_its_user() {
    let chat = Program::start("chat", &[]);
    let first = chat.open("POST /v1/chat/completions", &ask("a-2"), QUESTION);
    let mut events = Events::new(first);
    assert!(events.next().is_some());
    assert_eq!(chat.request("DELETE /runs/a-2", "cookie: user=eve\r\n", "").status, 404);
    assert_eq!(chat.request("GET /runs/a-2", "cookie: user=eve\r\n", "").status, 404);
    assert_eq!(chat.request("GET /runs/a-3", USER, "").status, 404);
    assert_eq!(chat.request("POST /v1/chat/completions", &foreign("a-2"), QUESTION).status, 404);
    assert_eq!(chat.request("DELETE /runs/a-2", USER, "").status, 204);
    let last = events.find(|event| event.data.contains("error")).unwrap();
    assert!(last.data.contains("stopped by the user"), "{last:?}");
}

#[test]
fn an_answer_can_come_as_one_object() {
    let chat = Program::start("chat", &[]);
    let question = QUESTION.replace("true", "false");
    let response = chat.request("POST /v1/chat/completions", &ask("a-4"), &question);
    let answer: Value = serde_json::from_str(&response.body).unwrap();
    assert_eq!(answer["choices"][0]["message"]["content"], ANSWER);
    assert!(answer["created"].as_u64().unwrap() > 1_700_000_000, "in seconds since 1970");
    assert_eq!(chat.request("POST /v1/chat/completions", &ask("a b"), &question).status, 400);
}

#[test]
fn a_question_can_have_parts_and_errors_have_the_form_of_openai() {
    let chat = Program::start("chat", &[]);
    let ask = |messages: &str| {
        let question = format!("{{\"model\":\"parrot\",\"messages\":{messages}}}");
        let head = format!("{USER}content-type: application/json\r\n");
        let response = chat.request("POST /v1/chat/completions", &head, &question);
        (response.status, serde_json::from_str::<Value>(&response.body).unwrap())
    };
    let parts = r#"[{"type":"text","text":"te"},{"type":"image_url","image_url":{}},{"type":"text","text":"a"}]"#;
    let (status, answer) = ask(&format!("[{{\"role\":\"user\",\"content\":{parts}}}]"));
    assert_eq!(status, 200);
    assert_eq!(answer["choices"][0]["message"]["content"], ANSWER);
    assert_eq!(ask("[{\"role\":\"assistant\",\"content\":null}]").0, 200);
    for malformed in ["[{\"content\":7}]", "7", "["] {
        let (status, answer) = ask(malformed);
        assert_eq!(status, 400, "{malformed}");
        assert!(answer["error"]["message"].is_string(), "{answer}");
    }
}

fn ask(id: &str) -> String {
    format!("{USER}content-type: application/json\r\nidempotency-key: {id}\r\n")
}

fn foreign(id: &str) -> String {
    ask(id).replace("ada", "eve")
}

fn is_not_done(event: &Event) -> bool {
    event.data != "[DONE]"
}

/// The text of a chunk.
fn token(event: &Event) -> Option<String> {
    let chunk: Value = serde_json::from_str(&event.data).unwrap();
    chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned)
}

const USER: &str = "cookie: user=ada\r\n";
const QUESTION: &str =
    r#"{"model":"parrot","messages":[{"role":"user","content":"tea"}],"stream":true}"#;
const ANSWER: &str = r#"You said "tea". I have nothing to add, but I shall say it slowly."#;

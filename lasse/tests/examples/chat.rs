//! The example `chat`.

use serde_json::Value;

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
    let resumed: Vec<String> = Events::new(resumed).take_while(|event| event != "[DONE]").collect();
    text.extend(resumed.iter().filter_map(|event| token(event)));
    assert_eq!(text, ANSWER);

    let from_the_beginning = Events::new(chat.stream("/runs/a-1", USER));
    let whole = from_the_beginning.take_while(|event| event != "[DONE]");
    assert_eq!(whole.filter_map(|event| token(&event)).collect::<String>(), ANSWER);
    let runs = chat.request("GET /runs", USER, "").body;
    assert!(runs.contains("done"), "{runs}");
}

#[test]
fn a_run_that_is_stopped_says_so_and_a_run_is_only_its_users() {
    let chat = Program::start("chat", &[]);
    let first = chat.open("POST /v1/chat/completions", &ask("a-2"), QUESTION);
    let mut events = Events::new(first);
    assert!(events.next().is_some());
    assert_eq!(chat.request("DELETE /runs/a-2", "cookie: user=eve\r\n", "").status, 404);
    assert_eq!(chat.request("GET /runs/a-2", "cookie: user=eve\r\n", "").status, 404);
    assert_eq!(chat.request("GET /runs/a-3", USER, "").status, 404);
    assert_eq!(chat.request("POST /v1/chat/completions", &foreign("a-2"), QUESTION).status, 404);
    assert_eq!(chat.request("DELETE /runs/a-2", USER, "").status, 204);
    let last = events.find(|event| event.contains("error")).unwrap();
    assert!(last.contains("stopped by the user"), "{last}");
}

#[test]
fn an_answer_can_come_as_one_object() {
    let chat = Program::start("chat", &[]);
    let question = QUESTION.replace("true", "false");
    let response = chat.request("POST /v1/chat/completions", &ask("a-4"), &question);
    let answer: Value = serde_json::from_str(&response.body).unwrap();
    assert_eq!(answer["choices"][0]["message"]["content"], ANSWER);
    assert_eq!(chat.request("POST /v1/chat/completions", &ask("a b"), &question).status, 400);
}

fn ask(id: &str) -> String {
    format!("{USER}content-type: application/json\r\nidempotency-key: {id}\r\n")
}

fn foreign(id: &str) -> String {
    ask(id).replace("ada", "eve")
}

/// The text of a chunk.
fn token(event: &str) -> Option<String> {
    let chunk: Value = serde_json::from_str(event).unwrap();
    chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned)
}

/// The data of a response's events, and the last id.
struct Events<L> {
    lines: L,
    last_id: String,
}

impl<L: Iterator<Item = String>> Events<L> {
    fn new(lines: L) -> Self {
        Self { lines, last_id: String::new() }
    }
}

impl<L: Iterator<Item = String>> Iterator for Events<L> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut data = None;
        for line in self.lines.by_ref() {
            if let Some(id) = line.strip_prefix("id: ") {
                id.clone_into(&mut self.last_id);
            } else if let Some(text) = line.strip_prefix("data: ") {
                data = Some(text.to_owned());
            } else if line.is_empty() && data.is_some() {
                break;
            }
        }
        data
    }
}

const USER: &str = "cookie: user=ada\r\n";
const QUESTION: &str =
    r#"{"model":"parrot","messages":[{"role":"user","content":"tea"}],"stream":true}"#;
const ANSWER: &str = r#"You said "tea". I have nothing to add, but I shall say it slowly."#;

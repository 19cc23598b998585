//! OpenAI's chat completions: the question, and the chunks of the answer.

use std::error::Error;
use std::time::UNIX_EPOCH;

use lasse::{EndReason, Event, RunId, RunOutcome, RunWriter};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::model::Model;

/// The body of a request.
#[derive(Deserialize)]
pub(crate) struct Question {
    model: String,
    messages: Vec<Message>,
    #[serde(default)]
    stream: bool,
}

#[derive(Deserialize)]
struct Message {
    content: Option<Content>,
}

/// The text of a message, or its parts. A message that only calls a tool has neither.
#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

/// A part of a message. Parts that are not text, such as images, are skipped.
#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    text: String,
}

impl Content {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => parts.iter().map(|part| part.text.as_str()).collect(),
        }
    }
}

/// One answer.
pub(crate) struct Completion {
    id: RunId,
    question: Question,
    /// Seconds since the beginning of 1970.
    created: u64,
}

impl Completion {
    pub(crate) fn new(id: RunId, question: Question) -> Self {
        let created = UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
        Self { id, question, created }
    }

    pub(crate) fn id(&self) -> &RunId {
        &self.id
    }

    pub(crate) fn is_streamed(&self) -> bool {
        self.question.stream
    }

    /// Publishes the answer in chunks.
    pub(crate) async fn stream(self, model: &Model, writer: &RunWriter) -> Result<(), BoxError> {
        writer.publish(self.chunk(json!({ "role": "assistant", "content": "" }), None))?;
        let mut answer = model.ask(&self.prompt());
        while let Some(token) = answer.next_token().await? {
            writer.publish(self.chunk(json!({ "content": token }), None))?;
        }
        writer.publish(self.chunk(json!({}), Some("stop")))?;
        writer.publish(Event::new(DONE))?;
        Ok(())
    }

    /// Waits for the whole answer.
    pub(crate) async fn collect(self, model: &Model) -> Result<Value, BoxError> {
        let mut content = String::new();
        let mut answer = model.ask(&self.prompt());
        while let Some(token) = answer.next_token().await? {
            content.push_str(&token);
        }
        let message = json!({ "role": "assistant", "content": content });
        let choice = json!({ "index": 0, "message": message, "finish_reason": "stop" });
        Ok(self.object("chat.completion", choice))
    }

    fn prompt(&self) -> String {
        let content = self.question.messages.last().and_then(|message| message.content.as_ref());
        content.map(Content::text).unwrap_or_default()
    }

    fn chunk(&self, delta: Value, finish_reason: Option<&str>) -> Event<'static> {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish_reason });
        Event::new(self.object("chat.completion.chunk", choice).to_string())
    }

    fn object(&self, kind: &str, choice: Value) -> Value {
        json!({
            "id": self.id.as_str(),
            "object": kind,
            "created": self.created,
            "model": self.question.model,
            "choices": [choice],
        })
    }
}

/// The last event of a run that did not finish: these clients parse all data as JSON, whatever the
/// name of the event, and raise the value of `error`.
pub(crate) fn last_event(outcome: &RunOutcome) -> Option<Event<'static>> {
    let message = match outcome {
        RunOutcome::Done => return None,
        RunOutcome::Stopped => "stopped by the user",
        RunOutcome::Abandoned => "stopped, because nobody was reading",
        RunOutcome::Failed(failure) => failure.as_str(),
        _ => "ended",
    };
    Some(error(message))
}

/// The last event of a connection that ends before its run.
pub(crate) fn interrupted(reason: EndReason) -> Option<Event<'static>> {
    match reason {
        EndReason::Shutdown => Some(error("the server shuts down; resume the run")),
        _ => None,
    }
}

fn error(message: &str) -> Event<'static> {
    Event::new(json!({ "error": { "message": message } }).to_string())
}

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

const DONE: &str = "[DONE]";

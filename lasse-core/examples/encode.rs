//! Encodes JSON lines on stdin to an event stream on stdout.
//!
//!     echo '{"data":"21 °C","event":"temperature","id":"7"}' | cargo run --example encode
//!
//! `data`, `event` and `id` are strings, `retry` is in milliseconds, `comment` is
//! a string or several. All of them are optional. A line that cannot be sent is
//! reported on stderr, and nothing of it is sent.

use std::fmt::Display;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::time::Duration;

use lasse_core::{Event, EventId, EventName, Frame};
use serde_json::{Map, Value};

fn main() -> io::Result<ExitCode> {
    let mut status = ExitCode::SUCCESS;
    let mut stdout = io::stdout().lock();
    for (line, number) in io::stdin().lock().split(b'\n').zip(1..) {
        let line = line?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        match Fields::parse(&line) {
            Ok(fields) => {
                stdout.write_all(fields.encode().as_bytes())?;
                stdout.flush()?;
            }
            Err(problem) => {
                eprintln!("line {number}: {problem}");
                status = ExitCode::FAILURE;
            }
        }
    }
    Ok(status)
}

/// The fields of a line.
#[derive(Default)]
struct Fields {
    data: Option<String>,
    name: Option<EventName>,
    id: Option<EventId>,
    retry: Option<Duration>,
    comment: Option<String>,
}

impl Fields {
    fn parse(line: &[u8]) -> Result<Self, String> {
        let object: Map<String, Value> = serde_json::from_slice(line)
            .map_err(|error| format!("not a JSON object: byte {}", error.column()))?;
        let mut fields = Self::default();
        for (field, value) in object {
            fields.set(&field, value).map_err(|problem| format!("{field}: {problem}"))?;
        }
        Ok(fields)
    }

    fn set(&mut self, field: &str, value: Value) -> Result<(), String> {
        let text = |error: &dyn Display| error.to_string();
        match (field, value) {
            (_, Value::Null) => {}
            ("data", Value::String(data)) => self.data = Some(data),
            ("event", Value::String(name)) => {
                self.name = Some(EventName::new(name).map_err(|error| text(&error))?);
            }
            ("id", Value::String(id)) => {
                self.id = Some(EventId::new(id).map_err(|error| text(&error))?);
            }
            ("retry", value) => {
                let millis = value.as_u64();
                let problem = || format!("{value} is not a whole number of milliseconds");
                self.retry = Some(Duration::from_millis(millis.ok_or_else(problem)?));
            }
            ("comment", Value::String(line)) => self.comment = Some(line),
            ("comment", Value::Array(lines)) => self.comment = join(&lines)?,
            ("data" | "event" | "id" | "comment", value) => {
                return Err(format!("{value} is not a string"));
            }
            _ => return Err("not a field of an event".into()),
        }
        Ok(())
    }

    fn encode(mut self) -> Frame {
        match self.data.take().map(Event::new) {
            Some(event) => {
                let event = self.name.into_iter().fold(event, Event::with_name);
                let event = self.id.into_iter().fold(event, Event::with_id);
                let event = self.retry.into_iter().fold(event, Event::with_retry);
                self.comment.into_iter().fold(event, Event::with_comment).encode()
            }
            None => self.encode_without_data(),
        }
    }

    /// Each field in its line, although a client dispatches no event without data.
    fn encode_without_data(self) -> Frame {
        let line = |text: String| Frame::from_bytes_unchecked(text);
        let end = match (&self.name, &self.id) {
            (_, Some(id)) => Frame::id(id),
            (Some(_), None) => line("\n".into()),
            (None, None) => Frame::concat([]),
        };
        let comment = self.comment.map(|text| Frame::comment(&text));
        let name = self.name.map(|name| line(format!("event: {name}\n")));
        let retry = self.retry.map(Frame::retry);
        let frames = [comment, name, retry, Some(end)];
        Frame::concat(frames.iter().flatten())
    }
}

fn join(lines: &[Value]) -> Result<Option<String>, String> {
    let lines: Option<Vec<_>> = lines.iter().map(Value::as_str).collect();
    let lines = lines.ok_or("not only strings")?;
    Ok(if lines.is_empty() { None } else { Some(lines.join("\n")) })
}

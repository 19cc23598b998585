//! JSON lines on stdin to an event stream on stdout.
//!
//!     echo '{"data":"21 °C","event":"temperature","id":"7"}' | cargo run --example encode
//!
//! `data`, `event` and `id` are strings, `retry` is in milliseconds, `comment` is
//! a string or several; all of them may be left out. A line that cannot be sent is
//! told on stderr, and nothing of it is sent.

use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::time::Duration;

use lasse_core::{EventBuilder, EventId, EventName, Frame};
use serde_json::{Map, Value};

fn main() -> io::Result<ExitCode> {
    let mut status = ExitCode::SUCCESS;
    let mut stdout = io::stdout().lock();
    for (line, number) in io::stdin().lock().split(b'\n').zip(1..) {
        let line = line?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        match encode(&line) {
            Ok(frame) => {
                stdout.write_all(frame.as_bytes())?;
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

fn encode(line: &[u8]) -> Result<Frame, String> {
    let fields: Map<String, Value> = serde_json::from_slice(line)
        .map_err(|error| format!("not a JSON object, as byte {} shows", error.column()))?;
    let mut event = EventBuilder::new();
    for (field, value) in &fields {
        let problem = |problem: &dyn std::fmt::Display| format!("{field}: {problem}");
        match (field.as_str(), value) {
            (_, Value::Null) => continue,
            ("data", Value::String(text)) => event.data(text.clone()),
            ("event", Value::String(text)) => {
                event.name(EventName::new(text.clone()).map_err(|error| problem(&error))?)
            }
            ("id", Value::String(text)) => {
                event.id(EventId::new(text.clone()).map_err(|error| problem(&error))?)
            }
            ("retry", value) => {
                let millis = value.as_u64().ok_or_else(|| {
                    problem(&format!("{value} is not a whole number of milliseconds"))
                })?;
                event.retry(Duration::from_millis(millis))
            }
            ("comment", Value::String(text)) => event.comment(text.clone()),
            ("comment", Value::Array(lines)) if lines.is_empty() => continue,
            ("comment", Value::Array(lines)) => {
                let lines: Option<Vec<_>> = lines.iter().map(Value::as_str).collect();
                event.comment(lines.ok_or_else(|| problem(&"not only strings"))?.join("\n"))
            }
            ("data" | "event" | "id" | "comment", value) => {
                return Err(problem(&format!("{value} is not a string")));
            }
            _ => return Err(problem(&"not a field of an event")),
        };
    }
    Ok(event.encode())
}

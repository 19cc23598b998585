//! HTML 9.2.6, as slow and plain as its text: the oracle for the decoder.

use std::time::Duration;

use crate::Received;

/// The items of a whole stream, for a client with this last event id and a limit on
/// an event's size in bytes.
pub fn decode(stream: &[u8], last_event_id: &str, limit: usize) -> Vec<Received> {
    let mut oracle = Oracle {
        received: Vec::new(),
        last_event_id: last_event_id.to_owned(),
        id: None,
        data: String::new(),
        name: String::new(),
        size: 0,
        is_too_large: false,
    };
    // The limit counts bytes of the stream, the rules are about its text.
    let (lines, unfinished) = lines(without_mark(stream));
    for line in lines {
        if !oracle.exceeds(line, limit) {
            oracle.take(&String::from_utf8_lossy(line));
        }
    }
    // The beginning of a byte order mark is not a line yet.
    if !MARK.starts_with(stream) {
        oracle.exceeds(unfinished, limit);
    }
    oracle.received
}

// "UTF-8 decode" strips one leading byte order mark.
fn without_mark(stream: &[u8]) -> &[u8] {
    stream.strip_prefix(MARK).unwrap_or(stream)
}

/// The lines that have an ending, and the rest.
fn lines(stream: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut lines = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while at < stream.len() {
        let ending = match &stream[at..] {
            [b'\r', b'\n', ..] => 2,
            [b'\r' | b'\n', ..] => 1,
            _ => 0,
        };
        if ending > 0 {
            lines.push(&stream[start..at]);
            start = at + ending;
        }
        at += ending.max(1);
    }
    (lines, &stream[start..])
}

struct Oracle {
    received: Vec<Received>,
    last_event_id: String,
    id: Option<String>,
    data: String,
    name: String,
    size: usize,
    is_too_large: bool,
}

impl Oracle {
    fn exceeds(&mut self, line: &[u8], limit: usize) -> bool {
        if line.is_empty() {
            return false;
        }
        if !self.is_too_large && self.size + line.len() > limit {
            self.received.push(Received::TooLarge);
            self.is_too_large = true;
        }
        let name = line.split(|byte| *byte == b':').next().unwrap();
        let has_nul = line.contains(&0);
        if name == b"data" || name == b"event" || (name == b"id" && !has_nul) {
            self.size += line.len() + 1;
        }
        self.is_too_large
    }

    fn take(&mut self, line: &str) {
        // "If the line is empty (a blank line): Dispatch the event."
        if line.is_empty() {
            return self.dispatch();
        }
        match line.find(':') {
            // "If the line starts with a U+003A COLON character (:): Ignore the line."
            Some(0) => {
                let text = &line[1..];
                self.received
                    .push(Received::Comment(text.strip_prefix(' ').unwrap_or(text).into()));
            }
            // "Collect the characters on the line before the first U+003A COLON character (:),
            // ... If value starts with a U+0020 SPACE character, remove it from value."
            Some(colon) => {
                let (field, value) = (&line[..colon], &line[colon + 1..]);
                self.process(field, value.strip_prefix(' ').unwrap_or(value));
            }
            // "Process the field ... using the whole line as the field name, and the empty
            // string as the field value."
            None => self.process(line, ""),
        }
    }

    fn process(&mut self, field: &str, value: &str) {
        match field {
            // "Set the event type buffer to the field value."
            "event" => self.name = value.to_owned(),
            // "Append the field value to the data buffer, then append a single U+000A LINE
            // FEED (LF) character to the data buffer."
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            // "If the field value does not contain U+0000 NULL, then set the last event ID
            // buffer to the field value. Otherwise, ignore the field."
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            // "If the field value consists of only ASCII digits, then interpret the field
            // value as an integer in base ten ... Otherwise, ignore the field."
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                let millis = value.parse().unwrap_or(u64::MAX);
                self.received.push(Received::Retry(Duration::from_millis(millis)));
            }
            // "Otherwise: The field is ignored."
            _ => {}
        }
    }

    fn dispatch(&mut self) {
        let data = std::mem::take(&mut self.data);
        let name = std::mem::take(&mut self.name);
        let id = self.id.take();
        self.size = 0;
        if std::mem::take(&mut self.is_too_large) {
            return;
        }
        // "Set the last event ID string of the event source to the value of the last event
        // ID buffer."
        let is_new = id.is_some();
        self.last_event_id = id.unwrap_or_else(|| self.last_event_id.clone());
        // "If the data buffer is an empty string, set the data buffer and the event type
        // buffer to the empty string and return."
        if data.is_empty() {
            if is_new {
                self.received.push(Received::LastEventId(self.last_event_id.clone()));
            }
            return;
        }
        // "If the data buffer's last character is a U+000A LINE FEED (LF) character, then
        // remove the last character from the data buffer."
        let data = data.strip_suffix('\n').unwrap();
        let name = if name.is_empty() { "message" } else { &name };
        self.received.push(Received::message(name, data, &self.last_event_id));
    }
}

/// U+FEFF in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

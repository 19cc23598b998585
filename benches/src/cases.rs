//! The events of the benchmarks for encoding and decoding.

/// An event, as plain text.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name in the tables.
    pub name: &'static str,
    /// The event's id.
    pub id: Option<&'static str>,
    /// The event's name.
    pub event: Option<&'static str>,
    /// The event's data.
    pub data: String,
}

impl Case {
    /// All cases, small ones first.
    pub fn all() -> Vec<Self> {
        let plain = |name, data| Self { name, id: None, event: None, data };
        let named = |name, data| Self { name, id: Some("1284"), event: Some("update"), data };
        vec![
            plain("a", token(60)),
            named("b", token(100)),
            plain("c", token(1024)),
            plain("d", lines(64 * 1024, 80)),
            plain("e", token(1024 * 1024)),
            plain("f", "\n".repeat(4096)),
            plain("c-utf8", prose(1024)),
            plain("e-utf8", prose(1024 * 1024)),
        ]
    }

    /// The event on the wire, by the simplest code.
    pub fn wire(&self) -> String {
        let event = self.event.map(|name| format!("event: {name}\n")).unwrap_or_default();
        let data = self.data.split('\n').map(|line| format!("data: {line}\n"));
        let id = self.id.map(|id| format!("id: {id}\n")).unwrap_or_default();
        event + &data.collect::<String>() + &id + "\n"
    }
}

/// One line of JSON, `len` bytes of it.
fn token(len: usize) -> String {
    let filler = "the quick brown fox jumps over the lazy dog ".repeat(len / 44 + 1);
    format!("{{\"delta\":\"{}\"}}", &filler[..len - 12])
}

/// `len` bytes in lines of `line` bytes, the line feed included.
fn lines(len: usize, line: usize) -> String {
    let mut text = (token(line - 1) + "\n").repeat(len / line + 1);
    text.truncate(len);
    text
}

/// One line of about `len` bytes, some of which are not ASCII.
fn prose(len: usize) -> String {
    let mut text = "Ein Stück Text, 短い文, и ещё чуть-чуть. ".repeat(len / 40 + 1);
    let end = (0..=len).rev().find(|&end| text.is_char_boundary(end));
    text.truncate(end.unwrap_or_default());
    text
}

//! The table of seeds: streams, the frames that encode them, and the items that they decode to.

use std::time::Duration;

use lasse_core::{Event, EventId, EventName, Frame};

use crate::Received;

/// A stream, with the frames and the items that belong to it.
#[derive(Clone, Debug)]
pub struct Seed {
    /// The rule that the stream shows.
    pub name: &'static str,
    /// The frames with the bytes of the stream; empty if the encoder never writes it.
    pub sent: Vec<Frame>,
    /// The stream.
    pub wire: &'static [u8],
    /// The items that a decoder returns.
    pub received: Vec<Received>,
}

/// All seeds: from our encoder, then from other servers.
pub fn seeds() -> Vec<Seed> {
    let mut seeds = sent_fields();
    seeds.extend(sent_texts());
    seeds.extend(sent_control());
    seeds.extend(line_endings());
    seeds.extend(fields());
    seeds.extend(ids());
    seeds.extend(retries());
    seeds.extend(texts());
    seeds
}

fn sent_fields() -> Vec<Seed> {
    let name = EventName::from_static("add");
    let all = Event::new("73857293")
        .with_comment("why")
        .with_name(name.clone())
        .with_retry(Duration::from_secs(1))
        .with_id(EventId::from_static("1"));
    vec![
        send("data is an event", Event::new("a").encode(), b"data: a\n\n", &[data("a")]),
        send("empty data is an event", Event::new("").encode(), b"data: \n\n", &[data("")]),
        send(
            "every field at once",
            all.encode(),
            b": why\nevent: add\ndata: 73857293\nretry: 1000\nid: 1\n\n",
            &[comment("why"), retry(1000), Received::message("add", "73857293", "1")],
        ),
        send(
            "a named event",
            Event::new("1").with_name(name).encode(),
            b"event: add\ndata: 1\n\n",
            &[Received::message("add", "1", "")],
        ),
    ]
}

fn sent_texts() -> Vec<Seed> {
    vec![
        send(
            "data with every line ending",
            Event::new("a\nb\r\nc\rd").encode(),
            b"data: a\ndata: b\ndata: c\ndata: d\n\n",
            &[data("a\nb\nc\nd")],
        ),
        send(
            "a trailing line ending is kept",
            Event::new("a\n").encode(),
            b"data: a\ndata: \n\n",
            &[data("a\n")],
        ),
        send(
            "a line ending alone",
            Event::new("\n").encode(),
            b"data: \ndata: \n\n",
            &[data("\n")],
        ),
        send(
            "a leading space, a leading colon",
            Event::new(" a\n:b").encode(),
            b"data:  a\ndata: :b\n\n",
            &[data(" a\n:b")],
        ),
        send(
            "characters that are no line ending",
            Event::new("a\u{2028}b\u{85}c\u{b}d\u{c}e\0f").encode(),
            "data: a\u{2028}b\u{85}c\u{b}d\u{c}e\0f\n\n".as_bytes(),
            &[data("a\u{2028}b\u{85}c\u{b}d\u{c}e\0f")],
        ),
        send(
            "characters beyond the first plane",
            Event::new("🦀 ü").with_id(EventId::from_static("ü")).encode(),
            "data: 🦀 ü\nid: ü\n\n".as_bytes(),
            &[Received::message("message", "🦀 ü", "ü")],
        ),
    ]
}

/// Frames that are no events, and the id that a client forgets.
fn sent_control() -> Vec<Seed> {
    let id = EventId::from_static("1");
    vec![
        send("a comment alone", Frame::comment("hush"), b": hush\n", &[comment("hush")]),
        send(
            "a comment of two lines",
            Frame::comment("a\r\nb"),
            b": a\n: b\n",
            &[comment("a"), comment("b")],
        ),
        send("a retry alone", Frame::retry(Duration::ZERO), b"retry: 0\n", &[retry(0)]),
        send("an id alone", Frame::id(&id), b"id: 1\n\n", &[last_id("1")]),
        send(
            "an empty id makes the client forget",
            Frame::concat(&[
                Event::new("a").with_id(id.clone()).encode(),
                Event::new("b").with_id(EventId::from_static("")).encode(),
            ]),
            b"data: a\nid: 1\n\ndata: b\nid: \n\n",
            &[Received::message("message", "a", "1"), data("b")],
        ),
    ]
}

fn line_endings() -> Vec<Seed> {
    vec![
        seed("CR LF", b"data: a\r\ndata: b\r\n\r\n", &[data("a\nb")]),
        seed("CR", b"data: a\rdata: b\r\r", &[data("a\nb")]),
        seed("a mixture", b"data: a\rdata: b\r\n\ndata: c\n\r\n", &[data("a\nb"), data("c")]),
        seed("LF CR is two line endings", b"data: a\n\rdata: b\r\n\r", &[data("a"), data("b")]),
        seed("blank lines between", b"\n\r\n\r\rdata: a\n\n\n\n", &[data("a")]),
        seed("the end of the stream does not end an event", b"data: a\n\ndata: b\n", &[data("a")]),
        seed("nor a line", b"data: a\n\ndata: b", &[data("a")]),
    ]
}

fn fields() -> Vec<Seed> {
    vec![
        seed("no space", b"data:a\n\n", &[data("a")]),
        seed("two spaces", b"data:  a\n\n", &[data(" a")]),
        seed("a tab is not a space", b"data:\ta\n\n", &[data("\ta")]),
        seed("no colon", b"data\n\ndata\ndata\n\n", &[data(""), data("\n")]),
        seed("a colon and no value", b"data:\n\n", &[data("")]),
        seed("the last name counts", b"event:a\nevent:b\ndata\n\n", &[named("b")]),
        seed("an empty name removes one", b"event:a\nevent\ndata\n\n", &[named("message")]),
        seed("a name is for one event", b"event:a\n\ndata\n\n", &[named("message")]),
        seed("NUL in a name", b"event:a\0\ndata\n\n", &[named("a\0")]),
        seed("field names are case-sensitive", b"Data: a\nDATA: a\n\n", &[]),
        seed("a space is a part of the name", b"data : a\n data: a\n\n", &[]),
        seed("a name without data", b": c\nevent: add\n\n", &[comment("c")]),
        seed("unknown fields", b"what: ever\ndata: a\nwhatever\n\n", &[data("a")]),
        seed(
            "a comment within an event",
            b"data: a\n:c\ndata: b\n\n",
            &[comment("c"), data("a\nb")],
        ),
        seed("empty comments", b":\n: \n:  \n", &[comment(""), comment(""), comment(" ")]),
    ]
}

fn ids() -> Vec<Seed> {
    vec![
        seed("an id is kept", b"id: 1\ndata\n\ndata\n\n", &[after("1"), after("1")]),
        seed("an id before its data", b"id: 1\ndata\n\nid: 2\ndata\n\n", &[after("1"), after("2")]),
        seed("the last id counts", b"id: 1\nid: 2\ndata\n\n", &[after("2")]),
        seed("NUL in an id", b"id: 1\nid: 2\x003\ndata\n\n", &[after("1")]),
        seed("an id without a colon", b"id: 1\ndata\n\nid\ndata\n\n", &[after("1"), after("")]),
        seed("an empty id alone", b"id: 1\n\nid\n\n", &[last_id("1"), last_id("")]),
        seed("an id without a blank line", b"data\n\nid: 1\ndata: x\n", &[after("")]),
        seed("an id with a space", b"id:  1 \n\n", &[last_id(" 1 ")]),
    ]
}

fn retries() -> Vec<Seed> {
    vec![
        seed("retry acts at its line", b"data: a\nretry: 7\n", &[retry(7)]),
        seed("retry within an event", b"data: a\nretry:7\n\n", &[retry(7), data("a")]),
        seed("retry is only digits", b"retry: 1s\nretry: -1\nretry: 1.0\nretry: \xd9\xa1\n", &[]),
        seed("retry is not empty", b"retry\nretry:\nretry: \n", &[]),
        seed("a retry that is too large", b"retry: 99999999999999999999\n", &[retry(u64::MAX)]),
    ]
}

fn texts() -> Vec<Seed> {
    vec![
        seed("a byte order mark", b"\xef\xbb\xbfdata: a\n\n", &[data("a")]),
        seed(
            "only one byte order mark",
            b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n",
            &[data("b")],
        ),
        seed("a byte order mark later", b"data: a\n\n\xef\xbb\xbfdata: b\n\n", &[data("a")]),
        seed("a part of a byte order mark", b"\xef\xbbdata: a\n\ndata: b\n\n", &[data("b")]),
        seed("the first byte of a byte order mark", b"\xef\n\ndata: b\n\n", &[data("b")]),
        seed("a byte order mark in data", b"data: \xef\xbb\xbf\n\n", &[data("\u{feff}")]),
        seed("a byte that is not UTF-8", b"data: a\xffb\n\n", &[data("a\u{fffd}b")]),
        seed(
            "a broken character",
            b"data: \xf0\x9f\xa6\ndata: \x80\n\n",
            &[data("\u{fffd}\n\u{fffd}")],
        ),
        seed("a surrogate", b"data: \xed\xa0\x80\n\n", &[data("\u{fffd}\u{fffd}\u{fffd}")]),
        seed("a broken id", b"id: \xc3\n\n", &[last_id("\u{fffd}")]),
        seed("a broken name", b"event: \xc3\ndata\n\n", &[named("\u{fffd}")]),
        seed("a broken comment", b":\xe2\x80\n", &[comment("\u{fffd}")]),
        seed("a broken field name", b"d\xc3ata: a\n\n", &[]),
    ]
}

fn send(name: &'static str, frame: Frame, wire: &'static [u8], received: &[Received]) -> Seed {
    Seed { name, sent: vec![frame], wire, received: received.to_vec() }
}

fn seed(name: &'static str, wire: &'static [u8], received: &[Received]) -> Seed {
    Seed { name, sent: Vec::new(), wire, received: received.to_vec() }
}

fn data(data: &str) -> Received {
    Received::message("message", data, "")
}

fn named(name: &str) -> Received {
    Received::message(name, "", "")
}

fn after(id: &str) -> Received {
    Received::message("message", "", id)
}

fn comment(text: &str) -> Received {
    Received::Comment(text.into())
}

fn retry(millis: u64) -> Received {
    Received::Retry(Duration::from_millis(millis))
}

fn last_id(id: &str) -> Received {
    Received::LastEventId(id.into())
}

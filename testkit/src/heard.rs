//! What a decoder heard, to be kept and compared.

use std::time::Duration;

use lasse_core::{Decoded, Decoder, EventTooLarge};

/// One thing heard in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// An event: its name, data, and the last event id after it.
    Message(String, String, String),
    /// A line of comment.
    Comment(String),
    /// A new reconnection delay.
    Retry(Duration),
    /// A new last event id without an event.
    LastEventId(String),
    /// An event that outgrew the limit.
    TooLarge,
}

impl Heard {
    /// A message, from literals.
    pub fn message(name: &str, data: &str, last_event_id: &str) -> Self {
        Self::Message(name.into(), data.into(), last_event_id.into())
    }

    /// A channel's notice that a stream starts after `id`.
    pub fn position(id: &str) -> Self {
        Self::message("position", &format!("{{\"at\":\"{id}\"}}"), id)
    }
}

impl From<Result<Decoded<'_>, EventTooLarge>> for Heard {
    fn from(decoded: Result<Decoded<'_>, EventTooLarge>) -> Self {
        match decoded {
            Ok(Decoded::Message(message)) => {
                Self::message(message.name(), message.data(), message.last_event_id())
            }
            Ok(Decoded::Comment(text)) => Self::Comment(text.into()),
            Ok(Decoded::Retry(delay)) => Self::Retry(delay),
            Ok(Decoded::LastEventId(id)) => Self::LastEventId(id.into()),
            Err(EventTooLarge { .. }) => Self::TooLarge,
        }
    }
}

/// A decoder that keeps all it hears.
#[derive(Clone, Debug, Default)]
pub struct Listener {
    /// The decoder.
    pub decoder: Decoder,
    /// What it has heard.
    pub heard: Vec<Heard>,
}

impl Listener {
    /// A listener by `decoder`, which may have heard something already.
    pub fn new(decoder: Decoder) -> Self {
        Self { decoder, heard: Vec::new() }
    }

    /// Hears one chunk.
    pub fn hear(&mut self, chunk: &[u8]) {
        let mut input = chunk;
        while let Some(decoded) = self.decoder.decode(&mut input).transpose() {
            self.heard.push(decoded.into());
        }
        assert!(input.is_empty(), "a decoder that wants more has used up what it had");
    }

    /// Hears `stream` in chunks of `len` bytes.
    pub fn hear_in_chunks(mut self, stream: &[u8], len: usize) -> Self {
        stream.chunks(len).for_each(|chunk| self.hear(chunk));
        self
    }
}

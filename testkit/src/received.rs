//! What a decoder returns, to keep and compare.

use std::time::Duration;

use lasse_core::{Decoded, Decoder, EventTooLarge};

/// An item of a stream, as a decoder returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// An event: its name, its data, and the last event id after it.
    Message(String, String, String),
    /// A line of a comment.
    Comment(String),
    /// A new reconnection time.
    Retry(Duration),
    /// A new last event id without an event.
    LastEventId(String),
    /// An event over the limit.
    TooLarge,
}

impl Received {
    /// A message, from literals.
    pub fn message(name: &str, data: &str, last_event_id: &str) -> Self {
        Self::Message(name.into(), data.into(), last_event_id.into())
    }

    /// A channel's notice that a stream starts after `id`.
    pub fn position(id: &str) -> Self {
        Self::message("position", &format!("{{\"at\":\"{id}\"}}"), id)
    }
}

impl From<Result<Decoded<'_>, EventTooLarge>> for Received {
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

/// A decoder that keeps all that it returns.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    /// The decoder.
    pub decoder: Decoder,
    /// The items so far.
    pub received: Vec<Received>,
}

impl Recorder {
    /// A recorder with this decoder.
    pub fn new(decoder: Decoder) -> Self {
        Self { decoder, received: Vec::new() }
    }

    /// Decodes a chunk.
    pub fn receive(&mut self, chunk: &[u8]) {
        let mut input = chunk;
        while let Some(decoded) = self.decoder.decode(&mut input).transpose() {
            self.received.push(decoded.into());
        }
        assert!(input.is_empty(), "a decoder without an item has used up its input");
    }

    /// Decodes `stream` in chunks of `len` bytes.
    pub fn receive_in_chunks(mut self, stream: &[u8], len: usize) -> Self {
        stream.chunks(len).for_each(|chunk| self.receive(chunk));
        self
    }
}

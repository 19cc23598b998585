//! Replies of Redis: the entries of streams, and the result of opening one.

use lasse_core::Ending;
use redis::Value;

use crate::entry::Entry;
use crate::error::{CLUSTER, Failure, lacks_permission};
use crate::stream_id::StreamId;

/// The text of a reply.
pub(crate) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

/// The id in a reply.
pub(crate) fn id(value: &Value) -> Option<StreamId> {
    text(value).and_then(StreamId::parse)
}

/// The entries in the reply to XRANGE. Malformed entries are left out.
pub(crate) fn entries(value: Value) -> Vec<(StreamId, Entry)> {
    let Value::Array(entries) = value else { return Vec::new() };
    entries.into_iter().filter_map(entry).collect()
}

/// The streams in the reply to XREAD: their keys and entries.
pub(crate) fn streams(value: Value) -> Vec<(String, Vec<(StreamId, Entry)>)> {
    let pairs: Vec<(Value, Value)> = match value {
        Value::Array(streams) => streams.into_iter().filter_map(pair).collect(),
        // In the newer protocol.
        Value::Map(streams) => streams,
        _ => Vec::new(),
    };
    let stream = |(key, found)| Some((text(&key)?.to_owned(), entries(found)));
    pairs.into_iter().filter_map(stream).collect()
}

fn pair(value: Value) -> Option<(Value, Value)> {
    let Value::Array(parts) = value else { return None };
    let [first, second] = <[Value; 2]>::try_from(parts).ok()?;
    Some((first, second))
}

fn entry(value: Value) -> Option<(StreamId, Entry)> {
    let Value::Array(parts) = value else { return None };
    let [found, fields] = <[Value; 2]>::try_from(parts).ok()?;
    let fields = match fields {
        Value::Array(fields) => fields.into_iter().map(bytes).collect(),
        _ => Vec::new(),
    };
    Some((id(&found)?, Entry::read(&fields)))
}

fn bytes(value: Value) -> Vec<u8> {
    match value {
        Value::BulkString(bytes) => bytes,
        Value::SimpleString(text) => text.into_bytes(),
        _ => Vec::new(),
    }
}

/// A stream that is open on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) epoch: u64,
    /// The newest entry of the stream, and the oldest.
    pub(crate) last: StreamId,
    pub(crate) first: StreamId,
    pub(crate) ending: Option<Ending>,
    /// Whether the call has recorded a loss, of an event that this node knew.
    pub(crate) is_loss_recorded: bool,
}

impl Opened {
    /// Whether the stream still holds the entry `id`, or the one after it.
    pub(crate) fn has_all_after(&self, id: StreamId) -> bool {
        let next = StreamId::new(id.epoch, id.number.saturating_add(1));
        id >= self.first || next == self.first
    }
}

/// Reads the reply of [`scripts::OPEN`](crate::scripts::OPEN).
pub(crate) fn opened(value: &Value) -> Result<Opened, Failure> {
    let refused = |problem: &str| Err(Failure::Refused(problem.into()));
    let Value::Array(parts) = value else { return refused("the script returned no list") };
    let Some((word, rest)) = parts.split_first() else { return refused("the list is empty") };
    match (text(word), rest) {
        (Some("open"), [epoch, last, first, ended, Value::Int(recorded)]) => {
            let epoch = text(epoch).and_then(|epoch| epoch.parse().ok());
            let (Some(epoch), Some(last), Some(first)) = (epoch, id(last), id(first)) else {
                return refused("the state of the stream is damaged");
            };
            let ending = text(ended).and_then(ending);
            Ok(Opened { epoch, last, first, ending, is_loss_recorded: *recorded == 1 })
        }
        (Some("replica"), _) => Err(Failure::NotReachable("the server is a replica".into())),
        (Some("cluster"), _) => refused(CLUSTER),
        (Some("denied"), [call]) => {
            let call = text(call).unwrap_or_default();
            refused(&lacks_permission(&format!("the user cannot call {call}")))
        }
        (Some("exhausted"), _) => {
            refused("an entry has an id of the far future, after which there are no epochs")
        }
        _ => refused("the script returned something else"),
    }
}

/// How a channel ended.
pub(crate) fn ending(word: &str) -> Option<Ending> {
    match word {
        "finish" => Some(Ending::Finished),
        "abort" => Some(Ending::Aborted),
        _ => None,
    }
}

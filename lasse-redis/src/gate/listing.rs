//! The open streams of all nodes: each node is asked, and writes its own into a list of Redis.

use std::time::Duration;

use lasse_tokio::now;
use redis::Value;
use tokio::time::{Instant, sleep};

use super::node::{LIST, Node, escaped};
use super::scripts;
use crate::error::{Failure, PublishError};
use crate::shared::random;

/// The open streams of all nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterStreams {
    /// The streams, in no order. A node returns up to 10,000.
    pub streams: Vec<ClusterStream>,
    /// Whether all nodes have answered, with all that they have.
    pub is_complete: bool,
}

/// An open stream of some node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterStream {
    /// A name of the node: the same for all its streams.
    pub node: String,
    /// The tags of the stream.
    pub tags: Vec<String>,
    /// How long ago it was opened.
    pub age: Duration,
}

impl Node {
    pub(super) async fn list(&self, tag: &str) -> Result<ClusterStreams, PublishError> {
        let id = format!("{:016x}{:016x}", random(), random());
        let call = scripts::NODES.key(self.nodes_key());
        let nodes = self.call(async |on| call.invoke_async(&mut on.connection).await).await;
        let Value::Int(nodes) = nodes.map_err(Failure::without_effect)? else {
            return Err(PublishError::Refused("the script returned no number".into()));
        };
        self.publish(LIST, format!("{id} {}", escaped(tag))).await?;
        let deadline = Instant::now() + self.config.timeout;
        loop {
            let answers = self.answers(&id).await.map_err(Failure::without_effect)?;
            let are_all = i64::try_from(answers.len()).is_ok_and(|count| count >= nodes);
            if are_all || Instant::now() >= deadline {
                return Ok(collect(&answers, are_all));
            }
            sleep(TIME_BETWEEN_LOOKS).await;
        }
    }

    async fn answers(&self, id: &str) -> Result<Vec<Vec<u8>>, Failure> {
        let mut command = redis::cmd("LRANGE");
        command.arg(self.reply_key(id)?).arg(0).arg(-1);
        self.call(async |on| command.query_async(&mut on.connection).await).await
    }

    /// Writes the streams of this node that another node asks for. If this fails, that node finds
    /// out that the list is not complete.
    pub(super) async fn answer_list(&self, question: &str) {
        let Some((id, tag)) = question.split_once(' ') else { return };
        let mut streams = self.gate.streams();
        streams.retain(|stream| stream.tags.iter().any(|own| escaped(own) == tag));
        let mut answer = Vec::new();
        write(&mut answer, &self.slots.node());
        write(&mut answer, if streams.len() > MOST_STREAMS { "part" } else { "all" });
        for stream in streams.iter().take(MOST_STREAMS) {
            let age = now().saturating_duration_since(stream.opened_at);
            write(&mut answer, &age.as_millis().to_string());
            write(&mut answer, &stream.tags.len().to_string());
            stream.tags.iter().for_each(|tag| write(&mut answer, tag));
        }
        let Ok(key) = self.reply_key(id) else { return };
        let mut pipeline = redis::pipe();
        pipeline.cmd("RPUSH").arg(&key).arg(answer);
        pipeline.cmd("PEXPIRE").arg(&key).arg(REPLY_LIFETIME_MILLIS);
        let query = async |on: &mut crate::connector::Numbered| {
            pipeline.query_async::<Value>(&mut on.connection).await
        };
        let _ = self.call(query).await;
    }
}

fn collect(answers: &[Vec<u8>], are_all: bool) -> ClusterStreams {
    let mut found = ClusterStreams { streams: Vec::new(), is_complete: are_all };
    for answer in answers {
        match read_answer(answer) {
            Some((streams, has_all)) => {
                found.streams.extend(streams);
                found.is_complete &= has_all;
            }
            None => found.is_complete = false,
        }
    }
    found
}

/// The streams of one node, and whether these are all.
fn read_answer(mut answer: &[u8]) -> Option<(Vec<ClusterStream>, bool)> {
    let node = read(&mut answer)?;
    let has_all = read(&mut answer)? == "all";
    let mut streams = Vec::new();
    while !answer.is_empty() {
        let age = Duration::from_millis(read(&mut answer)?.parse().ok()?);
        let count = read(&mut answer)?.parse::<usize>().ok()?;
        // A count that is too large ends with the bytes.
        let tags = (0..count).map(|_| read(&mut answer)).collect::<Option<_>>()?;
        streams.push(ClusterStream { node: node.clone(), tags, age });
    }
    Some((streams, has_all))
}

/// Writes a string after its length: `3:abc`.
fn write(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(format!("{}:", text.len()).as_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

fn read(bytes: &mut &[u8]) -> Option<String> {
    let colon = bytes.iter().position(|byte| *byte == b':')?;
    let (len, rest) = (bytes.get(..colon)?, bytes.get(colon + 1..)?);
    let len = std::str::from_utf8(len).ok()?.parse::<usize>().ok()?;
    let text = std::str::from_utf8(rest.get(..len)?).ok()?.to_owned();
    *bytes = rest.get(len..)?;
    Some(text)
}

/// How often the answers are counted.
const TIME_BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// How many streams a node returns.
const MOST_STREAMS: usize = 10_000;

/// How long the answers are kept.
const REPLY_LIFETIME_MILLIS: u64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(parts: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        parts.iter().for_each(|part| write(&mut bytes, part));
        bytes
    }

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let bytes = answer(&["n", "all", "7", "2", "a:b\n", "", "8", "0"]);
        let stream = |tags: &[&str], age| ClusterStream {
            node: "n".into(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            age: Duration::from_millis(age),
        };
        let streams = vec![stream(&["a:b\n", ""], 7), stream(&[], 8)];
        assert_eq!(read_answer(&bytes), Some((streams, true)));
        assert!(collect(std::slice::from_ref(&bytes), true).is_complete);
        assert!(!collect(&[answer(&["n", "part"])], true).is_complete);
    }

    #[test]
    fn a_malformed_answer_makes_the_list_incomplete() {
        for bytes in [
            b"".as_slice(),
            b"1:n",
            b"x",
            b":",
            b"-1:n3:all",
            b"99:n",
            b"18446744073709551615:n",
            b"1:\xff3:all",
            b"1:n3:all1:71:9",
            b"1:n3:all1:71:x",
        ] {
            assert_eq!(read_answer(bytes), None, "{bytes:?}");
            assert!(!collect(&[bytes.to_vec()], true).is_complete);
        }
    }
}

//! The inbox of a node: the ids of the runs that it must read again, by a connection of its own.

use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use redis::aio::MultiplexedConnection;
use tokio::time::sleep;

use super::node::Node;
use super::scripts;
use crate::error::Failure;
use crate::reply::text;
use crate::shared::spread;

/// Reads the inbox, and connects again after each failure. It does not return.
pub(super) async fn run(node: Arc<Node>) {
    let mut delay = FIRST_DELAY;
    loop {
        let failure = match connect(&node).await {
            Ok(mut connection) => {
                delay = FIRST_DELAY;
                read_all(&node, &mut connection).await
            }
            Err(failure) => failure,
        };
        #[cfg(feature = "tracing")]
        tracing::warn!(%failure, "the runs have lost Redis");
        node.problem.set(Some(&failure));
        sleep(spread(delay / 2)).await;
        delay = (delay * 2).min(LONGEST_DELAY);
    }
}

async fn connect(node: &Node) -> Result<MultiplexedConnection, Failure> {
    let shared = node.backplane.shared();
    let config = &shared.config;
    let response_timeout = node.config.tick() + config.connect_timeout;
    let connection = shared.server.connect(config.connect_timeout, response_timeout).await?;
    match text(&node.run_script(&scripts::PROBE, |_| ()).await?) {
        Some("master") => {}
        Some("cluster") => {
            let problem = "the server is part of a cluster, which is not supported";
            return Err(Failure::Refused(problem.into()));
        }
        _ => return Err(Failure::NotReachable("the server is a replica".into())),
    }
    node.problem.set(None::<&Failure>);
    node.record_connected();
    Ok(connection)
}

/// Reads until the connection fails. An id that is read twice does no harm, so that each connection
/// starts with the oldest.
async fn read_all(node: &Node, connection: &mut MultiplexedConnection) -> Failure {
    let (key, mut last) = (node.inbox_key(), "0-0".to_owned());
    let block = u64::try_from(node.config.tick().as_millis()).unwrap_or(u64::MAX).max(1);
    loop {
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(1000).arg("BLOCK").arg(block);
        command.arg("STREAMS").arg(&key).arg(&last);
        match command.query_async(connection).await {
            Ok(reply) => {
                node.record_reply();
                for (id, run) in entries(&reply) {
                    node.wake(run);
                    id.clone_into(&mut last);
                }
            }
            Err(error) => return Failure::of(&error),
        }
    }
}

/// The ids of the entries, and of the runs in them.
fn entries(reply: &Value) -> Vec<(&str, &str)> {
    let Value::Array(streams) = reply else { return Vec::new() };
    let mut found = Vec::new();
    for stream in streams {
        let Value::Array(parts) = stream else { continue };
        let [_, Value::Array(entries)] = parts.as_slice() else { continue };
        for entry in entries {
            let Value::Array(parts) = entry else { continue };
            let [id, Value::Array(fields)] = parts.as_slice() else { continue };
            let run = fields.get(1).and_then(text).unwrap_or_default();
            found.extend(text(id).map(|id| (id, run)));
        }
    }
    found
}

/// The delay before the second attempt to connect.
const FIRST_DELAY: Duration = Duration::from_millis(50);

/// The longest delay: the lease of a producer must be renewed soon after Redis is back.
const LONGEST_DELAY: Duration = Duration::from_millis(500);

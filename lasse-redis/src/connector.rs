//! The connection for publishing, which the channels of a node share.

use std::fmt;
use std::time::Duration;

use redis::RedisResult;
use redis::aio::MultiplexedConnection;
use tokio::sync::Mutex;

use crate::error::Failure;
use crate::server::RedisServer;

/// The connection for publishing.
///
/// It does not reconnect by itself: each connection has a number, and a stream must be opened on
/// it before the first event is sent.
pub(crate) struct Connector {
    server: RedisServer,
    connect_timeout: Duration,
    response_timeout: Duration,
    current: Mutex<Current>,
}

struct Current {
    number: u64,
    connection: Option<MultiplexedConnection>,
}

/// A connection, and its number.
#[derive(Clone)]
pub(crate) struct Numbered {
    pub(crate) number: u64,
    pub(crate) connection: MultiplexedConnection,
}

impl Connector {
    pub(crate) fn new(
        server: RedisServer,
        connect_timeout: Duration,
        response_timeout: Duration,
    ) -> Self {
        let current = Mutex::new(Current { number: 0, connection: None });
        Self { server, connect_timeout, response_timeout, current }
    }

    /// The connection, which is made if there is none.
    pub(crate) async fn connection(&self) -> Result<Numbered, Failure> {
        let mut current = self.current.lock().await;
        if let Some(connection) = current.connection.clone() {
            return Ok(Numbered { number: current.number, connection });
        }
        let connection = self.server.connect(self.connect_timeout, self.response_timeout).await?;
        current.number += 1;
        current.connection = Some(connection.clone());
        Ok(Numbered { number: current.number, connection })
    }

    /// Calls a command or a script, and drops the connection if that fails.
    pub(crate) async fn call<T, F>(&self, command: F) -> Result<T, Failure>
    where
        F: AsyncFnOnce(&mut Numbered) -> RedisResult<T>,
    {
        let mut numbered = self.connection().await?;
        let failure = match command(&mut numbered).await {
            Ok(reply) => return Ok(reply),
            Err(error) => Failure::of(&error),
        };
        if !matches!(failure, Failure::Refused(_)) {
            self.discard(numbered.number).await;
        }
        Err(failure)
    }

    /// Drops a connection that has failed, unless there is a newer one.
    pub(crate) async fn discard(&self, number: u64) {
        let mut current = self.current.lock().await;
        if current.number == number {
            current.connection = None;
        }
    }

    /// Drops the connection if it does not answer: Redis and networks close connections that are
    /// idle, and an event that is sent on such a connection has an unknown outcome.
    pub(crate) async fn check(&self) {
        let (number, connection) = {
            let current = self.current.lock().await;
            (current.number, current.connection.clone())
        };
        let Some(mut connection) = connection else { return };
        // A command that each user of a stream may call.
        if redis::cmd("TIME").query_async::<redis::Value>(&mut connection).await.is_err() {
            self.discard(number).await;
        }
    }

    /// Drops the connection, if there is one and none is being made.
    pub(crate) fn discard_any(&self) {
        if let Ok(mut current) = self.current.try_lock() {
            current.connection = None;
        }
    }

    /// The same, unless there is a newer one.
    pub(crate) fn forget(&self, number: u64) {
        if let Ok(mut current) = self.current.try_lock() {
            if current.number == number {
                current.connection = None;
            }
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("server", &self.server).finish_non_exhaustive()
    }
}

//! Where Redis is: one server, or the master that sentinels name.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    ProtocolVersion, PushInfo, RedisResult, Value,
};

use crate::error::Failure;
use crate::reply::text;

/// Where Redis is, and how to sign in there.
///
/// # Examples
///
/// ```
/// use lasse_redis::RedisServer;
///
/// let one = RedisServer::new("redis://user:secret@127.0.0.1:6379/0")?;
/// let master = RedisServer::with_sentinels(
///     ["redis://10.0.0.1:26379", "redis://10.0.0.2:26379", "redis://10.0.0.3:26379"],
///     "main",
///     "redis://user:secret@localhost",
/// )?;
/// # Ok::<(), lasse_redis::InvalidServer>(())
/// ```
#[derive(Clone, Debug)]
pub struct RedisServer {
    /// Its address is replaced if there are sentinels.
    server: ConnectionInfo,
    sentinels: Vec<ConnectionInfo>,
    master: String,
}

/// An address that the `redis` crate does not accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidServer(String);

impl std::fmt::Display for InvalidServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidServer {}

impl RedisServer {
    /// The server at this URL, or of these connection settings. The server can still be missing.
    ///
    /// # Errors
    ///
    /// If the URL is not one of Redis, or names TLS and the feature `tls` is off.
    pub fn new(server: impl IntoConnectionInfo) -> Result<Self, InvalidServer> {
        let server = settings(server)?;
        Ok(Self { server, sentinels: Vec::new(), master: String::new() })
    }

    /// The server that `sentinels` name as the master of `master`. The URL gives the database, the
    /// user and TLS; its host is not used.
    ///
    /// # Errors
    ///
    /// If there is no sentinel, or if a URL is not one of Redis.
    pub fn with_sentinels(
        sentinels: impl IntoIterator<Item = impl IntoConnectionInfo>,
        master: impl Into<String>,
        server: impl IntoConnectionInfo,
    ) -> Result<Self, InvalidServer> {
        let sentinels = sentinels.into_iter().map(settings).collect::<Result<Vec<_>, _>>()?;
        if sentinels.is_empty() {
            return Err(InvalidServer("there is no sentinel".into()));
        }
        Ok(Self { server: settings(server)?, sentinels, master: master.into() })
    }

    /// Connects. The connection is not verified yet: see [`scripts::OPEN`](crate::scripts::OPEN).
    pub(crate) async fn connect(
        &self,
        connect_timeout: Duration,
        response_timeout: Duration,
    ) -> Result<MultiplexedConnection, Failure> {
        let server = self.find(connect_timeout).await?;
        let connected = connect(server, connect_timeout, response_timeout).await;
        connected.map_err(|error| Failure::of(&error).without_effect())
    }

    /// The same for a connection on which Redis sends messages by itself.
    pub(crate) async fn connect_with_pushes(
        &self,
        timeout: Duration,
        receive: impl Fn(PushInfo) -> Result<(), ()> + Send + Sync + 'static,
    ) -> Result<MultiplexedConnection, Failure> {
        let server = self.find(timeout).await?;
        let redis = server.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let config = settings_of(timeout, timeout).set_push_sender(receive);
        let connected = connect_with(server.set_redis_settings(redis), timeout, config).await;
        connected.map_err(|error| Failure::of(&error).without_effect())
    }

    /// The server, or the master that the first sentinel names which answers.
    async fn find(&self, timeout: Duration) -> Result<ConnectionInfo, Failure> {
        if self.sentinels.is_empty() {
            return Ok(self.server.clone());
        }
        let mut problem = String::new();
        for sentinel in &self.sentinels {
            match self.ask(sentinel, timeout).await {
                Ok(Some((host, port))) => {
                    let addr = with_host(self.server.addr(), host, port);
                    return Ok(self.server.clone().set_addr(addr));
                }
                Ok(None) => problem = format!("{sentinel:?} knows no master {}", self.master),
                Err(error) => problem = error.to_string(),
            }
        }
        Err(Failure::NotReachable(format!("no sentinel names a master: {problem}")))
    }

    async fn ask(
        &self,
        sentinel: &ConnectionInfo,
        timeout: Duration,
    ) -> RedisResult<Option<(String, u16)>> {
        let mut connection = connect(sentinel.clone(), timeout, timeout).await?;
        let mut command = redis::cmd("SENTINEL");
        command.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.master);
        let Value::Array(address) = command.query_async(&mut connection).await? else {
            return Ok(None);
        };
        let [host, port] = address.as_slice() else { return Ok(None) };
        let port = text(port).and_then(|port| port.parse().ok());
        Ok(text(host).map(str::to_owned).zip(port))
    }
}

async fn connect(
    server: ConnectionInfo,
    connect_timeout: Duration,
    response_timeout: Duration,
) -> RedisResult<MultiplexedConnection> {
    connect_with(server, connect_timeout, settings_of(connect_timeout, response_timeout)).await
}

fn settings_of(connect_timeout: Duration, response_timeout: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(connect_timeout))
        .set_response_timeout(Some(response_timeout))
}

async fn connect_with(
    server: ConnectionInfo,
    connect_timeout: Duration,
    config: AsyncConnectionConfig,
) -> RedisResult<MultiplexedConnection> {
    let connecting =
        async { Client::open(server)?.get_multiplexed_async_connection_with_config(&config).await };
    // Also the handshake is bounded.
    match tokio::time::timeout(connect_timeout, connecting).await {
        Ok(connected) => connected,
        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
}

fn settings(server: impl IntoConnectionInfo) -> Result<ConnectionInfo, InvalidServer> {
    let invalid = |error: redis::RedisError| InvalidServer(error.to_string());
    let info = server.into_connection_info().map_err(invalid)?;
    // The replies are read in the form of the older protocol.
    let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2);
    let info = info.set_redis_settings(redis);
    Client::open(info.clone()).map_err(invalid)?;
    Ok(info)
}

/// The same kind of address with another host and port.
fn with_host(addr: &ConnectionAddr, host: String, port: u16) -> ConnectionAddr {
    match addr {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
            host,
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        _ => ConnectionAddr::Tcp(host, port),
    }
}

//! The start of a node: its port, and its server of Redis.

mod options;
mod own_redis;

use std::error::Error;

use lasse_hyper::Listener;
use lasse_redis::RedisServer;

use options::Options;
use own_redis::OwnRedis;

/// Reads the arguments, listens, and prints where the node is. Starts a server of Redis unless one is
/// named; it ends when the last value is dropped.
pub(crate) async fn start() -> Result<(Listener, RedisServer, Option<OwnRedis>), Box<dyn Error>> {
    let options = Options::read(std::env::args().skip(1))?;
    let listener = Listener::bind(("127.0.0.1", options.port)).await?;
    let address = listener.local_addr()?;
    let own_redis = match &options.redis {
        Some(_) => None,
        None => Some(OwnRedis::start()?),
    };
    let url = options.redis.as_deref().or_else(|| own_redis.as_ref().map(OwnRedis::url));
    let server = RedisServer::new(url.unwrap_or_default())?;
    println!("http://{address}/");
    if let Some(redis) = &own_redis {
        println!("another node: --port {} --redis {}", address.port() + 1, redis.url());
    }
    Ok((listener, server, own_redis))
}

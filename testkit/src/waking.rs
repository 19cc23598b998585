//! A stream that waits, and a channel that has something for it.

use std::error::Error;
use std::net::SocketAddr;

use lasse_core::{Channel, ChannelConfig, Event};

use crate::lines_of;

/// Checks that a stream receives an event that is published while it waits. `serve` starts a
/// server that answers each request by the channel.
///
/// # Errors
///
/// When the server cannot be started, or reached.
///
/// # Panics
///
/// When the stream ends without it.
pub fn is_woken_by_a_channel(
    serve: impl FnOnce(Channel) -> Result<SocketAddr, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let news = Channel::new(&ChannelConfig::new());
    let mut lines = lines_of(serve(news.clone())?, "/")?;
    // A stream starts with its position.
    assert!(lines.any(|line| line.is_ok_and(|line| line.starts_with("id: "))));
    news.publish(Event::new("hello"))?;
    assert!(lines.any(|line| line.is_ok_and(|line| line == "data: hello")));
    Ok(())
}

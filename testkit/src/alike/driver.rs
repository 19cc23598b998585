//! A driver of `ServerConnection` without any I/O.

use std::sync::Arc;
use std::task::{Context, Waker};

use lasse_core::http1::{ServerConnection, ServerOutput};
use lasse_core::{Connection, Instant, RequestHead, StreamConfig};

use super::servers::{OneEvent, config, init};

/// Returns what the server writes.
pub(super) fn run(mut input: &[u8]) -> Vec<u8> {
    let (streams, mut now) = (StreamConfig::new(), Instant::from_nanos(0));
    let mut server = ServerConnection::<OneEvent>::new(&Arc::new(config()), now);
    let (mut written, mut cx) = (Vec::new(), Context::from_waker(Waker::noop()));
    loop {
        match server.poll_output(now, &mut cx) {
            ServerOutput::Request(request) => {
                let head = RequestHead::from(&request);
                server.respond(Connection::accept_with(head, init, &streams, now));
            }
            ServerOutput::Write(wire) => {
                written.extend(wire.concat());
                server.handle_written(wire.len(), now);
            }
            ServerOutput::HalfClose => {}
            ServerOutput::Wait if !input.is_empty() && server.wants_input() => {
                server.handle_input(std::mem::take(&mut input));
            }
            ServerOutput::Wait => {
                let Some(deadline) = server.deadline() else { return written };
                now = deadline.max(now);
                server.handle_timeout(now);
            }
            ServerOutput::Close(_) => return written,
        }
    }
}

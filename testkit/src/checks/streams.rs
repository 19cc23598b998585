//! Checks of streams, and of the requests after them.

use std::time::Duration;

use super::check_error::{CheckError, ensure, equal};
use super::peer::{End, Framing, Peer};
use super::responses::expect_usable;
use super::test_handler::REFUSED;
use super::{KEEP_ALIVE, Server, clock};

pub(super) fn first_byte(server: &Server) -> Result<(), CheckError> {
    let mut peer = Peer::get(server, "/quiet?tag=first-byte")?;
    equal("the text before", peer.response()?.await_text(":\n")?, "")
}

pub(super) fn each_event_is_flushed(server: &Server) -> Result<(), CheckError> {
    let mut peer = Peer::get(server, "/ticks?tag=flushed")?;
    let mut response = peer.response()?;
    for tick in 1..=3 {
        response.await_text(&format!("data: tick {tick}\n\n"))?;
    }
    response.await_text(": alive\n").map(drop)
}

pub(super) fn chunked(server: &Server) -> Result<(), CheckError> {
    let mut peer = Peer::get(server, "/stop?tag=chunked")?;
    let response = peer.response()?;
    equal("the framing", response.framing, Framing::Chunked)?;
    response.expect(":\ndata: bye\n\n")
}

pub(super) fn http_1_0(server: &Server) -> Result<(), CheckError> {
    for field in ["", "connection: keep-alive\r\n"] {
        let mut peer = Peer::connect(server)?;
        peer.send(format!("GET /stop?tag=http-1.0 HTTP/1.0\r\n{field}\r\n"))?;
        let response = peer.response()?;
        equal("the framing", response.framing, Framing::UntilClose)?;
        response.expect(":\ndata: bye\n\n")?;
    }
    Ok(())
}

pub(super) fn connection_close(server: &Server) -> Result<(), CheckError> {
    for target in ["/stop?tag=connection-close", "/own-response", "/no-content"] {
        let mut peer = Peer::connect(server)?;
        peer.request("GET", target, "connection: close\r\n")?;
        let response = peer.response()?;
        response.head.expect("connection", Some("close"))?;
        response.finish()?;
        equal("the end", peer.end()?, End::Clean)?;
    }
    Ok(())
}

pub(super) fn pipelined(server: &Server) -> Result<(), CheckError> {
    let mut peer = Peer::connect(server)?;
    let ask = |target| format!("GET {target} HTTP/1.1\r\nhost: here\r\n\r\n");
    peer.send([ask("/stop?tag=pipelined"), ask("/come-back"), ask("/no-content")].concat())?;
    peer.response()?.expect_events("data: bye\n\n")?;
    peer.response()?.expect_events(REFUSED)?;
    equal("the last status", peer.response()?.head.status, 204)?;
    expect_usable(&mut peer)
}

pub(super) fn pipelined_while_running(server: &Server) -> Result<(), CheckError> {
    let mut peer = Peer::get(server, "/brief?tag=running")?;
    let mut sender = peer.another()?;
    let mut response = peer.response()?;
    response.await_text("data: tick 1\n\n")?;
    sender.request("GET", "/come-back", "")?;
    response.expect_events("data: tick 2\n\ndata: tick 3\n\n")?;
    peer.response()?.expect_events(REFUSED)?;
    expect_usable(&mut peer)
}

pub(super) fn pipelined_too_much(server: &Server) -> Result<(), CheckError> {
    let mut peer = Peer::get(server, "/ticks?tag=too-much")?;
    peer.send("x".repeat(256 * 1024))?;
    let mut response = peer.response()?;
    response.await_text("data: tick 3\n\n")?;
    response.await_text(": alive\n")?;
    response.await_text(": alive\n").map(drop)
}

pub(super) fn keep_alive(server: &Server) -> Result<(), CheckError> {
    let mut peer = Peer::get(server, "/quiet?tag=keep-alive")?;
    let mut response = peer.response()?;
    response.await_text(":\n")?;
    let mut last = clock::now();
    for _ in 0..3 {
        equal("the text before", response.await_text(": alive\n")?, "")?;
        let silence = clock::now() - last;
        let range = KEEP_ALIVE / 2..KEEP_ALIVE + Duration::from_secs(2);
        ensure(range.contains(&silence), || format!("the silence lasts {silence:?}"))?;
        last += silence;
    }
    Ok(())
}

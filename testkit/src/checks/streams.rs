//! Checks of streams that run, and of what comes after them.

use std::time::Duration;

use super::answers::expect_usable;
use super::peer::{End, Framing, Peer};
use super::wrong::{Wrong, ensure, equal};
use super::{KEEP_ALIVE, Server, clock};

pub(super) fn first_byte(server: &Server) -> Result<(), Wrong> {
    let mut peer = Peer::get(server, "/quiet?tag=first-byte")?;
    equal("what comes before", peer.answer()?.await_text(":\n")?, "")
}

pub(super) fn each_event_is_flushed(server: &Server) -> Result<(), Wrong> {
    let mut peer = Peer::get(server, "/ticks?tag=flushed")?;
    let mut answer = peer.answer()?;
    for tick in 1..=3 {
        answer.await_text(&format!("data: tick {tick}\n\n"))?;
    }
    answer.await_text(": alive\n").map(drop)
}

pub(super) fn chunked(server: &Server) -> Result<(), Wrong> {
    let mut peer = Peer::get(server, "/stop?tag=chunked")?;
    let answer = peer.answer()?;
    equal("the framing", answer.framing, Framing::Chunked)?;
    answer.expect(":\ndata: bye\n\n")
}

pub(super) fn http_1_0(server: &Server) -> Result<(), Wrong> {
    for field in ["", "connection: keep-alive\r\n"] {
        let mut peer = Peer::dial(server)?;
        peer.say(format!("GET /stop?tag=http-1.0 HTTP/1.0\r\n{field}\r\n"))?;
        let answer = peer.answer()?;
        equal("the framing", answer.framing, Framing::UntilClose)?;
        answer.expect(":\ndata: bye\n\n")?;
    }
    Ok(())
}

pub(super) fn connection_close(server: &Server) -> Result<(), Wrong> {
    for target in ["/stop?tag=connection-close", "/own-response", "/no-content"] {
        let mut peer = Peer::dial(server)?;
        peer.ask("GET", target, "connection: close\r\n")?;
        let answer = peer.answer()?;
        answer.head.expect("connection", Some("close"))?;
        answer.finish()?;
        equal("the end", peer.end()?, End::Clean)?;
    }
    Ok(())
}

pub(super) fn pipelined(server: &Server) -> Result<(), Wrong> {
    let mut peer = Peer::dial(server)?;
    let ask = |target| format!("GET {target} HTTP/1.1\r\nhost: here\r\n\r\n");
    peer.say([ask("/stop?tag=pipelined"), ask("/come-back"), ask("/no-content")].concat())?;
    peer.answer()?.expect_events("data: bye\n\n")?;
    peer.answer()?.expect_events("retry: 1234\n")?;
    equal("the last status", peer.answer()?.head.status, 204)?;
    expect_usable(&mut peer)
}

pub(super) fn pipelined_while_running(server: &Server) -> Result<(), Wrong> {
    let mut peer = Peer::get(server, "/brief?tag=running")?;
    let mut asker = peer.another()?;
    let mut answer = peer.answer()?;
    answer.await_text("data: tick 1\n\n")?;
    asker.ask("GET", "/come-back", "")?;
    answer.expect_events("data: tick 2\n\ndata: tick 3\n\n")?;
    peer.answer()?.expect_events("retry: 1234\n")?;
    expect_usable(&mut peer)
}

pub(super) fn pipelined_too_much(server: &Server) -> Result<(), Wrong> {
    let mut peer = Peer::get(server, "/ticks?tag=too-much")?;
    peer.say("x".repeat(256 * 1024))?;
    let mut answer = peer.answer()?;
    answer.await_text("data: tick 3\n\n")?;
    answer.await_text(": alive\n")?;
    answer.await_text(": alive\n").map(drop)
}

pub(super) fn keep_alive(server: &Server) -> Result<(), Wrong> {
    let mut peer = Peer::get(server, "/quiet?tag=keep-alive")?;
    let mut answer = peer.answer()?;
    answer.await_text(":\n")?;
    let mut last = clock::now();
    for _ in 0..3 {
        equal("what comes before", answer.await_text(": alive\n")?, "")?;
        let silence = clock::now() - last;
        let range = KEEP_ALIVE / 2..KEEP_ALIVE + Duration::from_secs(2);
        ensure(range.contains(&silence), || format!("the silence takes {silence:?}"))?;
        last += silence;
    }
    Ok(())
}

//! Checks of how requests are answered, streams or not.

use lasse_core::EndReason;

use super::peer::{Answer, Framing, Peer};
use super::puppet::OWN_BODY;
use super::wrong::{Wrong, ensure, equal};
use super::{MARK, PATIENCE, Server};

pub(super) fn stream_head(server: &Server) -> Result<(), Wrong> {
    let mut peer = Peer::get(server, "/quiet?tag=stream-head")?;
    let answer = peer.answer()?;
    expect_stream(&answer)?;
    answer.head.expect("x-accel-buffering", Some("no"))?;
    answer.head.expect(MARK.as_str(), Some("lasse"))
}

pub(super) fn other_methods(server: &Server) -> Result<(), Wrong> {
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"] {
        let mut peer = Peer::dial(server)?;
        peer.ask(method, "/quiet?tag=other-methods", "content-length: 0\r\n")?;
        let answer = peer.answer()?;
        equal(method, answer.head.status, 405)?;
        answer.head.expect("allow", Some("GET, HEAD"))?;
        answer.head.expect(MARK.as_str(), Some("lasse"))?;
        answer.expect("")?;
    }
    expect_none_made(server, "other-methods")
}

pub(super) fn body_of_a_refused(server: &Server) -> Result<(), Wrong> {
    let body = "GET /stop?tag=smuggled HTTP/1.1\r\nhost: here\r\n\r\n";
    let length = format!("content-length: {}\r\n\r\n{body}", body.len());
    let chunks =
        format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for (method, status) in [("POST", 405), ("GET", 401)] {
        for framed in [&length, &chunks] {
            let mut peer = Peer::dial(server)?;
            peer.say(format!("{method} /own-response HTTP/1.1\r\nhost: here\r\n{framed}"))?;
            let answer = peer.answer()?;
            equal(method, answer.head.status, status)?;
            answer.finish()?;
            peer.half_close()?;
            peer.end()?;
        }
    }
    expect_none_made(server, "smuggled")
}

pub(super) fn head_only(server: &Server) -> Result<(), Wrong> {
    let mut peer = Peer::dial(server)?;
    peer.ask("HEAD", "/quiet?tag=head", "")?;
    let head = peer.head()?;
    equal("the status", head.status, 200)?;
    head.expect("content-type", Some("text/event-stream"))?;
    head.expect("content-length", None)?;
    let reasons = server.journal.await_end("head", PATIENCE).reasons;
    equal("the reasons", reasons, [EndReason::HeadOnly])?;
    peer.ask("HEAD", "/own-response", "")?;
    equal("the status", peer.head()?.status, 401)?;
    expect_usable(&mut peer)
}

pub(super) fn no_content(server: &Server) -> Result<(), Wrong> {
    let mut peer = Peer::get(server, "/no-content")?;
    let answer = peer.answer()?;
    equal("the status", answer.head.status, 204)?;
    answer.head.expect("content-length", None)?;
    answer.head.expect("transfer-encoding", None)?;
    answer.head.expect(MARK.as_str(), Some("lasse"))?;
    expect_usable(&mut peer)
}

pub(super) fn own_response(server: &Server) -> Result<(), Wrong> {
    let mut peer = Peer::get(server, "/own-response")?;
    let answer = peer.answer()?;
    equal("the status", answer.head.status, 401)?;
    answer.head.expect("www-authenticate", Some("Bearer"))?;
    answer.head.expect("connection", None)?;
    answer.head.expect(MARK.as_str(), Some("lasse"))?;
    answer.expect(OWN_BODY)?;
    expect_usable(&mut peer)
}

pub(super) fn come_back(server: &Server) -> Result<(), Wrong> {
    let mut peer = Peer::get(server, "/come-back")?;
    let answer = peer.answer()?;
    expect_stream(&answer)?;
    answer.expect_events("retry: 1234\n")?;
    expect_usable(&mut peer)
}

/// Passes if the connection can be used for another request.
pub(super) fn expect_usable(peer: &mut Peer) -> Result<(), Wrong> {
    peer.ask("GET", "/stop", "")?;
    let answer = peer.answer()?;
    equal("the framing of the next answer", answer.framing, Framing::Chunked)?;
    answer.expect_events("data: bye\n\n")
}

fn expect_stream(answer: &Answer<'_>) -> Result<(), Wrong> {
    equal("the status", answer.head.status, 200)?;
    answer.head.expect("content-type", Some("text/event-stream"))?;
    answer.head.expect("cache-control", Some("no-cache"))
}

fn expect_none_made(server: &Server, tag: &str) -> Result<(), Wrong> {
    let made = server.journal.await_end(tag, std::time::Duration::ZERO).made;
    ensure(made == 0, || format!("{made} handlers are made"))
}

//! Checks of responses, streams or not.

use lasse_core::EndReason;

use super::check_error::{CheckError, ensure, equal};
use super::peer::{Framing, Peer, PeerResponse};
use super::test_handler::{OWN_BODY, REFUSED};
use super::{CONFIGURED_HEADER, MAX_WAIT, Server};

pub(super) fn stream_head(server: &Server) -> Result<(), CheckError> {
    let mut peer = Peer::get(server, "/quiet?tag=stream-head")?;
    let response = peer.response()?;
    expect_stream(&response)?;
    response.head.expect("x-accel-buffering", Some("no"))?;
    response.head.expect(CONFIGURED_HEADER.as_str(), Some("lasse"))
}

pub(super) fn other_methods(server: &Server) -> Result<(), CheckError> {
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"] {
        let mut peer = Peer::connect(server)?;
        peer.request(method, "/quiet?tag=other-methods", "content-length: 0\r\n")?;
        let response = peer.response()?;
        equal(method, response.head.status, 405)?;
        response.head.expect("allow", Some("GET, HEAD"))?;
        response.head.expect(CONFIGURED_HEADER.as_str(), Some("lasse"))?;
        response.expect("")?;
    }
    expect_none_made(server, "other-methods")
}

pub(super) fn body_of_a_refused(server: &Server) -> Result<(), CheckError> {
    let body = "GET /stop?tag=smuggled HTTP/1.1\r\nhost: here\r\n\r\n";
    let length = format!("content-length: {}\r\n\r\n{body}", body.len());
    let chunks =
        format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for (method, status) in [("POST", 405), ("GET", 401)] {
        for framed in [&length, &chunks] {
            let mut peer = Peer::connect(server)?;
            peer.send(format!("{method} /own-response HTTP/1.1\r\nhost: here\r\n{framed}"))?;
            let response = peer.response()?;
            equal(method, response.head.status, status)?;
            response.finish()?;
            peer.half_close()?;
            peer.end()?;
        }
    }
    expect_none_made(server, "smuggled")
}

pub(super) fn head_only(server: &Server) -> Result<(), CheckError> {
    let mut peer = Peer::connect(server)?;
    peer.request("HEAD", "/quiet?tag=head", "")?;
    let head = peer.head()?;
    equal("the status", head.status, 200)?;
    head.expect("content-type", Some("text/event-stream"))?;
    head.expect("content-length", None)?;
    let reasons = server.records.await_end("head", MAX_WAIT).reasons;
    equal("the reasons", reasons, [EndReason::HeadOnly])?;
    peer.request("HEAD", "/own-response", "")?;
    equal("the status", peer.head()?.status, 401)?;
    expect_usable(&mut peer)
}

pub(super) fn no_content(server: &Server) -> Result<(), CheckError> {
    let mut peer = Peer::get(server, "/no-content")?;
    let response = peer.response()?;
    equal("the status", response.head.status, 204)?;
    response.head.expect("content-length", None)?;
    response.head.expect("transfer-encoding", None)?;
    response.head.expect(CONFIGURED_HEADER.as_str(), Some("lasse"))?;
    expect_usable(&mut peer)
}

pub(super) fn own_response(server: &Server) -> Result<(), CheckError> {
    let mut peer = Peer::get(server, "/own-response")?;
    let response = peer.response()?;
    equal("the status", response.head.status, 401)?;
    response.head.expect("www-authenticate", Some("Bearer"))?;
    response.head.expect("connection", None)?;
    response.head.expect(CONFIGURED_HEADER.as_str(), Some("lasse"))?;
    response.expect(OWN_BODY)?;
    expect_usable(&mut peer)
}

pub(super) fn refusal(server: &Server) -> Result<(), CheckError> {
    let mut peer = Peer::get(server, "/come-back")?;
    let response = peer.response()?;
    expect_stream(&response)?;
    response.expect_events(REFUSED)?;
    expect_usable(&mut peer)
}

/// Passes if the connection can be used for another request.
pub(super) fn expect_usable(peer: &mut Peer) -> Result<(), CheckError> {
    peer.request("GET", "/stop", "")?;
    let response = peer.response()?;
    equal("the framing of the next response", response.framing, Framing::Chunked)?;
    response.expect_events("data: bye\n\n")
}

fn expect_stream(response: &PeerResponse<'_>) -> Result<(), CheckError> {
    equal("the status", response.head.status, 200)?;
    response.head.expect("content-type", Some("text/event-stream"))?;
    response.head.expect("cache-control", Some("no-cache"))
}

fn expect_none_made(server: &Server, tag: &str) -> Result<(), CheckError> {
    let made = server.records.await_end(tag, std::time::Duration::ZERO).made;
    ensure(made == 0, || format!("{made} handlers are made"))
}

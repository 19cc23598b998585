//! Checks of how a stream ends when its client leaves or stalls, or its handler
//! aborts or panics.

use lasse_core::EndReason;

use super::check_error::{CheckError, ensure, equal};
use super::peer::{End, Peer};
use super::responses::expect_usable;
use super::stream_records::Entry;
use super::{MAX_WAIT, Server, WRITE_TIMEOUT, clock};

pub(super) fn half_close(server: &Server) -> Result<(), CheckError> {
    let mut peer = Peer::get(server, "/quiet?tag=half-close")?;
    peer.response()?.await_text(":\n")?;
    peer.half_close()?;
    expect_end(server, "half-close", &[EndReason::PeerClosed])?;
    peer.drain().map(drop)
}

pub(super) fn close(server: &Server) -> Result<(), CheckError> {
    let mut peer = Peer::get(server, "/quiet?tag=close")?;
    peer.response()?.await_text(":\n")?;
    drop(peer);
    expect_end(server, "close", &[EndReason::PeerClosed]).map(drop)
}

pub(super) fn reset(server: &Server) -> Result<(), CheckError> {
    Peer::get(server, "/ticks?tag=reset")?.reset()?;
    expect_end(server, "reset", &[EndReason::PeerClosed, EndReason::WriteFailed]).map(drop)
}

pub(super) fn stalled(server: &Server) -> Result<(), CheckError> {
    let mut peer = Peer::get(server, "/flood?tag=stalled")?;
    let start = clock::now();
    let response = peer.response()?;
    let entry = expect_end(server, "stalled", &[EndReason::Stalled])?;
    let after = start.elapsed();
    ensure(after > WRITE_TIMEOUT / 2, || format!("the client is reset after {after:?}"))?;
    ensure(entry.unsent > 0, || "handle_error is not called".into())?;
    equal("the end of the body", response.finish()?.1, End::Cut)
}

pub(super) fn panic(server: &Server) -> Result<(), CheckError> {
    let mut other = Peer::get(server, "/quiet?tag=other")?;
    let mut other = other.response()?;
    other.await_text(":\n")?;
    let mut peer = Peer::get(server, "/panic?tag=panic")?;
    let (_, end) = peer.response()?.finish()?;
    equal("the end of the body", end, End::Cut)?;
    equal(
        "the reasons",
        server.records.await_end("panic", MAX_WAIT).reasons,
        [EndReason::Panicked],
    )?;
    other.await_text(": alive\n")?;
    expect_usable(&mut Peer::connect(server)?)
}

pub(super) fn abort(server: &Server) -> Result<(), CheckError> {
    let mut peer = Peer::get(server, "/abort?tag=abort")?;
    let (text, end) = peer.response()?.finish()?;
    ensure(text.contains("data: careful\n\n"), || format!("the body before is {text:?}"))?;
    equal("the end of the body", end, End::Cut)?;
    expect_end(server, "abort", &[EndReason::Aborted])?;
    expect_cut_http_1_0(server, "/abort?tag=abort-1.0")?;
    expect_end(server, "abort-1.0", &[EndReason::Aborted]).map(drop)
}

pub(super) fn panic_http_1_0(server: &Server) -> Result<(), CheckError> {
    expect_cut_http_1_0(server, "/panic?tag=panic-1.0")?;
    expect_end(server, "panic-1.0", &[EndReason::Panicked]).map(drop)
}

/// Passes if the response to a request by HTTP/1.0 ends with a reset: a client takes
/// a normal close for the end of the stream.
fn expect_cut_http_1_0(server: &Server, target: &str) -> Result<(), CheckError> {
    let mut peer = Peer::connect(server)?;
    peer.send(format!("GET {target} HTTP/1.0\r\n\r\n"))?;
    equal("the end of the connection", peer.drain()?, End::Cut)
}

/// Passes if the stream ended for one of these reasons, or as dropped if another
/// server owns the sockets.
fn expect_end(server: &Server, tag: &str, right: &[EndReason]) -> Result<Entry, CheckError> {
    let entry = server.records.await_end(tag, MAX_WAIT);
    let is_right =
        |reason| right.contains(reason) || server.is_adapter_only && *reason == EndReason::Dropped;
    let reasons = &entry.reasons;
    ensure(reasons.len() == 1 && reasons.iter().all(is_right), || {
        format!("the reasons are {reasons:?}, and should be one of {right:?}")
    })?;
    Ok(entry)
}

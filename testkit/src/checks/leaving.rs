//! Checks of how a stream ends when its peer leaves or stalls, or its handler
//! panics.

use lasse_core::EndReason;

use super::answers::expect_usable;
use super::journal::Entry;
use super::peer::{End, Peer};
use super::wrong::{Wrong, ensure, equal};
use super::{PATIENCE, Server, WRITE_TIMEOUT, clock};

pub(super) fn half_close(server: &Server) -> Result<(), Wrong> {
    let mut peer = Peer::get(server, "/quiet?tag=half-close")?;
    peer.answer()?.await_text(":\n")?;
    peer.half_close()?;
    expect_end(server, "half-close", &[EndReason::PeerClosed])?;
    peer.drain().map(drop)
}

pub(super) fn close(server: &Server) -> Result<(), Wrong> {
    let mut peer = Peer::get(server, "/quiet?tag=close")?;
    peer.answer()?.await_text(":\n")?;
    drop(peer);
    expect_end(server, "close", &[EndReason::PeerClosed]).map(drop)
}

pub(super) fn reset(server: &Server) -> Result<(), Wrong> {
    Peer::get(server, "/ticks?tag=reset")?.reset()?;
    expect_end(server, "reset", &[EndReason::PeerClosed, EndReason::WriteFailed]).map(drop)
}

pub(super) fn stalled(server: &Server) -> Result<(), Wrong> {
    let mut peer = Peer::get(server, "/flood?tag=stalled")?;
    let start = clock::now();
    let answer = peer.answer()?;
    let entry = expect_end(server, "stalled", &[EndReason::Stalled])?;
    let after = start.elapsed();
    ensure(after > WRITE_TIMEOUT / 2, || format!("it is dropped after {after:?}"))?;
    ensure(entry.unsent > 0, || "the handler is not told what was not sent".into())?;
    equal("the end of the body", answer.finish()?.1, End::Cut)
}

pub(super) fn panic(server: &Server) -> Result<(), Wrong> {
    let mut witness = Peer::get(server, "/quiet?tag=witness")?;
    let mut witness = witness.answer()?;
    witness.await_text(":\n")?;
    let mut peer = Peer::get(server, "/panic?tag=panic")?;
    let (_, end) = peer.answer()?.finish()?;
    equal("the end of the body", end, End::Cut)?;
    equal(
        "the reasons",
        server.journal.await_end("panic", PATIENCE).reasons,
        [EndReason::Panicked],
    )?;
    witness.await_text(": alive\n")?;
    expect_usable(&mut Peer::dial(server)?)
}

pub(super) fn abort(server: &Server) -> Result<(), Wrong> {
    let mut peer = Peer::get(server, "/abort?tag=abort")?;
    let (text, end) = peer.answer()?.finish()?;
    ensure(text.contains("data: careful\n\n"), || format!("before it comes {text:?}"))?;
    equal("the end of the body", end, End::Cut)?;
    expect_end(server, "abort", &[EndReason::Aborted])?;
    expect_cut_http_1_0(server, "/abort?tag=abort-1.0")?;
    expect_end(server, "abort-1.0", &[EndReason::Aborted]).map(drop)
}

pub(super) fn panic_http_1_0(server: &Server) -> Result<(), Wrong> {
    expect_cut_http_1_0(server, "/panic?tag=panic-1.0")?;
    expect_end(server, "panic-1.0", &[EndReason::Panicked]).map(drop)
}

/// Passes if the response to a request by HTTP/1.0 ends with a reset, since a client
/// takes all else for its end.
fn expect_cut_http_1_0(server: &Server, target: &str) -> Result<(), Wrong> {
    let mut peer = Peer::dial(server)?;
    peer.say(format!("GET {target} HTTP/1.0\r\n\r\n"))?;
    equal("the end of the connection", peer.drain()?, End::Cut)
}

/// Passes if the stream ended for one of these reasons, which an adapter that is
/// a guest in another's server may not know.
fn expect_end(server: &Server, tag: &str, right: &[EndReason]) -> Result<Entry, Wrong> {
    let entry = server.journal.await_end(tag, PATIENCE);
    let is_right =
        |reason| right.contains(reason) || server.is_guest && *reason == EndReason::Dropped;
    let reasons = &entry.reasons;
    ensure(reasons.len() == 1 && reasons.iter().all(is_right), || {
        format!("the reasons are {reasons:?}, and should be one of {right:?}")
    })?;
    Ok(entry)
}

//! Checks of heads that are too slow, too large, or none.

use std::time::Duration;

use super::answers::expect_usable;
use super::peer::{End, Peer};
use super::wrong::{Wrong, ensure, equal};
use super::{HEAD_BYTES, HEAD_FIELDS, HEAD_TIME, Server, clock};

pub(super) fn garbage(server: &Server) -> Result<(), Wrong> {
    for request in [
        "\u{1}\u{2}\u{3}\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nbad name: x\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
    ] {
        expect_refusal(server, request, &[400, 505])?;
    }
    Ok(())
}

pub(super) fn slow(server: &Server) -> Result<(), Wrong> {
    let mut peer = Peer::dial(server)?;
    peer.say("GET /quiet HTTP/1.1\r\nx-slow: ")?;
    let start = clock::now();
    // An error when the server has left; `expect_timeout` looks into it.
    while peer.say("x").is_ok() && !peer.hears_within(Duration::from_millis(30))? {
        ensure(start.elapsed() < SLOWEST, || "it is still waited for".into())?;
    }
    expect_timeout(peer, start.elapsed())
}

pub(super) fn silent(server: &Server) -> Result<(), Wrong> {
    let mut peer = Peer::dial(server)?;
    let start = clock::now();
    ensure(peer.hears_within(SLOWEST)?, || "it is still waited for".into())?;
    expect_timeout(peer, start.elapsed())
}

pub(super) fn large(server: &Server) -> Result<(), Wrong> {
    let mut peer = Peer::dial(server)?;
    peer.ask("GET", "/stop", format!("x-large: {}\r\n", "x".repeat(HEAD_BYTES - 100)))?;
    peer.answer()?.expect_events("data: bye\n\n")?;
    peer.ask("GET", "/stop", "x-field: x\r\n".repeat(HEAD_FIELDS - 1))?;
    peer.answer()?.expect_events("data: bye\n\n")?;
    expect_usable(&mut peer)
}

pub(super) fn too_large(server: &Server) -> Result<(), Wrong> {
    let start = "GET /stop?tag=too-large HTTP/1.1\r\nx-large: ";
    let endless = format!("{start}{}", "x".repeat(2 * HEAD_BYTES));
    expect_refusal(server, endless, &[400, 431])?;
    let ended = format!("{start}{}\r\n\r\n", "x".repeat(HEAD_BYTES));
    expect_refusal(server, ended, &[400, 431])?;
    let target = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(HEAD_BYTES));
    expect_refusal(server, target, &[400, 414, 431])
}

pub(super) fn too_many_fields(server: &Server) -> Result<(), Wrong> {
    let fields = "x-field: x\r\n".repeat(HEAD_FIELDS + 1);
    let request = format!("GET /stop?tag=too-many HTTP/1.1\r\n{fields}\r\n");
    expect_refusal(server, request, &[400, 431])
}

pub(super) fn refusal_arrives(server: &Server) -> Result<(), Wrong> {
    let mut peer = Peer::dial(server)?;
    // The server stops reading after a part of this, and must not reset the connection
    // for the rest.
    peer.say(format!("GET /stop?tag=refused HTTP/1.1\r\nx: {}", "x".repeat(8 * HEAD_BYTES)))?;
    equal("the status", peer.answer()?.head.status, 431)?;
    equal("the end", peer.drain()?, End::Clean)
}

/// Passes if a request is answered by one of these, or not at all, and the
/// connection ends.
fn expect_refusal(server: &Server, request: impl AsRef<[u8]>, right: &[u16]) -> Result<(), Wrong> {
    let mut peer = Peer::dial(server)?;
    // The server may have left before it has read all: that is no news.
    let _ = peer.say(request);
    if let Some(status) = peer.refusal()? {
        ensure(right.contains(&status), || format!("the status is {status}, not of {right:?}"))?;
    }
    peer.drain().map(drop)
}

/// Passes if the server has given up in time: by a 408, or by closing, as hyper
/// does.
fn expect_timeout(mut peer: Peer, after: Duration) -> Result<(), Wrong> {
    ensure(after > HEAD_TIME / 2, || format!("it is given up on after {after:?}"))?;
    equal("the status", peer.refusal()?.unwrap_or(408), 408)?;
    peer.drain().map(drop)
}

/// How long a server may take to find a head too slow, on a busy machine.
const SLOWEST: Duration = Duration::from_millis(3000).saturating_add(HEAD_TIME);

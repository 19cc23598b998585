//! Checks of heads that are too slow, too large, or malformed.

use std::time::Duration;

use super::check_error::{CheckError, ensure, equal};
use super::peer::{End, Peer};
use super::responses::expect_usable;
use super::{HEAD_BYTES, HEAD_FIELDS, HEAD_TIME, Server, clock};

pub(super) fn garbage(server: &Server) -> Result<(), CheckError> {
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

pub(super) fn slow(server: &Server) -> Result<(), CheckError> {
    let mut peer = Peer::connect(server)?;
    peer.send("GET /quiet HTTP/1.1\r\nx-slow: ")?;
    let start = clock::now();
    // An error if the server has closed; `expect_timeout` checks that.
    while peer.send("x").is_ok() && !peer.receives_within(Duration::from_millis(30))? {
        ensure(start.elapsed() < MAX_HEAD_TIME, || "the connection is still open".into())?;
    }
    expect_timeout(peer, start.elapsed())
}

pub(super) fn silent(server: &Server) -> Result<(), CheckError> {
    let mut peer = Peer::connect(server)?;
    let start = clock::now();
    ensure(peer.receives_within(MAX_HEAD_TIME)?, || "the connection is still open".into())?;
    expect_timeout(peer, start.elapsed())
}

pub(super) fn large(server: &Server) -> Result<(), CheckError> {
    let mut peer = Peer::connect(server)?;
    peer.request("GET", "/stop", format!("x-large: {}\r\n", "x".repeat(HEAD_BYTES - 100)))?;
    peer.response()?.expect_events("data: bye\n\n")?;
    peer.request("GET", "/stop", "x-field: x\r\n".repeat(HEAD_FIELDS - 1))?;
    peer.response()?.expect_events("data: bye\n\n")?;
    expect_usable(&mut peer)
}

pub(super) fn too_large(server: &Server) -> Result<(), CheckError> {
    let start = "GET /stop?tag=too-large HTTP/1.1\r\nx-large: ";
    let endless = format!("{start}{}", "x".repeat(2 * HEAD_BYTES));
    expect_refusal(server, endless, &[400, 431])?;
    let ended = format!("{start}{}\r\n\r\n", "x".repeat(HEAD_BYTES));
    expect_refusal(server, ended, &[400, 431])?;
    let target = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(HEAD_BYTES));
    expect_refusal(server, target, &[400, 414, 431])
}

pub(super) fn too_many_fields(server: &Server) -> Result<(), CheckError> {
    let fields = "x-field: x\r\n".repeat(HEAD_FIELDS + 1);
    let request = format!("GET /stop?tag=too-many HTTP/1.1\r\n{fields}\r\n");
    expect_refusal(server, request, &[400, 431])
}

pub(super) fn refusal_arrives(server: &Server) -> Result<(), CheckError> {
    let mut peer = Peer::connect(server)?;
    // The server stops reading after a part of this, and must not reset the connection
    // because of the rest.
    peer.send(format!("GET /stop?tag=refused HTTP/1.1\r\nx: {}", "x".repeat(8 * HEAD_BYTES)))?;
    equal("the status", peer.response()?.head.status, 431)?;
    equal("the end", peer.drain()?, End::Clean)
}

/// Passes if the response has one of these statuses, or there is none, and the
/// connection ends.
fn expect_refusal(
    server: &Server,
    request: impl AsRef<[u8]>,
    right: &[u16],
) -> Result<(), CheckError> {
    let mut peer = Peer::connect(server)?;
    // The server can close before it has read everything.
    let _ = peer.send(request);
    if let Some(status) = peer.refusal()? {
        ensure(right.contains(&status), || format!("the status is {status}, not of {right:?}"))?;
    }
    peer.drain().map(drop)
}

/// Passes if the server has closed in time, with a 408 or, like hyper, without.
fn expect_timeout(mut peer: Peer, after: Duration) -> Result<(), CheckError> {
    ensure(after > HEAD_TIME / 2, || format!("the server closes after {after:?}"))?;
    equal("the status", peer.refusal()?.unwrap_or(408), 408)?;
    peer.drain().map(drop)
}

/// How long a server can take to refuse a slow head, on a busy machine.
const MAX_HEAD_TIME: Duration = Duration::from_millis(3000).saturating_add(HEAD_TIME);

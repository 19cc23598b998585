//! Checks of the last event id: whatever it is, the status is 200, since any other
//! ends an `EventSource` for ever.

use super::Server;
use super::check_error::{CheckError, equal};
use super::peer::Peer;

pub(super) fn header(server: &Server) -> Result<(), CheckError> {
    let longest = "x".repeat(256);
    expect(server, "/echo", &[], "absent")?;
    expect(server, "/echo", &[b""], "empty")?;
    for id in ["7", "0", "a, b,c", "Zürich 7", "日本", "\"%20'<>", &longest] {
        expect(server, "/echo", &[id.as_bytes()], &format!("id {id}"))?;
    }
    let too_long = format!("{longest}x");
    expect(server, "/echo", &[too_long.as_bytes()], "unknown")?;
    expect(server, "/echo", &[b"Z\xfcrich"], "unknown")?;
    expect(server, "/echo", &[b"  outer blanks \t"], "id outer blanks")
}

pub(super) fn query(server: &Server) -> Result<(), CheckError> {
    expect(server, "/echo?last_event_id=7", &[], "id 7")?;
    expect(server, "/echo?a=b&lastEventId=Z%C3%BCrich+7", &[], "id Zürich 7")?;
    expect(server, "/echo?lastEventId=7", &[b"8"], "id 8")?;
    expect(server, "/echo?lastEventId=7", &[b""], "empty")?;
    expect(server, "/echo?lastEventId=%ff", &[], "unknown")
}

pub(super) fn duplicates(server: &Server) -> Result<(), CheckError> {
    expect(server, "/echo", &[b"7", b"7"], "id 7")?;
    expect(server, "/echo", &[b"7", b"8"], "unknown")?;
    expect(server, "/echo", &[b"7", b""], "unknown")
}

/// Passes if a request with these last event ids is understood so.
fn expect(
    server: &Server,
    target: &str,
    ids: &[&[u8]],
    understood: &str,
) -> Result<(), CheckError> {
    let mut fields = Vec::new();
    for id in ids {
        fields.extend_from_slice(b"Last-Event-ID: ");
        fields.extend_from_slice(id);
        fields.extend_from_slice(b"\r\n");
    }
    let mut peer = Peer::connect(server)?;
    peer.request("GET", target, &fields)?;
    let mut response = peer.response()?;
    equal(&format!("the status for {understood:?}"), response.head.status, 200)?;
    response.await_text(&format!("data: {understood}\n\n")).map(drop)
}

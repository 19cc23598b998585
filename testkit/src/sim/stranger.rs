//! Connections that are not for a feed: silence, garbage, other methods.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::accept::{Visit, accept};
use super::http::{Part as ResponsePart, ResponseReader};
use super::pipe::{PipeSettings, pipe};
use super::scenario::Stranger;
use super::settings::Route;
use super::task::spawn;
use super::world::{Part, World};

/// Connects to a node. The server must answer by the rules of HTTP, if it answers, and must close.
pub(super) fn connect(world: &Arc<World>, node: usize, kind: Stranger, nth: usize) {
    if !world.state().nodes[node].is_accepting() {
        return;
    }
    let random = world.random(Part::Stranger(nth));
    let (server_end, mut end) = pipe(&PipeSettings::default(), random.clone(), &world.meter);
    let route = Route::Feed;
    accept(world, server_end, Visit { node, feed: 0, route, client: STRANGER, connection: None });
    let shared = world.clone();
    let conversation = async move {
        let mut reader = ResponseReader::new(false, kind == Stranger::Head);
        let (mut status, mut space) = (None, [0; 512]);
        if end.write_all(kind.request()).await.is_err() || kind == Stranger::Leaves {
            return;
        }
        loop {
            // A server that waits for more of a request must give up at some time.
            let read = timeout(TIME_LIMIT, end.read(&mut space)).await;
            let Ok(read) = read else {
                if shared.state().nodes[node].settings.head_timeout > TIME_LIMIT {
                    return;
                }
                let what = format!("node {node} waits for ever for {kind:?}");
                return shared.state().breach(what);
            };
            let Ok(n @ 1..) = read else { break };
            reader.handle_bytes(&space[..n]);
            loop {
                match reader.next_part() {
                    Ok(None) => break,
                    Ok(Some(ResponsePart::Head(head))) => status = Some(head.status().as_u16()),
                    Ok(Some(ResponsePart::Body(_))) => {}
                    Ok(Some(ResponsePart::End)) => return kind.check(&shared, status),
                    Err(what) => return shared.state().breach(format!("{kind:?}: {what}")),
                }
            }
        }
        kind.check(&shared, status);
    };
    drop(spawn(conversation, random, &world.meter));
}

impl Stranger {
    fn request(self) -> &'static [u8] {
        match self {
            Self::Silent => b"",
            Self::Half | Self::Leaves => b"GET /feed/0 HTTP/1.1\r\nho",
            Self::Garbage => b"\x16\x03\x01 not http\r\n\r\n",
            Self::Head => b"HEAD /feed/0 HTTP/1.1\r\nhost: sim\r\n\r\n",
            Self::Post => b"POST /feed/0 HTTP/1.1\r\nhost: sim\r\ncontent-length: 0\r\n\r\n",
        }
    }

    fn check(self, world: &World, status: Option<u16>) {
        let is_right = match self {
            Self::Silent | Self::Leaves => status.is_none(),
            Self::Half => matches!(status, None | Some(408)),
            Self::Garbage => matches!(status, None | Some(400)),
            Self::Head => matches!(status, None | Some(200 | 204)),
            Self::Post => matches!(status, None | Some(405)),
        };
        if !is_right {
            world.state().breach(format!("{self:?} is answered {status:?}"));
        }
    }
}

/// Longer than any timeout of a server that waits for a request.
const TIME_LIMIT: Duration = Duration::from_secs(600);

/// A client index that no client has.
const STRANGER: usize = 9_999;

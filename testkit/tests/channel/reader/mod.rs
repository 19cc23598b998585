//! One connection of a client, which decodes events as they arrive.

mod http1;
mod http2;

use std::net::SocketAddr;
use std::vec::IntoIter;

use lasse_testkit::{Received, Recorder};

use crate::server::{Server, Stack};
use http1::Http1;
use http2::Http2;

/// A response that is read step by step: unread bytes stay in the socket.
pub(crate) struct Reader {
    pub(crate) status: u16,
    body: Body,
    recorder: Recorder,
    heard: IntoIter<Received>,
}

enum Body {
    Http1(Http1),
    Http2(Http2),
}

/// Where a reader connects, and with which protocol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) stack: Stack,
    pub(crate) address: SocketAddr,
}

impl From<&Server> for Target {
    fn from(server: &Server) -> Self {
        Self { stack: server.stack, address: server.address }
    }
}

/// How a response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// As the protocol ends it.
    Clean,
    /// In the middle, or by a reset.
    Cut,
}

impl Reader {
    /// Connects, and requests `target` with these last event ids. Over HTTP/1.1 it reads at most
    /// `piece` bytes at once.
    pub(crate) fn ask(
        target_server: impl Into<Target>,
        target: &str,
        ids: &[&[u8]],
        piece: usize,
    ) -> Self {
        let Target { stack, address } = target_server.into();
        let (status, body) = match stack {
            Stack::Tokio | Stack::Hyper => {
                let body = Http1::ask(address, target, ids, piece);
                (body.status, Body::Http1(body))
            }
            Stack::HyperHttp2 => {
                let body = Http2::ask(address, target, ids);
                (body.status(), Body::Http2(body))
            }
        };
        Self { status, body, recorder: Recorder::default(), heard: IntoIter::default() }
    }

    /// Connects with this last event id, if there is one.
    pub(crate) fn resume(target_server: impl Into<Target>, last: Option<&str>) -> Self {
        let ids: Vec<_> = last.into_iter().map(str::as_bytes).collect();
        Self::ask(target_server, "/", &ids, 16 * 1024)
    }

    /// The next item, except the first byte and keep-alives.
    ///
    /// # Errors
    ///
    /// At the end.
    pub(crate) fn receive(&mut self) -> Result<Received, End> {
        loop {
            let first_byte = Received::Comment(String::new());
            if let Some(heard) = self.heard.find(|heard| *heard != first_byte) {
                return Ok(heard);
            }
            let chunk = match &mut self.body {
                Body::Http1(body) => body.chunk(),
                Body::Http2(body) => body.chunk(),
            };
            self.recorder.receive(&chunk?);
            self.heard = std::mem::take(&mut self.recorder.received).into_iter();
        }
    }

    /// Everything received before an event with this data.
    pub(crate) fn read_until(&mut self, data: &str) -> Vec<Received> {
        let mut before = Vec::new();
        loop {
            match self.receive() {
                Ok(Received::Message(_, said, _)) if said == data => return before,
                Ok(heard) => before.push(heard),
                Err(end) => panic!("{end:?} end before {data:?}, after {before:?}"),
            }
        }
    }

    /// Everything received to the end, and which end that is.
    pub(crate) fn read_to_end(mut self) -> (Vec<Received>, End) {
        let mut all = Vec::new();
        loop {
            match self.receive() {
                Ok(heard) => all.push(heard),
                Err(end) => return (all, end),
            }
        }
    }
}

//! A response over HTTP/2, on a connection of its own.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::{Builder, SendRequest};
use http::{Request, Response};
use tokio::net::TcpStream;
use tokio::runtime::{self, Runtime};
use tokio::time::timeout;

use super::End;

pub(super) struct Http2 {
    answer: Response<RecvStream>,
    /// Held, because the connection ends with it.
    _client: SendRequest<Bytes>,
    runtime: Runtime,
}

impl Http2 {
    pub(super) fn ask(address: SocketAddr, target: &str, ids: &[&[u8]]) -> Self {
        let mut request = Request::get(format!("http://lasse.example{target}"));
        for id in ids {
            request = request.header("last-event-id", *id);
        }
        let request = request.body(()).unwrap();
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let asking = async move {
            let socket = TcpStream::connect(address).await.unwrap();
            // It may be slow: by default h2 hangs up on a server, with ENHANCE_YOUR_CALM,
            // when some 140 small frames wait to be read.
            let (client, connection) =
                Builder::new().data_frame_budget(usize::MAX).handshake(socket).await.unwrap();
            tokio::spawn(async { drop(connection.await) });
            let mut client: SendRequest<Bytes> = client.ready().await.unwrap();
            let (answer, _) = client.send_request(request, true).unwrap();
            (answer.await.unwrap(), client)
        };
        let asked = runtime.block_on(async { timeout(TIME_LIMIT, asking).await });
        let (answer, client) = asked.expect("an answer comes");
        Self { answer, _client: client, runtime }
    }

    pub(super) fn status(&self) -> u16 {
        self.answer.status().as_u16()
    }

    /// The next bytes of the body, or its end.
    pub(super) fn chunk(&mut self) -> Result<Vec<u8>, End> {
        let body = self.answer.body_mut();
        let hearing = async {
            let bytes = body.data().await.ok_or(End::Clean)?.map_err(|_| End::Cut)?;
            body.flow_control().release_capacity(bytes.len()).map_err(|_| End::Cut)?;
            Ok(bytes.into())
        };
        self.runtime
            .block_on(async { timeout(TIME_LIMIT, hearing).await })
            .expect("something comes")
    }
}

/// How long to wait, on a busy machine, for bytes that should be there at once.
const TIME_LIMIT: Duration = Duration::from_secs(10);

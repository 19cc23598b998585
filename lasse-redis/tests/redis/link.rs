//! The network between one node and its server, which can be cut.

use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::server::Server;

/// A port that leads to a server of Redis, unless it is cut.
pub(crate) struct Link {
    port: u16,
    is_cut: Arc<watch::Sender<bool>>,
    /// How many connections are open.
    open: Arc<watch::Sender<usize>>,
    task: AbortHandle,
}

impl Link {
    pub(crate) async fn to(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, to) = (listener.local_addr().unwrap().port(), server.port);
        let is_cut = Arc::new(watch::Sender::new(false));
        let open = Arc::new(watch::Sender::new(0));
        let (switch, count) = (Arc::clone(&is_cut), Arc::clone(&open));
        let accept = async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (is_cut, count) = (switch.subscribe(), Arc::clone(&count));
                count.send_modify(|open| *open += 1);
                tokio::spawn(async move {
                    carry(socket, to, is_cut).await;
                    count.send_modify(|open| *open -= 1);
                });
            }
        };
        Self { port, is_cut, open, task: tokio::spawn(accept).abort_handle() }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Closes all connections, and each new one. Nothing passes after this has returned.
    pub(crate) async fn cut(&self) {
        self.is_cut.send_replace(true);
        // The sender lives as long as this.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }

    pub(crate) fn restore(&self) {
        self.is_cut.send_replace(false);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(mut socket: TcpStream, to: u16, mut is_cut: watch::Receiver<bool>) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", to)).await else { return };
    tokio::select! {
        biased;
        _ = is_cut.wait_for(|is_cut| *is_cut) => {}
        _ = copy_bidirectional(&mut socket, &mut server) => {}
    }
}

//! How clients are let in: by TLS or plainly, and then by what they speak.

use std::io;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
#[cfg(feature = "tls")]
use tokio_rustls::{TlsAcceptor, rustls, server::TlsStream};

use super::connection::{BoxError, Guest};
use super::preface::{Protocol, detect};
use super::socket::Transport;

/// Where clients come in.
#[derive(Clone, Default)]
pub(super) struct Door {
    #[cfg(feature = "tls")]
    tls: Option<TlsAcceptor>,
}

/// A connection that has shown what it speaks.
#[derive(Debug)]
pub(super) struct Opened<Io> {
    pub(super) io: Io,
    pub(super) protocol: Protocol,
    pub(super) read_ahead: Bytes,
}

impl Door {
    #[cfg(feature = "tls")]
    pub(super) fn tls(mut config: rustls::ServerConfig) -> Self {
        if config.alpn_protocols.is_empty() {
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        }
        Self { tls: Some(TlsAcceptor::from(std::sync::Arc::new(config))) }
    }

    /// Serves a guest, in a task of its own.
    pub(super) fn let_in<Io, S, B>(&self, io: Io, guest: Guest<S>)
    where
        Io: Transport,
        S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        #[cfg(feature = "tls")]
        if let Some(tls) = self.tls.clone() {
            drop(tokio::spawn(guest.serve(open_tls(tls, io))));
            return;
        }
        drop(tokio::spawn(guest.serve(open(io))));
    }
}

async fn open<Io: Transport>(mut io: Io) -> io::Result<Opened<Io>> {
    let (protocol, read_ahead) = detect(&mut io).await?;
    Ok(Opened { io, protocol, read_ahead })
}

/// A client that names no protocol in its handshake shows it afterwards.
#[cfg(feature = "tls")]
async fn open_tls<Io: Transport>(tls: TlsAcceptor, io: Io) -> io::Result<Opened<TlsStream<Io>>> {
    let io = tls.accept(io).await?;
    let read_ahead = Bytes::new();
    match io.get_ref().1.alpn_protocol() {
        Some(b"h2") => Ok(Opened { io, protocol: Protocol::Http2, read_ahead }),
        Some(b"http/1.1") => Ok(Opened { io, protocol: Protocol::Http1, read_ahead }),
        _ => open(io).await,
    }
}

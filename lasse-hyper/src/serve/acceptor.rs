//! The acceptor: TLS or plain TCP, and the protocol above it.

use std::io;

use bytes::Bytes;
#[cfg(feature = "tls")]
use tokio_rustls::{TlsAcceptor, rustls, server::TlsStream};

use super::protocol::{Protocol, detect};
use super::transport::Transport;

/// A connection whose protocol is known.
#[derive(Debug)]
pub(super) struct Accepted<Io> {
    pub(super) io: Io,
    pub(super) protocol: Protocol,
    /// The bytes that were read to detect the protocol.
    pub(super) read_ahead: Bytes,
}

/// Makes an acceptor of a TLS configuration. If that names no protocols, they are
/// HTTP/2 and HTTP/1.1.
#[cfg(feature = "tls")]
pub(super) fn tls_acceptor(mut config: rustls::ServerConfig) -> TlsAcceptor {
    if config.alpn_protocols.is_empty() {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    }
    TlsAcceptor::from(std::sync::Arc::new(config))
}

/// Accepts a connection without TLS.
pub(super) async fn accept<Io: Transport>(mut io: Io) -> io::Result<Accepted<Io>> {
    let (protocol, read_ahead) = detect(&mut io).await?;
    Ok(Accepted { io, protocol, read_ahead })
}

/// Accepts a connection with TLS. If the client chose no protocol in its handshake, it
/// is detected like without TLS.
#[cfg(feature = "tls")]
pub(super) async fn accept_tls<Io: Transport>(
    tls: TlsAcceptor,
    io: Io,
) -> io::Result<Accepted<TlsStream<Io>>> {
    let io = tls.accept(io).await?;
    let read_ahead = Bytes::new();
    match io.get_ref().1.alpn_protocol() {
        Some(b"h2") => Ok(Accepted { io, protocol: Protocol::Http2, read_ahead }),
        Some(b"http/1.1") => Ok(Accepted { io, protocol: Protocol::Http1, read_ahead }),
        _ => accept(io).await,
    }
}

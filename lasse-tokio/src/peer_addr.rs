//! The address of a client, in the extensions of its request.

use std::net::SocketAddr;

use http::Extensions;

/// The address of a client, in the extensions of its request.
///
/// The servers of these crates put it there. Under `axum::serve` it is there if the
/// router is served by `into_make_service_with_connect_info::<PeerAddr>()`.
///
/// Behind a proxy, this is the address of the proxy.
///
/// # Examples
///
/// At most six streams for each address:
///
/// ```
/// use lasse_tokio::{GateConfig, PeerAddr};
///
/// let config = GateConfig::new().with_limit_per_key(6, |request| {
///     PeerAddr::from_extensions(request.extensions()).map(|PeerAddr(peer)| peer.ip())
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[doc(alias = "remote address")]
#[doc(alias = "ConnectInfo")]
pub struct PeerAddr(pub SocketAddr);

impl PeerAddr {
    /// The address in the extensions of a request, if its server put it there: as a
    /// `PeerAddr`, or with the feature `axum` as axum's `ConnectInfo` of a `PeerAddr`
    /// or of a `SocketAddr`.
    pub fn from_extensions(extensions: &Extensions) -> Option<Self> {
        let peer = extensions.get().copied();
        #[cfg(feature = "axum")]
        let peer = peer.or_else(|| connect_info::find(extensions));
        peer
    }
}

#[cfg(feature = "axum")]
mod connect_info {
    use axum::extract::ConnectInfo;
    use axum::extract::connect_info::Connected;
    use axum::serve::IncomingStream;
    use http::Extensions;
    use tokio::net::TcpListener;

    use super::PeerAddr;
    use crate::sockets::Listener;

    impl Connected<IncomingStream<'_, Listener>> for PeerAddr {
        fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
            Self(*stream.remote_addr())
        }
    }

    impl Connected<IncomingStream<'_, TcpListener>> for PeerAddr {
        fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
            Self(*stream.remote_addr())
        }
    }

    pub(super) fn find(extensions: &Extensions) -> Option<PeerAddr> {
        let ours = extensions.get().map(|ConnectInfo(peer)| *peer);
        ours.or_else(|| extensions.get().map(|ConnectInfo(peer)| PeerAddr(*peer)))
    }
}

//! An axum router as the service of the server.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::Body as AxumBody;
use axum::extract::ConnectInfo;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::Service;
use lasse_tokio::{Listener, PeerAddr, ServeConfig};
use tower_service::Service as _;

use crate::serve::{RequestEnd, Serve, serve};

/// Serves an axum router, like [`serve`].
///
/// Handlers can extract the address of the client as `ConnectInfo<SocketAddr>`.
/// Request bodies that arrive byte by byte take as much memory as they have bytes, not
/// 4 KiB for each byte. Their size and time are limited by
/// [`collect_body`](crate::collect_body) or by layers.
///
/// # Examples
///
/// ```no_run
/// use axum::Router;
/// use axum::extract::{Request, State};
/// use axum::response::IntoResponse;
/// use axum::routing::get;
/// use lasse_hyper::lasse_core::{Channel, ChannelConfig};
/// use lasse_hyper::{Endpoint, Listener, ServeConfig, serve_router, subscribe};
///
/// async fn news(State(news): State<Channel>, request: Request) -> impl IntoResponse {
///     subscribe(&request, &Endpoint::default(), &news)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let channel = Channel::new(&ChannelConfig::new());
/// let router = Router::new().route("/news", get(news)).with_state(channel);
/// let listener = Listener::bind("127.0.0.1:4000").await?;
/// serve_router(listener, ServeConfig::new(), router)
///     .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
///     .await;
/// # Ok(())
/// # }
/// ```
#[doc(alias = "axum")]
pub fn serve_router(
    listener: impl Into<Listener>,
    config: ServeConfig,
    router: Router,
) -> Serve<RouterService> {
    // The state of the routes is set once here, and not with each request.
    serve(listener, config, RouterService { router: router.with_state(()) })
}

/// The service of [`serve_router`].
#[derive(Clone, Debug)]
pub struct RouterService {
    router: Router,
}

impl Service<Request<Incoming>> for RouterService {
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let extensions = request.extensions_mut();
        let end = extensions.remove::<RequestEnd>();
        if let Some(PeerAddr(peer)) = extensions.get().copied() {
            extensions.insert(ConnectInfo(peer));
        }
        let request = request.map(|incoming| match incoming.is_end_stream() {
            true => AxumBody::empty(),
            false => AxumBody::new(RequestBody { incoming, end }),
        });
        self.router.clone().call(request)
    }
}

/// The body of a request. It copies small frames, because a frame of hyper's keeps the
/// buffer alive that it was read into.
#[derive(Debug)]
struct RequestBody {
    incoming: Incoming,
    end: Option<RequestEnd>,
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        if frame.is_none() || self.incoming.is_end_stream() {
            if let Some(end) = self.end.take() {
                end.handle_read();
            }
        }
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(compact))))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

fn compact(data: Bytes) -> Bytes {
    if data.len() < SMALL { Bytes::copy_from_slice(&data) } else { data }
}

/// Up to how many bytes a frame is copied.
const SMALL: usize = 2048;

//! A node accepts a connection: here the adapters run.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::header::DATE;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use lasse_core::{Body as CoreBody, Channel, Close, RequestHead};
use lasse_hyper::server::ConnectionServer;
use lasse_hyper::{ChannelBody, EventBody};
use lasse_tokio::{Endpoint, PeerAddr, ServeConfig, WriteDeadline, serve_connection};

use super::pipe::{Control, ServerEnd};
use super::settings::{Route, SECOND, Stack};
use super::source::AnySource;
use super::task::spawn;
use super::world::{Part, World};

/// Whose connection it is, and for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit {
    pub(super) node: usize,
    pub(super) feed: usize,
    pub(super) route: Route,
    pub(super) client: usize,
    /// The index of its reader. A stranger has none.
    pub(super) connection: Option<usize>,
}

impl Visit {
    /// Whether the adapter's own function answers, whose source is not watched.
    fn is_plain(self, world: &World) -> bool {
        let has_snapshots = world.settings.channel.has_snapshots;
        self.route == Route::Feed && self.client % 2 == 0 && !has_snapshots
    }

    fn reader(self) -> usize {
        self.connection.unwrap_or_default()
    }

    fn peer(self) -> PeerAddr {
        PeerAddr(SocketAddr::from((Ipv4Addr::LOCALHOST, self.client as u16)))
    }
}

/// Serves a connection in a task of its own.
pub(super) fn accept(world: &Arc<World>, end: ServerEnd, visit: Visit) {
    if world.state().nodes[visit.node].settings.stack == Stack::Serve {
        return accept_by_serve(world, end, visit);
    }
    let control = end.control();
    let mut guard = ResetOnDrop { control: control.clone(), is_clean: false, may_lose: true };
    let peer = visit.peer();
    let (settings, serve) = {
        let node = &mut world.state().nodes[visit.node];
        node.pipes.push((visit.connection, control));
        (node.settings.clone(), node.serve)
    };
    let shared = world.clone();
    let task = async move {
        let is_clean = match settings.stack {
            Stack::Tokio => serve_by_tokio(&shared, end, peer, &serve, visit).await,
            Stack::Hyper | Stack::Serve => serve_by_hyper(&shared, end, peer, visit).await,
        };
        guard.settle(is_clean, shared.state().is_repaired);
    };
    let task = spawn(task, world.random(Part::Pipe(visit.reader())), &world.meter);
    world.state().nodes[visit.node].own(task.abort_handle());
}

async fn serve_by_tokio(
    world: &Arc<World>,
    mut end: ServerEnd,
    peer: PeerAddr,
    config: &ServeConfig,
    visit: Visit,
) -> bool {
    let close = if visit.is_plain(world) {
        let factory = |request: Request<()>| {
            ready(world.answer(visit, &RequestHead::from(&request), |endpoint, channel| {
                let response = lasse_tokio::subscribe(&request, endpoint, channel);
                let is_stream = matches!(response.body(), CoreBody::Stream(_));
                (response, is_stream)
            }))
        };
        serve_connection(&mut end, peer, config, &factory).await
    } else {
        let factory = |request: Request<()>| {
            ready(world.answer(visit, &RequestHead::from(&request), |endpoint, channel| {
                let init = |head: &RequestHead<'_>| world.init(visit, head, channel);
                let response = lasse_tokio::respond_with(&request, endpoint, init);
                let is_stream = matches!(response.body(), CoreBody::Stream(_));
                (response, is_stream)
            }))
        };
        serve_connection(&mut end, peer, config, &factory).await
    };
    close == Close::Clean
}

async fn serve_by_hyper(world: &Arc<World>, end: ServerEnd, peer: PeerAddr, visit: Visit) -> bool {
    let (head_timeout, write_timeout) = {
        let settings = &world.state().nodes[visit.node].settings;
        // An `Instant` cannot represent every sum, which hyper does not check.
        (settings.head_timeout.min(10_000 * SECOND), settings.write_timeout)
    };
    let io = TokioIo::new(WriteDeadline::new(end, write_timeout));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head_timeout);
    let with_peer = |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request
    };
    if visit.is_plain(world) {
        let answer = plain_service(world, visit);
        let service = service_fn(|request| answer(with_peer(request)));
        builder.serve_connection(io, service).await.is_ok()
    } else {
        let answer = watched_service(world, visit);
        let service = service_fn(|request| answer(with_peer(request)));
        builder.serve_connection(io, service).await.is_ok()
    }
}

/// Serves a connection as `lasse_hyper::serve` does with one of its listener.
fn accept_by_serve(world: &Arc<World>, end: ServerEnd, visit: Visit) {
    let (control, random) = (end.control(), world.random(Part::Pipe(visit.reader())));
    let (serve, gate, write_timeout, tracked) = {
        let state = &mut *world.state();
        let node = &mut state.nodes[visit.node];
        let Some(tracker) = &node.tracker else { return };
        let tracked = tracker.track();
        node.pipes.push((visit.connection, control));
        end.set_may_lose(!state.is_repaired);
        (node.serve, node.gate.clone(), node.settings.write_timeout, tracked)
    };
    let (io, peer) = (WriteDeadline::new(end, write_timeout), visit.peer());
    let task = if visit.is_plain(world) {
        let server = ConnectionServer::new(&serve, &gate, service_fn(plain_service(world, visit)));
        spawn(server.serve_connection(io, peer, tracked), random, &world.meter)
    } else {
        let service = service_fn(watched_service(world, visit));
        let server = ConnectionServer::new(&serve, &gate, service);
        spawn(server.serve_connection(io, peer, tracked), random, &world.meter)
    };
    world.state().nodes[visit.node].own(task.abort_handle());
}

type Answer<B> = Ready<Result<Response<B>, Infallible>>;

/// The answers of the adapter's own function, whose source is not watched.
fn plain_service(
    world: &Arc<World>,
    visit: Visit,
) -> impl Fn(Request<Incoming>) -> Answer<ChannelBody> + Clone + use<> {
    let world = world.clone();
    move |request| {
        let subscribe = |endpoint: &Endpoint, channel: &Channel| {
            with_kind(lasse_hyper::subscribe(&request, endpoint, channel))
        };
        ready(Ok(world.answer(visit, &RequestHead::from(&request), subscribe)))
    }
}

/// The answers whose source is watched.
fn watched_service(
    world: &Arc<World>,
    visit: Visit,
) -> impl Fn(Request<Incoming>) -> Answer<EventBody<AnySource>> + Clone + use<> {
    let world = world.clone();
    move |request| {
        let subscribe = |endpoint: &Endpoint, channel: &Channel| {
            let init = |head: &RequestHead<'_>| world.init(visit, head, channel);
            with_kind(lasse_hyper::respond_with(&request, endpoint, init))
        };
        ready(Ok(world.answer(visit, &RequestHead::from(&request), subscribe)))
    }
}

/// A response, and whether its body is a stream. It has a date of its own: over HTTP/2 the length of a
/// date depends on its digits, and hyper's is of the machine's clock, which no seed decides.
fn with_kind<B: Body>(mut response: Response<B>) -> (Response<B>, bool) {
    response.headers_mut().insert(DATE, HeaderValue::from_static(BEGIN));
    let body = response.body();
    let is_stream = !body.is_end_stream() && body.size_hint().exact().is_none();
    (response, is_stream)
}

const BEGIN: &str = "Thu, 01 Jan 1970 00:00:00 GMT";

/// Resets a connection unless it ended cleanly, as a server does with its sockets.
struct ResetOnDrop {
    control: Control,
    is_clean: bool,
    may_lose: bool,
}

impl ResetOnDrop {
    /// If every reset lost what came before it, a client would never get on. So nothing is lost once
    /// all is repaired.
    fn settle(&mut self, is_clean: bool, is_repaired: bool) {
        (self.is_clean, self.may_lose) = (is_clean, !is_repaired);
    }
}

impl Drop for ResetOnDrop {
    fn drop(&mut self) {
        if !self.is_clean {
            self.control.reset(self.may_lose);
        }
    }
}

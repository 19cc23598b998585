//! A server of a channel, with either adapter.

use std::convert::Infallible;
use std::future::ready;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use lasse_core::{Channel, Init, RequestHead, StreamConfig, Subscriber};
use lasse_tokio::{Endpoint, Gate, GateConfig, Listener, ServeConfig};
use tokio::runtime::Runtime;
use tokio::time::sleep;

/// An adapter, and the protocol of its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    Tokio,
    Hyper,
    HyperHttp2,
}

pub(crate) const STACKS: [Stack; 3] = [Stack::Tokio, Stack::Hyper, Stack::HyperHttp2];

/// A server, until it is dropped.
pub(crate) struct Server {
    pub(crate) stack: Stack,
    pub(crate) address: SocketAddr,
    pub(crate) gate: Gate,
    runtime: Option<Runtime>,
}

/// What answers a request.
#[derive(Clone)]
enum Source {
    Channel(Channel),
    Merged(Vec<(&'static str, Channel)>),
    Init(Arc<Decide>),
}

type Decide = dyn Fn(&RequestHead<'_>) -> Init<Subscriber> + Send + Sync;

impl Server {
    /// Answers all requests with the events of `channel`.
    pub(crate) fn of(stack: Stack, channel: &Channel) -> Self {
        Self::start(stack, ANYWHERE, Source::Channel(channel.clone()), WRITE_TIMEOUT)
    }

    /// The same, with this write timeout.
    pub(crate) fn with_write_timeout(stack: Stack, channel: &Channel, timeout: Duration) -> Self {
        Self::start(stack, ANYWHERE, Source::Channel(channel.clone()), timeout)
    }

    /// The same, at an address where there was a server before.
    pub(crate) fn at(stack: Stack, address: SocketAddr, channel: &Channel) -> Self {
        let source = Source::Channel(channel.clone());
        Self::start(stack, &address.to_string(), source, WRITE_TIMEOUT)
    }

    /// Answers all requests with the events of several channels.
    pub(crate) fn of_merged(stack: Stack, channels: &[(&'static str, &Channel)]) -> Self {
        let channels = channels.iter().map(|(name, channel)| (*name, (*channel).clone()));
        Self::start(stack, ANYWHERE, Source::Merged(channels.collect()), WRITE_TIMEOUT)
    }

    /// Answers each request as `init` decides.
    pub(crate) fn with_init(
        stack: Stack,
        init: impl Fn(&RequestHead<'_>) -> Init<Subscriber> + Send + Sync + 'static,
    ) -> Self {
        Self::start(stack, ANYWHERE, Source::Init(Arc::new(init)), WRITE_TIMEOUT)
    }

    fn start(stack: Stack, address: &str, source: Source, timeout: Duration) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(bind(address));
        let address = listener.local_addr().unwrap();
        let gate = Gate::new(GateConfig::new());
        let endpoint =
            Endpoint::new(StreamConfig::new().with_write_timeout(timeout)).with_gate(&gate);
        let config = ServeConfig::new().with_write_timeout(timeout).unwrap();
        match stack {
            Stack::Tokio => runtime.spawn(serve_by_tokio(listener, config, endpoint, source)),
            Stack::Hyper | Stack::HyperHttp2 => {
                runtime.spawn(serve_by_hyper(listener, config, endpoint, source))
            }
        };
        Self { stack, address, gate, runtime: Some(runtime) }
    }
}

/// Listens, as soon as the socket of a server before is closed.
async fn bind(address: &str) -> Listener {
    for _ in 0..100 {
        match Listener::bind(address).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                sleep(Duration::from_millis(50)).await;
            }
            listener => return listener.unwrap(),
        }
    }
    panic!("{address} stays in use");
}

impl Drop for Server {
    fn drop(&mut self) {
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

async fn serve_by_tokio(
    listener: Listener,
    config: ServeConfig,
    endpoint: Endpoint,
    source: Source,
) {
    if let Source::Merged(channels) = source {
        let answer = move |request: http::Request<()>| {
            ready(lasse_tokio::subscribe_merged(&request, &endpoint, refs(&channels)).unwrap())
        };
        return lasse_tokio::serve(listener, config, answer).await;
    }
    lasse_tokio::serve(listener, config, move |request| {
        ready(match &source {
            Source::Channel(channel) => lasse_tokio::subscribe(&request, &endpoint, channel),
            Source::Merged(_) => unreachable!("it is served above"),
            Source::Init(init) => lasse_tokio::respond_with(&request, &endpoint, |head| init(head)),
        })
    })
    .await;
}

async fn serve_by_hyper(
    listener: Listener,
    config: ServeConfig,
    endpoint: Endpoint,
    source: Source,
) {
    if let Source::Merged(channels) = source {
        let service = service_fn(move |request: http::Request<Incoming>| {
            let response = lasse_hyper::subscribe_merged(&request, &endpoint, refs(&channels));
            ready(Ok::<_, Infallible>(response.unwrap()))
        });
        return lasse_hyper::serve(listener, config, service).await;
    }
    let service = service_fn(move |request: http::Request<Incoming>| {
        ready(Ok::<_, Infallible>(match &source {
            Source::Channel(channel) => lasse_hyper::subscribe(&request, &endpoint, channel),
            Source::Merged(_) => unreachable!("it is served above"),
            Source::Init(init) => lasse_hyper::respond_with(&request, &endpoint, |head| init(head)),
        }))
    });
    lasse_hyper::serve(listener, config, service).await;
}

fn refs<'a>(
    channels: &'a [(&'static str, Channel)],
) -> impl Iterator<Item = (&'static str, &'a Channel)> {
    channels.iter().map(|(name, channel)| (*name, channel))
}

/// Waits until the server has noticed that a client is gone.
pub(crate) fn settle(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("not so after ten seconds: {what}");
}

const ANYWHERE: &str = "127.0.0.1:0";
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

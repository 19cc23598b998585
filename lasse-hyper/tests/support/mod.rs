//! A server to be tested over a real socket, and what its handlers say.

#![allow(dead_code, unreachable_pub, reason = "each test file uses some of it")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use lasse_hyper::lasse_core::{Accept, Event, Frame, Handler, Init, Next, Reason, RequestHead};
use lasse_hyper::{EventBody, Notifier, Route, ServeConfig, respond, serve};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A handler that does as it is told, and tells how it ends.
pub struct Tap(mpsc::UnboundedSender<Reason>);

impl Handler for Tap {
    type Notify = Frame;
    type Info = &'static str;

    fn handle_notify(&mut self, frame: Frame) -> Next {
        Next::Send(frame)
    }

    fn handle_info(&mut self, order: &'static str) -> Next {
        match order {
            "stop" => Next::Stop,
            "abort" => Next::Abort,
            order => panic!("{order}"),
        }
    }

    fn terminate(&mut self, reason: Reason) {
        let _ = self.0.send(reason);
    }
}

impl Accept for Tap {
    type Args = mpsc::UnboundedSender<Reason>;

    fn init(ends: Self::Args, request: &RequestHead<'_>) -> Init<Self> {
        match request.uri().path() {
            "/none" => Init::NoContent,
            "/later" => Init::ComeBack(Duration::from_millis(1500)),
            "/wrong" => Init::Respond(
                Response::builder()
                    .status(404)
                    .header("content-length", "7000")
                    .header("transfer-encoding", "chunked")
                    .header("connection", "upgrade")
                    .body(Bytes::from_static(b"not here"))
                    .unwrap(),
            ),
            _ => Init::Stream(Self(ends), vec![Event::new("hello").encode()]),
        }
    }
}

/// A server under test, and the notifiers of its streams in the order in which
/// they came.
pub struct Server {
    pub addr: SocketAddr,
    pub streams: Arc<Mutex<Vec<Notifier<Tap>>>>,
    pub ends: mpsc::UnboundedReceiver<Reason>,
    pub stop: Option<oneshot::Sender<()>>,
    pub task: JoinHandle<()>,
}

impl Server {
    pub async fn start(config: ServeConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let streams = Arc::new(Mutex::new(Vec::new()));
        let (sender, ends) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let service = Service { streams: streams.clone(), ends: sender, route: Route::default() };
        let service = service_fn(move |request: Request<Incoming>| {
            std::future::ready(service.answer(&request))
        });
        let signal = async { drop(stopped.await) };
        let server = serve(listener, config, service).with_graceful_shutdown(signal);
        let task = tokio::spawn(server.into_future());
        Self { addr, streams, ends, stop: Some(stop), task }
    }

    /// The notifier of the newest stream.
    pub fn newest(&self) -> Notifier<Tap> {
        self.streams.lock().unwrap().last().unwrap().clone()
    }

    /// How the next stream ended.
    pub async fn end(&mut self) -> Reason {
        timeout(PATIENCE, self.ends.recv()).await.expect("no stream ended").unwrap()
    }
}

/// What answers requests by a [`Tap`].
#[derive(Clone)]
pub struct Service {
    pub streams: Arc<Mutex<Vec<Notifier<Tap>>>>,
    pub ends: mpsc::UnboundedSender<Reason>,
    pub route: Route,
}

impl Service {
    pub fn answer<B>(&self, request: &Request<B>) -> Result<Response<EventBody<Tap>>, Infallible> {
        Ok(respond(request, &self.route, |notifier| {
            self.streams.lock().unwrap().push(notifier);
            self.ends.clone()
        }))
    }
}

/// An event of `n` bytes of data.
pub fn event(n: usize) -> Frame {
    Event::new("x".repeat(n)).encode()
}

/// How long a test waits for what must happen.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How long a client may stall in these tests.
pub const WRITE_TIMEOUT: Duration = Duration::from_millis(300);

/// A server that is impatient with slow clients.
pub fn impatient() -> ServeConfig {
    ServeConfig::new().with_write_timeout(WRITE_TIMEOUT).unwrap()
}

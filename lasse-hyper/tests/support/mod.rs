//! A server under test on a real socket, and how its streams ended.

#![allow(dead_code, unreachable_pub, reason = "each test file uses some of it")]

pub mod h2_client;

use std::convert::Infallible;
use std::future::{Future, ready};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use lasse_hyper::lasse_core::{Accept, EndReason, Event, Frame, Handler, Init, Next, RequestHead};
use lasse_hyper::{
    Endpoint, EventBody, Gate, HandlerSource, Notifier, ServeConfig, respond, serve,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A handler that executes orders, and sends how its stream ended.
pub struct Tap(mpsc::UnboundedSender<EndReason>);

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

    fn terminate(&mut self, reason: EndReason) {
        let _ = self.0.send(reason);
    }
}

impl Accept for Tap {
    type Args = mpsc::UnboundedSender<EndReason>;

    fn init(ends: Self::Args, request: &RequestHead<'_>) -> Init<Self> {
        match request.uri().path() {
            "/none" => Init::Complete,
            "/later" => Init::refuse(Duration::from_millis(1500)),
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

/// A server under test, its gate, and the notifiers of its streams in the order in which
/// they came.
pub struct Server {
    pub addr: SocketAddr,
    pub streams: Arc<Mutex<Vec<Notifier<Tap>>>>,
    pub ends: mpsc::UnboundedReceiver<EndReason>,
    pub gate: Gate,
    pub task: JoinHandle<()>,
}

impl Server {
    /// Our own server, with nothing between it and the service.
    pub async fn start(config: ServeConfig) -> Self {
        Self::start_route(config, Endpoint::default()).await
    }

    /// Our own server, all of whose streams are of this endpoint.
    pub async fn start_route(config: ServeConfig, endpoint: Endpoint) -> Self {
        Self::start_with(endpoint, |listener, gate, service| async move {
            let answer = move |request: Request<Incoming>| ready(service.answer(&request));
            serve(listener, config, service_fn(answer)).with_gate(&gate).await;
        })
        .await
    }

    /// Any server.
    pub async fn start_with<F>(
        endpoint: Endpoint,
        run: impl FnOnce(TcpListener, Gate, Service) -> F,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let streams = Arc::new(Mutex::new(Vec::new()));
        let (sender, ends) = mpsc::unbounded_channel();
        let gate = Gate::default();
        let service = Service { streams: streams.clone(), ends: sender, endpoint };
        let task = tokio::spawn(run(listener, gate.clone(), service));
        Self { addr, streams, ends, gate, task }
    }

    /// Waits until the server has shut down.
    pub async fn stopped(&mut self) {
        timeout(TIME_LIMIT, &mut self.task).await.expect("the server is still running").unwrap();
    }

    /// The notifier of the newest stream.
    pub fn newest(&self) -> Notifier<Tap> {
        self.streams.lock().unwrap().last().unwrap().clone()
    }

    /// How the next stream ended.
    pub async fn end(&mut self) -> EndReason {
        timeout(TIME_LIMIT, self.ends.recv()).await.expect("no stream ended").unwrap()
    }
}

/// What answers requests by a [`Tap`].
#[derive(Clone)]
pub struct Service {
    pub streams: Arc<Mutex<Vec<Notifier<Tap>>>>,
    pub ends: mpsc::UnboundedSender<EndReason>,
    pub endpoint: Endpoint,
}

impl Service {
    pub fn answer<B>(
        &self,
        request: &Request<B>,
    ) -> Result<Response<EventBody<HandlerSource<Tap>>>, Infallible> {
        Ok(respond(request, &self.endpoint, |notifier| {
            self.streams.lock().unwrap().push(notifier);
            self.ends.clone()
        }))
    }
}

/// An event of `n` bytes of data.
pub fn event(n: usize) -> Frame {
    Event::new("x".repeat(n)).encode()
}

/// A request with no more to it than a method and a path.
pub fn request(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: lasse.example\r\n\r\n")
}

/// Connects, and asks over HTTP/1.1.
pub async fn get(server: &Server, path: &str) -> TcpStream {
    send(server, &request("GET", path)).await
}

/// Connects, and sends a text.
pub async fn send(server: &Server, text: &str) -> TcpStream {
    let mut socket = TcpStream::connect(server.addr).await.unwrap();
    socket.write_all(text.as_bytes()).await.unwrap();
    socket
}

/// Reads until the text ends with `end`.
pub async fn read_until(socket: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let mut space = [0; 4096];
        let n = timeout(TIME_LIMIT, socket.read(&mut space)).await;
        let n = n.unwrap_or_else(|_| panic!("no bytes after {text:?}")).unwrap();
        assert_ne!(n, 0, "the end, after {text:?}");
        text.push_str(std::str::from_utf8(&space[..n]).unwrap());
    }
    text
}

/// Reads until the connection closes.
pub async fn read_to_end(socket: &mut TcpStream) -> String {
    let mut text = String::new();
    timeout(TIME_LIMIT, socket.read_to_string(&mut text))
        .await
        .expect("the connection is still open")
        .unwrap();
    text
}

/// How long a test waits for what must happen.
pub const TIME_LIMIT: Duration = Duration::from_secs(5);

/// How long a client may stall in these tests.
pub const WRITE_TIMEOUT: Duration = Duration::from_millis(300);

/// A server that is impatient with slow clients.
pub fn impatient() -> ServeConfig {
    ServeConfig::new().with_write_timeout(WRITE_TIMEOUT).unwrap()
}

//! One connection over a pipe, under a paused clock.

use std::future::{pending, ready};
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use http::{Request, Response};
use lasse_core::{
    Accept, Channel, ChannelConfig, Close, EndReason, Event, Frame, Handler, Init, Instant, Next,
    RequestHead, SendError, StreamConfig, Subscriber,
};
use lasse_tokio::{
    Body, Endpoint, Gate, Notifier, NotifyError, PeerAddr, ServeConfig, SessionBody, now, respond,
    serve_connection, stream, subscribe,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// A handler that sends what it is notified of, and reports how it ended.
struct Echo(mpsc::Sender<String>);

impl Accept for Echo {
    type Args = mpsc::Sender<String>;
    fn init(ends: Self::Args, _: &RequestHead<'_>) -> Init<Self> {
        Init::Stream(Self(ends), vec![])
    }
}

impl Handler for Echo {
    type Notify = &'static str;
    type Info = Instant;
    fn handle_notify(&mut self, text: &'static str) -> Next {
        assert_ne!(text, "panic", "as requested");
        Next::send(Event::new(text))
    }
    fn handle_end(&mut self) -> Next {
        Next::last(Event::new("no notifier is left"))
    }
    fn handle_error(&mut self, unsent: &[Frame], _: &SendError) {
        let _ = self.0.send(format!("{} unsent", unsent.len()));
    }
    fn terminate(&mut self, reason: EndReason) {
        let _ = self.0.send(reason.to_string());
    }
}

struct Served {
    notifier: Notifier<Echo>,
    client: DuplexStream,
    ends: mpsc::Receiver<String>,
    connection: JoinHandle<Close>,
}

impl Served {
    /// How the connection and its stream ended.
    async fn end(self) -> (Close, Vec<String>) {
        (self.connection.await.unwrap(), self.ends.try_iter().collect())
    }
}

/// Serves the stream of an [`Echo`] over a pipe that holds `room` bytes. The client uses
/// HTTP/1.0, so that the stream is not chunked.
async fn serve_echo(room: usize, config: StreamConfig) -> Served {
    let (end, ends) = mpsc::channel();
    let (keep, mut notifiers) = unbounded_channel();
    let (mut client, mut server) = duplex(room);
    let connection = tokio::spawn(async move {
        let endpoint = Endpoint::new(config);
        let factory = |request: Request<()>| {
            ready(respond::<Echo>(&request, &endpoint, |notifier| {
                keep.send(notifier).unwrap();
                end.clone()
            }))
        };
        serve_connection(&mut server, peer(), &ServeConfig::new(), &factory).await
    });
    client.write_all(GET_1_0).await.unwrap();
    let notifier = notifiers.recv().await.unwrap();
    Served { notifier, client, ends, connection }
}

fn peer() -> PeerAddr {
    PeerAddr("192.0.2.1:4000".parse().unwrap())
}

/// The body of a response, up to the end of the connection.
async fn read(client: &mut DuplexStream) -> String {
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    text.split_once("\r\n\r\n").unwrap().1.to_owned()
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const GET_1_0: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn requests_are_served_one_after_the_other_with_the_address_of_the_client() {
    let (mut client, mut server) = duplex(4096);
    let channel = Channel::new(&ChannelConfig::new().with_position(None));
    channel.finish_with(Event::new("all there is")).unwrap();
    let endpoint = Endpoint::new(StreamConfig::new().with_first_byte(false));
    let factory = |request: Request<()>| {
        let PeerAddr(peer) = *request.extensions().get().unwrap();
        ready(match request.uri().path() {
            "/peer" => Response::new(Body::from(peer.to_string())),
            _ => subscribe(&request, &endpoint, &channel),
        })
    };
    let config = ServeConfig::new();
    let requests = "GET /peer HTTP/1.1\r\nhost: a\r\n\r\n\
                    GET /events HTTP/1.1\r\nhost: a\r\nlast-event-id: gone-1\r\n\r\n\
                    GET /peer HTTP/1.0\r\n\r\n";
    client.write_all(requests.as_bytes()).await.unwrap();
    let serving = serve_connection(&mut server, peer(), &config, &factory);
    let mut received = String::new();
    let (close, read) = tokio::join!(serving, client.read_to_string(&mut received));
    read.unwrap();
    assert_eq!(close, Close::Clean);
    assert_eq!(received.matches("192.0.2.1:4000").count(), 2, "{received}");
    assert_eq!(received.matches("\r\ndate: ").count(), 3, "{received}");
    let stream = received.split("192.0.2.1:4000").nth(1).unwrap();
    assert!(stream.contains("event: reset"), "{stream}");
    assert!(stream.contains("\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n"), "{stream}");
}

#[tokio::test(start_paused = true)]
async fn messages_and_keep_alives_reach_the_client() {
    let mut served = serve_echo(1024, StreamConfig::new()).await;
    served.notifier.notify("hello").unwrap();
    sleep(secs(16)).await;
    served.notifier.notify("again").unwrap();
    served.notifier.stop();
    assert_eq!(read(&mut served.client).await, ":\ndata: hello\n\n:\ndata: again\n\n");
    assert_eq!(served.end().await, (Close::Clean, vec!["stopped".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn the_head_does_not_wait_for_the_first_event() {
    let mut served = serve_echo(1024, StreamConfig::new().with_first_byte(false)).await;
    let mut head = [0; 17];
    served.client.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK\r\n");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_take_the_head_is_stalled() {
    let served = serve_echo(16, StreamConfig::new().with_first_byte(false)).await;
    let start = now();
    assert_eq!(served.end().await, (Close::Abort, vec!["stalled".to_owned()]));
    assert_eq!(now().saturating_duration_since(start), secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_keep_alive_follows_fifteen_seconds_of_silence() {
    let mut served = serve_echo(1024, StreamConfig::new()).await;
    sleep(secs(7)).await;
    served.notifier.notify("hello").unwrap();
    sleep(secs(53)).await;
    served.notifier.stop();
    assert_eq!(read(&mut served.client).await, ":\ndata: hello\n\n:\n:\n:\n");
}

#[tokio::test(start_paused = true)]
async fn a_handler_is_called_when_its_last_notifier_is_dropped() {
    let mut served = serve_echo(1024, StreamConfig::new()).await;
    drop(served.notifier);
    assert_eq!(read(&mut served.client).await, ":\ndata: no notifier is left\n\n");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_is_noticed_at_once() {
    let served = serve_echo(1024, StreamConfig::new()).await;
    sleep(secs(1)).await;
    let left = now();
    drop(served.client);
    assert_eq!(served.connection.await.unwrap(), Close::Abort);
    assert_eq!(now(), left);
    assert_eq!(served.notifier.notify("too late"), Err(NotifyError::Closed));
    assert_eq!(served.ends.try_iter().collect::<Vec<_>>(), ["peer_closed"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stalls_is_dropped_after_the_write_timeout() {
    let served = serve_echo(256, StreamConfig::new()).await;
    let text: &str = Box::leak("x".repeat(1000).into_boxed_str());
    served.notifier.notify(text).unwrap();
    served.notifier.notify("more").unwrap();
    let start = now();
    let ends = ["2 unsent", "stalled"].map(str::to_owned);
    assert_eq!(served.end().await, (Close::Abort, ends.to_vec()));
    assert_eq!(now().saturating_duration_since(start), secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_receives_everything() {
    let mut served = serve_echo(16, StreamConfig::new()).await;
    let reading = tokio::spawn(async move {
        let mut text = Vec::new();
        let mut byte = [0];
        while served.client.read(&mut byte).await.unwrap() > 0 {
            text.push(byte[0]);
            sleep(secs(1)).await;
        }
        String::from_utf8(text).unwrap()
    });
    served.notifier.notify("slow").unwrap();
    served.notifier.notify("but complete").unwrap();
    served.notifier.stop();
    assert!(reading.await.unwrap().ends_with("\r\n\r\n:\ndata: slow\n\ndata: but complete\n\n"));
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_its_own_stream_and_its_handler_terminates() {
    let served = serve_echo(1024, StreamConfig::new()).await;
    served.notifier.notify("panic").unwrap();
    assert!(served.connection.await.unwrap_err().is_panic());
    assert_eq!(served.ends.try_iter().collect::<Vec<_>>(), ["panicked"]);
}

/// Responds with the events that `next` returns. Returns how the connection ended, and the
/// body.
async fn serve_events<T: Into<Next> + 'static>(
    gate: &Gate,
    next: impl FnMut() -> Option<T> + Clone + Unpin,
) -> (Close, String) {
    let (mut client, mut server) = duplex(4096);
    let endpoint = Endpoint::new(StreamConfig::new().with_first_byte(false)).with_gate(gate);
    let factory = |request: Request<()>| ready(stream(&request, &endpoint, Ready(next.clone())));
    client.write_all(GET_1_0).await.unwrap();
    let close = serve_connection(&mut server, peer(), &ServeConfig::new(), &factory).await;
    drop(server);
    (close, read(&mut client).await)
}

/// A stream that is always ready.
struct Ready<F>(F);

impl<T, F: FnMut() -> Option<T> + Unpin> Stream for Ready<F> {
    type Item = T;
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<T>> {
        Poll::Ready((self.0)())
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_in_a_stream_of_events_is_not_a_clean_end() {
    let gate = Gate::default();
    let mut left = 3;
    let (close, text) = serve_events(&gate, move || {
        left -= 1;
        Some(if left >= 0 { Ok(Event::new("token")) } else { Err("the model has failed") })
    })
    .await;
    assert_eq!((close, text), (Close::Abort, "data: token\n\n".repeat(3)));
    assert_eq!(gate.stats().ended(EndReason::Aborted), 1);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_stream_of_events_is_clean() {
    let gate = Gate::default();
    let mut left = vec!["c", "b", "a"];
    let (close, text) = serve_events(&gate, move || left.pop().map(Event::new)).await;
    assert_eq!((close, text), (Close::Clean, "data: a\n\ndata: b\n\ndata: c\n\n".to_owned()));
    assert_eq!(gate.stats().ended(EndReason::Stopped), 1);
}

/// A response that is never ready, and keeps `work` meanwhile.
async fn never(work: Arc<()>) -> Response<SessionBody<Subscriber>> {
    let response = pending().await;
    drop(work);
    response
}

#[tokio::test(start_paused = true)]
async fn work_on_a_response_is_dropped_when_its_client_leaves() {
    let (mut client, mut server) = duplex(4096);
    client.write_all(GET).await.unwrap();
    let work = Arc::new(());
    let factory = |_| never(work.clone());
    let config = ServeConfig::new();
    let serving = serve_connection(&mut server, peer(), &config, &factory);
    let leaving = async {
        sleep(secs(1)).await;
        assert_eq!(Arc::strong_count(&work), 2);
        drop(client);
        now()
    };
    let (close, left) = tokio::join!(serving, leaving);
    assert_eq!((close, now()), (Close::Abort, left));
    assert_eq!(Arc::strong_count(&work), 1);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_takes_too_long_is_replaced() {
    let (mut client, mut server) = duplex(4096);
    client.write_all(GET).await.unwrap();
    let (work, start) = (Arc::new(()), now());
    let factory = |_| never(work.clone());
    let config = ServeConfig::new().with_response_timeout(secs(60)).unwrap();
    let mut received = String::new();
    let reading = async {
        client.read_to_string(&mut received).await.unwrap();
        drop(client);
        assert_eq!(Arc::strong_count(&work), 1);
        now()
    };
    let (close, end) =
        tokio::join!(serve_connection(&mut server, peer(), &config, &factory), reading);
    assert_eq!((close, end), (Close::Clean, start + secs(60)));
    assert!(received.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{received}");
}

#[tokio::test(start_paused = true)]
async fn timeouts_and_limits_can_be_the_maximum() {
    let (mut client, mut server) = duplex(4096);
    let config = ServeConfig::new()
        .with_head_timeout(Duration::MAX)
        .and_then(|config| config.with_response_timeout(Duration::MAX))
        .and_then(|config| config.with_write_timeout(Duration::MAX))
        .and_then(|config| config.with_head_limits(usize::MAX, usize::MAX))
        .unwrap();
    let factory = |_| ready(Response::new(SessionBody::<Subscriber>::from("whole")));
    let serving = serve_connection(&mut server, peer(), &config, &factory);
    let asking = async {
        sleep(secs(3600)).await;
        client.write_all(GET).await.unwrap();
        client.shutdown().await.unwrap();
        let received = read(&mut client).await;
        drop(client);
        received
    };
    assert_eq!(tokio::join!(serving, asking), (Close::Clean, "whole".to_owned()));
}

//! The loop, over a pipe, under a paused clock.

use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use http::Response;
use lasse_core::http1::{Framer, Limits, ResponseContext, parse_request};
use lasse_core::{
    Close, Connection, EndReason, Event, Frame, Handler, Instant, Next, SendError, StreamConfig,
};
use lasse_tokio::{
    Ended, EventStream, HandlerSource, Notifier, Session, Transport, drive, mailbox, now,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// A handler that sends what it is told, and tells how it ended.
struct Echo(mpsc::Sender<String>);

impl Handler for Echo {
    type Notify = &'static str;
    type Info = Instant;
    fn handle_notify(&mut self, text: &'static str) -> Next {
        assert_ne!(text, "panic", "as ordered");
        Next::send(Event::new(text))
    }
    fn handle_end(&mut self) -> Next {
        Next::last(Event::new("no one left"))
    }
    fn handle_error(&mut self, unsent: &[Frame], _: &SendError) {
        let _ = self.0.send(format!("{} unsent", unsent.len()));
    }
    fn terminate(&mut self, reason: EndReason) {
        let _ = self.0.send(reason.to_string());
    }
}

struct Stage {
    notifier: Notifier<Echo>,
    client: DuplexStream,
    diary: mpsc::Receiver<String>,
    driver: JoinHandle<(Ended, Vec<u8>)>,
}

/// A stream over a pipe that holds `room` bytes.
fn stage(room: usize, config: &StreamConfig) -> Stage {
    let (diary_writer, diary) = mpsc::channel();
    let (notifier, mailbox) = mailbox(8);
    let (client, server) = duplex(room);
    let source = HandlerSource::new(Echo(diary_writer), mailbox);
    let mut session = Session::new(Connection::open(source, [], config, now()));
    let driver = tokio::spawn(async move {
        let framer = Framer::of_stream(context(), &Response::new(()));
        let mut transport = Transport::new(server, framer).with_read_ahead(64);
        let ended = drive(&mut session, &mut transport).await;
        (ended, transport.into_parts().1)
    });
    Stage { notifier, client, diary, driver }
}

/// Those of HTTP/1.0, so that the bytes on the wire are those of the stream.
fn context() -> ResponseContext {
    parse_request(b"GET / HTTP/1.0\r\n\r\n", &Limits::default()).unwrap().unwrap().context
}

async fn read(client: &mut DuplexStream) -> String {
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    text.split_once("\r\n\r\n").unwrap().1.to_owned()
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[tokio::test(start_paused = true)]
async fn messages_and_silence_reach_the_client() {
    let mut stage = stage(1024, &StreamConfig::new());
    stage.notifier.notify("hello").unwrap();
    sleep(secs(16)).await;
    stage.notifier.notify("again").unwrap();
    stage.notifier.stop();
    let ended = stage.driver.await.unwrap().0;
    assert_eq!(ended, Ended { reason: EndReason::Stopped, close: Close::Clean });
    assert_eq!(read(&mut stage.client).await, ":\ndata: hello\n\n:\ndata: again\n\n");
    assert_eq!(stage.diary.try_iter().collect::<Vec<_>>(), ["stopped"]);
}

#[tokio::test(start_paused = true)]
async fn the_head_does_not_wait_for_the_first_event() {
    let mut stage = stage(1024, &StreamConfig::new().with_first_byte(false));
    let mut head = [0; 17];
    stage.client.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK\r\n");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_even_take_the_head_is_given_up() {
    let stage = stage(16, &StreamConfig::new().with_first_byte(false));
    let ended = stage.driver.await.unwrap().0;
    assert_eq!(ended, Ended { reason: EndReason::WriteFailed, close: Close::Abort });
}

#[tokio::test(start_paused = true)]
async fn keep_alives_come_every_fifteen_seconds_of_silence() {
    let mut stage = stage(1024, &StreamConfig::new());
    sleep(secs(7)).await;
    stage.notifier.notify("hello").unwrap();
    sleep(secs(53)).await;
    stage.notifier.stop();
    stage.driver.await.unwrap();
    assert_eq!(read(&mut stage.client).await, ":\ndata: hello\n\n:\n:\n:\n");
}

#[tokio::test(start_paused = true)]
async fn a_handler_hears_that_no_one_can_send_any_more() {
    let mut stage = stage(1024, &StreamConfig::new());
    drop(stage.notifier);
    assert_eq!(read(&mut stage.client).await, ":\ndata: no one left\n\n");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_is_noticed_at_once() {
    let stage = stage(1024, &StreamConfig::new());
    sleep(secs(1)).await;
    let left = now();
    drop(stage.client);
    let ended = stage.driver.await.unwrap().0;
    assert_eq!(ended, Ended { reason: EndReason::PeerClosed, close: Close::Abort });
    assert_eq!(now(), left);
    assert_eq!(stage.notifier.notify("too late"), Err(lasse_tokio::NotifyError::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stalls_is_dropped_after_the_write_timeout() {
    let stage = stage(256, &StreamConfig::new());
    let text: &str = Box::leak("x".repeat(1000).into_boxed_str());
    stage.notifier.notify(text).unwrap();
    stage.notifier.notify("more").unwrap();
    let began = now();
    let ended = stage.driver.await.unwrap().0;
    assert_eq!(ended, Ended { reason: EndReason::Stalled, close: Close::Abort });
    assert_eq!(now().saturating_duration_since(began), secs(30));
    assert_eq!(stage.diary.try_iter().collect::<Vec<_>>(), ["2 unsent", "stalled"]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_everything() {
    let mut stage = stage(16, &StreamConfig::new());
    let reading = tokio::spawn(async move {
        let mut text = Vec::new();
        let mut byte = [0];
        while stage.client.read(&mut byte).await.unwrap() > 0 {
            text.push(byte[0]);
            sleep(secs(1)).await;
        }
        String::from_utf8(text).unwrap()
    });
    stage.notifier.notify("slow").unwrap();
    stage.notifier.notify("but sure").unwrap();
    stage.notifier.stop();
    assert!(reading.await.unwrap().ends_with("\r\n\r\n:\ndata: slow\n\ndata: but sure\n\n"));
}

#[tokio::test(start_paused = true)]
async fn what_the_client_says_ahead_is_kept_up_to_a_limit() {
    let mut stage = stage(1024, &StreamConfig::new());
    stage.client.write_all(&[b'x'; 100]).await.unwrap();
    sleep(secs(1)).await;
    stage.notifier.stop();
    assert_eq!(stage.driver.await.unwrap().1, [b'x'; 64].as_slice());
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_its_own_stream_and_the_handler_says_goodbye() {
    let stage = stage(1024, &StreamConfig::new());
    stage.notifier.notify("panic").unwrap();
    assert!(stage.driver.await.unwrap_err().is_panic());
    assert_eq!(stage.diary.try_iter().collect::<Vec<_>>(), ["panicked"]);
}

/// A stream that is always ready.
struct Ready<F>(F);

impl<T, F: FnMut() -> Option<T> + Unpin> Stream for Ready<F> {
    type Item = T;
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<T>> {
        Poll::Ready((self.0)())
    }
}

async fn drive_events<S: Stream<Item: Into<Next>>>(events: S) -> (Ended, String) {
    let (mut client, server) = duplex(4096);
    let config = StreamConfig::new().with_first_byte(false);
    let mut session = Session::new(Connection::open(EventStream::new(events), [], &config, now()));
    let mut transport = Transport::new(server, Framer::of_stream(context(), &Response::new(())));
    let ended = drive(&mut session, &mut transport).await;
    drop(transport);
    (ended, read(&mut client).await)
}

#[tokio::test(start_paused = true)]
async fn an_error_in_a_stream_of_events_is_not_taken_for_its_end() {
    let mut left = 3;
    let events = Ready(move || {
        left -= 1;
        Some(if left >= 0 { Ok(Event::new("token")) } else { Err("the model is gone") })
    });
    let (ended, text) = drive_events(events).await;
    assert_eq!(ended, Ended { reason: EndReason::Aborted, close: Close::Abort });
    assert_eq!(text, "data: token\n\n".repeat(3));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_stream_of_events_is_a_clean_one() {
    let mut left = vec!["c", "b", "a"];
    let (ended, text) = drive_events(Ready(move || left.pop().map(Event::new))).await;
    assert_eq!(ended, Ended { reason: EndReason::Stopped, close: Close::Clean });
    assert_eq!(text, "data: a\n\ndata: b\n\ndata: c\n\n");
}

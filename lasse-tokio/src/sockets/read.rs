//! Reads that cost less than those of tokio.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::coop::has_budget_remaining;

use crate::timer_queue::addresses;

/// The waker of a socket's last read, for sockets that any task can read.
#[derive(Debug, Default)]
pub(super) struct ReadWaker {
    data: usize,
    vtable: u32,
    is_registered: bool,
}

impl ReadWaker {
    /// Whether `waker` is registered, to be passed to [`poll_read_socket`].
    pub(super) fn state_for(&mut self, waker: &Waker) -> &mut bool {
        let addresses = addresses(waker);
        if addresses != (self.data, self.vtable) {
            (self.data, self.vtable) = addresses;
            self.is_registered = false;
        }
        &mut self.is_registered
    }
}

/// Reads what a socket has received. Most reads of a stream are pending, because its client
/// sends nothing, and are repeated with each event. If `is_registered`, the waker of `cx` is that
/// of the last read, which was pending, and this takes no lock.
pub(crate) fn poll_read_socket(
    socket: &mut TcpStream,
    is_registered: &mut bool,
    buffer: &mut ReadBuf<'_>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    // Tokio sets the readiness before it takes the waker, so the waker is still there.
    if *is_registered && !is_ready(socket) {
        return Poll::Pending;
    }
    let read = Pin::new(socket).poll_read(cx, buffer);
    // Without a budget, tokio wakes the task, and does not register its waker.
    *is_registered = read.is_pending() && has_budget_remaining();
    read
}

/// Whether a read must be tried. The function that reads does nothing, so that the readiness stays
/// as it is.
fn is_ready(socket: &TcpStream) -> bool {
    socket.try_io(Interest::READABLE, || Ok(())).is_ok()
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::Wake;
    use std::time::Duration;

    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;
    use tokio::task::coop::consume_budget;
    use tokio::time::sleep;

    use super::*;

    /// Only a test that fails waits so long.
    const LONG: Duration = Duration::from_secs(20);

    async fn sockets() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (listener.accept().await.unwrap().0, client)
    }

    fn poll_byte(
        socket: &mut TcpStream,
        is_registered: &mut bool,
        cx: &mut Context<'_>,
    ) -> Poll<usize> {
        let mut space = [0; 8];
        let mut buffer = ReadBuf::new(&mut space);
        let read = poll_read_socket(socket, is_registered, &mut buffer, cx);
        read.map(|read| read.map(|()| buffer.filled().len()).unwrap())
    }

    /// Nothing, if the read is not woken, even if it could read by then.
    async fn in_time(read: impl Future<Output = usize>) -> Option<usize> {
        tokio::select! {
            biased;
            () = sleep(LONG) => None,
            read = read => Some(read),
        }
    }

    fn use_up_the_budget(cx: &mut Context<'_>) {
        while has_budget_remaining() {
            let _ = pin!(consume_budget()).poll(cx);
        }
    }

    #[tokio::test]
    async fn a_read_that_is_repeated_without_news_is_woken_by_the_next_byte_and_by_the_end() {
        let (mut server, mut client) = sockets().await;
        let mut is_registered = false;
        for expected in [1, 1, 0] {
            let mut polls = 0;
            let read = poll_fn(|cx| {
                polls += 1;
                let reads = [(); 3].map(|()| poll_byte(&mut server, &mut is_registered, cx));
                reads.into_iter().find(Poll::is_ready).unwrap_or(Poll::Pending)
            });
            let send = async {
                if expected == 1 {
                    client.write_all(b"x").await.unwrap();
                } else {
                    client.shutdown().await.unwrap();
                }
            };
            let (read, ()) = tokio::join!(in_time(read), send);
            assert_eq!(read, Some(expected), "after {polls} polls");
        }
    }

    #[tokio::test]
    async fn a_read_without_a_budget_registers_its_waker_when_it_is_repeated() {
        let (mut server, mut client) = sockets().await;
        let (mut is_registered, mut polls) = (false, 0);
        // Tokio has no waker after this, and knows that the socket is empty.
        client.write_all(b"x").await.unwrap();
        assert_eq!(poll_fn(|cx| poll_byte(&mut server, &mut is_registered, cx)).await, 1);
        let read = poll_fn(|cx| {
            polls += 1;
            if polls == 1 {
                use_up_the_budget(cx);
            }
            poll_byte(&mut server, &mut is_registered, cx)
        });
        let send = async {
            // Nothing else wakes the task after this.
            sleep(Duration::from_millis(20)).await;
            client.write_all(b"x").await.unwrap();
        };
        let (read, ()) = tokio::join!(in_time(read), send);
        assert_eq!(read, Some(1));
    }

    #[derive(Default)]
    struct Task(AtomicBool);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn the_task_that_read_last_is_woken() {
        let (mut server, mut client) = sockets().await;
        let tasks = [(); 2].map(|()| Arc::new(Task::default()));
        let mut reader = ReadWaker::default();
        for task in &tasks {
            let waker = Waker::from(task.clone());
            let mut cx = Context::from_waker(&waker);
            assert!(poll_byte(&mut server, reader.state_for(&waker), &mut cx).is_pending());
        }
        client.write_all(b"x").await.unwrap();
        server.readable().await.unwrap();
        let woken = tasks.map(|task| task.0.load(Ordering::Relaxed));
        assert_eq!(woken, [false, true]);
    }
}

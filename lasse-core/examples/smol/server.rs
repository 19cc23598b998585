//! A server on smol: one task for each connection.

use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use lasse_core::{Accept, Source};
use smol::Timer;
use smol::io::{AsyncRead, AsyncWrite};
use smol::net::{TcpListener, TcpStream};
use socket2::SockRef;

use crate::connection::{ConnectionTask, Service, Socket};

/// Serves each connection in a task of its own.
pub(crate) async fn serve<S, A>(listener: TcpListener, service: Service<A>)
where
    S: Accept + Source + Send + 'static,
    A: Fn() -> S::Args + Send + Sync + 'static,
{
    let service = Arc::new(service);
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                let connection = ConnectionTask::<_, S>::new(socket, &service);
                smol::spawn(run(connection, service.clone())).detach();
            }
            // Probably there are too many open files.
            Err(_) => drop(Timer::after(Duration::from_millis(100)).await),
        }
    }
}

/// Polls a connection until it has ended.
async fn run<S, A>(mut connection: ConnectionTask<TcpStream, S>, service: Arc<Service<A>>)
where
    S: Accept + Source,
    A: Fn() -> S::Args,
{
    let (mut timer, mut due) = (Timer::never(), None);
    poll_fn(|cx| {
        loop {
            if connection.poll(&service, cx).is_ready() {
                return Poll::Ready(());
            }
            if due != connection.deadline() {
                due = connection.deadline();
                timer = due.map_or_else(Timer::never, |time| Timer::at(time.into()));
            }
            ready!(Pin::new(&mut timer).poll(cx));
            due = None;
        }
    })
    .await;
}

impl Socket for TcpStream {
    fn poll_read(&mut self, bytes: &mut [u8], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        AsyncRead::poll_read(Pin::new(self), cx, bytes)
    }

    fn poll_write(
        &mut self,
        bytes: &[IoSlice<'_>],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write_vectored(Pin::new(self), cx, bytes)
    }

    fn sock_ref(&self) -> SockRef<'_> {
        SockRef::from(self)
    }
}

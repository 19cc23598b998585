//! Sockets: their options, their deadlines, their limit, and how they close.

use std::future::IntoFuture;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lasse_core::{Channel, ChannelConfig};
use lasse_tokio::{DrainPlan, Endpoint, Gate, Listener, ServeConfig, Socket, WriteDeadline};
use lasse_tokio::{serve, subscribe};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

async fn listener() -> io::Result<Listener> {
    Listener::bind("127.0.0.1:0").await
}

/// A client, and the socket that the listener accepted for it.
async fn connect(listener: &mut Listener) -> io::Result<(TcpStream, Socket)> {
    let client = TcpStream::connect(listener.local_addr()?).await?;
    let (socket, peer) = listener.accept().await;
    assert_eq!(peer, client.local_addr()?);
    Ok((client, socket))
}

/// Writes until that fails, because nobody reads.
async fn flood(mut socket: Socket) -> io::Error {
    loop {
        match socket.write(&[0; 64 * 1024]).await {
            Ok(written) => assert!(written > 0),
            Err(error) => return error,
        }
    }
}

#[tokio::test]
async fn a_socket_has_the_options_that_streams_need() -> io::Result<()> {
    let wrapped = Listener::from(TcpListener::bind("127.0.0.1:0").await?);
    for listener in [listener().await?, wrapped] {
        let mut listener = listener.with_write_timeout(Some(secs(10)));
        let (_client, socket) = connect(&mut listener).await?;
        assert!(socket.get_ref().nodelay()?);
        #[cfg(any(target_os = "android", target_os = "linux"))]
        {
            let socket = SockRef::from(socket.get_ref());
            assert_eq!(socket.tcp_user_timeout()?, Some(secs(10)));
            assert_eq!(socket.tcp_notsent_lowat()?, 16 * 1024);
        }
    }
    Ok(())
}

#[cfg(any(target_os = "android", target_os = "linux"))]
#[tokio::test]
async fn the_kernel_has_a_timeout_for_every_write_timeout() -> io::Result<()> {
    let longest = millis(i32::MAX as u64);
    for (timeout, expected) in [
        (Some(Duration::ZERO), Some(millis(1))),
        (Some(Duration::from_nanos(1)), Some(millis(1))),
        (Some(millis(1)), Some(millis(1))),
        (Some(Duration::MAX), Some(longest)),
        (None, None),
    ] {
        let wrapped = Listener::from(TcpListener::bind("127.0.0.1:0").await?);
        for listener in [listener().await?, wrapped] {
            let mut listener = listener.with_write_timeout(timeout);
            let (_client, socket) = connect(&mut listener).await?;
            let socket = SockRef::from(socket.get_ref());
            // The kernel's default is no timeout.
            let set = socket.tcp_user_timeout()?.filter(|timeout| !timeout.is_zero());
            assert_eq!(set, expected, "{timeout:?}");
        }
    }
    Ok(())
}

#[cfg(any(target_os = "android", target_os = "linux"))]
#[tokio::test]
async fn the_write_timeout_holds_for_clients_that_connected_before_it_was_set() -> io::Result<()> {
    let listener = listener().await?;
    let _client = TcpStream::connect(listener.local_addr()?).await?;
    let (socket, _) = listener.with_write_timeout(Some(secs(10))).accept().await;
    assert_eq!(SockRef::from(socket.get_ref()).tcp_user_timeout()?, Some(secs(10)));
    Ok(())
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_closed() -> io::Result<()> {
    let mut listener = listener().await?.with_write_timeout(Some(millis(100)));
    let (_client, socket) = connect(&mut listener).await?;
    assert_eq!(timeout(secs(5), flood(socket)).await?.kind(), ErrorKind::TimedOut);
    Ok(())
}

#[tokio::test]
async fn a_client_that_has_stalled_is_closed_soon_after_the_gate_is_shut() -> io::Result<()> {
    for write_timeout in [Some(secs(30)), Some(Duration::MAX), None] {
        let gate = Gate::default();
        let listener = listener().await?.with_write_timeout(write_timeout);
        let (_client, mut socket) = connect(&mut listener.with_gate(&gate)).await?;
        while let Ok(written) = timeout(millis(100), socket.write(&[0; 64 * 1024])).await {
            written?;
        }
        // Now that the buffers are full, nothing happens but by the clock.
        tokio::time::pause();
        let start = Instant::now();
        let flooding = tokio::spawn(flood(socket));
        sleep(secs(10)).await;
        gate.drain(&DrainPlan::new().with_notice(secs(5)));
        assert_eq!(flooding.await?.kind(), ErrorKind::TimedOut);
        let after = start.elapsed();
        assert!((15..=18).contains(&after.as_secs()), "{after:?} with {write_timeout:?}");
        tokio::time::resume();
    }
    Ok(())
}

#[tokio::test]
async fn tasks_that_are_ready_run_while_a_burst_of_clients_is_accepted() -> io::Result<()> {
    let mut listener = listener().await?;
    let address = listener.local_addr()?;
    // They wait in the backlog.
    let connect = |_| std::net::TcpStream::connect(address);
    let clients = (0..40).map(connect).collect::<io::Result<Vec<_>>>()?;
    let polls = Arc::new(AtomicUsize::new(0));
    let counter = polls.clone();
    let ready = tokio::spawn(async move {
        loop {
            counter.fetch_add(1, Ordering::Relaxed);
            yield_now().await;
        }
    });
    for _ in &clients {
        drop(listener.accept().await);
    }
    ready.abort();
    assert!(polls.load(Ordering::Relaxed) >= 18, "{polls:?}");
    Ok(())
}

#[tokio::test]
async fn at_the_limit_a_client_waits_until_a_connection_is_closed() -> io::Result<()> {
    let mut listener = listener().await?.with_max_connections(2);
    let (_first_client, first) = connect(&mut listener).await?;
    let (_second_client, second) = connect(&mut listener).await?;
    let waiting = TcpStream::connect(listener.local_addr()?).await?;
    assert!(timeout(millis(50), listener.accept()).await.is_err());

    let (stream, slot) = first.into_parts();
    drop(stream);
    assert!(timeout(millis(50), listener.accept()).await.is_err(), "its slot is kept");
    drop(slot);
    let (third, peer) = timeout(secs(5), listener.accept()).await?;
    assert_eq!(peer, waiting.local_addr()?);

    drop((second, third));
    for _ in 0..2 {
        assert!(timeout(millis(50), listener.accept()).await.is_err(), "there is no client");
    }
    let (_client, socket) = timeout(secs(5), connect(&mut listener)).await??;
    let _other = timeout(secs(5), connect(&mut listener)).await??;
    socket.reset();
    timeout(secs(5), connect(&mut listener)).await??;
    Ok(())
}

#[tokio::test]
async fn the_server_serves_a_client_beyond_the_limit_when_another_has_left() -> io::Result<()> {
    let listener = listener().await?.with_max_connections(1);
    let address = listener.local_addr()?;
    let channel = Channel::new(&ChannelConfig::new());
    let server = serve(listener, ServeConfig::new(), move |request| {
        let response = subscribe(&request, &Endpoint::default(), &channel);
        async { response }
    });
    let server = tokio::spawn(server.into_future());
    let connect = || async {
        let mut client = TcpStream::connect(address).await?;
        client.write_all(b"GET / HTTP/1.1\r\nhost: me\r\n\r\n").await?;
        io::Result::Ok(client)
    };
    let mut first = connect().await?;
    assert_eq!(first.read_u8().await?, b'H');
    let mut second = connect().await?;
    assert!(timeout(millis(100), second.read_u8()).await.is_err());
    drop(first);
    assert_eq!(timeout(secs(5), second.read_u8()).await??, b'H');
    server.abort();
    Ok(())
}

#[tokio::test]
async fn the_limit_can_be_zero_one_or_the_largest_number() -> io::Result<()> {
    for (limit, expected) in [(0, 0), (1, 1), (usize::MAX, 3)] {
        let mut listener = listener().await?.with_max_connections(limit);
        let mut open = Vec::new();
        for _ in 0..3 {
            open.extend(timeout(millis(50), connect(&mut listener)).await.ok().transpose()?);
        }
        assert_eq!(open.len(), expected, "{limit}");
    }
    Ok(())
}

#[tokio::test]
async fn a_reset_is_an_error_for_the_client_and_a_close_is_not() -> io::Result<()> {
    let mut listener = listener().await?;
    let (mut client, mut socket) = connect(&mut listener).await?;
    socket.write_all(b"to be continued").await?;
    let mut received = [0; 15];
    client.read_exact(&mut received).await?;
    socket.reset();
    assert_eq!(client.read(&mut received).await.unwrap_err().kind(), ErrorKind::ConnectionReset);

    let (mut client, socket) = connect(&mut listener).await?;
    drop(socket);
    assert_eq!(client.read(&mut received).await?, 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_write_waits_no_longer_than_the_timeout() {
    for (write_timeout, expected) in [(secs(30), secs(30)), (secs(0), secs(0))] {
        let (_client, server) = duplex(4);
        let mut server = WriteDeadline::new(server, Some(write_timeout));
        let start = Instant::now();
        let error = server.write_all(b"too much").await.unwrap_err();
        assert_eq!((error.kind(), start.elapsed()), (ErrorKind::TimedOut, expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_vectored_write_waits_no_longer_than_the_timeout() {
    let (_client, server) = duplex(4);
    let mut server = WriteDeadline::new(server, Some(secs(30)));
    let slices = [IoSlice::new(b"just"), IoSlice::new(b"enough")];
    assert_eq!(server.write_vectored(&slices).await.unwrap(), 4);
    let start = Instant::now();
    let error = server.write_vectored(&slices).await.unwrap_err();
    assert_eq!((error.kind(), start.elapsed().as_secs()), (ErrorKind::TimedOut, 30));
}

#[tokio::test(start_paused = true)]
async fn each_byte_restarts_the_timeout() {
    let (mut client, server) = duplex(1);
    let mut server = WriteDeadline::new(server, Some(secs(30)));
    let read = async {
        for expected in *b"slow" {
            sleep(secs(29)).await;
            assert_eq!(client.read_u8().await.unwrap(), expected);
        }
    };
    let (written, ()) = tokio::join!(server.write_all(b"slow"), read);
    written.unwrap();
    sleep(secs(3600)).await;
    server.write_all(b"!").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_a_timeout_or_with_an_endless_one_a_write_waits() {
    for write_timeout in [None, Some(Duration::MAX)] {
        let (_client, server) = duplex(4);
        let mut server = WriteDeadline::new(server, write_timeout);
        assert!(timeout(secs(1_000_000), server.write_all(b"too much")).await.is_err());
    }
}

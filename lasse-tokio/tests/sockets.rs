//! Sockets: their options, their deadlines, their ends.

use std::io::{self, ErrorKind, IoSlice};
use std::time::Duration;

use lasse_tokio::{Listener, WriteDeadline};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A client, and the socket by which the listener serves it.
async fn connect(mut listener: Listener) -> io::Result<(TcpStream, WriteDeadline<TcpStream>)> {
    let client = TcpStream::connect(listener.local_addr()?).await?;
    let (socket, peer) = listener.accept().await;
    assert_eq!(peer, client.local_addr()?);
    Ok((client, socket))
}

#[tokio::test]
async fn a_socket_has_the_options_that_streams_want() -> io::Result<()> {
    let own = Listener::bind("127.0.0.1:0").await?;
    let wrapped = Listener::from(TcpListener::bind("127.0.0.1:0").await?);
    for listener in [own, wrapped] {
        let (_client, socket) = connect(listener.with_write_timeout(Some(secs(10)))).await?;
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

#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up() -> io::Result<()> {
    let patience = Duration::from_millis(100);
    let listener = Listener::bind("127.0.0.1:0").await?.with_write_timeout(Some(patience));
    let (_client, mut socket) = connect(listener).await?;
    let flood = async {
        while socket.write(&[0; 64 * 1024]).await? > 0 {}
        io::Result::Ok(())
    };
    let error = timeout(secs(5), flood).await?.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    Ok(())
}

#[tokio::test]
async fn a_reset_is_an_error_to_the_client_and_an_end_is_none() -> io::Result<()> {
    let (mut client, mut socket) = connect(Listener::bind("127.0.0.1:0").await?).await?;
    socket.write_all(b"to be continued").await?;
    let mut said = [0; 15];
    client.read_exact(&mut said).await?;
    socket.reset();
    assert_eq!(client.read(&mut said).await.unwrap_err().kind(), ErrorKind::ConnectionReset);

    let (mut client, socket) = connect(Listener::bind("127.0.0.1:0").await?).await?;
    drop(socket);
    assert_eq!(client.read(&mut said).await?, 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_write_waits_for_no_longer_than_the_timeout() {
    let (_client, server) = duplex(4);
    let mut server = WriteDeadline::new(server, Some(secs(30)));
    let start = Instant::now();
    let error = server.write_all(b"too much").await.unwrap_err();
    assert_eq!((error.kind(), start.elapsed().as_secs()), (ErrorKind::TimedOut, 30));
}

#[tokio::test(start_paused = true)]
async fn a_vectored_write_waits_for_no_longer() {
    let (_client, server) = duplex(4);
    let mut server = WriteDeadline::new(server, Some(secs(30)));
    let slices = [IoSlice::new(b"just"), IoSlice::new(b"enough")];
    assert_eq!(server.write_vectored(&slices).await.unwrap(), 4);
    let start = Instant::now();
    let error = server.write_vectored(&slices).await.unwrap_err();
    assert_eq!((error.kind(), start.elapsed().as_secs()), (ErrorKind::TimedOut, 30));
}

#[tokio::test(start_paused = true)]
async fn progress_restarts_the_deadline() {
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
async fn without_a_timeout_a_write_waits_for_ever() {
    let (_client, server) = duplex(4);
    let mut server = WriteDeadline::new(server, None);
    assert!(timeout(secs(1_000_000), server.write_all(b"too much")).await.is_err());
}

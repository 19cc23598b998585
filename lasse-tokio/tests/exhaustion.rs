//! A process without a file descriptor for one more client. In a process of its own,
//! because it uses all of them.
#![cfg(unix)]

use std::fs::File;
use std::io::{self, ErrorKind};
use std::time::Duration;

use lasse_tokio::Listener;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

#[tokio::test]
async fn a_listener_waits_until_there_are_file_descriptors_again() -> io::Result<()> {
    let mut listener = Listener::bind("127.0.0.1:0").await?;
    let mut client = TcpStream::connect(listener.local_addr()?).await?;
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum })?;
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }

    let short = Duration::from_millis(50);
    assert!(timeout(short, listener.accept()).await.is_err(), "there was room");
    drop(files);
    let (socket, _) = timeout(Duration::from_secs(5), listener.accept()).await?;
    assert_eq!(socket.get_ref().peer_addr()?, client.local_addr()?);
    socket.reset();
    assert_eq!(client.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    Ok(())
}

//! The listener under `axum::serve`.
#![cfg(feature = "axum")]

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use axum::serve::ListenerExt;
use lasse_tokio::Listener;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn axum_serves_over_the_listener_and_knows_the_client() -> io::Result<()> {
    let listener = Listener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let who = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() };
    let service =
        Router::new().route("/", get(who)).into_make_service_with_connect_info::<SocketAddr>();
    let server = tokio::spawn(async { axum::serve(listener.tap_io(|_| ()), service).await });

    let mut client = TcpStream::connect(address).await?;
    client.write_all(b"GET / HTTP/1.1\r\nhost: me\r\nconnection: close\r\n\r\n").await?;
    let mut said = String::new();
    client.read_to_string(&mut said).await?;
    assert!(said.starts_with("HTTP/1.1 200 OK\r\n"), "{said}");
    assert!(said.ends_with(&format!("\r\n\r\n{}", client.local_addr()?)), "{said}");
    server.abort();
    Ok(())
}

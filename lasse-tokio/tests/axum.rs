//! The listener under `axum::serve`.
#![cfg(feature = "axum")]

use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::routing::get;
use axum::serve::ListenerExt;
use lasse_core::RequestHead;
use lasse_tokio::{DrainPlan, Gate, GateConfig, Listener, PeerAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Sends a request, and returns the client's address and the response.
async fn request(server: SocketAddr) -> io::Result<(String, String)> {
    let mut client = TcpStream::connect(server).await?;
    client.write_all(b"GET / HTTP/1.1\r\nhost: me\r\nconnection: close\r\n\r\n").await?;
    let mut response = String::new();
    client.read_to_string(&mut response).await?;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    Ok((client.local_addr()?.to_string(), response))
}

#[tokio::test]
async fn axum_knows_the_address_of_the_client() -> io::Result<()> {
    let peer = |request: Request| async move {
        PeerAddr::from_extensions(request.extensions())
            .map(|PeerAddr(peer)| peer.to_string())
            .unwrap_or_default()
    };
    let from_us = Router::new().route(
        "/",
        get(move |ConnectInfo(PeerAddr(peer)): ConnectInfo<PeerAddr>, head: Request| async move {
            assert_eq!(PeerAddr::from_extensions(head.extensions()), Some(PeerAddr(peer)));
            peer.to_string()
        }),
    );
    let listener = Listener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let service = from_us.into_make_service_with_connect_info::<PeerAddr>();
    let server = tokio::spawn(async { axum::serve(listener, service).await });
    let (client, response) = request(address).await?;
    assert!(response.ends_with(&format!("\r\n\r\n{client}")), "{response}");
    server.abort();

    let from_axum = Router::new().route("/", get(peer));
    let listener = Listener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let service = from_axum.into_make_service_with_connect_info::<SocketAddr>();
    let server = tokio::spawn(async { axum::serve(listener.tap_io(|_| ()), service).await });
    let (client, response) = request(address).await?;
    assert!(response.ends_with(&format!("\r\n\r\n{client}")), "{response}");
    server.abort();
    Ok(())
}

#[tokio::test]
async fn a_limit_per_address_holds_under_axum() -> io::Result<()> {
    let config = GateConfig::new().with_limit_per_key(6, |request| {
        PeerAddr::from_extensions(request.extensions()).map(|peer| peer.0.ip())
    });
    let gate = Gate::new(config);
    let admit = {
        let gate = gate.clone();
        move |request: Request| async move {
            match gate.admit(&RequestHead::from(&request)) {
                // The test ends with its process.
                Ok(permit) => std::mem::forget(permit),
                Err(rejected) => return rejected.reason().as_str(),
            }
            "admitted"
        }
    };
    let listener = Listener::bind("127.0.0.1:0").await?.with_gate(&gate);
    let address = listener.local_addr()?;
    let service = Router::new().route("/", get(admit));
    let service = service.into_make_service_with_connect_info::<PeerAddr>();
    let signal = gate.shut_on(std::future::pending());
    let server = axum::serve(listener, service).with_graceful_shutdown(signal);
    let server = tokio::spawn(server.into_future());
    for nth in 1..=7 {
        let (_, response) = request(address).await?;
        let expected = if nth <= 6 { "admitted" } else { "limit_per_key" };
        assert!(response.ends_with(expected), "{response}");
    }
    gate.drain(&DrainPlan::new().with_notice(Duration::ZERO));
    timeout(Duration::from_secs(5), server).await??
}

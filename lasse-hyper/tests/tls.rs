//! Streams over TLS, where the handshake negotiates the protocol.

mod support;

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use lasse_hyper::lasse_core::EndReason;
use lasse_hyper::{Endpoint, ServeConfig, serve};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Starts a server with a self-signed certificate.
async fn start(config: ServeConfig) -> (Server, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let tls = ServerConfig::builder().with_no_client_auth();
    let tls = tls.with_single_cert(vec![certificate.clone()], key).unwrap();
    let server = Server::start_with(Endpoint::default(), |listener, gate, service| async move {
        let answer = move |request: Request<Incoming>| ready(service.answer(&request));
        serve(listener, config, service_fn(answer)).with_gate(&gate).with_tls(tls).await;
    })
    .await;
    (server, certificate)
}

async fn connect(
    server: &Server,
    certificate: CertificateDer<'static>,
    protocols: &[&[u8]],
) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let socket = TcpStream::connect(server.addr).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap()
}

#[tokio::test]
async fn a_client_that_offers_http2_gets_it() {
    let (server, certificate) = start(ServeConfig::new()).await;
    let socket = connect(&server, certificate, &[b"h2", b"http/1.1"]).await;
    assert_eq!(socket.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let (mut client, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(connection);
    let mut response = h2_client::ask(&mut client, http::Method::GET, "/").await;
    let text = h2_client::read_until(response.body_mut(), "\n\n").await;
    assert_eq!(text, ":\ndata: hello\n\n");
}

#[tokio::test]
async fn other_clients_get_http1() {
    let (server, certificate) = start(ServeConfig::new()).await;
    for protocols in [&[b"http/1.1".as_slice()] as &[_], &[]] {
        let mut socket = connect(&server, certificate.clone(), protocols).await;
        socket.write_all(request("GET", "/").as_bytes()).await.unwrap();
        let text = read_tls_until(&mut socket, "data: hello\n\n\r\n").await;
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    }
}

#[tokio::test]
async fn a_slow_handshake_is_given_up() {
    let config = ServeConfig::new().with_head_timeout(Duration::from_millis(200)).unwrap();
    let (server, _) = start(config).await;
    let mut socket = send(&server, "\x16\x03\x01").await;
    let start = Instant::now();
    read_to_end(&mut socket).await;
    assert!(start.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_drained_server_sends_close_notify() {
    let (mut server, certificate) = start(ServeConfig::new()).await;
    let mut socket = connect(&server, certificate, &[b"http/1.1"]).await;
    socket.write_all(request("GET", "/").as_bytes()).await.unwrap();
    let plan = lasse_hyper::DrainPlan::new().with_notice(Duration::ZERO);
    let plan = plan.with_window(Duration::from_millis(100));
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.gate.drain(&plan);
    let mut text = String::new();
    let read = timeout(TIME_LIMIT, socket.read_to_string(&mut text))
        .await
        .expect("the connection is still open");
    assert!(read.is_ok(), "close_notify is missing: {read:?}");
    assert!(text.ends_with("0\r\n\r\n"), "{text}");
    server.stopped().await;
}

#[tokio::test]
async fn a_stream_ends_and_the_next_request_follows() {
    let (mut server, certificate) = start(ServeConfig::new()).await;
    let mut socket = connect(&server, certificate, &[b"http/1.1"]).await;
    for _ in 0..3 {
        socket.write_all(request("GET", "/").as_bytes()).await.unwrap();
        assert!(read_tls_until(&mut socket, "hello\n\n\r\n").await.starts_with("HTTP/1.1 200 "));
        server.newest().notify(event(100_000)).unwrap();
        assert!(read_tls_until(&mut socket, "x\n\n\r\n").await.len() > 100_000);
        server.newest().inform("stop").unwrap();
        assert_eq!(read_tls_until(&mut socket, "0\r\n\r\n").await, "0\r\n\r\n");
        assert_eq!(server.end().await, EndReason::Stopped);
    }
    socket.write_all(request("GET", "/none").as_bytes()).await.unwrap();
    assert!(read_tls_until(&mut socket, "\r\n\r\n").await.starts_with("HTTP/1.1 204 "));
}

/// Reads until the text ends with `end`.
async fn read_tls_until(socket: &mut TlsStream<TcpStream>, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let mut space = [0; 4096];
        let n = timeout(TIME_LIMIT, socket.read(&mut space)).await.expect("no bytes").unwrap();
        assert_ne!(n, 0, "the end, after {} bytes", text.len());
        text.push_str(std::str::from_utf8(&space[..n]).unwrap());
    }
    text
}

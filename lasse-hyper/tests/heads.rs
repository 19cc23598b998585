//! Heads of requests that are refused, and the limits for heads.

mod support;

use std::time::Duration;

use http::Request;
use lasse_hyper::ServeConfig;
use support::h2_client::connect;
use support::*;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout};

/// The status line of the response to a request.
async fn status(server: &Server, request: &str) -> String {
    let mut socket = send(server, request).await;
    let text = read_until(&mut socket, "\r\n\r\n").await;
    text.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_request_without_one_valid_host_is_refused() {
    let server = Server::start(ServeConfig::new()).await;
    for host in [
        "",
        "host: one\r\nhost: two\r\n",
        "host: one\r\nhost: one\r\n",
        "host: a b\r\n",
        "host: a/b\r\n",
        "host: u@h\r\n",
        "host: a:b\r\n",
        "host: [::1\r\n",
    ] {
        let request = format!("GET /none HTTP/1.1\r\n{host}\r\n");
        let answer = read_to_end(&mut send(&server, &request).await).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{host:?}: {answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{host:?}: {answer}");
    }
    for host in ["host: [::1]:80\r\n", "host: \r\n", "host: xn--tda.example:8080\r\n"] {
        let request = format!("GET /none HTTP/1.1\r\n{host}\r\n");
        assert_eq!(status(&server, &request).await, "HTTP/1.1 204 No Content", "{host:?}");
    }
    assert_eq!(server.streams.lock().unwrap().len(), 3, "the service gets valid requests only");
}

#[tokio::test]
async fn a_request_of_http10_can_have_no_host_but_not_two() {
    let server = Server::start(ServeConfig::new()).await;
    let request = "GET /none HTTP/1.0\r\n\r\n";
    assert_eq!(status(&server, request).await, "HTTP/1.0 204 No Content");
    let request = "GET /none HTTP/1.0\r\nhost: one\r\nhost: two\r\n\r\n";
    assert_eq!(status(&server, request).await, "HTTP/1.0 400 Bad Request");
}

#[tokio::test]
async fn a_host_of_http2_is_that_of_its_authority() {
    let server = Server::start(ServeConfig::new()).await;
    let mut client = connect(&server, 65_535).await;
    for (hosts, status) in [
        (&[] as &[_], 204),
        (&["lasse.example"], 204),
        (&["Lasse.Example"], 204),
        (&["other.example"], 400),
        (&["lasse.example", "lasse.example"], 400),
    ] {
        let mut request = Request::get("http://lasse.example/none");
        for host in hosts {
            request = request.header("host", *host);
        }
        let (response, _) = client.send_request(request.body(()).unwrap(), true).unwrap();
        let response = timeout(TIME_LIMIT, response).await.expect("no answer").unwrap();
        assert_eq!(response.status(), status, "{hosts:?}");
    }
}

#[tokio::test]
async fn limits_for_heads_can_be_as_large_and_as_small_as_one_likes() {
    let small = "GET /none HTTP/1.1\r\nhost: lasse.example\r\n\r\n";
    let large =
        format!("GET /none HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n", "x".repeat(300_000));
    let many = format!("GET /none HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: x\r\n".repeat(300));
    let (ok, too_large) =
        ("HTTP/1.1 204 No Content", "HTTP/1.1 431 Request Header Fields Too Large");
    for (bytes, fields, statuses) in [
        (usize::MAX, usize::MAX, [ok, ok, ok]),
        (usize::MAX, 100, [ok, ok, too_large]),
        (16 * 1024, usize::MAX, [ok, too_large, ok]),
        (20, 100, [too_large, too_large, too_large]),
        (16 * 1024, 1, [ok, too_large, too_large]),
        (1, 1, [too_large, too_large, too_large]),
    ] {
        let config = ServeConfig::new().with_head_limits(bytes, fields).unwrap();
        let server = Server::start(config).await;
        for (request, expected) in [small, &large, &many].into_iter().zip(statuses) {
            let len = request.len();
            assert_eq!(status(&server, request).await, expected, "{bytes}, {fields}: {len}");
        }
    }
}

#[tokio::test]
async fn a_head_timeout_can_be_as_long_and_as_short_as_one_likes() {
    let config = ServeConfig::new().with_head_timeout(Duration::MAX).unwrap();
    let server = Server::start(config).await;
    let mut socket = get(&server, "/none").await;
    assert!(read_until(&mut socket, "\r\n\r\n").await.starts_with("HTTP/1.1 204 "));

    let config = ServeConfig::new().with_head_timeout(Duration::from_nanos(1)).unwrap();
    let server = Server::start(config).await;
    let mut socket = send(&server, "").await;
    let end =
        timeout(TIME_LIMIT, socket.read(&mut [0; 1])).await.expect("the connection is still open");
    assert_eq!(end.unwrap(), 0);
}

#[tokio::test]
async fn a_slow_head_is_given_up() {
    let config = ServeConfig::new().with_head_timeout(Duration::from_millis(200)).unwrap();
    let server = Server::start(config).await;
    for head in ["", "G", "GET / HTTP/1.1\r\nhost: lasse"] {
        let mut socket = send(&server, head).await;
        let start = Instant::now();
        read_to_end(&mut socket).await;
        assert!(start.elapsed() >= Duration::from_millis(200), "{head:?}");
    }
}

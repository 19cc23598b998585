//! The client against servers in other languages.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use lasse_hyper::lasse_core::ClientClosed;
use lasse_hyper::{ClientEvent, DisconnectReason};
use tokio::time::Instant;

use crate::foreign_server::with_each;
use crate::source::{
    client, client_of, close_reason, disconnect_reason, event, events, next_event, source,
};

#[tokio::test]
async fn a_server_that_is_killed_and_restarted_is_resumed() {
    with_each(async |mut server| {
        let mut source = source(client(&server.uri("/events")));
        assert_eq!(events(&mut source).await, ["1", "2", "3"], "{server}");
        server.kill();
        disconnect_reason(&mut source).await;
        server.restart();
        assert_eq!(events(&mut source).await, ["4", "5", "6"], "{server}");
        assert_eq!(source.last_event_id(), "6");
    })
    .await;
}

#[tokio::test]
async fn half_an_event_is_dropped() {
    with_each(async |server| {
        let mut source = source(client(&server.uri("/cut")));
        assert_eq!(event(&mut source).await, "1", "{server}");
        disconnect_reason(&mut source).await;
        assert_eq!(source.last_event_id(), "1");
        assert_eq!(event(&mut source).await, "2", "{server}");
    })
    .await;
}

#[tokio::test]
async fn a_silent_stream_ends_at_the_read_timeout() {
    let timeout = Duration::from_millis(200);
    with_each(async |server| {
        let mut source = source(client(&server.uri("/events")).with_read_timeout(timeout));
        assert_eq!(events(&mut source).await, ["1", "2", "3"], "{server}");
        let start = Instant::now();
        assert!(
            matches!(disconnect_reason(&mut source).await, DisconnectReason::Silent),
            "{server}"
        );
        assert!(start.elapsed() > timeout / 2);
        assert_eq!(event(&mut source).await, "4", "{server}");
    })
    .await;
}

#[tokio::test]
async fn keep_alives_extend_the_read_timeout() {
    with_each(async |server| {
        let timeout = Duration::from_millis(500);
        let mut source = source(client(&server.uri("/keep-alive")).with_read_timeout(timeout));
        let mut comments = 0;
        let data = loop {
            match next_event(&mut source).await {
                ClientEvent::Comment(_) => comments += 1,
                ClientEvent::Message(event) => break event.into_data(),
                ClientEvent::Lost { why, .. } => panic!("{server}: {why}"),
                _ => {}
            }
        };
        assert_eq!((comments, data.as_str()), (10, "1"), "{server}");
    })
    .await;
}

#[tokio::test]
async fn a_stream_can_arrive_byte_by_byte() {
    with_each(async |server| {
        let mut source = source(client(&server.uri("/slow")));
        assert_eq!(event(&mut source).await, "so slöw", "{server}");
    })
    .await;
}

#[tokio::test]
async fn redirects_are_followed_again_after_a_failure() {
    with_each(async |server| {
        let mut source = source(client(&server.uri("/moved")));
        let mut requests = Vec::new();
        let mut events = Vec::new();
        while events.len() < 2 {
            match next_event(&mut source).await {
                ClientEvent::Connecting(uri) => requests.push(uri.to_string()),
                ClientEvent::Message(event) => events.push(event.into_data()),
                _ => {}
            }
        }
        let path = ["/moved", "/there", "/cut?"].map(|path| server.uri(path));
        assert_eq!(requests, [&path[..], &path].concat(), "{server}");
        assert_eq!(events, ["1", "2"], "{server}");
    })
    .await;
}

#[tokio::test]
async fn endless_redirects_close_the_client() {
    with_each(async |server| {
        let mut source = source(client(&server.uri("/round")).with_max_redirects(3));
        assert_eq!(close_reason(&mut source).await, Some(ClientClosed::Redirects(3)), "{server}");
    })
    .await;
}

#[tokio::test]
async fn a_204_ends_the_stream_without_an_error() {
    with_each(async |server| {
        let mut source = source(client(&server.uri("/once")));
        assert_eq!(event(&mut source).await, "1", "{server}");
        assert_eq!(close_reason(&mut source).await, None, "{server}");
    })
    .await;
}

#[tokio::test]
async fn a_response_without_a_stream_is_an_error() {
    with_each(async |server| {
        for (path, reason) in [
            ("/broken", ClientClosed::Status(StatusCode::INTERNAL_SERVER_ERROR)),
            ("/busy", ClientClosed::Status(StatusCode::TOO_MANY_REQUESTS)),
            ("/page", ClientClosed::ContentType(Some("text/html".parse().unwrap()))),
        ] {
            let mut source = source(client(&server.uri(path)));
            assert_eq!(close_reason(&mut source).await, Some(reason), "{server}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_client_waits_for_the_retry_after_of_a_busy_server() {
    with_each(async |server| {
        let mut source = source(client(&server.uri("/busy")).with_retried_statuses());
        assert!(matches!(next_event(&mut source).await, ClientEvent::Connecting(_)));
        let ClientEvent::Lost {
            why: DisconnectReason::Status(StatusCode::TOO_MANY_REQUESTS),
            wait,
        } = next_event(&mut source).await
        else {
            panic!("{server} is not busy")
        };
        assert!(wait > Duration::from_millis(900), "{wait:?}");
        assert_eq!(event(&mut source).await, "1", "{server}");
    })
    .await;
}

#[tokio::test]
async fn method_headers_and_body_are_sent_with_each_request() {
    with_each(async |server| {
        let request = Request::post(server.uri("/echo")).header("x-key", "7");
        let mut source = source(client_of(request.body(Bytes::from_static(b"tea")).unwrap()));
        assert_eq!(events(&mut source).await, ["POST 7 tea", "POST 7 tea"], "{server}");
    })
    .await;
}

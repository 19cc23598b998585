//! A connection of one's own making, served without a listener.

use std::future::ready;

use http::{Request, Response};
use lasse_core::{Channel, ChannelConfig, Close, Event, PositionNotice, StreamConfig};
use lasse_tokio::{Body, Endpoint, PeerAddr, ServeConfig, serve_connection, subscribe};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

const PEER: &str = "192.0.2.1:4000";

#[tokio::test(start_paused = true)]
async fn requests_are_served_one_after_the_other_and_told_who_asks() {
    let (mut client, mut server) = duplex(4096);
    let channel = Channel::new(&ChannelConfig::new().with_position(PositionNotice::Off));
    channel.finish_with(Event::new("all there is")).unwrap();
    let endpoint = Endpoint::new(StreamConfig::new().with_first_byte(false));
    let factory = |request: Request<()>| {
        let PeerAddr(peer) = *request.extensions().get().unwrap();
        ready(match request.uri().path() {
            "/peer" => Response::new(Body::from(peer.to_string())),
            _ => subscribe(&request, &endpoint, &channel),
        })
    };
    let config = ServeConfig::new();
    let requests = "GET /peer HTTP/1.1\r\nhost: a\r\n\r\n\
                    GET /events HTTP/1.1\r\nhost: a\r\nlast-event-id: gone-1\r\n\r\n\
                    GET /peer HTTP/1.0\r\n\r\n";
    client.write_all(requests.as_bytes()).await.unwrap();
    let peer = PeerAddr(PEER.parse().unwrap());
    let serving = serve_connection(&mut server, peer, &config, &factory);
    let mut heard = String::new();
    let (close, read) = tokio::join!(serving, client.read_to_string(&mut heard));
    read.unwrap();
    assert_eq!(close, Close::Clean);
    assert_eq!(heard.matches(PEER).count(), 2, "{heard}");
    let stream = heard.split(PEER).nth(1).unwrap();
    assert!(stream.contains("event: reset"), "{stream}");
    assert!(stream.contains("\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n"), "{stream}");
}

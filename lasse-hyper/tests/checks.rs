//! The checks that all servers of lasse pass, from outside.

use std::convert::Infallible;
use std::future::{IntoFuture, ready};

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use lasse_hyper::{Endpoint, Listener, ServeConfig, respond, serve};
use lasse_testkit::checks::{self, HEAD_BYTES, HEAD_FIELDS, HEAD_TIME, StreamRecords, TestHandler};
use tokio::net::TcpListener;

#[tokio::test(flavor = "multi_thread")]
async fn the_server_passes_the_checks() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let records = StreamRecords::default();
    let (args, endpoint) = (records.clone(), Endpoint::new(checks::config().unwrap()));
    let service = service_fn(move |request: Request<Incoming>| {
        ready(Ok::<_, Infallible>(respond::<TestHandler>(&request, &endpoint, |_| args.clone())))
    });
    let config = ServeConfig::new()
        .with_head_limits(HEAD_BYTES, HEAD_FIELDS)
        .and_then(|config| config.with_head_timeout(HEAD_TIME))
        .and_then(|config| config.with_write_timeout(checks::WRITE_TIMEOUT))
        .unwrap();
    let server = tokio::spawn(serve(listener, config, service).into_future());
    let subject = checks::Server { address, records, is_adapter_only: false };
    tokio::task::spawn_blocking(move || checks::run(&subject)).await.unwrap();
    server.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_under_the_server_of_axum_pass_the_checks_for_streams() {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let records = StreamRecords::default();
    let (args, endpoint) = (records.clone(), Endpoint::new(checks::config().unwrap()));
    let router = axum::Router::new().fallback(move |request: Request<axum::body::Body>| {
        ready(respond::<TestHandler>(&request, &endpoint, |_| args.clone()))
    });
    let server = tokio::spawn(axum::serve(listener, router).into_future());
    let subject = checks::Server { address, records, is_adapter_only: true };
    tokio::task::spawn_blocking(move || checks::run(&subject)).await.unwrap();
    server.abort();
}

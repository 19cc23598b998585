//! The first example of Erlang's lasse: every client of `/pong` receives an event for each request
//! to `/ping`.
//!
//! ```text
//! cargo run --release --example ping_pong
//! curl -N http://127.0.0.1:4000/pong
//! curl http://127.0.0.1:4000/ping
//! ```

use std::convert::Infallible;
use std::error::Error;
use std::future::ready;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::service::service_fn;
use lasse::hyper::{ChannelBody, serve, subscribe};
use lasse::{
    Channel, ChannelConfig, DrainPlan, Endpoint, Event, EventName, Gate, GateConfig, Listener,
    ServeConfig,
};

const PING: EventName = EventName::from_static("ping");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "4000".into()).parse::<u16>()?;
    let listener = Listener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/pong", listener.local_addr()?);

    let (pings, endpoint) = (Channel::new(&ChannelConfig::new()), Endpoint::default());
    let service =
        service_fn(move |request| ready(Ok::<_, Infallible>(answer(&pings, &endpoint, &request))));
    // No load balancer needs time to notice a shutdown.
    let plan = DrainPlan::new().with_notice(Duration::ZERO);
    let gate = Gate::new(GateConfig::new().with_drain_plan(plan));
    serve(listener, ServeConfig::new(), service)
        .with_gate(&gate)
        .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
        .await;
    Ok(())
}

fn answer(pings: &Channel, endpoint: &Endpoint, request: &Request<Incoming>) -> Response<Body> {
    match request.uri().path() {
        "/pong" => subscribe(request, endpoint, pings).map(Either::Left),
        "/ping" => match pings.publish(Event::new("pong").with_name(PING)) {
            Ok(_) => reply(StatusCode::OK, "ack\n"),
            Err(error) => reply(StatusCode::GONE, &format!("{error}\n")),
        },
        _ => reply(StatusCode::NOT_FOUND, "the paths are /ping and /pong\n"),
    }
}

fn reply(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Either::Right(text.to_owned()));
    *response.status_mut() = status;
    response
}

type Body = Either<ChannelBody, String>;

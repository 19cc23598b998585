//! A simulated language model: a server that streams its tokens as events, and the client that reads
//! them.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Client as Http};
use hyper_util::rt::TokioExecutor;
use lasse::hyper::{collect_body, stream};
use lasse::{Client, ClientClosed, Endpoint, Event, EventSource, EventSourceError, StreamConfig};
use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_stream::{Stream, StreamExt};

use crate::completion::BoxError;

/// The model's address.
#[derive(Clone)]
pub(crate) struct Model {
    address: SocketAddr,
    http: Connector,
}

type Connector = Http<HttpConnector, http_body_util::Full<Bytes>>;

/// An answer of the model, token by token.
pub(crate) struct Answer(EventSource<Connector>);

impl Model {
    /// Starts the model's server on a free port.
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = axum::serve(listener, Router::new().route("/", post(answer)));
        tokio::spawn(async { server.await });
        Ok(Self { address, http: legacy::Client::builder(TokioExecutor::new()).build_http() })
    }

    /// Asks the model. An answer that is dropped is cancelled.
    pub(crate) fn ask(&self, prompt: &str) -> Answer {
        let mut request = http::Request::new(Bytes::copy_from_slice(prompt.as_bytes()));
        *request.method_mut() = http::Method::POST;
        let uri = format!("http://{}/", self.address);
        *request.uri_mut() = uri.parse().expect("an address makes a URI");
        // Each request to a model costs money: it is not repeated.
        let client = Client::once(request).with_read_timeout(Duration::from_secs(30));
        Answer(EventSource::new(client, self.http.clone()))
    }
}

impl Answer {
    /// The next token, or `None` at the end.
    pub(crate) async fn next_token(&mut self) -> Result<Option<String>, BoxError> {
        match self.0.next().await {
            Some(Ok(token)) => Ok(Some(token.into_data())),
            Some(Err(EventSourceError::Closed { reason: ClientClosed::Ended, .. })) | None => {
                Ok(None)
            }
            Some(Err(error)) => Err(error.into()),
        }
    }
}

/// The model's server.
async fn answer(request: Request) -> Response {
    let (head, body) = request.into_parts();
    let prompt = match collect_body(body, LONGEST_PROMPT, Duration::from_secs(10)).await {
        Ok(prompt) => prompt,
        Err(error) => return (error.status(), error.to_string()).into_response(),
    };
    let config = StreamConfig::new().with_post(true).with_finite(true);
    let tokens = tokens(&String::from_utf8_lossy(&prompt));
    stream(&head, &Endpoint::new(config), tokens).into_response()
}

fn tokens(prompt: &str) -> impl Stream<Item = Result<Event<'static>, Infallible>> + use<> {
    let text = format!("You said {prompt:?}. I have nothing to add, but I shall say it slowly.");
    let words: Vec<String> = text.split_inclusive(' ').map(str::to_owned).collect();
    tokio_stream::iter(words).then(async |word| {
        sleep(Duration::from_millis(120)).await;
        Ok(Event::new(word))
    })
}

const LONGEST_PROMPT: usize = 64 * 1024;

//! What the streams of one endpoint have in common.

use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Method, Response, StatusCode};
use lasse_core::{Init, RequestHead, StreamConfig};

use crate::gate::{Gate, Permit, RejectReason, Rejected};

/// What the streams of one endpoint have in common. Make it once; a clone shares.
///
/// | setting | default |
/// |---|---|
/// | gate | the server's, if there is one in the request's extensions |
/// | refusal | as an `EventSource` understands it |
/// | mailbox | room for 64 messages |
///
/// # Examples
///
/// ```
/// use lasse_tokio::lasse_core::StreamConfig;
/// use lasse_tokio::{Gate, GateConfig, Endpoint};
///
/// let gate = Gate::new(GateConfig::new().with_limit(10_000));
/// let endpoint = Endpoint::new(StreamConfig::new().with_post(true)).with_gate(&gate);
/// ```
#[derive(Clone, Debug)]
pub struct Endpoint {
    config: StreamConfig,
    gate: Option<Gate>,
    refusal: Refusal,
    mailbox_capacity: usize,
}

/// How a client hears that there is no room for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refusal {
    /// By a stream that says only when to come back: any other status than 200
    /// would end an `EventSource` for ever.
    #[default]
    EventSource,
    /// By a status, 429 or 503, with `Retry-After`: for clients that fetch, and
    /// would take an empty stream for an answer.
    Status,
}

impl Endpoint {
    /// A endpoint whose streams behave as `config` says.
    pub fn new(config: StreamConfig) -> Self {
        config.into()
    }

    /// Lets streams in by this gate, and ends them when it drains.
    #[must_use]
    pub fn with_gate(self, gate: &Gate) -> Self {
        Self { gate: Some(gate.clone()), ..self }
    }

    /// Sets how a client hears that the gate refuses it.
    #[must_use]
    pub fn with_refusal(self, refusal: Refusal) -> Self {
        Self { refusal, ..self }
    }

    /// Sets how many messages may wait for a slow client.
    #[must_use]
    pub fn with_mailbox_capacity(self, messages: usize) -> Self {
        Self { mailbox_capacity: messages, ..self }
    }

    /// How its streams behave.
    pub fn config(&self) -> &StreamConfig {
        &self.config
    }

    /// The gate, if there is one.
    pub fn gate(&self) -> Option<&Gate> {
        self.gate.as_ref()
    }

    pub(crate) fn mailbox_capacity(&self) -> usize {
        self.mailbox_capacity
    }

    /// Asks the gate, for what may become a stream.
    pub(crate) fn admit(&self, request: &RequestHead<'_>) -> Result<Option<Permit>, Rejected> {
        let gate = self.gate.as_ref().or_else(|| request.extensions().get());
        let gate = gate.filter(|_| request.method() != Method::HEAD);
        gate.map(|gate| gate.admit(request)).transpose()
    }

    pub(crate) fn refuse<S>(&self, refused: Rejected) -> Init<S> {
        match self.refusal {
            Refusal::EventSource => Init::Refuse { retry_after: refused.retry() },
            Refusal::Status => Init::Respond(status(refused)),
        }
    }
}

impl From<StreamConfig> for Endpoint {
    fn from(config: StreamConfig) -> Self {
        let (gate, refusal) = (None, Refusal::default());
        Self { config, gate, refusal, mailbox_capacity: MAILBOX_CAPACITY }
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        StreamConfig::default().into()
    }
}

fn status(refused: Rejected) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = match refused.cause() {
        RejectReason::LimitPerKey => StatusCode::TOO_MANY_REQUESTS,
        RejectReason::Limit | RejectReason::Draining => StatusCode::SERVICE_UNAVAILABLE,
    };
    let seconds = refused.retry().saturating_add(Duration::from_nanos(999_999_999)).as_secs();
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// How many messages wait for a slow client, at the most, unless the endpoint says
/// otherwise.
const MAILBOX_CAPACITY: usize = 64;

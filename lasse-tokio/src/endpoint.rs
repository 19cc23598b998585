//! The settings that the streams of one endpoint share.

use http::Method;
use lasse_core::{Dialect, RequestHead, StreamConfig};

use crate::gate::{Gate, Permit, Rejected};

/// The settings that the streams of one endpoint share. Make it once: a clone shares
/// them.
///
/// | setting | default |
/// |---|---|
/// | streams | those of [`StreamConfig`] |
/// | gate | the server's, if there is one in the request's extensions |
/// | mailbox | room for 64 messages |
///
/// # Examples
///
/// ```
/// use lasse_tokio::{Dialect, Endpoint, Gate, GateConfig, StreamConfig};
///
/// let gate = Gate::new(GateConfig::new().with_limit(10_000));
/// let config = StreamConfig::new().with_post(true).with_dialect(Dialect::Fetch);
/// let endpoint = Endpoint::new(config).with_gate(&gate);
/// ```
#[derive(Clone, Debug)]
pub struct Endpoint {
    config: StreamConfig,
    gate: Option<Gate>,
    mailbox_capacity: usize,
}

impl Endpoint {
    /// An endpoint for streams of this configuration.
    pub fn new(config: StreamConfig) -> Self {
        config.into()
    }

    /// Admits streams by this gate, which also ends them when it drains.
    #[must_use]
    #[doc(alias("rate limit", "shutdown"))]
    pub fn with_gate(self, gate: &Gate) -> Self {
        Self { gate: Some(gate.clone()), ..self }
    }

    /// Sets what the clients understand: [`StreamConfig::with_dialect`].
    #[must_use]
    pub fn with_dialect(self, dialect: Dialect) -> Self {
        Self { config: self.config.with_dialect(dialect), ..self }
    }

    /// Sets how many messages of notifiers can wait for a slow client. With zero, every
    /// message is refused.
    #[must_use]
    #[doc(alias = "backpressure")]
    pub fn with_mailbox_capacity(self, messages: usize) -> Self {
        Self { mailbox_capacity: messages, ..self }
    }

    /// The configuration of its streams.
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

    /// Asks the gate to admit a request, unless it is a HEAD, which becomes no stream. If the request
    /// becomes one, the permit must be confirmed.
    pub(crate) fn admit(&self, request: &RequestHead<'_>) -> Result<Option<Permit>, Rejected> {
        let gate = self.gate.as_ref().or_else(|| request.extensions().get());
        let gate = gate.filter(|_| request.method() != Method::HEAD);
        gate.map(|gate| gate.admit_unconfirmed(request)).transpose()
    }
}

impl From<StreamConfig> for Endpoint {
    fn from(config: StreamConfig) -> Self {
        Self { config, gate: None, mailbox_capacity: MAILBOX_CAPACITY }
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        StreamConfig::default().into()
    }
}

/// How many messages can wait for a slow client by default.
const MAILBOX_CAPACITY: usize = 64;

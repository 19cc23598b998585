//! The settings of responses.

use http::{HeaderName, HeaderValue};

use super::{InvalidConfig, StreamConfig};
use crate::dialect::Dialect;
use crate::request::{Responses, is_framing};

impl StreamConfig {
    /// Sets a header of every response, refusals included. It replaces the default of
    /// the same name; a response of the application keeps its own.
    ///
    /// # Errors
    ///
    /// If the header frames the message, which is the adapter's part:
    /// `content-length`, `transfer-encoding`, `connection`.
    pub fn with_header(self, name: HeaderName, value: HeaderValue) -> Result<Self, InvalidConfig> {
        if is_framing(&name) {
            return Err(InvalidConfig(
                "content-length, transfer-encoding and connection are set by the adapter",
            ));
        }
        Ok(self.change_responses(|responses| {
            responses.headers.append(name, value);
        }))
    }

    /// Whether a client whose `Accept` excludes event streams gets `406 Not
    /// Acceptable` instead of a stream.
    #[must_use]
    pub fn with_strict_accept(self, strict: bool) -> Self {
        self.change_responses(|responses| responses.strict_accept = strict)
    }

    /// Whether a POST gets a stream, for clients that send a question in the body.
    #[must_use]
    pub fn with_post(self, post: bool) -> Self {
        self.change_responses(|responses| responses.post = post)
    }

    /// Sets what the clients are: how they are refused, so that they reconnect.
    #[must_use]
    pub fn with_dialect(self, dialect: Dialect) -> Self {
        self.change_responses(|responses| responses.dialect = dialect)
    }

    fn change_responses(self, change: impl FnOnce(&mut Responses)) -> Self {
        self.change(|settings| change(&mut settings.responses))
    }
}

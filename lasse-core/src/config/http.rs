//! The settings of responses.

use alloc::string::String;
use alloc::vec::Vec;

use http::{HeaderName, HeaderValue};

use super::{InvalidConfig, StreamConfig};
use crate::request::{Hosts, Origins, Responses, is_framing};

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

    /// Refuses requests of pages of other origins than these, by a 403 and before anything is made:
    /// those with another `Origin`, and those without one whose `Sec-Fetch-Site` is `cross-site`.
    ///
    /// The pages of the server's own origin are admitted: by `Sec-Fetch-Site`, which browsers send over
    /// TLS and to localhost, and without that field if the host of `Origin` is the host of the request.
    /// Behind a proxy that changes `Host`, list them. Clients that are not browsers send neither field,
    /// and are admitted. So this check protects the users of browsers, whose cookies a foreign page
    /// would use, and is not a sign-in.
    ///
    /// # Errors
    ///
    /// If one of them is not an origin as browsers send it, such as `https://example.org`: lower
    /// case, without a default port, without a path.
    #[doc(alias("cors", "csrf"))]
    pub fn with_origins<O: Into<String>>(
        self,
        origins: impl IntoIterator<Item = O>,
    ) -> Result<Self, InvalidConfig> {
        let origins = Origins::new(origins.into_iter().map(Into::into).collect());
        let origins = origins.ok_or(InvalidConfig(
            "an origin is a scheme and a host in lower case, and a port unless it is the default",
        ))?;
        Ok(self.change_responses(|responses| responses.origins = Some(origins)))
    }

    /// Refuses requests for other hosts than these, by a 403 and before anything is made. A host
    /// without a port stands for all ports.
    ///
    /// For servers on localhost or in a private network, which a page can otherwise reach by DNS
    /// rebinding: its own name then resolves to the server's address.
    ///
    /// # Errors
    ///
    /// If one of them is not a host, such as `localhost`, `example.org:4000` or `[::1]`.
    #[doc(alias = "dns rebinding")]
    pub fn with_hosts<H: Into<String>>(
        self,
        hosts: impl IntoIterator<Item = H>,
    ) -> Result<Self, InvalidConfig> {
        let hosts = hosts.into_iter().map(Into::into).collect::<Vec<_>>();
        let invalid = InvalidConfig("a host is a name or an address, and perhaps a port");
        let hosts = Hosts::new(&hosts).ok_or(invalid)?;
        Ok(self.change_responses(|responses| responses.hosts = Some(hosts)))
    }

    fn change_responses(self, change: impl FnOnce(&mut Responses)) -> Self {
        self.change(|settings| change(&mut settings.responses))
    }
}

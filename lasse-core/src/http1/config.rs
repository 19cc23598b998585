//! How an HTTP/1.1 server treats its connections.

use core::time::Duration;

use http::HeaderValue;

use super::request::Limits;
use crate::config::InvalidConfig;

/// How an HTTP/1.1 server treats its connections.
///
/// | setting | default |
/// |---|---|
/// | head of a request | 16 KiB, 100 fields, complete within 10 seconds |
/// | response timeout | 5 minutes from the head of the request to the response |
/// | write timeout | 30 seconds since the client took the last byte |
/// | date | not sent; `lasse-tokio` and `lasse-hyper` send it |
///
/// The settings of streams are in [`StreamConfig`](crate::StreamConfig): a stream has a
/// write timeout of its own. A duration of [`Duration::MAX`] means no timeout, and a
/// limit of [`usize::MAX`] means no limit.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
/// use lasse_core::http1::ServeConfig;
///
/// let config = ServeConfig::new()
///     .with_head_limits(8 * 1024, 50)?
///     .with_head_timeout(Duration::from_secs(5))?;
/// # Ok::<(), lasse_core::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ServeConfig {
    limits: Limits,
    head_timeout: Duration,
    response_timeout: Duration,
    write_timeout: Duration,
    date: Option<fn() -> Option<HeaderValue>>,
}

impl ServeConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many bytes and how many fields the head of a request can have. A larger
    /// head is refused with `431 Request Header Fields Too Large`.
    ///
    /// # Errors
    ///
    /// If either is zero.
    pub fn with_head_limits(self, bytes: usize, fields: usize) -> Result<Self, InvalidConfig> {
        if bytes == 0 || fields == 0 {
            return Err(InvalidConfig("a head has at least one byte and one field"));
        }
        Ok(Self { limits: Limits { head_bytes: bytes, headers: fields }, ..self })
    }

    /// Sets how long a connection waits for the complete head of a request, from when it
    /// is opened or from the end of the last response. An incomplete head is refused with
    /// `408 Request Timeout`. If the client has sent nothing, the connection is closed.
    ///
    /// # Errors
    ///
    /// If `timeout` is zero.
    pub fn with_head_timeout(self, timeout: Duration) -> Result<Self, InvalidConfig> {
        let head_timeout = positive(timeout, "a head timeout cannot be zero")?;
        Ok(Self { head_timeout, ..self })
    }

    /// Sets how long the application can take to return a response. After that the
    /// client gets `503 Service Unavailable`, and the work on the response is dropped.
    ///
    /// # Errors
    ///
    /// If `timeout` is zero.
    pub fn with_response_timeout(self, timeout: Duration) -> Result<Self, InvalidConfig> {
        let response_timeout = positive(timeout, "a response timeout cannot be zero")?;
        Ok(Self { response_timeout, ..self })
    }

    /// Sets how long a client can take no byte of a response before the connection is
    /// reset. A stream uses
    /// [`StreamConfig::with_write_timeout`](crate::StreamConfig::with_write_timeout).
    ///
    /// # Errors
    ///
    /// If `timeout` is zero.
    pub fn with_write_timeout(self, timeout: Duration) -> Result<Self, InvalidConfig> {
        let write_timeout = positive(timeout, "a write timeout cannot be zero")?;
        Ok(Self { write_timeout, ..self })
    }

    /// Sets where the field `Date` comes from. A server with a clock must send it in
    /// every response (RFC 9110 6.6.1), and this crate has no clock. `None` means that
    /// the clock is not set. A response that has a `Date` keeps it.
    #[must_use]
    pub fn with_date(self, date: fn() -> Option<HeaderValue>) -> Self {
        Self { date: Some(date), ..self }
    }

    /// The limits for the head of a request.
    pub fn head_limits(&self) -> Limits {
        self.limits
    }

    /// How long a connection waits for the head of a request.
    pub fn head_timeout(&self) -> Duration {
        self.head_timeout
    }

    /// How long the application can take to return a response.
    pub fn response_timeout(&self) -> Duration {
        self.response_timeout
    }

    /// How long a client can take no byte of a response that is not a stream.
    pub fn write_timeout(&self) -> Duration {
        self.write_timeout
    }

    /// Where the field `Date` comes from.
    pub fn date(&self) -> Option<fn() -> Option<HeaderValue>> {
        self.date
    }
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            head_timeout: Duration::from_secs(10),
            response_timeout: Duration::from_secs(5 * 60),
            write_timeout: Duration::from_secs(30),
            date: None,
        }
    }
}

fn positive(duration: Duration, problem: &'static str) -> Result<Duration, InvalidConfig> {
    if duration.is_zero() { Err(InvalidConfig(problem)) } else { Ok(duration) }
}

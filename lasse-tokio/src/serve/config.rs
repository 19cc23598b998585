//! How much a client may ask of the server before it is answered.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use lasse_core::http1::Limits;

/// What [`serve`](crate::serve) grants a connection.
///
/// | setting | default |
/// |---|---|
/// | head of a request | 16 KiB, 100 fields, within 10 seconds |
/// | write timeout | 30 seconds from the last byte that the client took |
///
/// The settings of streams are in [`StreamConfig`](lasse_core::StreamConfig).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use lasse_tokio::ServeConfig;
///
/// let config = ServeConfig::new()
///     .with_head_limits(8 * 1024, 50)?
///     .with_head_timeout(Duration::from_secs(5))?;
/// # Ok::<(), lasse_tokio::InvalidServeConfig>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ServeConfig {
    pub(super) limits: Limits,
    pub(super) head_timeout: Duration,
    pub(super) write_timeout: Duration,
}

impl ServeConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many bytes and how many fields the head of a request may have.
    /// A larger one is answered by a 431.
    ///
    /// # Errors
    ///
    /// When either is zero.
    pub fn with_head_limits(self, bytes: usize, fields: usize) -> Result<Self, InvalidServeConfig> {
        if bytes == 0 || fields == 0 {
            return Err(InvalidServeConfig("a head has at least a byte and a field"));
        }
        Ok(Self { limits: Limits { head_bytes: bytes, headers: fields }, ..self })
    }

    /// Sets how long the head of a request may take. A slower one is answered by a
    /// 408; a connection on which none has begun is closed.
    ///
    /// # Errors
    ///
    /// When `timeout` is zero.
    pub fn with_head_timeout(self, timeout: Duration) -> Result<Self, InvalidServeConfig> {
        if timeout.is_zero() {
            return Err(InvalidServeConfig("a head timeout cannot be zero"));
        }
        Ok(Self { head_timeout: timeout, ..self })
    }

    /// Gives up on a client that takes no byte of a response for `timeout`.
    /// Streams have a write timeout of their own.
    ///
    /// # Errors
    ///
    /// When `timeout` is zero.
    pub fn with_write_timeout(self, timeout: Duration) -> Result<Self, InvalidServeConfig> {
        if timeout.is_zero() {
            return Err(InvalidServeConfig("a write timeout cannot be zero"));
        }
        Ok(Self { write_timeout: timeout, ..self })
    }

    /// How large the head of a request may be.
    pub fn head_limits(&self) -> Limits {
        self.limits
    }

    /// How long the head of a request may take.
    pub fn head_timeout(&self) -> Duration {
        self.head_timeout
    }

    /// How long a client may take no byte, though there are some for it.
    pub fn write_timeout(&self) -> Duration {
        self.write_timeout
    }
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            head_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
        }
    }
}

/// A setting of the server that could not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidServeConfig(&'static str);

impl fmt::Display for InvalidServeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for InvalidServeConfig {}

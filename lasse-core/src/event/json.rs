//! Events whose data is JSON.

use std::error::Error;
use std::fmt;

use serde::Serialize;

use super::Event;

impl Event<'static> {
    /// An event that carries `value` as JSON.
    ///
    /// # Errors
    ///
    /// When `value` cannot be JSON: its `Serialize` fails, or it has a map whose
    /// keys are not strings.
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_core::Event;
    ///
    /// assert_eq!(Event::json(&[1, 2])?.encode().as_bytes(), b"data: [1,2]\n\n");
    /// # Ok::<(), lasse_core::JsonError>(())
    /// ```
    pub fn json(value: &(impl Serialize + ?Sized)) -> Result<Self, JsonError> {
        serde_json::to_string(value).map(Self::new).map_err(JsonError)
    }
}

/// A value that cannot be JSON.
#[derive(Debug)]
pub struct JsonError(serde_json::Error);

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the value cannot be JSON: {}", self.0)
    }
}

impl Error for JsonError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

//! The options of the program.

use std::error::Error;

/// The options of the program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) port: u16,
    /// The URL of a server of Redis, if the program does not start one.
    pub(crate) redis: Option<String>,
}

impl Options {
    /// Reads the arguments.
    pub(crate) fn read(
        mut arguments: impl Iterator<Item = String>,
    ) -> Result<Self, Box<dyn Error>> {
        let mut options = Self { port: 4000, redis: None };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--port" => {
                    let port = value()?;
                    let invalid = |error| format!("--port {port}: {error}");
                    options.port = port.parse().map_err(invalid)?;
                }
                "--redis" => options.redis = Some(value()?),
                _ => return Err(format!("{argument}: the options are --port and --redis").into()),
            }
        }
        Ok(options)
    }
}

//! Why a client does not come back.

use core::error::Error;
use core::fmt;

use http::{HeaderValue, StatusCode};

/// Why a [`Client`](crate::Client) will not come back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientClosed {
    /// The server answered 204: there is no more to come.
    NoContent,
    /// The server answered with a status that is neither success nor redirect.
    Status(StatusCode),
    /// The answer is not an event stream in UTF-8, but of this type.
    ContentType(Option<HeaderValue>),
    /// A redirect that leads nowhere.
    Location(Option<HeaderValue>),
    /// More redirects in a row than allowed.
    Redirects(u32),
    /// So many attempts in a row came to nothing.
    Failures(u32),
}

impl fmt::Display for ClientClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoContent => f.write_str("the server has no more to say (204)"),
            Self::Status(status) => write!(f, "the server answered {status}, not 200"),
            Self::ContentType(Some(value)) => {
                write!(f, "the content type is {value:?}, not text/event-stream in UTF-8")
            }
            Self::ContentType(None) => {
                f.write_str("there is no content type; it must be text/event-stream")
            }
            Self::Location(Some(value)) => write!(f, "a redirect leads to {value:?}, not to HTTP"),
            Self::Location(None) => f.write_str("a redirect leads nowhere; it has no location"),
            Self::Redirects(most) => write!(f, "there were more than {most} redirects in a row"),
            Self::Failures(count) => write!(f, "{count} attempts in a row came to nothing"),
        }
    }
}

impl Error for ClientClosed {}

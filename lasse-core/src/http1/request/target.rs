//! The target of a request (RFC 9112 3.2).

use http::{HeaderValue, Method, Uri};

use super::host::is_authority;
use crate::http1::bad_request::BadRequest;

/// The target as a URI, and its host if it has one.
pub(super) fn parse_target(
    method: &Method,
    target: &str,
) -> Result<(Uri, Option<HeaderValue>), BadRequest> {
    if method == Method::CONNECT {
        return Err(BadRequest::Connect);
    }
    let uri: Uri = target.parse().map_err(|_| BadRequest::Target)?;
    // The parser drops a fragment, which a target does not have.
    if target.contains('#') {
        return Err(BadRequest::Target);
    }
    if target.starts_with('/') || target == "*" && method == Method::OPTIONS {
        return Ok((uri, None));
    }
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    let authority =
        uri.authority().filter(|authority| is_http && is_authority(authority.as_str().as_bytes()));
    let host = authority.and_then(|authority| authority.as_str().try_into().ok());
    host.map(|host| (uri, Some(host))).ok_or(BadRequest::Target)
}

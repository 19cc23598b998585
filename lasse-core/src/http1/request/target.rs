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
    let host = host_of(method, &uri)?;
    Ok((uri, host))
}

/// The host of a target, if it has one.
///
/// # Errors
///
/// If the target does not have the form that its method needs.
pub(super) fn host_of(method: &Method, target: &Uri) -> Result<Option<HeaderValue>, BadRequest> {
    let Some(authority) = target.authority() else {
        let is_path = target.path().starts_with('/');
        let is_asterisk = target.path() == "*" && method == Method::OPTIONS;
        return if is_path || is_asterisk { Ok(None) } else { Err(BadRequest::Target) };
    };
    let is_http = matches!(target.scheme_str(), Some("http" | "https"));
    let host = Some(authority.as_str()).filter(|host| is_http && is_authority(host.as_bytes()));
    host.and_then(|host| host.try_into().ok()).map(Some).ok_or(BadRequest::Target)
}

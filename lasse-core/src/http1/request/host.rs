//! The field `Host` (RFC 9112 3.2): a host and a port, as in a URI (RFC 3986 3.2).

use core::net::Ipv6Addr;
use core::str;

use http::header::HOST;
use http::{HeaderValue, Request, Version};

use crate::http1::bad_request::BadRequest;

/// Checks the `Host` of a request (RFC 9112 3.2, RFC 9113 8.3.1), for servers on another
/// HTTP library.
///
/// There must be one, with a host and possibly a port. It is empty if the target has no
/// authority. HTTP/1.0 can have none. HTTP/2 can have none, or that of the target.
///
/// # Errors
///
/// [`BadRequest::Host`].
///
/// # Examples
///
/// ```
/// use lasse_core::http1::check_host;
///
/// let request = http::Request::get("/news").header("host", "lasse.example:8080");
/// assert!(check_host(&request.body(())?).is_ok());
/// assert!(check_host(&http::Request::get("/news").body(())?).is_err());
/// # Ok::<(), http::Error>(())
/// ```
pub fn check_host<B>(request: &Request<B>) -> Result<(), BadRequest> {
    let mut fields = request.headers().get_all(HOST).into_iter();
    let (host, other) = (fields.next().map(HeaderValue::as_bytes), fields.next());
    let is_valid = match host {
        None => request.version() != Version::HTTP_11,
        Some(host) => other.is_none() && (host.is_empty() || is_authority(host)),
    };
    let is_http2 = request.version() > Version::HTTP_11;
    let target =
        request.uri().authority().filter(|_| is_http2).map(|host| host.as_str().as_bytes());
    let is_same = match (target, host) {
        (Some(target), None) => is_authority(target),
        (Some(target), Some(host)) => target.eq_ignore_ascii_case(host),
        (None, _) => true,
    };
    if is_valid && is_same { Ok(()) } else { Err(BadRequest::Host) }
}

/// Whether this is a host, which is not empty, and a port if there is a colon. A user
/// name is not allowed (RFC 9110 4.2.4).
pub(super) fn is_authority(authority: &[u8]) -> bool {
    let host_len = match authority.first() {
        Some(b'[') => authority.iter().position(|byte| *byte == b']').map(|end| end + 1),
        _ => authority.iter().position(|byte| *byte == b':'),
    };
    let (host, port) = authority.split_at(host_len.unwrap_or(authority.len()));
    let is_port = match port.split_first() {
        None => true,
        Some((colon, port)) => *colon == b':' && port.iter().all(u8::is_ascii_digit),
    };
    is_port && is_host(host)
}

fn is_host(host: &[u8]) -> bool {
    match host {
        [] => false,
        [b'[', address @ .., b']'] => is_ip_literal(address),
        name => is_name(name),
    }
}

/// RFC 3986 3.2.2: an IPv6 address, or one of a later version.
fn is_ip_literal(address: &[u8]) -> bool {
    if let [b'v' | b'V', later @ ..] = address {
        let mut parts = later.splitn(2, |byte| *byte == b'.');
        let (version, address) = (parts.next(), parts.next());
        let is_version = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_hexdigit);
        let is_address = |part: &[u8]| {
            !part.is_empty() && part.iter().all(|byte| is_plain(*byte) || *byte == b':')
        };
        return version.is_some_and(is_version) && address.is_some_and(is_address);
    }
    str::from_utf8(address).is_ok_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

/// RFC 3986 3.2.2: a registered name or an IPv4 address.
fn is_name(name: &[u8]) -> bool {
    let mut parts = name.split(|byte| *byte == b'%');
    let is_plain_text = |part: &[u8]| part.iter().all(|byte| is_plain(*byte));
    let is_escape = |part: &[u8]| match part {
        [high, low, rest @ ..] => {
            high.is_ascii_hexdigit() && low.is_ascii_hexdigit() && is_plain_text(rest)
        }
        _ => false,
    };
    parts.next().is_some_and(is_plain_text) && parts.all(is_escape)
}

/// RFC 3986 2.3 and 2.2: unreserved characters and sub-delimiters.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(version: Version, target: &str, host: Option<&str>) -> Result<(), BadRequest> {
        let mut request = Request::get(target).version(version);
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        check_host(&request.body(()).unwrap())
    }

    #[test]
    fn over_http_2_the_host_is_that_of_the_target() {
        let http2 = |target, host| check(Version::HTTP_2, target, host);
        for host in [None, Some("a:80"), Some("A:80")] {
            assert_eq!(http2("http://a:80/", host), Ok(()), "{host:?}");
        }
        assert_eq!(http2("http://a:80/", Some("b")), Err(BadRequest::Host));
        assert_eq!(http2("http://u@a/", None), Err(BadRequest::Host));
        assert_eq!(http2("/", None), Ok(()));
        // Over HTTP/1.1 the host of the target replaces the field later.
        assert_eq!(check(Version::HTTP_11, "http://a:80/", Some("b")), Ok(()));
    }

    #[test]
    fn an_escape_has_two_hexadecimal_digits() {
        for (host, is_valid) in
            [("%4a", true), ("%4a%B0c", true), ("%4z", false), ("%z4", false), ("%4a/", false)]
        {
            assert_eq!(check(Version::HTTP_11, "/", Some(host)).is_ok(), is_valid, "{host}");
        }
    }
}

//! The request to send, wherever redirects lead.

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, HOST, PROXY_AUTHORIZATION};
use http::header::{CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION};
use http::header::{CONTENT_TYPE, HeaderName, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Request, StatusCode, Uri};

use super::ClientClosed;
use super::location::resolve;

/// The request to send: the original one, or the one that redirects led to.
#[derive(Debug)]
pub(super) struct Target {
    /// The request to start with after a stream was lost.
    home: Request<Bytes>,
    /// The request to send next.
    current: Request<Bytes>,
    redirects: u32,
    /// Whether all redirects so far were permanent.
    is_permanent: bool,
}

impl Target {
    pub(super) fn new(request: Request<Bytes>) -> Self {
        Self { home: request.clone(), current: request, redirects: 0, is_permanent: true }
    }

    /// The request to send next.
    pub(super) fn request(&self) -> &Request<Bytes> {
        &self.current
    }

    /// Starts again from home.
    pub(super) fn reset(&mut self) {
        self.current = self.home.clone();
        self.redirects = 0;
        self.is_permanent = true;
    }

    /// Follows a redirect, unless it is one more than `most`.
    pub(super) fn follow(
        &mut self,
        status: StatusCode,
        location: HeaderValue,
        most: u32,
    ) -> Result<(), ClientClosed> {
        if self.redirects >= most {
            return Err(ClientClosed::Redirects(most));
        }
        let next = redirected(&self.current, status, &location);
        self.current = next.ok_or(ClientClosed::Location(Some(location)))?;
        self.redirects += 1;
        self.is_permanent &= is_permanent(status);
        if self.is_permanent {
            self.home = self.current.clone();
        }
        Ok(())
    }
}

/// The request that follows a redirect of `request` to `location` (Fetch, "HTTP-redirect fetch").
/// `None` if the location is not one of HTTP.
fn redirected(
    request: &Request<Bytes>,
    status: StatusCode,
    location: &HeaderValue,
) -> Option<Request<Bytes>> {
    let uri = resolve(request.uri(), location)?;
    let mut next = request.clone();
    if loses_body(request.method(), status) {
        *next.method_mut() = Method::GET;
        *next.body_mut() = Bytes::new();
        remove(&mut next, &BODY_FIELDS);
    }
    // A secret is for the origin that it was given to, and so is the name of a virtual host.
    if !is_same_origin(request.uri(), &uri) {
        remove(&mut next, &ORIGIN_FIELDS);
    }
    *next.uri_mut() = uri;
    Some(next)
}

/// Whether a redirect holds for later requests too (RFC 9110 15.4).
fn is_permanent(status: StatusCode) -> bool {
    matches!(status, StatusCode::MOVED_PERMANENTLY | StatusCode::PERMANENT_REDIRECT)
}

fn loses_body(method: &Method, status: StatusCode) -> bool {
    match status {
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => method == Method::POST,
        StatusCode::SEE_OTHER => method != Method::GET && method != Method::HEAD,
        _ => false,
    }
}

fn remove(request: &mut Request<Bytes>, names: &[HeaderName]) {
    for name in names {
        request.headers_mut().remove(name);
    }
}

fn is_same_origin(one: &Uri, other: &Uri) -> bool {
    let host = |uri: &Uri| uri.host().map(str::to_ascii_lowercase);
    one.scheme() == other.scheme() && host(one) == host(other) && port(one) == port(other)
}

fn port(uri: &Uri) -> Option<u16> {
    uri.port_u16().or_else(|| match uri.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    })
}

/// Fields that only the origin of the first request may see.
const ORIGIN_FIELDS: [HeaderName; 4] = [AUTHORIZATION, COOKIE, HOST, PROXY_AUTHORIZATION];

/// Fields about a body.
const BODY_FIELDS: [HeaderName; 6] = [
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    CONTENT_LOCATION,
    CONTENT_TYPE,
    TRANSFER_ENCODING,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_methods_that_change_something_become_a_get() {
        let loses = |method, status| loses_body(&method, StatusCode::from_u16(status).unwrap());
        for (method, expected) in [
            (Method::GET, [false; 5]),
            (Method::HEAD, [false; 5]),
            (Method::POST, [true, true, true, false, false]),
            (Method::PUT, [false, false, true, false, false]),
        ] {
            let found = [301, 302, 303, 307, 308].map(|status| loses(method.clone(), status));
            assert_eq!(found, expected, "{method}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let same =
            |one: &str, other: &str| is_same_origin(&one.parse().unwrap(), &other.parse().unwrap());
        assert!(same("http://a/x", "http://A:80/y"));
        assert!(same("https://a:443/", "https://a/"));
        assert!(!same("http://a/", "https://a/"));
        assert!(!same("http://a/", "http://a:81/"));
        assert!(!same("http://a/", "http://b/"));
        assert!(!same("/a", "http://a/"));
    }
}

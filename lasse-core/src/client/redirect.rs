//! Where a redirect leads, and what may go there.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use http::header::{CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION};
use http::header::{CONTENT_TYPE, HeaderName, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Request, StatusCode, Uri};

/// The request that follows a redirect of `request` to `location`, by the Fetch
/// standard, "HTTP-redirect fetch". `None` if it leads nowhere a client can go.
pub(super) fn follow(
    request: &Request<Bytes>,
    status: StatusCode,
    location: &HeaderValue,
) -> Option<Request<Bytes>> {
    let uri = resolve(request.uri(), location)?;
    let mut next = request.clone();
    if loses_body(request.method(), status) {
        *next.method_mut() = Method::GET;
        *next.body_mut() = Bytes::new();
        remove(&mut next, &ABOUT_THE_BODY);
    }
    // A secret is for whom it was given to, not for whom they point at.
    if !is_same_origin(request.uri(), &uri) {
        remove(&mut next, &SECRETS);
    }
    *next.uri_mut() = uri;
    Some(next)
}

/// Whether a redirect holds for requests to come (RFC 9110 15.4).
pub(super) fn is_permanent(status: StatusCode) -> bool {
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

/// What `location` means as seen from `base` (RFC 3986 5.2), less its fragment.
fn resolve(base: &Uri, location: &HeaderValue) -> Option<Uri> {
    let location = location.to_str().ok()?;
    let location = location.split('#').next().unwrap_or_default();
    let (scheme, authority) = (base.scheme_str()?, base.authority()?.as_str());
    let absolute = if has_scheme(location) {
        String::from(location)
    } else if location.starts_with("//") {
        [scheme, ":", location].concat()
    } else {
        let path = match location.split_once('?') {
            Some((path, query)) => [merge(base.path(), path).as_str(), "?", query].concat(),
            None if location.is_empty() => base.path_and_query()?.as_str().into(),
            None => merge(base.path(), location),
        };
        [scheme, "://", authority, &path].concat()
    };
    let uri: Uri = absolute.parse().ok()?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    (is_http && uri.authority().is_some()).then_some(uri)
}

/// Whether a colon comes before any slash or question mark.
fn has_scheme(location: &str) -> bool {
    location.split(['/', '?']).next().is_some_and(|first| first.contains(':'))
}

/// The path that `path` means as seen from `base`.
fn merge(base: &str, path: &str) -> String {
    if path.is_empty() {
        return base.into();
    }
    let directory = match path.strip_prefix('/') {
        Some(_) => "",
        None => base.rsplit_once('/').map_or("", |(directory, _)| directory),
    };
    let mut segments: Vec<&str> = Vec::new();
    let all = directory.split('/').chain(path.split('/')).filter(|segment| *segment != ".");
    for segment in all {
        if segment == ".." {
            segments.pop();
        } else {
            segments.push(segment);
        }
    }
    let path = segments.join("/");
    ["/", path.trim_start_matches('/')].concat()
}

const SECRETS: [HeaderName; 3] = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION];
const ABOUT_THE_BODY: [HeaderName; 6] = [
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    CONTENT_LOCATION,
    CONTENT_TYPE,
    TRANSFER_ENCODING,
];

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn from(base: &str, location: &'static str) -> Option<String> {
        let uri = resolve(&base.parse().unwrap(), &HeaderValue::from_static(location))?;
        Some(uri.to_string())
    }

    #[test]
    fn a_location_is_read_as_seen_from_where_it_was_found() {
        for (location, expected) in [
            ("https://b/x", "https://b/x"),
            ("//b/x", "http://b/x"),
            ("/x?q=1", "http://a:1/x?q=1"),
            ("x", "http://a:1/p/x"),
            ("./x", "http://a:1/p/x"),
            ("../x", "http://a:1/x"),
            ("../../../x", "http://a:1/x"),
            ("?r", "http://a:1/p/q?r"),
            ("", "http://a:1/p/q?s"),
            ("#f", "http://a:1/p/q?s"),
            ("/x#f", "http://a:1/x"),
            ("/x?u=http://c/", "http://a:1/x?u=http://c/"),
            ("https://b", "https://b/"),
        ] {
            assert_eq!(from("http://a:1/p/q?s", location).as_deref(), Some(expected), "{location}");
        }
    }

    #[test]
    fn there_is_no_way_out_of_http() {
        for location in ["ftp://a/", "file:///etc/passwd", "javascript:x", "http://", "http:x", ":"]
        {
            assert_eq!(from("http://a/", location), None, "{location}");
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
    }
}

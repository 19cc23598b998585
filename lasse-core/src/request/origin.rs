//! The check of `Origin`, `Sec-Fetch-Site` and `Host`.

use alloc::string::String;
use alloc::vec::Vec;

use http::HeaderValue;
use http::header::{HOST, ORIGIN};
use http::uri::Authority;

use super::RequestHead;

/// The origins whose pages may open streams.
#[derive(Clone, Debug)]
pub(crate) struct Origins(Vec<String>);

impl Origins {
    /// None if one of them is not an origin as browsers send it.
    pub(crate) fn new(origins: Vec<String>) -> Option<Self> {
        origins.iter().all(|origin| is_origin(origin)).then_some(Self(origins))
    }

    /// Whether the request is from a page of these origins, from one of the server's own origin, or
    /// from a client that is not a browser.
    pub(super) fn admit(&self, request: &RequestHead<'_>) -> bool {
        let mut origins = request.headers().get_all(ORIGIN).into_iter();
        let site = request.headers().get("sec-fetch-site").map(HeaderValue::as_bytes);
        if site == Some(b"same-origin") {
            return true;
        }
        let Some(origin) = origins.next() else { return site != Some(b"cross-site") };
        let is_listed = self.0.iter().any(|listed| listed.as_bytes() == origin.as_bytes());
        let is_own = site.is_none() && is_own(origin, request);
        (is_listed || is_own) && origins.next().is_none()
    }
}

/// The names by which the server may be addressed.
#[derive(Clone, Debug)]
pub(crate) struct Hosts(Vec<Authority>);

impl Hosts {
    /// None if one of them is not a host.
    pub(crate) fn new(hosts: &[String]) -> Option<Self> {
        let hosts = hosts.iter().map(|host| host.parse()).collect::<Result<Vec<_>, _>>();
        hosts.ok().filter(|hosts| hosts.iter().all(is_host)).map(Self)
    }

    /// Whether the request is for one of these hosts.
    pub(super) fn admit(&self, request: &RequestHead<'_>) -> bool {
        host(request).is_some_and(|host| self.0.iter().any(|listed| matches(listed, &host)))
    }
}

/// Whether an `Origin` is that of the server. Browsers send it with each POST, also with one of the
/// same origin (Fetch 3.2), but `Sec-Fetch-Site` only over TLS and to localhost. A server behind a
/// proxy does not know its scheme.
fn is_own(origin: &HeaderValue, request: &RequestHead<'_>) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    origin.is_some_and(|(scheme, authority)| {
        let is_host =
            |host: Authority| is_host(&host) && host.as_str().eq_ignore_ascii_case(authority);
        matches!(scheme, "http" | "https") && host(request).is_some_and(is_host)
    })
}

/// The host that the request is for. `None` if there are two.
fn host(request: &RequestHead<'_>) -> Option<Authority> {
    let mut fields = request.headers().get_all(HOST).into_iter();
    let field = fields.next().and_then(|host| Authority::try_from(host.as_bytes()).ok());
    if fields.next().is_some() {
        return None;
    }
    // Over HTTP/2, the target has it (RFC 9113 8.3.1).
    request.uri().authority().cloned().or(field)
}

fn matches(listed: &Authority, host: &Authority) -> bool {
    let is_port = listed.port_u16().is_none() || listed.port_u16() == host.port_u16();
    is_port && is_host(host) && listed.host().eq_ignore_ascii_case(host.host())
}

/// Whether this is a host and perhaps a port, without a user.
fn is_host(authority: &Authority) -> bool {
    let port = authority.as_str().strip_prefix(authority.host());
    let is_port = port == Some("") || port.is_some() && authority.port_u16().is_some();
    is_port && !authority.host().is_empty()
}

/// Whether this is an origin as browsers send it (HTML 7.1.1).
fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let default_port = match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    let has_default_port = default_port.is_some() && authority.port_u16() == default_port;
    let is_plain = !text.contains(|c: char| c.is_ascii_uppercase() || c == '*');
    is_plain && !has_default_port && is_host(&authority) && is_scheme(scheme)
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use http::Request;

    use super::*;

    fn request(headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::get("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn only_listed_origins_the_own_one_and_other_clients_are_admitted() {
        let origins = Origins::new(["https://a.example".to_string()].into()).unwrap();
        let admits = |headers: &[(&str, &str)]| origins.admit(&(&request(headers)).into());
        let listed = ("origin", "https://a.example");
        assert!(admits(&[]));
        assert!(admits(&[listed]));
        assert!(admits(&[listed, ("sec-fetch-site", "cross-site")]));
        assert!(admits(&[("sec-fetch-site", "same-site")]));
        assert!(admits(&[("origin", "https://own.example"), ("sec-fetch-site", "same-origin")]));
        for headers in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("origin", "null")],
            &[("origin", "")],
            &[("origin", "http://a.example")],
            &[("origin", "https://a.example:8443")],
            &[("origin", "https://a.example.evil.example")],
            &[("origin", "https://A.example")],
            &[listed, ("origin", "https://evil.example")],
            &[listed, listed],
        ] {
            assert!(!admits(headers), "{headers:?}");
        }
    }

    #[test]
    fn a_page_of_the_own_host_is_admitted_if_its_browser_sends_no_sec_fetch_site() {
        let origins = Origins::new(["https://a.example".to_string()].into()).unwrap();
        let admits = |headers: &[(&str, &str)]| origins.admit(&(&request(headers)).into());
        for (origin, host) in [
            ("http://10.0.0.7:4000", "10.0.0.7:4000"),
            ("http://own.example", "own.example"),
            ("https://own.example", "Own.Example"),
            ("http://[::1]:4000", "[::1]:4000"),
        ] {
            assert!(admits(&[("origin", origin), ("host", host)]), "{origin}");
            let sites = ["same-site", "cross-site", "none", ""];
            for site in sites.map(|site| ("sec-fetch-site", site)) {
                assert!(!admits(&[("origin", origin), ("host", host), site]), "{origin} {site:?}");
            }
        }
        for (origin, host) in [
            ("http://evil.example", "own.example"),
            ("http://own.example:4000", "own.example"),
            ("http://own.example", "own.example:4000"),
            ("http://own.example.evil.example", "own.example"),
            ("ftp://own.example", "own.example"),
            ("http://", ""),
            ("http://user@own.example", "user@own.example"),
            ("null", "null"),
        ] {
            assert!(!admits(&[("origin", origin), ("host", host)]), "{origin} {host}");
        }
        let own = ("origin", "http://own.example");
        assert!(!admits(&[own]));
        assert!(!admits(&[own, own, ("host", "own.example")]));
        assert!(!admits(&[own, ("host", "own.example"), ("host", "own.example")]));
        let target = Request::post("http://own.example/").header("origin", own.1);
        assert!(origins.admit(&(&target.body(()).unwrap()).into()));
    }

    #[test]
    fn an_origin_that_no_browser_sends_is_refused() {
        for origin in ["https://example.org", "http://[::1]:4000", "chrome-extension://abc"] {
            assert!(Origins::new([origin.to_string()].into()).is_some(), "{origin}");
        }
        for origin in [
            "",
            "*",
            "null",
            "example.org",
            "https://",
            "://example.org",
            "https://:4000",
            "https://example.org:70000",
            "https://example.org/",
            "https://*.example.org",
            "https://Example.org",
            "https://example.org:443",
            "http://example.org:80",
            "https://user@example.org",
        ] {
            assert!(Origins::new([origin.to_string()].into()).is_none(), "{origin:?}");
        }
        assert!(Origins::new(Vec::new()).is_some());
    }

    #[test]
    fn only_listed_hosts_are_admitted() {
        let hosts = ["localhost".into(), "a.example:4000".into(), "[::1]".into()];
        let hosts = Hosts::new(&hosts).unwrap();
        let admits = |headers: &[(&str, &str)]| hosts.admit(&(&request(headers)).into());
        for host in ["localhost", "LOCALHOST:1", "a.example:4000", "[::1]:4000"] {
            assert!(admits(&[("host", host)]), "{host}");
        }
        for host in
            ["", "a.example", "a.example:80", "evil.example", "x@localhost", "localhost:70000"]
        {
            assert!(!admits(&[("host", host)]), "{host}");
        }
        assert!(!admits(&[]));
        assert!(!admits(&[("host", "localhost"), ("host", "localhost")]));
        let target = Request::get("https://evil.example/").header("host", "localhost");
        assert!(!hosts.admit(&(&target.body(()).unwrap()).into()));
        let target = Request::get("https://localhost/").body(()).unwrap();
        assert!(hosts.admit(&(&target).into()));
        for host in ["", ":80", "a b", "localhost:70000", "user@localhost", "http://localhost"] {
            assert!(Hosts::new(&[host.into()]).is_none(), "{host:?}");
        }
    }
}

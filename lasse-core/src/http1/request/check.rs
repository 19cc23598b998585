//! The checks of a request that another HTTP library has parsed.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{Method, Request, Version};

use super::body::has_body;
use super::host::check_host;
use super::target::host_of;
use crate::http1::bad_request::BadRequest;

/// Checks the parts of a request that another HTTP library may accept unchecked: the `Host`, as
/// [`check_host`] does, the form of the target, and the framing of the body. The `Host` of a target
/// in absolute form replaces the field, whatever was sent there (RFC 9112 3.2.2).
///
/// Two servers that see the end of a request in different places let a client smuggle a request,
/// so everything that can be understood in two ways is refused. A target in the form of CONNECT is
/// not checked.
///
/// # Errors
///
/// [`BadRequest::Host`], [`BadRequest::Target`], [`BadRequest::Length`] or
/// [`BadRequest::TransferCoding`].
///
/// # Examples
///
/// ```
/// use lasse_core::http1::{BadRequest, check_request};
///
/// let request = http::Request::post("/news").header("host", "lasse.example");
/// let mut request = request.header("transfer-encoding", "gzip, chunked").body(())?;
/// assert_eq!(check_request(&mut request), Err(BadRequest::TransferCoding));
/// # Ok::<(), http::Error>(())
/// ```
pub fn check_request<B>(request: &mut Request<B>) -> Result<(), BadRequest> {
    check_host(request)?;
    if request.version() > Version::HTTP_11 {
        return Ok(());
    }
    if request.method() != Method::CONNECT {
        if let Some(host) = host_of(request.method(), request.uri())? {
            request.headers_mut().insert(HOST, host);
        }
    }
    let headers = request.headers();
    if headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING) {
        has_body(headers, request.version() < Version::HTTP_11)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a request with these fields.
    fn check(target: &str, fields: &[(&str, &str)]) -> Result<String, BadRequest> {
        let mut request = Request::get(target).header("host", "a").body(()).unwrap();
        for (name, value) in fields {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        check_request(&mut request)?;
        Ok(request.headers()[HOST].to_str().unwrap().into())
    }

    #[test]
    fn the_host_of_the_target_replaces_the_field() {
        assert_eq!(check("/", &[]), Ok("a".into()));
        assert_eq!(check("http://b:80/", &[]), Ok("b:80".into()));
    }

    #[test]
    fn a_target_without_the_form_of_its_method_is_refused() {
        for target in ["*", "b:80", "http://u@b/", "ftp://b/"] {
            assert_eq!(check(target, &[]), Err(BadRequest::Target), "{target}");
        }
    }

    #[test]
    fn a_body_whose_end_can_be_understood_in_two_ways_is_refused() {
        let (length, coding) = ("content-length", "transfer-encoding");
        assert_eq!(check("/", &[(length, "3"), (length, "3")]), Ok("a".into()));
        assert_eq!(check("/", &[(coding, "chunked")]), Ok("a".into()));
        for fields in [
            &[(length, "3"), (coding, "chunked")],
            &[(length, "3"), (length, "4")],
            &[(coding, "chunked"), (coding, "chunked")],
            &[(coding, "chunked"), (coding, "gzip")],
        ] {
            assert_eq!(check("/", fields), Err(BadRequest::Length), "{fields:?}");
        }
        for value in ["3, 3", "+3", "", "18446744073709551616"] {
            assert_eq!(check("/", &[(length, value)]), Err(BadRequest::Length), "{value}");
        }
        let gzip = check("/", &[(coding, "gzip, chunked")]);
        assert_eq!(gzip, Err(BadRequest::TransferCoding));
    }

    #[test]
    fn the_checks_of_http_1_hold_for_its_versions_only() {
        let check = |version, target: &str, field| {
            let request = Request::get(target).version(version).header(HOST, "a:80");
            check_request(&mut request.header(field, "chunked").body(()).unwrap())
        };
        assert_eq!(check(Version::HTTP_10, "*", "x"), Err(BadRequest::Target));
        assert_eq!(check(Version::HTTP_10, "/", "transfer-encoding"), Err(BadRequest::Length));
        assert_eq!(check(Version::HTTP_11, "/", "transfer-encoding"), Ok(()));
        assert_eq!(check(Version::HTTP_2, "ftp://a:80/", "x"), Ok(()));
    }
}

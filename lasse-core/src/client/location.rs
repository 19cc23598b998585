//! Where a redirect leads: a `Location` resolved against the URI of its request (RFC 3986 5.2).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use http::{HeaderValue, Uri};

/// The URI that `location` refers to, without its fragment. `None` if it is not one of HTTP.
///
/// Bytes that a URI cannot hold, such as raw UTF-8 and spaces, are percent-encoded, as browsers
/// do. A host must be ASCII.
pub(super) fn resolve(base: &Uri, location: &HeaderValue) -> Option<Uri> {
    let encoded = percent_encoded(location.as_bytes());
    let uri: Uri = target(base, &Reference::parse(&encoded))?.parse().ok()?;
    match uri.scheme_str() {
        Some("http" | "https") => uri.authority().is_some().then_some(uri),
        Some(_) => None,
        // The base has no authority either: for example a service for one host.
        None => base.authority().is_none().then_some(uri),
    }
}

/// The components of a URI reference (RFC 3986 appendix B), without the fragment.
#[derive(Debug)]
struct Reference<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Reference<'a> {
    fn parse(text: &'a str) -> Self {
        let text = text.split_once('#').map_or(text, |(text, _)| text);
        let (text, query) = match text.split_once('?') {
            Some((text, query)) => (text, Some(query)),
            None => (text, None),
        };
        let (scheme, text) = match text.split_once(':') {
            Some((scheme, text)) if !scheme.contains('/') => (Some(scheme), text),
            _ => (None, text),
        };
        let (authority, path) = match text.strip_prefix("//") {
            Some(text) => {
                let (authority, path) = text.split_at(text.find('/').unwrap_or(text.len()));
                (Some(authority), path)
            }
            None => (None, text),
        };
        Self { scheme, authority, path, query }
    }
}

/// "Transform References" (RFC 3986 5.2.2), strictly.
fn target(base: &Uri, reference: &Reference<'_>) -> Option<String> {
    let mut scheme = base.scheme_str();
    let mut authority = base.authority().map(http::uri::Authority::as_str);
    let mut query = reference.query;
    let path;
    if reference.scheme.is_some() || reference.authority.is_some() {
        scheme = reference.scheme.or(scheme);
        authority = Some(reference.authority?);
        path = without_dot_segments(reference.path);
    } else if reference.path.is_empty() {
        path = base.path().into();
        query = query.or_else(|| base.query());
    } else if reference.path.starts_with('/') {
        path = without_dot_segments(reference.path);
    } else {
        let directory = base.path().rsplit_once('/').map_or("", |(directory, _)| directory);
        path = without_dot_segments(&[directory, "/", reference.path].concat());
    }
    let mut target = match (scheme, authority) {
        (Some(scheme), Some(authority)) => [scheme, "://", authority, &path].concat(),
        (None, None) => path,
        _ => return None,
    };
    if let Some(query) = query {
        target.push('?');
        target.push_str(query);
    }
    Some(target)
}

/// "Remove Dot Segments" (RFC 3986 5.2.4) from a path that is absolute or empty.
fn without_dot_segments(path: &str) -> String {
    let Some(path) = path.strip_prefix('/') else { return path.into() };
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_dots = matches!(segment, "." | "..");
        if segment == ".." {
            kept.pop();
        }
        if !is_dots {
            kept.push(segment);
        } else if segments.peek().is_none() {
            kept.push("");
        }
    }
    ["/", &kept.join("/")].concat()
}

fn percent_encoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes.trim_ascii() {
        match byte {
            b' '..=b'~' if !b" \"<>`{}".contains(byte) => text.push(char::from(*byte)),
            _ => drop(write!(text, "%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn resolved(base: &str, location: &str) -> Option<String> {
        let location = HeaderValue::from_bytes(location.as_bytes()).unwrap();
        resolve(&base.parse().unwrap(), &location).map(|uri| uri.to_string())
    }

    /// RFC 3986 5.4, without fragments.
    #[test]
    fn references_are_resolved_as_in_the_examples_of_the_standard() {
        for (reference, expected) in EXAMPLES {
            let found = resolved("http://a/b/c/d;p?q", reference);
            assert_eq!(found.as_deref(), Some(*expected), "{reference:?}");
        }
        for reference in ["g:h", "http:g"] {
            assert_eq!(resolved("http://a/b/c/d;p?q", reference), None, "{reference:?}");
        }
    }

    #[test]
    fn a_location_is_resolved_against_the_uri_of_its_request() {
        for (location, expected) in [
            ("https://b/x", "https://b/x"),
            ("https://b", "https://b/"),
            ("https://b?x", "https://b/?x"),
            ("http://b/x/../y/.", "http://b/y/"),
            ("/x?u=http://c/", "http://a:1/x?u=http://c/"),
            ("x?u=http://c/", "http://a:1/p/x?u=http://c/"),
            ("/x//../y", "http://a:1/x/y"),
            ("/..//b/x", "http://a:1//b/x"),
            (" /x ", "http://a:1/x"),
            ("x/y:z", "http://a:1/p/x/y:z"),
        ] {
            let found = resolved("http://a:1/p/q?s", location);
            assert_eq!(found.as_deref(), Some(expected), "{location:?}");
        }
        assert_eq!(resolved("http://u:p@a/x", "y").as_deref(), Some("http://u:p@a/y"));
        assert_eq!(resolved("http://a", "y").as_deref(), Some("http://a/y"));
    }

    #[test]
    fn what_a_uri_cannot_hold_is_percent_encoded() {
        for (location, expected) in [
            ("/zürich", "http://a/z%C3%BCrich"),
            ("/%C3%BC", "http://a/%C3%BC"),
            ("/a b?\"<>`{|}", "http://a/a%20b?%22%3C%3E%60%7B|%7D"),
            ("🦀?ä#ö", "http://a/%F0%9F%A6%80?%C3%A4"),
        ] {
            assert_eq!(resolved("http://a/", location).as_deref(), Some(expected), "{location}");
        }
        let latin1 = HeaderValue::from_bytes(b"/z\xfcrich").unwrap();
        let base = "http://a/".parse().unwrap();
        assert_eq!(resolve(&base, &latin1).unwrap(), "http://a/z%FCrich");
    }

    #[test]
    fn a_target_outside_http_is_refused() {
        for location in
            ["ftp://a/", "file:///etc/passwd", "javascript:x", "http://", "http:///x", ":", "//"]
        {
            assert_eq!(resolved("http://a/", location), None, "{location:?}");
        }
        assert_eq!(resolved("http://a/", "http://zürich/"), None, "a host must be ASCII");
    }

    #[test]
    fn a_request_without_an_authority_can_be_redirected() {
        assert_eq!(resolved("/a/b?c", "../x?y").as_deref(), Some("/x?y"));
        assert_eq!(resolved("/a/b", "https://b/x").as_deref(), Some("https://b/x"));
        assert_eq!(resolved("/a/b", "//b/x"), None, "no scheme");
    }

    /// References against `http://a/b/c/d;p?q`, and what they are resolved to.
    const EXAMPLES: &[(&str, &str)] = &[
        // 5.4.1, normal examples
        ("g", "http://a/b/c/g"),
        ("./g", "http://a/b/c/g"),
        ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"),
        ("//g", "http://g/"),
        ("?y", "http://a/b/c/d;p?y"),
        ("g?y", "http://a/b/c/g?y"),
        ("#s", "http://a/b/c/d;p?q"),
        ("g#s", "http://a/b/c/g"),
        ("g?y#s", "http://a/b/c/g?y"),
        (";x", "http://a/b/c/;x"),
        ("g;x", "http://a/b/c/g;x"),
        ("g;x?y#s", "http://a/b/c/g;x?y"),
        ("", "http://a/b/c/d;p?q"),
        (".", "http://a/b/c/"),
        ("./", "http://a/b/c/"),
        ("..", "http://a/b/"),
        ("../", "http://a/b/"),
        ("../g", "http://a/b/g"),
        ("../..", "http://a/"),
        ("../../", "http://a/"),
        ("../../g", "http://a/g"),
        // 5.4.2, abnormal examples
        ("../../../g", "http://a/g"),
        ("../../../../g", "http://a/g"),
        ("/./g", "http://a/g"),
        ("/../g", "http://a/g"),
        ("g.", "http://a/b/c/g."),
        (".g", "http://a/b/c/.g"),
        ("g..", "http://a/b/c/g.."),
        ("..g", "http://a/b/c/..g"),
        ("./../g", "http://a/b/g"),
        ("./g/.", "http://a/b/c/g/"),
        ("g/./h", "http://a/b/c/g/h"),
        ("g/../h", "http://a/b/c/h"),
        ("g;x=1/./y", "http://a/b/c/g;x=1/y"),
        ("g;x=1/../y", "http://a/b/c/y"),
        ("g?y/./x", "http://a/b/c/g?y/./x"),
        ("g?y/../x", "http://a/b/c/g?y/../x"),
        ("g#s/./x", "http://a/b/c/g"),
        ("g#s/../x", "http://a/b/c/g"),
    ];
}

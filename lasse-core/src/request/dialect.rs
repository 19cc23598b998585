//! The dialect of a request.

use http::header::{ACCEPT, CACHE_CONTROL};
use http::{HeaderValue, Method};

use super::RequestHead;
use crate::dialect::Dialect;

impl Dialect {
    /// The dialect of this request: `Auto` is decided, any other is as it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_core::{Dialect, RequestHead};
    ///
    /// let request = http::Request::get("/events")
    ///     .header("accept", "text/event-stream")
    ///     .header("cache-control", "no-cache")
    ///     .body(())?;
    /// assert_eq!(Dialect::Auto.resolve(&RequestHead::from(&request)), Dialect::EventSource);
    /// # Ok::<(), http::Error>(())
    /// ```
    #[must_use]
    pub fn resolve(self, request: &RequestHead<'_>) -> Self {
        match self {
            Self::Auto if looks_like_event_source(request) => Self::EventSource,
            Self::Auto => Self::Fetch,
            dialect => dialect,
        }
    }
}

fn looks_like_event_source(request: &RequestHead<'_>) -> bool {
    let headers = request.headers();
    let is = |name, expected: &str| {
        let mut values = headers.get_all(name).into_iter();
        let first = values.next().map(HeaderValue::as_bytes);
        first.is_some_and(|value| value.eq_ignore_ascii_case(expected.as_bytes()))
            && values.next().is_none()
    };
    matches!(*request.method(), Method::GET | Method::HEAD)
        && is(ACCEPT, "text/event-stream")
        && is(CACHE_CONTROL, "no-cache")
        && !headers.contains_key("hx-request")
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn auto_takes_a_browser_for_an_event_source_and_others_for_fetch() {
        let auto = |method: &str, headers: &[(&str, &str)]| {
            let mut request = Request::builder().method(method);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            Dialect::Auto.resolve(&RequestHead::from(&request.body(()).unwrap()))
        };
        let accept = ("accept", "text/event-stream");
        let no_cache = ("cache-control", "no-cache");
        assert_eq!(auto("GET", &[accept, no_cache]), Dialect::EventSource);
        assert_eq!(auto("HEAD", &[accept, no_cache]), Dialect::EventSource);
        for (method, headers) in [
            ("GET", &[][..]),
            ("GET", &[accept]),
            ("GET", &[no_cache]),
            ("GET", &[("accept", "*/*"), no_cache]),
            ("GET", &[("accept", "text/event-stream, */*"), no_cache]),
            ("GET", &[accept, accept, no_cache]),
            ("GET", &[accept, no_cache, ("hx-request", "true")]),
            ("POST", &[accept, no_cache]),
        ] {
            assert_eq!(auto(method, headers), Dialect::Fetch, "{method} {headers:?}");
        }
    }
}

//! The MIME type of a response, as browsers find it.

use alloc::vec::Vec;

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::head::combined;

/// Whether the response is an event stream: the essence of its MIME type is `text/event-stream`
/// (Fetch, "extract a MIME type"). Parameters do not matter: an event stream is UTF-8, whatever
/// the value of its `charset` (HTML 9.2.5).
pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    let Some(value) = combined(headers, &CONTENT_TYPE) else { return false };
    let types = split_at_commas(value.as_bytes()).into_iter();
    let mut essences = types.filter_map(essence).filter(|essence| *essence != b"*/*");
    essences.next_back().is_some_and(|essence| essence.eq_ignore_ascii_case(b"text/event-stream"))
}

/// The values of a list, which commas separate, but not those in quoted strings (Fetch, "get,
/// decode, and split").
fn split_at_commas(list: &[u8]) -> Vec<&[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    list.split(|byte| {
        let is_separator = *byte == b',' && !is_quoted;
        let is_quote = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && is_quoted && !is_escaped;
        is_quoted ^= is_quote;
        is_separator
    })
    .collect()
}

/// The type and subtype, with the slash between them (MIME Sniffing 4.4, "parse a MIME type").
fn essence(value: &[u8]) -> Option<&[u8]> {
    let essence = value.split(|byte| *byte == b';').next()?.trim_ascii();
    let slash = essence.iter().position(|byte| *byte == b'/')?;
    let (kind, subtype) = (essence.get(..slash)?, essence.get(slash + 1..)?);
    (is_token(kind) && is_token(subtype)).then_some(essence)
}

fn is_token(text: &[u8]) -> bool {
    !text.is_empty()
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn is_stream(values: &[&'static str]) -> bool {
        let field = |value: &&'static str| (CONTENT_TYPE, HeaderValue::from_static(value));
        is_event_stream(&values.iter().map(field).collect())
    }

    #[test]
    fn only_the_essence_matters() {
        for value in [
            "text/event-stream",
            "Text/Event-Stream",
            " text/event-stream\t;x",
            "text/event-stream; charset=utf-8",
            "text/event-stream;charset=utf8",
            "text/event-stream;charset=windows-1252",
            "text/event-stream; charset=",
            "text/event-stream;charset=\"UTF-8\"; what=ever",
        ] {
            assert!(is_stream(&[value]), "{value}");
        }
        for value in [
            "text/html",
            "text/event-stream-not",
            "text/event-stream/",
            "text /event-stream",
            "text/event stream",
            "/event-stream",
            "text/",
            "*/*",
            "",
        ] {
            assert!(!is_stream(&[value]), "{value}");
        }
        assert!(!is_stream(&[]));
    }

    /// The shapes are those of web-platform-tests, fetch/content-type/resources/content-types.json.
    #[test]
    fn the_last_valid_type_of_several_counts() {
        for values in [
            ["", "text/event-stream"].as_slice(),
            &["text/event-stream", ""],
            &["text/html", "text/event-stream"],
            &["text/html, text/event-stream"],
            &["text/plain;charset=gbk", "text/event-stream;charset=windows-1254"],
            &["text/event-stream;charset=gbk", "text/plain", "text/event-stream"],
            &["text/event-stream", "*/*"],
            &["text/event-stream", "*/*;charset=gbk"],
            &["*/*", "text/event-stream"],
            &["text/html", "text/event-stream;x=\",text/plain"],
            &["text/event-stream;x=\"", "text/plain"],
            &["text/event-stream;x=\"\\\"", "text/plain"],
            &["text/event-stream;\"", "text/plain"],
            // A backslash outside of a quoted string escapes nothing.
            &["text/event-stream;x=\\\"", "text/plain"],
            &["text/event-stream", "text/", "/plain", "te xt/plain", "text/pl ain"],
        ] {
            assert!(is_stream(values), "{values:?}");
        }
        for values in [
            ["text/event-stream", "text/html"].as_slice(),
            &["text/event-stream, text/html"],
            &["text/event-stream;x=\"\"", "text/plain"],
            &["text/plain;x=\"", "text/event-stream"],
            &["text/plain;x=\\", "text/html"],
        ] {
            assert!(!is_stream(values), "{values:?}");
        }
    }
}

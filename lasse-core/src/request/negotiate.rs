//! Whether a client accepts an event stream.

use http::HeaderMap;
use http::header::ACCEPT;

/// Whether `Accept` admits `text/event-stream` (RFC 9110 12.5.1): the most
/// specific range that covers it must not have the weight zero. Without the field,
/// everything is admitted.
pub(super) fn admits_event_stream(headers: &HeaderMap) -> bool {
    let mut is_absent = true;
    let mut best = None;
    for value in headers.get_all(ACCEPT) {
        is_absent = false;
        let ranges = value.to_str().unwrap_or_default().split(',');
        best = best.max(ranges.filter_map(specificity_and_admission).max());
    }
    is_absent || best.is_some_and(|(_, admits)| admits)
}

/// If the range covers event streams: how specific it is, and whether it admits them.
fn specificity_and_admission(range: &str) -> Option<(u8, bool)> {
    let mut parts = range.split(';').map(str::trim);
    let specificity = match parts.next()? {
        "*/*" => 0,
        wide if wide.eq_ignore_ascii_case("text/*") => 1,
        exact if exact.eq_ignore_ascii_case("text/event-stream") => 2,
        _ => return None,
    };
    let weight = parts.find_map(|part| part.strip_prefix(['q', 'Q'])?.strip_prefix('='));
    let admits = weight.is_none_or(|weight| weight.contains(|digit| matches!(digit, '1'..='9')));
    Some((specificity, admits))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_most_specific_range_decides() {
        assert!(admits_event_stream(&HeaderMap::new()));
        for (accept, admits) in [
            ("*/*", true),
            ("text/*", true),
            ("Text/Event-Stream", true),
            ("application/json, */*;q=0.1", true),
            ("text/html, text/event-stream;q=0.001", true),
            ("application/json", false),
            ("", false),
            ("text/event-stream;q=0, */*", false),
            ("text/*;q=0.0, */*", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(admits_event_stream(&headers), admits, "{accept}");
        }
    }
}

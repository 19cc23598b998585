//! What a request asks for.

/// A request, as far as the floor reads it.
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    /// Live events, and first those after the last event id.
    Events {
        last: Option<u64>,
    },
    /// So many events of the response's own, of this size.
    Stream {
        events: u64,
        size: usize,
    },
    /// To publish events; a rate of 0 is as fast as possible.
    Publish {
        rate: f64,
        events: u64,
        size: usize,
    },
    Other,
}

impl Request {
    /// Reads a request, if it is whole.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (head, _) = text.split_once("\r\n\r\n")?;
        let mut words = head.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let number = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).and_then(|(_, value)| value.parse::<f64>().ok())
        };
        let events = number("events").unwrap_or(1.0) as u64;
        let size = number("size").unwrap_or(100.0) as usize;
        Some(match (method, path) {
            ("GET", "/events") => Self::Events { last: last_event_id(head) },
            ("GET", "/stream") => Self::Stream { events, size },
            ("POST", "/publish") => {
                Self::Publish { rate: number("rate").unwrap_or_default(), events, size }
            }
            _ => Self::Other,
        })
    }
}

fn last_event_id(head: &str) -> Option<u64> {
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    let (_, id) = fields.find(|(name, _)| name.eq_ignore_ascii_case("last-event-id"))?;
    id.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_when_they_are_whole() {
        let parse = |text: &str| Request::parse(text);
        assert_eq!(parse("GET /events HTTP/1.1\r\nHost: a\r\n"), None);
        assert_eq!(parse("GET /events HTTP/1.1\r\n\r\n"), Some(Request::Events { last: None }));
        let resumed = "GET /events HTTP/1.1\r\nLast-Event-ID: 41\r\n\r\n";
        assert_eq!(parse(resumed), Some(Request::Events { last: Some(41) }));
        let stream = "GET /stream?events=5&size=10 HTTP/1.1\r\n\r\n";
        assert_eq!(parse(stream), Some(Request::Stream { events: 5, size: 10 }));
        let publish = "POST /publish?rate=2.5&events=3&size=100 HTTP/1.1\r\n\r\n";
        assert_eq!(parse(publish), Some(Request::Publish { rate: 2.5, events: 3, size: 100 }));
        assert_eq!(parse("GET / HTTP/1.1\r\n\r\n"), Some(Request::Other));
    }
}

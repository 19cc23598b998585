//! The last event id as a query parameter, for clients that cannot set a header on
//! their first request.

use alloc::vec::Vec;

use crate::field::LastEventId;

/// The last event id of the parameters `last_event_id` and `lastEventId`.
pub(super) fn last_event_id(query: &str) -> LastEventId {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let named = pairs.filter(|(name, _)| matches!(*name, "last_event_id" | "lastEventId"));
    let values: Vec<_> = named.map(|(_, value)| decode(value)).collect();
    LastEventId::from_values(values.iter().map(Vec::as_slice))
}

/// Decodes the percent-encoding of forms (URL Standard 5.1), in which a plus is a
/// space. A percent sign without two hexadecimal digits is kept.
fn decode(value: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let (byte, tail) = match (byte, tail) {
            (b'+', _) => (b' ', tail),
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, after),
                _ => (byte, tail),
            },
            _ => (byte, tail),
        };
        out.push(byte);
        rest = tail;
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{EventId, InvalidLastEventId};

    #[test]
    fn both_spellings_are_read_and_decoded() {
        let seven = LastEventId::Id(EventId::from(7));
        assert_eq!(last_event_id(""), LastEventId::Absent);
        assert_eq!(last_event_id("a=b&last_event_id=7"), seven);
        assert_eq!(last_event_id("lastEventId=7&last_event_id=7"), seven);
        assert_eq!(last_event_id("lastEventId"), LastEventId::Empty);
        let odd = EventId::new("ä b%%2").unwrap();
        assert_eq!(last_event_id("lastEventId=%C3%a4+b%%252"), LastEventId::Id(odd));
        for (query, problem) in [
            ("lastEventId=7&last_event_id=8", InvalidLastEventId::Conflicting),
            ("lastEventId=%ff", InvalidLastEventId::NotUtf8),
            ("lastEventId=%0a", InvalidLastEventId::NotOneLine),
        ] {
            assert_eq!(last_event_id(query), LastEventId::Invalid(problem));
        }
    }
}

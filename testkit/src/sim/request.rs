//! The request of a client, with the last event id that it has or claims.

use lasse_core::LastEventId;

use super::client_action::Claim;
use super::decision::Requested;
use super::settings::ClientSettings;

impl Claim {
    /// The values of the `Last-Event-ID` fields that this claim stands for, of a log with this epoch and
    /// the ids of its entries, the oldest first.
    pub(super) fn values(&self, epoch: &str, ids: &[String]) -> Vec<Vec<u8>> {
        match self {
            Self::Nothing => vec![],
            Self::Empty => vec![vec![]],
            Self::Known(back) => {
                let id = ids.iter().rev().nth(*back).or_else(|| ids.first());
                id.map(|id| id.clone().into_bytes()).into_iter().collect()
            }
            Self::Number(number) => vec![format!("{epoch}-{number}").into_bytes()],
            Self::Text(text) => vec![text.as_bytes().to_vec()],
            Self::Long => vec![vec![b'x'; 300]],
            Self::NotUtf8 => vec![b"\xff\xfe".to_vec()],
            Self::Two => vec![b"one".to_vec(), b"two".to_vec()],
        }
    }
}

/// What the server makes of these values of the field.
pub(super) fn requested(ids: &[Vec<u8>]) -> Requested {
    match ids {
        [] => Requested::Nothing,
        [id] if id.is_empty() => Requested::Nothing,
        [id] if id.len() <= LastEventId::MAX_LEN => {
            String::from_utf8(id.clone()).map_or(Requested::Invalid, Requested::Text)
        }
        _ => Requested::Invalid,
    }
}

/// The request with these values of the field.
pub(super) fn request(settings: &ClientSettings, feed: usize, ids: &[Vec<u8>]) -> Vec<u8> {
    let mut request = format!("GET /feed/{feed}").into_bytes();
    let in_query = settings.uses_query && ids.len() == 1;
    if in_query {
        request.extend(b"?lastEventId=");
        for byte in &ids[0] {
            request.extend(format!("%{byte:02X}").into_bytes());
        }
    }
    request.extend(format!(" HTTP/1.{}\r\nhost: sim\r\n", u8::from(!settings.is_http10)).bytes());
    for id in ids.iter().filter(|_| !in_query) {
        request.extend(b"last-event-id: ");
        request.extend(id);
        request.extend(b"\r\n");
    }
    request.extend(b"accept: text/event-stream\r\n\r\n");
    request
}

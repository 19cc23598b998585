//! What requests of the servers under load ask for.

use std::str::FromStr;

use http::Request;

/// What a request asks for.
#[derive(Clone, Copy, Debug)]
pub enum Question {
    /// `/events`: all, or those of a topic and of the one that all readers of topics have.
    Events(Option<u64>),
    /// `/stream`: a number of events, and their size.
    Stream(u64, usize),
    /// A command, or an unknown path.
    Other,
}

impl Question {
    /// Reads the path and the query.
    pub fn of<B>(request: &Request<B>) -> Self {
        let query = request.uri().query();
        match request.uri().path() {
            "/events" => Self::Events(value(query, "topic")),
            "/stream" => Self::Stream(number(query, "events"), number(query, "size")),
            _ => Self::Other,
        }
    }
}

/// What a request orders to publish.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Publication {
    /// Events a second.
    pub(crate) rate: f64,
    pub(crate) events: u64,
    pub(crate) size: usize,
    /// To how many topics, one after the other, as many events each. Zero: to none.
    pub(crate) topics: u64,
}

impl Publication {
    pub(crate) fn of(query: Option<&str>) -> Self {
        Self {
            rate: number(query, "rate"),
            events: number(query, "events"),
            size: number(query, "size"),
            topics: number(query, "topics"),
        }
    }
}

fn number<T: FromStr + Default>(query: Option<&str>, name: &str) -> T {
    value(query, name).unwrap_or_default()
}

fn value<T: FromStr>(query: Option<&str>, name: &str) -> Option<T> {
    let mut pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).and_then(|(_, value)| value.parse().ok())
}

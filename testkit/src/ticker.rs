//! The handler of the README, for the snippets after its own.

use lasse_core::{Accept, Event, EventName, Handler, Init, Next, RequestHead};

const PRICE: EventName = EventName::from_static("price");

/// Sends prices.
#[derive(Debug)]
pub struct Ticker;

impl Handler for Ticker {
    type Notify = u32;
    type Info = ();

    fn handle_notify(&mut self, cents: u32) -> Next {
        Next::send(Event::new(cents.to_string()).with_name(PRICE))
    }
}

impl Accept for Ticker {
    type Args = ();

    fn init((): (), _request: &RequestHead<'_>) -> Init<Self> {
        Init::Stream(Self, vec![Event::new("welcome").encode()])
    }
}

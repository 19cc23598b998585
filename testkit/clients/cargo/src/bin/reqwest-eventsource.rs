//! The crate `reqwest-eventsource`.

use futures_util::StreamExt;
use lasse_foreign_clients::{arguments, report, report_event};
use reqwest_eventsource::{Event, EventSource};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (url, end) = arguments().expect("the arguments are a URL and the name of an event");
    let mut source = EventSource::get(url);
    while let Some(event) = source.next().await {
        match event {
            Ok(Event::Open) => report("open", true),
            Ok(Event::Message(message)) => {
                report_event(&message.event, &message.data, &message.id);
                if message.event == end {
                    source.close();
                }
            }
            Err(error) => report("error", error.to_string()),
        }
    }
    report("closed", true);
}

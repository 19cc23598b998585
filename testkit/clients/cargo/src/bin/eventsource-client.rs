//! The crate `eventsource-client`.

use std::error::Error;

use eventsource_client::{Client, ClientBuilder, SSE};
use futures_util::StreamExt;
use lasse_foreign_clients::{arguments, report, report_event};
use launchdarkly_sdk_transport::HyperTransport;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (url, end) = arguments().ok_or("the arguments are a URL and the name of an event")?;
    let transport = HyperTransport::builder().build_http()?;
    let mut stream = ClientBuilder::for_url(&url)?.build_with_transport(transport).stream();
    while let Some(event) = stream.next().await {
        match event {
            Ok(SSE::Connected(_)) => report("open", true),
            Ok(SSE::Event(event)) => {
                report_event(
                    &event.event_type,
                    &event.data,
                    event.id.as_deref().unwrap_or_default(),
                );
                if event.event_type == end {
                    break;
                }
            }
            Ok(SSE::Comment(_)) => {}
            // The stream goes on after an error, or returns `None`.
            Err(error) => report("error", error.to_string()),
        }
    }
    report("closed", true);
    Ok(())
}

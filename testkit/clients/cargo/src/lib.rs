//! The output of a driver: lines of JSON, which `suite/process.js` reads.

use serde_json::{Value, json};

/// Where the client connects, and the event after which the application closes it.
pub fn arguments() -> Option<(String, String)> {
    let mut arguments = std::env::args().skip(1);
    arguments.next().zip(arguments.next())
}

/// Reports `open`, `event`, `error` or `closed`.
pub fn report(name: &str, value: impl Into<Value>) {
    println!("{}", json!({ name: value.into() }));
}

/// Reports an event.
pub fn report_event(name: &str, data: &str, id: &str) {
    report("event", json!({ "name": name, "data": data, "id": id }));
}

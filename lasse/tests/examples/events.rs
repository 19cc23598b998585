//! The events in the lines of a response.

/// An event, as far as the tests look at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: String,
}

/// The events in the lines of a response.
pub(crate) struct Events<L> {
    lines: L,
    /// The id that was received last.
    pub(crate) last_id: String,
}

impl<L: Iterator<Item = String>> Events<L> {
    pub(crate) fn new(lines: L) -> Self {
        Self { lines, last_id: String::new() }
    }

    /// The data of the events before one of this name.
    pub(crate) fn until(&mut self, name: &str) -> Vec<String> {
        self.take_while(|event| event.name != name).map(|event| event.data).collect()
    }
}

impl<L: Iterator<Item = String>> Iterator for Events<L> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let (mut event, mut has_data) = (Event::default(), false);
        for line in self.lines.by_ref() {
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => value.clone_into(&mut self.last_id),
                "event" => value.clone_into(&mut event.name),
                "data" => {
                    event.data.push_str(if has_data { "\n" } else { "" });
                    event.data.push_str(value);
                    has_data = true;
                }
                "" if line.is_empty() && has_data => return Some(event),
                _ => {}
            }
        }
        None
    }
}

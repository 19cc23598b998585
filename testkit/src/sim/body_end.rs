//! Whether the body of a stream could end where it does.

/// Whether a body could end here without cutting an event.
#[derive(Debug)]
pub(super) struct BodyEnd {
    is_line_start: bool,
    is_in_event: bool,
    line: Vec<u8>,
}

impl BodyEnd {
    pub(super) fn handle_bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte != b'\n' {
                self.is_line_start = false;
                if self.line.len() < LONGEST_NAME {
                    self.line.push(*byte);
                }
                continue;
            }
            let is_control = self.line.starts_with(b":") || self.line.starts_with(b"retry: ");
            self.is_in_event = !self.line.is_empty() && (self.is_in_event || !is_control);
            self.line.clear();
            self.is_line_start = true;
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.is_line_start && !self.is_in_event
    }
}

impl Default for BodyEnd {
    fn default() -> Self {
        Self { is_line_start: true, is_in_event: false, line: Vec::new() }
    }
}

/// Longer than any field's name with its colon.
const LONGEST_NAME: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_whole_after_an_event_or_after_a_line_outside_of_events() {
        for (body, is_whole) in [
            ("", true),
            (":\n", true),
            ("retry: 5\n", true),
            ("data: x\n\n", true),
            ("data: x\n\n:\n", true),
            ("data: x\n", false),
            ("data: x\n:\n", false),
            ("data: x\n\nid", false),
            (":", false),
        ] {
            let mut end = BodyEnd::default();
            end.handle_bytes(body.as_bytes());
            assert_eq!(end.is_whole(), is_whole, "{body:?}");
        }
    }
}

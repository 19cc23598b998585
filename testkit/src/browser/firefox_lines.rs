//! What Firefox makes of NUL, as bytes for a parser that follows the standard.

/// The state of Firefox's parser (`ParseCharacter`), as far as NUL depends on it.
#[derive(Clone, Debug)]
pub(super) struct FirefoxLines {
    state: State,
    /// The name of the current field.
    name: Vec<u8>,
    /// Whether the name of an ignored id was left over: it then begins the next name.
    is_name_left: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    StreamStart,
    LineStart,
    AfterCr,
    Comment,
    Name,
    ValueStart,
    Value,
    IgnoredId,
}

impl Default for FirefoxLines {
    fn default() -> Self {
        Self { state: State::StreamStart, name: Vec::new(), is_name_left: false }
    }
}

impl FirefoxLines {
    /// The bytes that a parser without rules about NUL reads in the same way.
    pub(super) fn convert(&mut self, input: &[u8]) -> Vec<u8> {
        let mut output = Vec::with_capacity(input.len());
        for byte in input {
            self.take(*byte, &mut output);
        }
        output
    }

    fn take(&mut self, byte: u8, output: &mut Vec<u8>) {
        match (self.state, byte) {
            (_, b'\r' | b'\n') => self.end_line(byte),
            (State::LineStart, 0) => return,
            (State::StreamStart | State::LineStart | State::AfterCr, b':') => {
                self.state = State::Comment;
            }
            (State::StreamStart | State::LineStart | State::AfterCr, _) => {
                if std::mem::take(&mut self.is_name_left) {
                    output.extend_from_slice(ID);
                    self.name.extend_from_slice(ID);
                }
                self.name.push(byte);
                self.state = State::Name;
            }
            (State::Name, b':') => self.state = State::ValueStart,
            (State::Name, _) => self.name.push(byte),
            (State::ValueStart, _) => self.state = State::Value,
            // The NUL makes the standard parser ignore the id, too.
            (State::Value, 0) if self.is_id() => self.state = State::IgnoredId,
            (State::Value, 0) => return,
            (State::Comment | State::Value | State::IgnoredId, _) => {}
        }
        output.push(byte);
    }

    fn end_line(&mut self, byte: u8) {
        let is_pair = self.state == State::AfterCr && byte == b'\n';
        let is_blank = matches!(self.state, State::LineStart | State::AfterCr) && !is_pair;
        if is_blank {
            self.is_name_left = false;
        }
        self.is_name_left |= self.state == State::IgnoredId;
        self.name.clear();
        self.state = if byte == b'\r' { State::AfterCr } else { State::LineStart };
    }

    fn is_id(&self) -> bool {
        self.name.strip_prefix(MARK).unwrap_or(&self.name) == ID
    }
}

const ID: &[u8] = b"id";

/// A byte order mark, which may begin the first name.
const MARK: &[u8] = b"\xef\xbb\xbf";

//! The client's side of HTTP/1.x: reads responses by the letter of RFC 9112 and refuses the rest.

use std::ops::ControlFlow;

use http::{HeaderName, HeaderValue, Response, StatusCode};

/// Reads one response.
#[derive(Debug, Default)]
pub(crate) struct ResponseReader {
    buffer: Vec<u8>,
    state: State,
    is_http10: bool,
    is_head_only: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    /// A body of so many more bytes.
    Length(usize),
    /// A body that the end of the connection ends.
    UntilClose,
    ChunkSize,
    /// So many more bytes of a chunk.
    Chunk(usize),
    ChunkEnd,
    Trailer,
    Over,
}

/// What a response consists of.
#[derive(Debug)]
pub(crate) enum Part {
    Head(Response<()>),
    Body(Vec<u8>),
    /// The body is whole.
    End,
}

impl ResponseReader {
    /// Reads the response to a request.
    pub(crate) fn new(is_http10: bool, is_head_only: bool) -> Self {
        Self { is_http10, is_head_only, ..Self::default() }
    }

    /// Takes bytes from the connection.
    pub(crate) fn handle_bytes(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next part, or `None` if more bytes are needed.
    ///
    /// # Errors
    ///
    /// If the bytes are not a response, with the reason.
    pub(crate) fn next_part(&mut self) -> Result<Option<Part>, String> {
        loop {
            match self.state {
                State::Head => return self.read_head(),
                State::Length(0) => {
                    self.state = State::Over;
                    return Ok(Some(Part::End));
                }
                State::Length(left) => {
                    let Some(body) = self.take(left) else { return Ok(None) };
                    self.state = State::Length(left - body.len());
                    return Ok(Some(Part::Body(body)));
                }
                State::UntilClose => return Ok(self.take(usize::MAX).map(Part::Body)),
                State::ChunkSize | State::Chunk(_) | State::ChunkEnd | State::Trailer => {
                    match self.next_in_chunks()? {
                        ControlFlow::Break(part) => return Ok(part),
                        ControlFlow::Continue(()) => {}
                    }
                }
                State::Over if self.buffer.is_empty() => return Ok(None),
                State::Over => {
                    let rest = String::from_utf8_lossy(&self.buffer);
                    return Err(format!("{rest:?} follows the response"));
                }
            }
        }
    }

    /// Reads on in a chunked body, to the next part or the next state.
    fn next_in_chunks(&mut self) -> Result<ControlFlow<Option<Part>>, String> {
        if let State::Chunk(left) = self.state {
            let Some(body) = self.take(left) else { return Ok(ControlFlow::Break(None)) };
            self.state = match left - body.len() {
                0 => State::ChunkEnd,
                left => State::Chunk(left),
            };
            return Ok(ControlFlow::Break(Some(Part::Body(body))));
        }
        let Some(line) = self.take_line()? else { return Ok(ControlFlow::Break(None)) };
        self.state = match self.state {
            State::ChunkSize => match chunk_size(&line)? {
                0 => State::Trailer,
                size => State::Chunk(size),
            },
            _ if !line.is_empty() => return Err(format!("{line:?} follows a chunk's data")),
            State::ChunkEnd => State::ChunkSize,
            _ => {
                self.state = State::Over;
                return Ok(ControlFlow::Break(Some(Part::End)));
            }
        };
        Ok(ControlFlow::Continue(()))
    }

    /// Whether the body is whole if the connection ends here, without an error.
    pub(crate) fn is_whole_at_close(&self) -> bool {
        matches!(self.state, State::UntilClose | State::Over)
    }

    fn read_head(&mut self) -> Result<Option<Part>, String> {
        let Some(len) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head: Vec<u8> = self.buffer.drain(..len + 4).collect();
        let text = String::from_utf8_lossy(&head);
        let wrong = |what: &str| format!("{what}: {text:?}");
        let mut lines = text.trim_end().split("\r\n");
        let status = lines.next().unwrap_or_default();
        let (version, rest) = status.split_once(' ').ok_or_else(|| wrong("no status line"))?;
        if version != "HTTP/1.1" && version != "HTTP/1.0" {
            return Err(wrong("another version"));
        }
        let code = rest.get(..3).and_then(|code| code.parse().ok());
        let code = code.and_then(|code: u16| StatusCode::from_u16(code).ok());
        let mut response = Response::new(());
        *response.status_mut() = code.ok_or_else(|| wrong("no status"))?;
        for line in lines {
            let (name, value) = line.split_once(':').ok_or_else(|| wrong("no field"))?;
            let name = HeaderName::try_from(name).map_err(|_| wrong("a bad field name"))?;
            let value = HeaderValue::try_from(value.trim()).map_err(|_| wrong("a bad value"))?;
            response.headers_mut().append(name, value);
        }
        self.state = self.framing(&response).map_err(|what| wrong(&what))?;
        Ok(Some(Part::Head(response)))
    }

    /// How the end of the body is marked (RFC 9112 6.3).
    fn framing(&self, response: &Response<()>) -> Result<State, String> {
        let header = |name: &str| response.headers().get(name).map(HeaderValue::as_bytes);
        let (coding, length) = (header("transfer-encoding"), header("content-length"));
        let has_no_body = response.status() == StatusCode::NO_CONTENT;
        match (coding, length) {
            (Some(_), Some(_)) => Err("two framings".into()),
            (Some(_), _) if self.is_http10 => Err("a transfer coding for HTTP/1.0".into()),
            (Some(_), _) | (_, Some(_)) if has_no_body => Err("a 204 with framing".into()),
            _ if has_no_body || self.is_head_only => Ok(State::Length(0)),
            (Some(b"chunked"), _) => Ok(State::ChunkSize),
            (Some(_), _) => Err("an unknown transfer coding".into()),
            (_, Some(length)) => {
                let length = std::str::from_utf8(length).ok().and_then(|text| text.parse().ok());
                length.map(State::Length).ok_or_else(|| "a bad length".into())
            }
            (None, None) => Ok(State::UntilClose),
        }
    }

    /// Takes up to `most` bytes that are there, if any are.
    fn take(&mut self, most: usize) -> Option<Vec<u8>> {
        let len = self.buffer.len().min(most);
        (len > 0).then(|| self.buffer.drain(..len).collect())
    }

    fn take_line(&mut self) -> Result<Option<String>, String> {
        let Some(len) = self.buffer.windows(2).position(|two| two == b"\r\n") else {
            return Ok(None);
        };
        let line: Vec<u8> = self.buffer.drain(..len + 2).take(len).collect();
        String::from_utf8(line).map(Some).map_err(|_| "a line that is not text".into())
    }
}

fn chunk_size(line: &str) -> Result<usize, String> {
    let is_size = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_hexdigit());
    let size = usize::from_str_radix(line, 16).ok().filter(|_| is_size);
    size.ok_or_else(|| format!("{line:?} is not the size of a chunk"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body of a response, read a byte at a time, and whether it ended.
    fn read(response: &str) -> Result<(String, bool), String> {
        let mut reader = ResponseReader::new(false, false);
        let (mut body, mut is_over) = (Vec::new(), false);
        for byte in response.as_bytes() {
            reader.handle_bytes(&[*byte]);
            while let Some(part) = reader.next_part()? {
                match part {
                    Part::Head(_) => {}
                    Part::Body(bytes) => body.extend(bytes),
                    Part::End => is_over = true,
                }
            }
        }
        Ok((String::from_utf8(body).unwrap(), is_over))
    }

    #[test]
    fn a_body_ends_where_its_framing_ends_it() {
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let read_chunked = |body: &str| read(&format!("{chunked}{body}"));
        assert_eq!(read_chunked("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), Ok(("abcde".into(), true)));
        assert_eq!(read_chunked("3\r\nabc\r\n"), Ok(("abc".into(), false)));
        assert_eq!(read("HTTP/1.1 204 No Content\r\n\r\n"), Ok((String::new(), true)));
        let sized = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc";
        assert_eq!(read(sized), Ok(("abc".into(), true)));
        assert_eq!(read("HTTP/1.0 200 OK\r\n\r\nabc"), Ok(("abc".into(), false)));
    }

    #[test]
    fn wrong_framing_is_refused() {
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        for body in ["3\r\nabcd\r\n", "x\r\n", "\r\n", "-1\r\n", "0\r\n\r\nmore", "0\r\na: b\r\n"] {
            assert!(read(&format!("{chunked}{body}")).is_err(), "{body:?}");
        }
        for head in ["204 No\r\ncontent-length: 0", "200 OK\r\ncontent-length: x", "2 x"] {
            assert!(read(&format!("HTTP/1.1 {head}\r\n\r\n")).is_err(), "{head:?}");
        }
    }
}

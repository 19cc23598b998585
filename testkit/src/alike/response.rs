//! Reads the responses of a connection.

/// One response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// What ends the body.
    pub framing: Framing,
    /// The body, in which the name of the HTTP version and the date do not occur.
    pub body: String,
    /// Whether the server states that the connection closes after it.
    pub closes: bool,
}

/// What ends a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Its length, or the status, which allows no body.
    Length,
    /// The last chunk.
    Chunked,
    /// The end of the connection.
    Close,
}

/// Reads all responses. None of them answers a HEAD.
pub(super) fn read(mut bytes: &[u8]) -> Result<Vec<Answer>, String> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let answer = read_one(&mut bytes)?;
        if answer.status >= 200 {
            answers.push(answer);
        }
    }
    Ok(answers)
}

fn read_one(bytes: &mut &[u8]) -> Result<Answer, String> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let head = String::from_utf8_lossy(&bytes[..end.ok_or("a head without an end")?]).into_owned();
    *bytes = &bytes[head.len() + 4..];
    let head = head.to_ascii_lowercase();
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let status = line.get(9..12).and_then(|status| status.parse().ok());
    let status: u16 = status.ok_or_else(|| format!("no status: {text:?}"))?;
    let field = |wanted: &str| {
        head.split("\r\n")
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| *name == wanted)
    };
    let value = |name: &str| field(name).map(|(_, value)| value);
    let length: Option<usize> = value("content-length").and_then(|length| length.parse().ok());
    let has_none = status < 200 || status == 204 || status == 304;
    let (framing, body) = match (value("transfer-encoding"), length) {
        _ if has_none => (Framing::Length, Vec::new()),
        (Some("chunked"), None) => (Framing::Chunked, take_chunks(bytes)?),
        (None, Some(length)) => (Framing::Length, take(bytes, length)?),
        (None, None) => (Framing::Close, take(bytes, bytes.len())?),
        other => return Err(format!("two framings, {other:?}: {text:?}")),
    };
    let is_http10 = line.starts_with("http/1.0");
    let closes = match value("connection") {
        Some(option) => option == "close",
        None => is_http10,
    };
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Answer { status, framing, body, closes: closes || framing == Framing::Close })
}

fn take(bytes: &mut &[u8], len: usize) -> Result<Vec<u8>, String> {
    let (body, rest) = bytes.split_at_checked(len).ok_or("a body that is cut off")?;
    *bytes = rest;
    Ok(body.to_vec())
}

fn take_chunks(bytes: &mut &[u8]) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|two| two == b"\r\n").ok_or("no size of a chunk")?;
        let size = String::from_utf8(take(bytes, end + 2)?).map_err(|error| error.to_string())?;
        let size = usize::from_str_radix(size.trim_end(), 16).map_err(|error| error.to_string())?;
        body.extend(take(bytes, size)?);
        if take(bytes, 2)? != b"\r\n" {
            return Err("a chunk without an end".into());
        }
        if size == 0 {
            return Ok(body);
        }
    }
}

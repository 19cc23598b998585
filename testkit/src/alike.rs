//! How three servers answer the same bytes of a client: the driver-less `ServerConnection`, the server
//! of `lasse-tokio`, and that of `lasse-hyper`.
//!
//! Whatever the bytes are, the servers must see the same requests in them, and answer them alike. Where
//! one accepts what another refuses, or sees the end of a request elsewhere, a proxy in front can be made
//! to smuggle requests. [`compare`] lists the differences that are allowed.

mod driver;
mod requests;
mod response;
mod servers;

use std::fmt;

pub use requests::requests;
pub use response::{Answer, Framing};

/// The answers of each server, in the order of the requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// Of `lasse_core::http1::ServerConnection`.
    pub core: Vec<Answer>,
    /// Of `lasse_tokio::serve_connection`.
    pub tokio: Vec<Answer>,
    /// Of `lasse_hyper::server::ConnectionServer`. Answers over HTTP/2 are not read.
    pub hyper: Vec<Answer>,
}

/// Sends `input` to each server, and returns what they answer until they close the connection.
///
/// A path of an odd length is answered with a stream of one event, others with a whole response.
///
/// # Panics
///
/// If a server panics, or writes bytes that are not HTTP.
pub fn answers(input: &[u8]) -> Answers {
    let read = |bytes: Vec<u8>| {
        response::read(&bytes).unwrap_or_else(|what| {
            panic!("{what}\nto {:?}", String::from_utf8_lossy(input));
        })
    };
    let hyper = servers::run_hyper(input);
    Answers {
        core: read(driver::run(input)),
        tokio: read(servers::run_tokio(input)),
        hyper: if input.starts_with(PREFACE) { Vec::new() } else { read(hyper) },
    }
}

/// Two servers that answered differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which request.
    pub nth: usize,
    /// What was different.
    pub what: &'static str,
    /// All answers.
    pub answers: Answers,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nth, what, answers: Answers { core, tokio, hyper } } = self;
        writeln!(f, "answer {nth}: {what}")?;
        writeln!(f, "core:  {core:?}\ntokio: {tokio:?}\nhyper: {hyper:?}")
    }
}

impl std::error::Error for Difference {}

/// Whether all servers answer `input` alike, except for permitted differences:
///
/// - the status of a refusal, if the request is not HTTP or goes beyond a limit: [`REFUSALS`];
/// - after a request with a body, the servers of `lasse-core` and `lasse-tokio` close the connection,
///   because they read no bodies;
/// - the refusal of a request that is not complete, which hyper does not send;
/// - a request with both `Content-Length` and `Transfer-Encoding`, which hyper answers by the latter,
///   and then closes the connection (RFC 9112 6.3);
/// - a request with a body that hyper refuses, such as with empty elements in `Transfer-Encoding`: the
///   other servers close the connection after it;
/// - HEAD, whose response has no body, as only its reader knows;
/// - CONNECT, which the servers of `lasse-core` and `lasse-tokio` do not implement;
/// - a target with a fragment, which hyper removes before anyone can see it;
/// - a connection that begins with the preface of HTTP/2, or a part of it: only `lasse-hyper` serves
///   HTTP/2, or waits for the rest.
///
/// # Errors
///
/// If something else differs.
pub fn compare(input: &[u8]) -> Result<(), Box<Difference>> {
    let contains = |word: &[u8]| input.windows(word.len()).any(|part| part == word);
    if contains(b"#") || contains(b"CONNECT") || contains(b"HEAD") {
        return Ok(());
    }
    let answers = answers(input);
    let fail = |(nth, what)| Box::new(Difference { nth, what, answers: answers.clone() });
    if answers.core != answers.tokio {
        return Err(fail((0, "the driver of lasse-tokio differs from another one")));
    }
    if input.starts_with(PREFACE) || PREFACE.starts_with(input) {
        return Ok(());
    }
    let text = String::from_utf8_lossy(input).to_ascii_lowercase();
    let has_both_framings =
        ["content-length", "transfer-encoding"].iter().all(|name| text.contains(name));
    compare_with_hyper(&answers.core, &answers.hyper, has_both_framings).map_err(fail)
}

fn compare_with_hyper(
    ours: &[Answer],
    hypers: &[Answer],
    has_both_framings: bool,
) -> Result<(), (usize, &'static str)> {
    for nth in 0..ours.len().max(hypers.len()) {
        let fail = |what| Err((nth, what));
        let (ours, hypers) = match (ours.get(nth), hypers.get(nth)) {
            (Some(ours), Some(hypers)) => (ours, hypers),
            (Some(answer), None) if answer.status == TIMEOUT => return Ok(()),
            (Some(_), None) => return fail("hyper does not answer"),
            (None, _) => return fail("hyper alone answers"),
        };
        match (ours.is_refusal(), hypers.is_refusal()) {
            (true, true) if ours.closes && hypers.closes => return Ok(()),
            (true, true) => return fail("the connection goes on after a refusal"),
            (false, false) => {}
            (true, false) if has_both_framings && hypers.closes => return Ok(()),
            (false, true) if ours.closes && hypers.closes => return Ok(()),
            _ => return fail("one refuses what the other accepts"),
        }
        if (ours.status, &ours.framing, &ours.body)
            != (hypers.status, &hypers.framing, &hypers.body)
        {
            return fail("the responses differ");
        }
        if ours.closes {
            return Ok(());
        }
        if hypers.closes {
            return fail("hyper closes the connection");
        }
    }
    Ok(())
}

impl Answer {
    /// Whether a server answers so to a request that is not HTTP, or goes beyond a limit.
    pub fn is_refusal(&self) -> bool {
        REFUSALS.contains(&self.status)
    }
}

const TIMEOUT: u16 = 408;

/// The first bytes of a client with HTTP/2 (RFC 9113 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The answers to a request that is not HTTP, or goes beyond a limit.
pub const REFUSALS: [u16; 8] = [400, TIMEOUT, 411, 413, 414, 431, 501, 505];

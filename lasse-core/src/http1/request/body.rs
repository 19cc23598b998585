//! Whether a request has a body (RFC 9112 6.3). A server and a proxy that disagree
//! about its length let a client smuggle a request, so everything that can be
//! understood in two ways is an error.

use core::str;

use http::HeaderMap;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

use super::list;
use crate::http1::bad_request::BadRequest;

/// Returns whether there is a body.
///
/// # Errors
///
/// If its end is not known for certain, or if it is coded.
pub(super) fn has_body(headers: &HeaderMap, is_1_0: bool) -> Result<bool, BadRequest> {
    match (headers.contains_key(TRANSFER_ENCODING), headers.contains_key(CONTENT_LENGTH)) {
        (false, false) => Ok(false),
        (false, true) => has_length(headers),
        // The framing of HTTP/1.0 with a transfer coding is faulty (RFC 9112 6.1).
        (true, false) if !is_1_0 => check_codings(headers).map(|()| true),
        (true, _) => Err(BadRequest::Length),
    }
}

/// Several fields are allowed if their numbers are equal, but no list in one field (RFC 9110 8.6),
/// nor a number that other servers cannot represent.
fn has_length(headers: &HeaderMap) -> Result<bool, BadRequest> {
    let lengths = headers.get_all(CONTENT_LENGTH).into_iter();
    let mut lengths = lengths.map(|length| length_of(length.as_bytes()));
    let length = lengths.next().flatten();
    let is_one = lengths.all(|other| other == length);
    length.filter(|_| is_one).map(|length| length > 0).ok_or(BadRequest::Length)
}

fn length_of(digits: &[u8]) -> Option<u64> {
    let is_number = digits.iter().all(u8::is_ascii_digit);
    str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()
}

/// Accepts `chunked` alone. A coding that is not known is an error of the server
/// (501), and a body whose end is not known is one of the client (400).
fn check_codings(headers: &HeaderMap) -> Result<(), BadRequest> {
    let (mut has_other, mut has_chunked) = (false, false);
    for coding in list(headers, &TRANSFER_ENCODING).filter(|coding| !coding.is_empty()) {
        let mut parts = coding.splitn(2, |byte| *byte == b';');
        let name = parts.next().unwrap_or_default().trim_ascii();
        let is_chunked = name.eq_ignore_ascii_case(b"chunked");
        let has_parameters = parts.next().is_some();
        if has_chunked || !is_token(name) || is_chunked && has_parameters {
            return Err(BadRequest::Length);
        }
        has_chunked |= is_chunked;
        has_other |= !is_chunked;
    }
    match (has_other, has_chunked) {
        (true, _) => Err(BadRequest::TransferCoding),
        (false, true) => Ok(()),
        (false, false) => Err(BadRequest::Length),
    }
}

/// RFC 9110 5.6.2.
fn is_token(name: &[u8]) -> bool {
    let is_in_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !name.is_empty() && name.iter().all(is_in_token)
}

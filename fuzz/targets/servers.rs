//! Whatever a client sends, three servers see the same requests in it, and answer them alike, but for
//! the differences that `lasse_testkit::alike` allows.

#![no_main]

use arbitrary::Arbitrary;
use lasse_testkit::alike::compare;
use libfuzzer_sys::fuzz_target;

/// A piece of a request: random bytes are hardly ever one.
#[derive(Arbitrary, Debug)]
enum Part<'a> {
    Line(u8, u8, u8),
    Field(u8, u8),
    End,
    Blank,
    Body(u8),
    Bytes(&'a [u8]),
}

fuzz_target!(|parts: Vec<Part<'_>>| {
    let input: Vec<u8> = parts.iter().flat_map(Part::text).take(16 * 1024).collect();
    if let Err(difference) = compare(&input) {
        panic!("{:?}\n{difference}", String::from_utf8_lossy(&input));
    }
});

impl Part<'_> {
    fn text(&self) -> Vec<u8> {
        match self {
            Self::Line(method, target, version) => {
                let [method, target, version] =
                    [pick(METHODS, *method), pick(TARGETS, *target), pick(VERSIONS, *version)];
                format!("{method} {target} {version}").into_bytes()
            }
            Self::Field(name, value) => {
                format!("{}: {}", pick(NAMES, *name), pick(VALUES, *value)).into_bytes()
            }
            Self::End => b"\r\n".to_vec(),
            Self::Blank => b"\r\n\r\n".to_vec(),
            Self::Body(len) => format!("{len:x}\r\n{}\r\n", "x".repeat((*len).into())).into_bytes(),
            Self::Bytes(bytes) => bytes.to_vec(),
        }
    }
}

fn pick(from: &[&'static str], nth: u8) -> &'static str {
    from[usize::from(nth) % from.len()]
}

const METHODS: &[&str] = &["GET", "POST", "OPTIONS", "BREW"];
const TARGETS: &[&str] =
    &["/", "/a", "*", "http://a/", "https://a:80/b", "http://u@a/", "a:80", "//a"];
const VERSIONS: &[&str] = &[
    "HTTP/1.1\r\n",
    "HTTP/1.0\r\n",
    "HTTP/1.1\r\nhost: a\r\n",
    "HTTP/1.1\r\nhost: a\r\n\r\n",
    "HTTP/1.0\r\n\r\n",
    "HTTP/2.0\r\n",
];
const NAMES: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "expect",
    "last-event-id",
    "accept",
    "upgrade",
];
const VALUES: &[&str] = &[
    "a",
    "a:80\r\n",
    "0\r\n",
    "5\r\n",
    "chunked\r\n",
    "gzip, chunked\r\n",
    "chunked, gzip\r\n",
    "close\r\n",
    "keep-alive\r\n",
    "text/event-stream\r\n",
    "100-continue\r\n",
    "upgrade\r\n",
];

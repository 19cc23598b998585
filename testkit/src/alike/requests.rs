//! Random requests, most of them nearly valid: two servers differ where a request is only a little
//! wrong.

use crate::sim::random::Random;

/// A few requests on one connection, which the seed determines.
pub fn requests(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = Vec::new();
    for _ in 0..=random.up_to(4) {
        match random.up_to(15) {
            0..=4 => plain_request(&mut bytes, &mut random),
            5..=12 => faulty_request(&mut bytes, &mut random),
            13 => bytes.extend(random.pick(BODIES).as_bytes()),
            14 => many_fields(&mut bytes, &mut random),
            _ => long_target(&mut bytes, &mut random),
        }
    }
    if random.one_in(4) {
        damage(&mut bytes, &mut random);
    }
    bytes
}

/// A request that all servers accept.
fn plain_request(bytes: &mut Vec<u8>, random: &mut Random) {
    let method = random.pick(&["GET", "GET", "OPTIONS", "POST"]);
    let target = random.pick(&["/", "/a", "/b/", "http://a/x", "//a"]);
    let version = random.pick(&["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"]);
    bytes.extend(format!("{method} {target} {version}\r\nhost: a\r\n").as_bytes());
    for _ in 0..random.up_to(2) {
        bytes.extend(random.pick(PLAIN_FIELDS).as_bytes());
    }
    bytes.extend(b"\r\n");
}

fn faulty_request(bytes: &mut Vec<u8>, random: &mut Random) {
    let [method, target, version, end] =
        [METHODS, TARGETS, VERSIONS, ENDS].map(|from| random.pick(from));
    let spaces = [(); 2].map(|()| or_rarely(" ", &["", "  ", "\t"], random));
    bytes.extend(format!("{method}{}{target}{}{version}{end}", spaces[0], spaces[1]).as_bytes());
    if !random.one_in(8) {
        bytes.extend(b"host: a\r\n");
    }
    for _ in 0..random.up_to(3) {
        let [name, value, end] = [NAMES, VALUES, ENDS].map(|from| random.pick(from));
        let colon = or_rarely(": ", &[":", " :", ":\t", ": \r\n ", "", "="], random);
        bytes.extend(format!("{name}{colon}{value}{end}").as_bytes());
    }
    bytes.extend(or_rarely("\r\n", &[""], random).as_bytes());
}

/// About as many fields as a head can have.
fn many_fields(bytes: &mut Vec<u8>, random: &mut Random) {
    bytes.extend(b"GET / HTTP/1.1\r\nhost: a\r\n");
    for nth in 0..random.up_to(60) {
        bytes.extend(format!("a{nth}: b\r\n").as_bytes());
    }
    bytes.extend(b"\r\n");
}

/// A head of about the size that a head can have.
fn long_target(bytes: &mut Vec<u8>, random: &mut Random) {
    let target = "y".repeat(random.up_to(4200));
    bytes.extend(format!("GET /{target} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes());
}

fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.up_to(2) {
        let Some(last) = bytes.len().checked_sub(1) else { return };
        let (at, byte) = (random.up_to(last), random.next() as u8);
        match random.up_to(3) {
            0 => drop(bytes.remove(at)),
            1 => bytes.insert(at, byte),
            2 => bytes[at] = byte,
            _ => bytes.truncate(at),
        }
    }
}

fn or_rarely(usual: &'static str, rare: &[&'static str], random: &mut Random) -> &'static str {
    if random.one_in(15) { random.pick(rare) } else { usual }
}

const METHODS: &[&str] =
    &["GET", "GET", "GET", "GET", "POST", "OPTIONS", "BREW", "get", "PRI", "G@T", "", "TRACE"];

#[rustfmt::skip]
const TARGETS: &[&str] = &[
    "/",
    "/",
    "/a",
    "/a",
    "*",
    "http://a/",
    "http://a",
    "https://a:80/b",
    "http://u@a/",
    "a:80",
    "//a",
    "/a?b",
    "?",
    "/%",
    "/%zz",
    "http://[::1]/",
    "http://[::1",
    "http://a:b/",
    "http://:80/",
    "HTTP://A/",
    "ftp://a/",
    "/\u{e9}",
    "/a b",
    "http:///",
    "http://a:/x",
    "http:/a",
    "mailto:a",
    "/\\",
    "/{}",
    "/\"",
    "/<",
    "/|",
    "/^",
    "http://a?x",
    "http://a b/",
    "/..",
    "http://%61/",
    "a",
    "",
    "/\x7f",
    "/\t",
    "http://a,b/",
    "http://[v1.a]/",
    "http://a:99999/",
    "https://*/",
];

#[rustfmt::skip]
const VERSIONS: &[&str] = &[
    "HTTP/1.1",
    "HTTP/1.1",
    "HTTP/1.1",
    "HTTP/1.1",
    "HTTP/1.0",
    "HTTP/1.0",
    "HTTP/2.0",
    "HTTP/1.2",
    "HTTP/0.9",
    "http/1.1",
    "HTTP/1.",
    "HTTP/11",
    "HTTP/1.10",
    "",
    "HTTP/3",
];

#[rustfmt::skip]
const NAMES: &[&str] = &[
    "host",
    "Host",
    "content-length",
    "Content-Length",
    "transfer-encoding",
    "Transfer-Encoding",
    "connection",
    "Connection",
    "expect",
    "upgrade",
    "last-event-id",
    "accept",
    "x",
    "keep-alive",
    "te",
    "trailer",
    "x ",
    " x",
    "",
    "x@y",
    "\u{e9}",
    "x\0",
    "http2-settings",
    "proxy-connection",
];

#[rustfmt::skip]
const VALUES: &[&str] = &[
    "a",
    "a:80",
    "0",
    "5",
    "00",
    "05",
    "+5",
    "-0",
    "5, 5",
    "5,5",
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775808",
    "chunked",
    "Chunked",
    "gzip, chunked",
    "chunked, gzip",
    "chunked,",
    "  ,chunked",
    "chunked;a=b",
    "identity",
    "gzip;q=\"a, chunked\"",
    "close",
    "Close",
    "keep-alive",
    "close, keep-alive",
    "keep-alive, close",
    "close,",
    "upgrade",
    "upgrade, close",
    "100-continue",
    "200-x",
    "h2c",
    "websocket",
    "text/event-stream",
    "*/*",
    "application/json",
    "a b",
    "",
    "a,b",
    "\u{e9}",
    "\u{e9}, close",
    "a\x7f",
    "a\x01",
    "\t",
    "k-1",
    "u@h",
    "a/b",
    "[::1]",
    "[::1]:80",
    "[::1",
    "a:",
    "a:b",
    ":80",
    "a%",
    "a%41",
    "*",
];

const ENDS: &[&str] =
    &["\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", "\r\r\n", "\n\r", " \r\n"];

const PLAIN_FIELDS: &[&str] = &[
    "x: y\r\n",
    "connection: keep-alive\r\n",
    "connection: upgrade\r\n",
    "upgrade: h2c\r\n",
    "expect: 100-continue\r\n",
    "content-length: 0\r\n",
    "last-event-id: \r\n",
    "accept: text/event-stream\r\n",
];

/// What can follow a head.
#[rustfmt::skip]
const BODIES: &[&str] = &[
    "5\r\nhello\r\n0\r\n\r\n",
    "0\r\n\r\n",
    "hello",
    "0\r\nx: y\r\n\r\n",
    "ffffffffffffffff\r\n",
    "\r\n",
    "\n",
    "\r",
    "\0",
    " ",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

//! Three servers, and requests of which attackers make use.

use lasse_testkit::alike::{answers, compare, requests};

fn statuses(input: &str) -> [Vec<u16>; 3] {
    let answers = answers(input.as_bytes());
    [answers.core, answers.tokio, answers.hyper]
        .map(|answers| answers.iter().map(|answer| answer.status).collect())
}

#[test]
fn hostile_requests_are_answered_alike() {
    for (request, _) in SHAPES {
        if let Err(difference) = compare(request.as_bytes()) {
            panic!("{request:?}: {difference}");
        }
    }
}

#[test]
fn random_requests_are_answered_alike() {
    for seed in 0..SEEDS {
        let input = requests(seed);
        if let Err(difference) = compare(&input) {
            panic!("seed {seed}, {:?}: {difference}", String::from_utf8_lossy(&input));
        }
    }
}

#[test]
fn hostile_requests_are_answered_as_the_standard_demands() {
    for (request, expected) in SHAPES {
        let [core, tokio, _] = statuses(request);
        assert_eq!((&core[..], &tokio[..]), (*expected, *expected), "{request:?}");
    }
}

#[test]
fn a_transfer_coding_that_is_not_known_is_not_implemented_if_the_body_ends_with_chunked() {
    let request = "GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(statuses(request), [[501], [501], [501]]);
    let request = "GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n";
    assert_eq!(statuses(request), [[400], [400], [400]]);
}

const SEEDS: u64 = 2000;

/// Requests, and the statuses of the answers of `lasse-core`.
const SHAPES: &[(&str, &[u16])] = &[
    ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", &[200]),
    ("GET /a HTTP/1.1\r\nhost: a\r\n\r\n", &[200]),
    ("GET / HTTP/1.1\r\nhost: a\r\n\r\nGET /a HTTP/1.1\r\nhost: a\r\n\r\n", &[200, 200]),
    ("GET / HTTP/1.0\r\n\r\n", &[200]),
    ("GET /a HTTP/1.0\r\n\r\n", &[200]),
    ("GET /a HTTP/1.0\r\nconnection: keep-alive\r\n\r\nGET /a HTTP/1.0\r\n\r\n", &[200]),
    ("GET / HTTP/1.1\r\n\r\n", &[400]),
    ("GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", &[400]),
    ("GET / HTTP/1.1\r\nhost: a b\r\n\r\n", &[400]),
    ("GET / HTTP/1.1\r\nhost: a/b\r\n\r\n", &[400]),
    ("GET / HTTP/1.1\r\nhost: u@h\r\n\r\n", &[400]),
    ("GET / HTTP/1.1\r\nhost:\r\n\r\n", &[200]),
    ("GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", &[501]),
    ("GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n", &[400]),
    ("GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n", &[501]),
    ("GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: identity\r\n\r\n", &[501]),
    ("GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", &[200]),
    ("GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n", &[400]),
    ("GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n", &[501]),
    ("GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: \r\n\r\n0\r\n\r\n", &[400]),
    (
        "GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
        &[400],
    ),
    ("GET / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", &[400]),
    (
        "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabcGET / HTTP/1.1\r\nhost: a\r\n\r\n",
        &[200],
    ),
    (
        "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
        &[200, 200],
    ),
    ("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabc", &[400]),
    ("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc", &[200]),
    ("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 03\r\n\r\nabc", &[200]),
    ("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 3, 3\r\n\r\nabc", &[400]),
    ("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: +3\r\n\r\nabc", &[400]),
    ("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: -3\r\n\r\nabc", &[400]),
    ("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 0x3\r\n\r\nabc", &[400]),
    ("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999999999999\r\n\r\nabc", &[400]),
    ("GET / HTTP/1.1\r\nhost: a\r\ncontent-length:\r\n\r\n", &[400]),
    ("GET / HTTP/1.1\nhost: a\n\n", &[200]),
    ("GET / HTTP/1.1\r\nhost: a\n\r\n", &[200]),
    ("GET / HTTP/1.1\r\nhost: a\r\n x: folded\r\n\r\n", &[400]),
    ("GET / HTTP/1.1\r\nhost : a\r\n\r\n", &[400]),
    ("GET / HTTP/1.1\r\n host: a\r\n\r\n", &[400]),
    ("GET / HTTP/1.1\r\nhost: a\r\nno colon\r\n\r\n", &[400]),
    ("GET / HTTP/1.1\r\nhost: a\r\n: no name\r\n\r\n", &[400]),
    ("GET / HTTP/1.1\r\nhost: a\r\nx: a\rb\r\n\r\n", &[400]),
    ("GET / HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n", &[400]),
    ("GET  / HTTP/1.1\r\nhost: a\r\n\r\n", &[400]),
    ("GET /  HTTP/1.1\r\nhost: a\r\n\r\n", &[400]),
    (" GET / HTTP/1.1\r\nhost: a\r\n\r\n", &[400]),
    ("\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", &[200]),
    ("\r\n\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", &[200]),
    ("\r\r", &[408]),
    ("\n", &[]),
    ("GET /\r\n", &[408]),
    ("GET / HTTP/1.2\r\nhost: a\r\n\r\n", &[505]),
    ("GET / HTTP/2.0\r\nhost: a\r\n\r\n", &[505]),
    ("GET / HTTP/0.9\r\nhost: a\r\n\r\n", &[505]),
    ("GET / http/1.1\r\nhost: a\r\n\r\n", &[400]),
    ("PRI * HTTP/2.0\r\n\r\n", &[505]),
    ("\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[505]),
    ("OPTIONS //a HTTP/1.1\r\nhost: a\r\n\r\n\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n..", &[405, 505]),
    ("GET /a HTTP/1.1\r\nhost: a\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[200, 505]),
    ("GET / HTTP/1.1\r\nhost: a\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[200, 505]),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[505]),
    ("GET http://a/ HTTP/1.1\r\nhost: b\r\n\r\n", &[200]),
    ("GET http://u@a/ HTTP/1.1\r\nhost: a\r\n\r\n", &[400]),
    ("GET http://u@a/ HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", &[400]),
    ("GET * HTTP/1.1\r\nhost: a\r\n\r\n", &[400]),
    ("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", &[405]),
    ("GET a:80 HTTP/1.1\r\nhost: a\r\n\r\n", &[400]),
    ("CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\n", &[501]),
    ("GET //a HTTP/1.1\r\nhost: a\r\n\r\n", &[200]),
    ("GET /#x HTTP/1.1\r\nhost: a\r\n\r\n", &[400]),
    ("GET /\u{e9} HTTP/1.1\r\nhost: a\r\n\r\n", &[200]),
    ("POST / HTTP/1.1\r\nhost: a\r\n\r\n", &[405]),
    ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc", &[405]),
    ("BREW / HTTP/1.1\r\nhost: a\r\n\r\n", &[405]),
    ("G@T / HTTP/1.1\r\nhost: a\r\n\r\n", &[400]),
    (
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
        &[200],
    ),
    ("GET / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n", &[200]),
    ("GET / HTTP/1.1\r\nhost: a\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n", &[200]),
    ("\x16\x03\x01 garbage\r\n\r\n", &[400]),
];

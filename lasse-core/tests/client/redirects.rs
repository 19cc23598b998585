//! Redirects.

use bytes::Bytes;
use http::{HeaderValue, Request};
use lasse_core::{Client, ClientClosed};

use crate::{at, client, closed, connect, head, last_event_id, receive, stream};

pub(crate) fn redirect(client: &mut Client, status: u16, location: &str) -> Request<Bytes> {
    client.handle_head(&head(status, &[("location", location)]), at(0));
    connect(client, at(0))
}

#[test]
fn a_redirect_is_followed_at_once_and_kept_only_if_permanent() {
    for (status, later) in [
        (301, "http://a/new"),
        (302, "http://a/events"),
        (303, "http://a/events"),
        (307, "http://a/events"),
        (308, "http://a/new"),
    ] {
        let mut client = client();
        connect(&mut client, at(0));
        assert_eq!(redirect(&mut client, status, "/new").uri(), "http://a/new");
        client.handle_head(&stream(), at(0));
        receive(&mut client, b"id: 1\n\n", at(0));
        client.handle_end(at(1));
        let again = connect(&mut client, at(4));
        assert_eq!(again.uri(), later, "{status}");
        assert_eq!(last_event_id(&again), Some(b"1".as_slice()));
    }
}

#[test]
fn a_permanent_redirect_after_a_temporary_one_is_temporary() {
    let mut client = client();
    connect(&mut client, at(0));
    redirect(&mut client, 308, "/b");
    redirect(&mut client, 307, "/c");
    redirect(&mut client, 308, "/d");
    client.handle_error(at(0));
    assert_eq!(connect(&mut client, at(3)).uri(), "http://a/b");
}

#[test]
fn method_and_body_are_repeated_where_the_status_allows_it() {
    for (status, method, expected) in [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
        (302, "REPORT", "REPORT"),
        (303, "REPORT", "GET"),
    ] {
        let template = Request::builder()
            .method(method)
            .uri("http://a/")
            .header("content-type", "text/plain")
            .header("x-key", "1");
        let mut client = Client::new(template.body(Bytes::from_static(b"x")).unwrap());
        connect(&mut client, at(0));
        let next = redirect(&mut client, status, "/b");
        assert_eq!(next.method().as_str(), expected, "{status} {method}");
        assert_eq!(next.body().is_empty(), expected == "GET");
        assert_eq!(next.headers().contains_key("content-type"), expected != "GET");
        assert_eq!(next.headers()["x-key"], "1");
    }
}

#[test]
fn secrets_are_not_sent_to_another_origin() {
    let template = || {
        Request::get("http://a/")
            .header("authorization", "Bearer x")
            .header("cookie", "y=z")
            .header("x-key", "1")
            .body(Bytes::new())
            .unwrap()
    };
    let mut client = Client::new(template());
    connect(&mut client, at(0));
    assert!(redirect(&mut client, 308, "http://a:80/b").headers().contains_key("authorization"));
    for location in ["https://a/", "http://a/back"] {
        let next = redirect(&mut client, 308, location);
        assert!(!next.headers().contains_key("authorization"), "{location}");
        assert!(!next.headers().contains_key("cookie"), "{location}");
        assert!(next.headers().contains_key("x-key"), "{location}");
    }
    client.handle_error(at(0));
    assert!(!connect(&mut client, at(3)).headers().contains_key("cookie"), "not later either");
}

#[test]
fn a_host_header_is_not_sent_to_another_origin() {
    let request = Request::get("http://a/").header("host", "virtual.example").body(Bytes::new());
    let mut client = Client::new(request.unwrap());
    connect(&mut client, at(0));
    assert_eq!(redirect(&mut client, 307, "/b").headers()["host"], "virtual.example");
    assert!(!redirect(&mut client, 307, "http://b/").headers().contains_key("host"));
    client.handle_error(at(0));
    assert_eq!(connect(&mut client, at(3)).headers()["host"], "virtual.example", "back at a");
}

#[test]
fn a_location_in_raw_utf_8_is_percent_encoded_and_followed() {
    let mut client = client();
    connect(&mut client, at(0));
    let next = redirect(&mut client, 307, "/zürich?ö=ü b");
    assert_eq!(next.uri(), "http://a/z%C3%BCrich?%C3%B6=%C3%BC%20b");
}

#[test]
fn two_different_locations_are_not_followed() {
    let mut client = client();
    connect(&mut client, at(0));
    redirect(&mut client, 307, "/b");
    client.handle_head(&head(307, &[("location", "/c"), ("location", "/c")]), at(0));
    assert_eq!(connect(&mut client, at(0)).uri(), "http://a/c");
    client.handle_head(&head(307, &[("location", "/d"), ("location", "/e")]), at(0));
    let reason = ClientClosed::Location(Some(HeaderValue::from_static("/d, /e")));
    assert_eq!(closed(&mut client, at(0)), reason);
}

#[test]
fn redirects_are_limited() {
    let mut client = client().with_max_redirects(3);
    connect(&mut client, at(0));
    for _ in 0..3 {
        redirect(&mut client, 307, "/events");
    }
    client.handle_head(&head(307, &[("location", "/events")]), at(0));
    assert_eq!(closed(&mut client, at(0)), ClientClosed::Redirects(3));
}

#[test]
fn a_redirect_that_leads_nowhere_closes_the_client() {
    for (headers, message) in [
        ([].as_slice(), "the redirect has no location"),
        (
            &[("location", "ftp://b/")],
            "the redirect to \"ftp://b/\" cannot be followed; it must lead to http or https",
        ),
    ] {
        let mut client = client();
        connect(&mut client, at(0));
        client.handle_head(&head(302, headers), at(0));
        assert_eq!(closed(&mut client, at(0)).to_string(), message);
    }
}

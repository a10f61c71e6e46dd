//! What requests become, word by word.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request as HttpRequest};
use tiphys_api::EventSource;

use super::*;
use crate::compile::compile;
use crate::incoming::Payload;

fn request(method: &str, uri: &str, headers: &[(&str, &str)], body: &str) -> Request {
    let mut request = HttpRequest::builder().method(method).uri(uri);
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        request = request.header(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    Request {
        head: request.body(()).unwrap().into_parts().0,
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

/// The payload of a request, or the status and the reason of its refusal.
fn made(request: &Request, metadata: &str) -> Result<String, (u16, String)> {
    match Anybody.read(request, metadata) {
        Ok(Said::Events(events)) => match &events[..] {
            [
                Incoming {
                    payload: Payload::Json(payload),
                    ..
                },
            ] => Ok(String::from_utf8(payload.to_vec()).unwrap()),
            other => panic!("{other:?}"),
        },
        Ok(Said::Answer(answer)) => panic!("{answer:?}"),
        Err(refusal) => Err((refusal.status.as_u16(), refusal.message)),
    }
}

#[test]
fn a_body_of_json_is_not_touched() {
    let request = request(
        "POST",
        "/example?ignored=1",
        &[
            ("x-github-event", "push"),
            ("host", "example.org"),
            ("content-type", "application/json"),
            ("accept", "text/html"),
            ("accept", "a<b \"c\""),
            ("content-length", "34"),
        ],
        "{\"n\": 12345678901234567890.0e0,\n\"n\":2}",
    );
    assert_eq!(
        made(&request, "").unwrap(),
        concat!(
            r#"{"header":{"Accept":["text/html","a\u003cb \"c\""],"Content-Length":["34"],"#,
            r#""Content-Type":["application/json"],"X-Github-Event":["push"]},"#,
            r#""body":{"n": 12345678901234567890.0e0,"#,
            "\n\"n\":2}}"
        )
    );
}

#[test]
fn credentials_are_masked_and_metadata_comes_last() {
    let request = request(
        "POST",
        "/",
        &[("authorization", "Bearer secret"), ("authorization", "x")],
        "[1]",
    );
    assert_eq!(
        made(&request, r#"{"team":"harbour"}"#).unwrap(),
        r#"{"header":{"Authorization":["*** Masked Auth Secret ***"]},"body":[1],"metadata":{"team":"harbour"}}"#
    );
}

#[test]
fn a_query_is_lists_of_texts_under_names() {
    for (uri, body) in [
        ("/e?a=1&a=2", r#"{"a":["1","2"]}"#),
        ("/e", "{}"),
        ("/e?b&a=x+y%2Fz&=&", r#"{"":[""],"a":["x y/z"],"b":[""]}"#),
        ("/e?a=%zz&b=1;2&c=3", r#"{"c":["3"]}"#),
    ] {
        let expected = format!(r#"{{"header":{{}},"body":{body}}}"#);
        assert_eq!(made(&request("GET", uri, &[], ""), "").unwrap(), expected);
    }
}

#[test]
fn a_form_is_lists_of_texts_under_names_whatever_its_character_set() {
    for content_type in [
        "application/x-www-form-urlencoded",
        "Application/X-WWW-Form-Urlencoded; charset=utf-8",
    ] {
        let request = request(
            "POST",
            "/e?q=1",
            &[("content-type", content_type)],
            "b=2&a=1&b=3",
        );
        let body = body(&request).unwrap();
        assert_eq!(body, r#"{"a":["1"],"b":["2","3"]}"#);
    }
    // What curl sends if nobody says that it is JSON.
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let request = request("POST", "/e", &form, r#"{"message":"hi"}"#);
    assert_eq!(body(&request).unwrap(), r#"{"{\"message\":\"hi\"}":[""]}"#);
}

#[test]
fn what_is_no_json_is_refused_with_a_reason() {
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    for (method, headers, body, status, why) in [
        (
            "POST",
            &[][..],
            "",
            400,
            "the body is not JSON: EOF while parsing a value at line 1 column 0",
        ),
        (
            "PUT",
            &[],
            "Invalid JSON",
            400,
            "the body is not JSON: expected value at line 1 column 1",
        ),
        (
            "POST",
            &[],
            &deep,
            400,
            "the body is not JSON: it is nested too deeply",
        ),
        (
            "POST",
            &[("content-type", "application/x-www-form-urlencoded")],
            "a=1&b=%q",
            400,
            "the form cannot be read: a percent sign stands without two digits",
        ),
        (
            "POST",
            &[("content-type", "multipart/form-data; boundary=x")],
            "--x",
            415,
            "a body of type multipart/form-data is not supported: send JSON or a form",
        ),
        (
            "POST",
            &[("content-encoding", "gzip")],
            "\u{1f}",
            415,
            "a body in gzip is not supported: send it as it is",
        ),
    ] {
        let refused = made(&request(method, "/e", headers, body), "");
        assert_eq!(refused.unwrap_err(), (status, why.to_owned()));
    }
}

#[test]
fn json_is_taken_whatever_its_type_is_called() {
    for content_type in [
        "text/plain",
        "application/cloudevents+json",
        "image/svg+xml",
    ] {
        let request = request("PATCH", "/e", &[("content-type", content_type)], " 1 ");
        assert_eq!(body(&request).unwrap(), " 1 ");
    }
}

fn problems(spec: &str) -> Vec<String> {
    let object = format!(r#"{{"metadata":{{"name":"es"}},"spec":{{"webhook":{spec}}}}}"#);
    let object: EventSource = serde_json::from_str(&object).unwrap();
    let problems = compile(&object).err().unwrap_or_default();
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn an_endpoint_is_a_port_a_path_and_a_method() {
    let found = problems(
        r#"{"a":{"port":"7777","endpoint":"x"},
            "b":{"port":"0","endpoint":"/{id}","method":"a b"},
            "c":{"port":"1","endpoint":"/","maxPayloadSize":0},
            "d":{"port":"1","endpoint":"/","maxPayloadSize":16777217}}"#,
    );
    for expected in [
        "error: spec.webhook.a.endpoint: an endpoint begins with a slash: /x",
        "error: spec.webhook.a.port: port 7777 has the metrics and health of the pod",
        "error: spec.webhook.b.endpoint: an endpoint is one path, without a pattern or a query",
        "error: spec.webhook.b.port: failed to parse server port 0",
        "error: spec.webhook.b.method: \"a b\" is no HTTP method",
        "error: spec.webhook.c.maxPayloadSize: the largest body has 1 to 16777216 bytes",
        "error: spec.webhook.d.maxPayloadSize: the largest body has 1 to 16777216 bytes",
    ] {
        assert!(
            found.contains(&expected.to_owned()),
            "{expected}: {found:#?}"
        );
    }
}

#[test]
fn routes_are_told_apart_by_port_path_and_method() {
    let found = problems(
        r#"{"a":{"port":"1","endpoint":"/","method":"POST"},
            "b":{"port":"1","endpoint":"/","method":"GET"},
            "c":{"port":"2","endpoint":"/","method":"POST"},
            "d":{"port":"1","endpoint":"/x"}}"#,
    );
    assert_eq!(found, Vec::<String>::new());
}

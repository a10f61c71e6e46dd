//! Stories of the `http` trigger.

use std::sync::atomic::{AtomicUsize, Ordering};

use tiphys_eventbus::embedded::Embedded;
use tiphys_eventbus::{DeadLetterFilter, DeadLetterReason, EventBus};
use tiphys_testbed::Certificates;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use crate::running::{KnownValues, Running, Setting};
use crate::web::{Web, answer};

fn spec(trigger: &str) -> String {
    format!(
        "dependencies: [{{name: dep, eventSourceName: source, eventName: order}}]\ntriggers:\n- {}\n",
        trigger.trim().replace('\n', "\n  ")
    )
}

#[tokio::test]
async fn a_request_carries_what_its_trigger_says() {
    let web = Web::start(|_| answer(200)).await;
    let spec = spec(&format!(
        r"
template:
  name: call
  http:
    url: {}
    method: PUT
    host: shop.example
    headers: {{X-Kind: order, Content-Type: text/json}}
    dynamicHeaders:
    - {{src: {{dependencyName: dep, dataKey: id}}, dest: X-Order}}
    - {{src: {{dependencyName: other, dataKey: id}}, dest: X-Other}}
    secureHeaders:
    - {{name: X-KIND, valueFrom: {{secretKeyRef: {{name: api, key: token}}}}}}
    basicAuth: {{username: {{name: login, key: user}}, password: {{name: login, key: word}}}}
    payload:
    - {{src: {{dependencyName: dep, dataKey: id, useRawData: true}}, dest: order.id}}
    parameters:
    - {{src: {{dependencyName: dep, dataKey: path}}, dest: url, operation: append}}
",
        web.url("/in/")
    ));
    let values = KnownValues::of(&[
        ("api", "token", "s3cret\n"),
        ("login", "user", "ada"),
        ("login", "word", "pw"),
    ]);
    let sensor = Running::start(
        &spec,
        Setting {
            values,
            ..Setting::default()
        },
    )
    .await;
    sensor.publish("order", r#"{"id":7,"path":"a?b=c"}"#).await;

    let asked = &web.asked_times(1).await[0];
    assert_eq!(
        (asked.method.as_str(), asked.path.as_str()),
        ("PUT", "/in/a?b=c")
    );
    assert_eq!(asked.body, r#"{"order":{"id":7}}"#);
    assert_eq!(asked.headers["x-order"], "7");
    assert_eq!(asked.headers["x-kind"], "s3cret");
    assert_eq!(asked.headers["authorization"], "Basic YWRhOnB3");
    assert_eq!(asked.headers["content-type"], "text/json");
    assert_eq!(asked.headers["host"], "shop.example");
    assert!(!asked.headers.contains_key("x-other"));
    sensor.stop().await;
}

#[tokio::test]
async fn a_redirect_keeps_the_body_and_no_secret_goes_to_another_server() {
    let other = Web::start(|_| answer(204)).await;
    let target = other.url("/there");
    let web = Web::start(move |_| answer(307).header("location", &target)).await;
    let spec = spec(&format!(
        r#"
template:
  name: call
  http:
    url: {}
    secureHeaders: [{{name: X-Token, valueFrom: {{secretKeyRef: {{name: api, key: token}}}}}}]
    payload: [{{src: {{dependencyName: dep, dataKey: "@this"}}, dest: ""}}]
"#,
        web.url("/here")
    ));
    let values = KnownValues::of(&[("api", "token", "s3cret")]);
    let sensor = Running::start(
        &spec,
        Setting {
            values,
            ..Setting::default()
        },
    )
    .await;
    sensor.publish("order", r#"{"id":7}"#).await;

    let asked = &other.asked_times(1).await[0];
    assert_eq!(
        (asked.method.as_str(), asked.path.as_str()),
        ("POST", "/there")
    );
    assert_eq!(asked.body, r#"{"id":7}"#);
    assert!(!asked.headers.contains_key("x-token"));
    assert_eq!(web.asked()[0].headers["x-token"], "s3cret");
    sensor.stop().await;
}

#[tokio::test]
async fn a_request_waits_for_its_server_and_is_sent_once() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let spec = spec(&format!(
        "template: {{name: call, http: {{url: 'http://{address}/'}}}}"
    ));
    let sensor = Running::start(&spec, Setting::default()).await;
    sensor.publish("order", "{}").await;
    assert!(
        sensor
            .unavailable()
            .await
            .starts_with(&format!("POST http://{address}/: "))
    );

    let web = Web::start_at(address, |_| answer(500)).await;
    web.asked_times(1).await;
    sensor.stop().await;
    assert_eq!(web.asked().len(), 1);
}

#[tokio::test]
async fn a_busy_server_is_waited_for() {
    let count = AtomicUsize::new(0);
    let web = Web::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => answer(429),
        1 => answer(503).header("retry-after", "0"),
        _ => answer(200),
    })
    .await;
    let spec = spec(&format!(
        "template: {{name: call, http: {{url: '{}'}}}}",
        web.url("/")
    ));
    let sensor = Running::start(&spec, Setting::default()).await;
    sensor.publish("order", "{}").await;
    web.asked_times(3).await;
    sensor.stop().await;
    assert_eq!(web.asked().len(), 3);
}

#[tokio::test]
async fn a_status_that_the_policy_does_not_allow_is_a_failure_that_tells_no_secret() {
    let web =
        Web::start(|asked| answer(403).body(format!("{} is wrong", asked.headers["x-token"])))
            .await;
    let spec = spec(&format!(
        r"
policy: {{status: {{allow: [200, 201]}}}}
retryStrategy: {{steps: 2, duration: 1ms}}
template:
  name: call
  http:
    url: {}
    secureHeaders: [{{name: X-Token, valueFrom: {{secretKeyRef: {{name: api, key: token}}}}}}]
",
        web.url("/")
    ));
    let values = KnownValues::of(&[("api", "token", "s3cret")]);
    let sensor = Running::start(
        &spec,
        Setting {
            values,
            ..Setting::default()
        },
    )
    .await;
    sensor.publish("order", "{}").await;

    let letter = sensor.dead_letter().await;
    assert_eq!(
        letter.error,
        "policy application resulted in failure. http response status 403 is not allowed: … is wrong"
    );
    assert_eq!(letter.attempts, 2);
    let action = letter.action.unwrap();
    assert!(
        action.contains(r#""secretKeyRef":{"namespace":"default","name":"api","key":"token"}"#)
    );
    assert!(!action.contains("s3cret"));
    sensor.stop().await;
}

#[tokio::test]
async fn a_request_without_an_answer_is_not_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let spec = spec(&format!("template: {{name: call, http: {{url: '{url}'}}}}"));
    let sensor = Running::start(&spec, Setting::default()).await;
    sensor.publish("order", "{}").await;
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.unwrap();
    drop(stream);

    let letter = sensor.dead_letter().await;
    assert_eq!(&head, b"POST");
    assert_eq!(letter.attempts, 1);
    sensor.stop().await;
}

#[tokio::test]
async fn a_request_that_a_stop_cuts_short_becomes_a_dead_letter() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let spec = spec(&format!("template: {{name: call, http: {{url: '{url}'}}}}"));
    let bus = EventBus::from(Embedded::new());
    let setting = Setting {
        bus: bus.clone(),
        ..Setting::default()
    };
    let sensor = Running::start(&spec, setting).await;
    sensor.publish("order", "{}").await;
    let connection = listener.accept().await.unwrap();
    sensor.stop().await;
    drop(connection);

    let letters = bus
        .dead_letters
        .list(&DeadLetterFilter::default())
        .await
        .unwrap();
    let [(_, letter)] = letters.as_slice() else {
        panic!("{letters:?}")
    };
    assert_eq!(
        (letter.reason, letter.attempts),
        (DeadLetterReason::Interrupted, 1)
    );
}

#[tokio::test]
async fn a_server_is_trusted_by_the_authority_of_the_trigger_or_not_asked_at_all() {
    let certificates = Certificates::generate().unwrap();
    let web = Web::start_tls(&certificates, |_| answer(200)).await;
    let spec = |tls: &str| {
        spec(&format!(
            "template: {{name: call, http: {{url: '{}'{tls}}}}}",
            web.url("/")
        ))
    };
    let values = || KnownValues::of(&[("web", "ca", &certificates.authority)]);

    let sensor = Running::start(
        &spec(""),
        Setting {
            values: values(),
            ..Setting::default()
        },
    )
    .await;
    sensor.publish("order", "{}").await;
    let unavailable = sensor.unavailable().await;
    assert!(
        unavailable.contains("invalid peer certificate: UnknownIssuer"),
        "{unavailable}"
    );
    sensor.stop().await;
    assert!(web.asked().is_empty());

    for (count, tls) in [
        (1, ", tls: {caCertSecret: {name: web, key: ca}}"),
        (2, ", tls: {insecureSkipVerify: true}"),
    ] {
        let setting = Setting {
            values: values(),
            ..Setting::default()
        };
        let sensor = Running::start(&spec(tls), setting).await;
        sensor.publish("order", "{}").await;
        web.asked_times(count).await;
        sensor.stop().await;
    }
}

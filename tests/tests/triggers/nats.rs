//! Stories of the `nats` trigger.

use async_nats::ConnectOptions;
use futures::StreamExt as _;
use tiphys_eventbus::jetstream::{Config, JetStream};
use tiphys_testbed::{Auth, Nats, NatsOptions, Tls};
use tiphys_tests::{eventually, programs};

use crate::running::{KnownValues, Running, Setting};

fn spec(nats: &str) -> String {
    format!(
        "dependencies: [{{name: dep, eventSourceName: source, eventName: order}}]
triggers:
- template:
    name: tell
    nats:
      subject: orders
      payload: [{{src: {{dependencyName: dep, dataKey: id}}, dest: order}}]
      {}
",
        nats.trim().replace('\n', "\n      ")
    )
}

async fn server(options: NatsOptions) -> Nats {
    tokio::task::spawn_blocking(move || Nats::start(programs(), &options))
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn a_message_reaches_the_subject_that_a_parameter_writes() {
    let nats = server(NatsOptions {
        auth: Auth::Token("t0ken".into()),
        ..NatsOptions::default()
    })
    .await;
    let client = ConnectOptions::with_token("t0ken".into())
        .connect(nats.url())
        .await
        .unwrap();
    let mut messages = client.subscribe("orders.>").await.unwrap();
    client.flush().await.unwrap();
    let spec = spec(&format!(
        "url: {}\nauth: {{token: {{name: nats, key: token}}}}
parameters: [{{src: {{dependencyName: dep, dataKey: shop}}, dest: subject, operation: append}}]",
        nats.url()
    ));
    let values = KnownValues::of(&[("nats", "token", "t0ken")]);
    let sensor = Running::start(
        &spec,
        Setting {
            values,
            ..Setting::default()
        },
    )
    .await;
    sensor.publish("order", r#"{"id":7,"shop":".paris"}"#).await;

    let message = messages.next().await.unwrap();
    assert_eq!(message.subject.as_str(), "orders.paris");
    assert_eq!(message.payload, r#"{"order":"7"}"#);
    sensor.stop().await;
}

/// A stream keeps one message of each id: the same message of two triggers is two messages.
#[tokio::test]
async fn a_stream_gets_a_message_of_each_event_and_trigger() {
    let nats = server(NatsOptions::default()).await;
    let client = async_nats::connect(nats.url()).await.unwrap();
    let jetstream = async_nats::jetstream::new(client);
    let config = async_nats::jetstream::stream::Config {
        name: "ORDERS".into(),
        subjects: vec!["orders".into()],
        ..Default::default()
    };
    let mut stream = jetstream.create_stream(config).await.unwrap();
    let one = spec(&format!("url: {}", nats.url()));
    let (_, trigger) = one.split_once("triggers:\n").unwrap();
    let two = one.clone() + &trigger.replace("name: tell", "name: tell-again");
    let sensor = Running::start(&two, Setting::default()).await;
    for id in [7, 8] {
        sensor.publish("order", &format!(r#"{{"id":{id}}}"#)).await;
    }
    eventually("four messages", || async {
        let state = stream.clone().info().await.ok()?.state.clone();
        (state.messages == 4).then_some(())
    })
    .await;
    sensor.stop().await;
    let state = stream.info().await.unwrap().state.clone();
    let mut ids = std::collections::BTreeSet::new();
    for sequence in state.first_sequence..=state.last_sequence {
        let message = stream.get_raw_message(sequence).await.unwrap();
        let id = message.headers.get("Nats-Msg-Id").unwrap().to_string();
        assert_eq!(id.len(), 32, "{id}");
        ids.insert(id);
    }
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn a_user_that_may_not_publish_is_waited_for() {
    let config = r#"
authorization { users: [{user: ada, password: pw, permissions: {publish: "other", subscribe: "other"}}] }
"#;
    let nats = server(NatsOptions {
        config: config.into(),
        ..NatsOptions::default()
    })
    .await;
    let spec = spec(&format!(
        "url: {}\nauth: {{basic: {{username: {{name: nats, key: user}}, password: {{name: nats, key: word}}}}}}",
        nats.url()
    ));
    let values = KnownValues::of(&[("nats", "user", "ada"), ("nats", "word", "pw")]);
    let sensor = Running::start(
        &spec,
        Setting {
            values,
            ..Setting::default()
        },
    )
    .await;
    sensor.publish("order", r#"{"id":7}"#).await;
    let unavailable = sensor.unavailable().await;
    assert!(
        unavailable.contains("permissions violation for publish to \"orders\""),
        "{unavailable}"
    );
    assert!(sensor.dead_letters().await.is_empty());
    sensor.stop().await;
}

#[tokio::test]
async fn a_server_is_trusted_by_the_authority_of_the_trigger() {
    let nats = server(NatsOptions {
        tls: Tls::Server,
        ..NatsOptions::default()
    })
    .await;
    let authority = nats.certificates().unwrap().authority.clone();
    let file = nats.folder().join("trusted.pem");
    std::fs::write(&file, &authority).unwrap();
    let client = ConnectOptions::new()
        .add_root_certificates(file)
        .require_tls(true);
    let client = client.connect(nats.url()).await.unwrap();
    let mut messages = client.subscribe("orders").await.unwrap();
    client.flush().await.unwrap();
    let spec = spec(&format!(
        "url: {}\ntls: {{caCertSecret: {{name: nats, key: ca}}}}",
        nats.url()
    ));

    let values = KnownValues::of(&[("nats", "ca", "none")]);
    let sensor = Running::start(
        &spec,
        Setting {
            values,
            ..Setting::default()
        },
    )
    .await;
    sensor.publish("order", r#"{"id":7}"#).await;
    assert!(sensor.unavailable().await.contains("the CA certificate"));
    sensor.stop().await;

    let values = KnownValues::of(&[("nats", "ca", &authority)]);
    let sensor = Running::start(
        &spec,
        Setting {
            values,
            ..Setting::default()
        },
    )
    .await;
    sensor.publish("order", r#"{"id":8}"#).await;
    assert_eq!(messages.next().await.unwrap().payload, r#"{"order":"8"}"#);
    sensor.stop().await;
}

/// Whoever sends an event could invent events of every event source.
#[tokio::test]
async fn a_message_cannot_be_an_event_of_the_bus() {
    let (nats, other) = tokio::join!(
        server(NatsOptions::default()),
        server(NatsOptions::default())
    );
    let mut heard = async_nats::connect(other.url())
        .await
        .unwrap()
        .subscribe("default.>")
        .await
        .unwrap();
    let bus = JetStream::connect(&Config::new(nats.url())).await.unwrap();
    let spec = spec(&format!(
        "url: {}
parameters:
- {{src: {{dependencyName: dep, dataKey: subject}}, dest: subject}}
- {{src: {{dependencyName: dep, dataKey: url}}, dest: url}}",
        nats.url()
    ));
    let setting = Setting {
        bus: bus.into(),
        ..Setting::default()
    };
    let sensor = Running::start(&spec, setting).await;
    let event =
        |url: String| format!(r#"{{"id":7,"subject":"default.source.payment","url":"{url}"}}"#);
    sensor.publish("order", &event(nats.url())).await;
    let letter = sensor.dead_letter().await;
    assert!(
        letter
            .error
            .ends_with("only event sources publish events of the bus"),
        "{}",
        letter.error
    );
    // Elsewhere it is a subject like any other.
    sensor.publish("order", &event(other.url())).await;
    let message = heard.next().await.unwrap();
    assert_eq!(message.subject.as_str(), "default.source.payment");
    sensor.stop().await;
}

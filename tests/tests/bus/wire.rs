//! What other programs see on the server, and how it is reached.

use async_nats::HeaderMap;
use bytes::Bytes;
use futures::StreamExt as _;
use tiphys_base::Reason;
use tiphys_eventbus::jetstream::{Auth, Config, JetStream, Tls};
use tiphys_eventbus::{Bucket, Bus as _, Context, Event, EventBus, Outgoing, Subject};

use crate::contract::{config, message, next, subject};
use crate::server::NatsServer;

#[tokio::test]
async fn another_program_reads_our_events() {
    let server = NatsServer::start("").await;
    let bus = server.bus().await;
    bus.events.ensure_stream(None).await.unwrap();
    let event = Event {
        context: Context {
            id: "6f1c0a52b0c94c5f8d6b7a8e9f001122".to_owned(),
            source: "webhook".to_owned(),
            specversion: "1.0".to_owned(),
            r#type: "webhook".to_owned(),
            datacontenttype: "application/json".to_owned(),
            subject: "example".to_owned(),
            time: Some("2026-01-02T03:04:05.678Z".parse().unwrap()),
        }
        .into(),
        data: Some(Bytes::from_static(br#"{"header":{},"body":{}}"#)),
    };
    let message = Outgoing {
        subject: Subject::event("webhook", "example"),
        id: event.context.id.clone(),
        payload: event.encode(),
    };
    bus.events.publish(message).await.unwrap().await.unwrap();

    let jetstream = async_nats::jetstream::new(server.client().await);
    let stream = jetstream.get_stream("default").await.unwrap();
    assert_eq!(stream.cached_info().config.subjects, ["default.*.*"]);
    assert_eq!(stream.cached_info().config.max_messages, 50_000);
    let stored = stream.get_raw_message(1).await.unwrap();
    assert_eq!(stored.subject.as_str(), "default.webhook.example");
    let id = stored.headers.get("Nats-Msg-Id").unwrap().as_str();
    assert_eq!(id, "6f1c0a52b0c94c5f8d6b7a8e9f001122");
    assert_eq!(
        stored.payload,
        r#"{"specversion":"1.0","id":"6f1c0a52b0c94c5f8d6b7a8e9f001122","source":"webhook","type":"webhook","subject":"example","datacontenttype":"application/json","time":"2026-01-02T03:04:05.678Z","data_base64":"eyJoZWFkZXIiOnt9LCJib2R5Ijp7fX0="}"#
    );
}

#[tokio::test]
async fn events_of_other_programs_are_read() {
    let server = NatsServer::start("").await;
    let bus = server.bus().await;
    bus.events.ensure_stream(None).await.unwrap();
    let mut subscription = bus
        .events
        .subscribe(config(&[Subject::event("webhook", "example")]))
        .await
        .unwrap();
    let jetstream = async_nats::jetstream::new(server.client().await);
    for (id, payload) in [
        (
            "1",
            r#"{"specversion":"1.0","id":"1","source":"webhook","type":"webhook","subject":"example","datacontenttype":"application/json","time":"2026-01-02T03:04:05.678Z","data_base64":"eyJhIjoxfQ=="}"#,
        ),
        (
            "2",
            r#"{"data":{"a":1},"id":"2","source":"webhook","specversion":"1.0","type":"webhook","subject":"example","traceparent":"x"}"#,
        ),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", id);
        let ack = jetstream
            .publish_with_headers("default.webhook.example", headers, payload.into())
            .await
            .unwrap();
        ack.await.unwrap();
        let delivery = next(&mut subscription).await;
        let event = Event::decode(&delivery.payload).unwrap();
        assert_eq!(event.context.id, id);
        assert_eq!(event.data.unwrap(), r#"{"a":1}"#);
        delivery.ack().await.unwrap();
    }
}

#[tokio::test]
async fn state_is_a_bucket_for_other_programs() {
    let server = NatsServer::start("").await;
    let bus = server.bus().await;
    bus.events.ensure_stream(None).await.unwrap();
    let jetstream = async_nats::jetstream::new(server.client().await);
    // As Argo Events' sensor makes it.
    let theirs = jetstream
        .create_key_value(async_nats::jetstream::kv::Config {
            bucket: "my-sensor".to_owned(),
            ..Default::default()
        })
        .await
        .unwrap();
    theirs
        .put("my-trigger/my-dep", "theirs".into())
        .await
        .unwrap();
    let state = bus.state.open(&Bucket::sensor("my-sensor")).await.unwrap();
    assert_eq!(
        state.get("my-trigger/my-dep").await.unwrap().unwrap(),
        "theirs"
    );
    state
        .put("Triggers", Bytes::from_static(b"[]"))
        .await
        .unwrap()
        .await
        .unwrap();
    assert_eq!(theirs.get("Triggers").await.unwrap().unwrap(), "[]");
    state
        .delete("my-trigger/my-dep")
        .await
        .unwrap()
        .await
        .unwrap();
    assert_eq!(theirs.get("my-trigger/my-dep").await.unwrap(), None);

    let ours = bus
        .state
        .open(&Bucket::event_source("ns", "es"))
        .await
        .unwrap();
    ours.put("position", Bytes::from_static(b"7"))
        .await
        .unwrap()
        .await
        .unwrap();
    let seen = jetstream
        .get_key_value("tiphys__source__ns__es")
        .await
        .unwrap();
    assert_eq!(seen.get("position").await.unwrap().unwrap(), "7");
    assert_eq!(seen.keys().await.unwrap().count().await, 1);
}

async fn check_auth(settings: &str, auth: Auth) {
    let server = NatsServer::start(settings).await;
    let nobody = JetStream::connect(&Config::new(server.url()))
        .await
        .unwrap_err();
    assert_eq!(nobody.reason(), Reason::Unauthorized);
    let config = Config {
        auth,
        ..Config::new(server.url())
    };
    let bus = EventBus::from(JetStream::connect(&config).await.unwrap());
    bus.events.ensure_stream(None).await.unwrap();
    bus.events
        .publish(message(&subject(), "a"))
        .await
        .unwrap()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_user_with_a_password_is_let_in() {
    let auth = Auth::from_access_secret("username: u\npassword: \"p w\"").unwrap();
    check_auth(r#"authorization { user: "u", password: "p w" }"#, auth).await;
}

#[tokio::test]
async fn the_bearer_of_a_token_is_let_in() {
    let auth = Auth::from_access_secret("s3cret").unwrap();
    check_auth(r#"authorization { token: "s3cret" }"#, auth).await;
}

#[tokio::test]
async fn the_owner_of_an_nkey_is_let_in() {
    let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    let user = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
    let auth = Auth::from_access_secret(seed).unwrap();
    check_auth(
        &format!("authorization {{ users: [ {{ nkey: {user} }} ] }}"),
        auth,
    )
    .await;
}

#[tokio::test]
async fn tls_is_used_as_the_settings_say() {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (cert, key) = (
        directory.path().join("cert.pem"),
        directory.path().join("key.pem"),
    );
    std::fs::write(&cert, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let (cert, key) = (cert.display(), key.display());
    let settings = format!(r#"tls {{ cert_file: "{cert}", key_file: "{key}" }}"#);
    let server = NatsServer::start(&settings).await;
    let connect = async |tls: Option<Tls>| {
        JetStream::connect(&Config {
            tls,
            ..Config::new(server.url())
        })
        .await
    };
    // Argo Events' own bus: encrypted, but nobody can check the server.
    connect(None)
        .await
        .unwrap()
        .ensure_stream(None)
        .await
        .unwrap();
    connect(Some(Tls {
        insecure_skip_verify: true,
        ..Tls::default()
    }))
    .await
    .unwrap();
    // Who writes `tls://` has asked for a server that can be checked.
    let checked = Config::new(server.url().replace("nats://", "tls://"));
    let refused = JetStream::connect(&checked).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::InvalidCertificate);
    let authorities = Some(certified.cert.pem());
    connect(Some(Tls {
        authorities,
        ..Tls::default()
    }))
    .await
    .unwrap();
    assert_eq!(
        connect(Some(Tls::default())).await.unwrap_err().reason(),
        Reason::InvalidCertificate
    );
    let broken = Tls {
        authorities: Some("no PEM".to_owned()),
        ..Tls::default()
    };
    assert_eq!(
        connect(Some(broken)).await.unwrap_err().reason(),
        Reason::Configuration
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_transient_error_that_names_it() {
    let mut server = NatsServer::start("").await;
    server.kill().await;
    let url = format!("nats://user:secret@127.0.0.1:{}", server.port);
    let error = JetStream::connect(&Config::new(url)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("connect to nats://127.0.0.1:{}", server.port)
    );
    assert!(error.is_transient());
}

#[tokio::test]
async fn settings_that_the_server_cannot_change_are_named() {
    let server = NatsServer::start("").await;
    let bus = server.bus().await;
    bus.events.ensure_stream(None).await.unwrap();
    let report = bus
        .events
        .ensure_stream(Some("maxAge: 1h\nretention: 2\nreplicas: 3"))
        .await
        .unwrap();
    assert_eq!(report.changed, ["maxAge"]);
    let refused: Vec<_> = report
        .refused
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(refused, ["replicas", "retention"]);
    let jetstream = async_nats::jetstream::new(server.client().await);
    let stream = jetstream.get_stream("default").await.unwrap();
    assert_eq!(stream.cached_info().config.max_age.as_secs(), 3600);
}

#[tokio::test]
async fn one_server_keeps_one_replica_and_says_so() {
    let server = NatsServer::start("").await;
    let bus = server.bus().await;
    // The story's bus asks for two replicas: on a single server the stream still has to come up.
    let report = bus
        .events
        .ensure_stream(Some("replicas: 2\nmaxMsgs: 10"))
        .await
        .unwrap();
    assert!(report.created);
    let refused: Vec<_> = report
        .refused
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(refused, ["replicas"]);
    let jetstream = async_nats::jetstream::new(server.client().await);
    let stream = jetstream.get_stream("default").await.unwrap();
    assert_eq!(stream.cached_info().config.num_replicas, 1);
    assert_eq!(stream.cached_info().config.max_messages, 10);
}

//! Stories of the `custom` trigger, with a gRPC server of its own.

use std::sync::atomic::{AtomicUsize, Ordering};

use tiphys_eventbus::DeadLetterReason;
use tiphys_testbed::Certificates;
use tiphys_tests::eventually;
use tiphys_tests::grpc::{Answer, Asked, TriggerServer};
use tonic::Status;

use crate::running::{KnownValues, Running, Setting};

fn spec(server: &TriggerServer, custom: &str) -> String {
    format!(
        "
dependencies: [{{name: dep, eventSourceName: source, eventName: order}}]
triggers:
- template:
    name: run
    custom:
      serverURL: {}
      spec: {{kind: Run, debug: \"true\"}}
      payload:
      - {{src: {{dependencyName: dep, dataKey: id, useRawData: true}}, dest: order.id}}
      {custom}
",
        server.address()
    )
}

const PARAMETERS: &str =
    "parameters: [{src: {dependencyName: dep, dataKey: id}, dest: metadata.name}]";

async fn sensor(server: &TriggerServer, custom: &str) -> Running {
    Running::start(&spec(server, custom), Setting::default()).await
}

async fn asked_times(server: &TriggerServer, count: usize) -> Vec<Asked> {
    eventually("calls come", || async {
        Some(server.asked()).filter(|asked| asked.len() >= count)
    })
    .await
}

/// A server that does what it is asked for.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the signature is that of an answer"
)]
fn willing(asked: &Asked) -> Answer {
    Ok(match asked {
        Asked::Fetch(_) => (false, r#"{"kind":"Run"}"#),
        Asked::Execute(..) => (false, "started"),
        Asked::Judge(_) => (true, ""),
    })
}

fn calls(id: u64) -> [Asked; 3] {
    [
        Asked::Fetch("debug: \"true\"\nkind: Run\n".to_owned()),
        Asked::Execute(
            format!(r#"{{"kind":"Run","metadata":{{"name":"{id}"}}}}"#),
            format!(r#"{{"order":{{"id":{id}}}}}"#),
        ),
        Asked::Judge("started".to_owned()),
    ]
}

#[tokio::test]
async fn a_resource_is_fetched_filled_in_executed_and_judged() {
    let mut server = TriggerServer::start(None, willing);
    let sensor = sensor(&server, PARAMETERS).await;
    sensor.publish("order", r#"{"id":7}"#).await;
    assert_eq!(asked_times(&server, 3).await, calls(7));
    // A server that comes back is connected again.
    server.kill().await;
    server.restart();
    sensor.publish("order", r#"{"id":8}"#).await;
    assert_eq!(asked_times(&server, 6).await[3..], calls(8));
    sensor.stop().await;
    assert_eq!(server.asked().len(), 6);
}

#[tokio::test]
async fn a_server_that_is_gone_is_waited_for() {
    let mut server = TriggerServer::start(None, willing);
    server.kill().await;
    let sensor = sensor(&server, "").await;
    sensor.publish("order", r#"{"id":7}"#).await;
    let unavailable = sensor.unavailable().await;
    let wanted = format!("FetchResource of {0}: connect to {0}", server.address());
    assert!(unavailable.contains(&wanted), "{unavailable}");
    server.restart();
    let asked = asked_times(&server, 3).await;
    let resource = r#"{"kind":"Run"}"#.to_owned();
    let payload = r#"{"order":{"id":7}}"#.to_owned();
    assert_eq!(asked[1], Asked::Execute(resource, payload));
    assert!(sensor.dead_letters().await.is_empty());
    sensor.stop().await;
}

#[tokio::test]
async fn what_the_server_answers_decides() {
    let busy = AtomicUsize::new(0);
    let server = TriggerServer::start(None, move |asked| match asked {
        Asked::Execute(..) if busy.fetch_add(1, Ordering::SeqCst) == 0 => {
            Err(Status::unavailable("later"))
        }
        Asked::Execute(_, payload) if payload.contains('8') => {
            Err(Status::invalid_argument("no order 8"))
        }
        Asked::Execute(..) => Ok((false, "failed")),
        Asked::Judge(_) => Ok((false, "the run of order 7 failed")),
        Asked::Fetch(_) => Ok((false, "kind: Run")),
    });
    let sensor = sensor(&server, "").await;
    sensor.publish("order", r#"{"id":7}"#).await;
    let letter = sensor.dead_letter().await;
    assert_eq!(letter.reason, DeadLetterReason::RetriesExhausted);
    let wanted = format!(
        "ApplyPolicy of {}: no success: the run of order 7 failed",
        server.address()
    );
    assert!(letter.error.contains(&wanted), "{}", letter.error);
    assert!(!sensor.last_error().contains("order 7"));
    sensor.publish("order", r#"{"id":8}"#).await;
    let letters = eventually("a second dead letter", || async {
        Some(sensor.dead_letters().await).filter(|letters| letters.len() == 2)
    })
    .await;
    let wanted = "the server answers InvalidArgument: no order 8";
    assert!(
        letters.iter().any(|letter| letter.error.contains(wanted)),
        "{letters:?}"
    );
    sensor.stop().await;
}

#[tokio::test]
async fn parameters_need_a_resource_of_json() {
    let server = TriggerServer::start(None, |asked| match asked {
        Asked::Fetch(_) => Ok((false, "kind: Run")),
        asked => willing(asked),
    });
    let sensor = sensor(&server, PARAMETERS).await;
    sensor.publish("order", r#"{"id":7}"#).await;
    let letter = sensor.dead_letter().await;
    let wanted = "the resource that the server gives cannot take the parameters";
    assert!(letter.error.contains(wanted), "{}", letter.error);
    sensor.stop().await;
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn an_encrypted_server_is_known_by_its_authority_and_name() {
    let certificates = Certificates::generate_for(&["runs.example"]).unwrap();
    let server = TriggerServer::start(Some(&certificates), willing);
    let secure = "secure: true\n      certSecret: {name: ca, key: ca.crt}";
    let named = format!("{secure}\n      serverNameOverride: runs.example");
    for (custom, is_let_in) in [(named.as_str(), true), (secure, false)] {
        let setting = Setting {
            values: KnownValues::of(&[("ca", "ca.crt", &certificates.authority)]),
            ..Setting::default()
        };
        let sensor = Running::start(&spec(&server, custom), setting).await;
        sensor.publish("order", r#"{"id":7}"#).await;
        if is_let_in {
            asked_times(&server, 3).await;
        } else {
            let unavailable = sensor.unavailable().await;
            assert!(unavailable.contains("certificate"), "{unavailable}");
        }
        sensor.stop().await;
    }
    assert_eq!(server.asked().len(), 3);
}

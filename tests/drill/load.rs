//! The load of a drill: carries out its operations, in the order of each service.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, HeaderMap};
use bytes::Bytes;
use serde_json::Value;
use tiphys_eventbus::{Context, Event, Subject};
use tiphys_tests::harbour::Harbour;
use tiphys_tests::{eventually_ok, until};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::objects::{self, HOSTILE};
use crate::schedule::{Attack, Operation, service};

/// How many requests are on their way at a time. Operations on one service go one after another.
const WRITERS: usize = 8;

/// Operations with their moments.
type Queue = Vec<(Duration, Operation)>;

/// An event of an attack that the bus has.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) attack: Attack,
    pub(crate) id: String,
}

/// Carries out all operations; each waits for its moment, and longer where servers are away.
pub(crate) async fn carry_out(
    operations: Queue,
    harbour: Harbour,
    nats: String,
    start: Instant,
) -> Vec<Sent> {
    let client = async_nats::connect(nats).await;
    let client = client.expect("NATS can be reached");
    let mut tasks = JoinSet::new();
    let (queues, attacks) = divide(operations);
    for queue in queues {
        tasks.spawn(write(queue, harbour.clone(), start));
    }
    let sent = attack(attacks, &client, start).await;
    while let Some(written) = tasks.join_next().await {
        written.expect("the load is carried out");
    }
    sent
}

/// A queue for each writer, and one of attacks.
fn divide(operations: Queue) -> (Vec<Arc<Queue>>, Vec<(Duration, Attack)>) {
    let mut queues = vec![Queue::new(); WRITERS];
    let mut attacks = Vec::new();
    for (at, operation) in operations {
        match operation {
            Operation::Attack(attack) => attacks.push((at, attack)),
            Operation::Serve { service, .. } | Operation::Close { service } => {
                queues[service % WRITERS].push((at, operation));
            }
        }
    }
    (queues.into_iter().map(Arc::new).collect(), attacks)
}

async fn write(queue: Arc<Queue>, harbour: Harbour, start: Instant) {
    for (at, operation) in queue.iter() {
        until(start + *at).await;
        match operation {
            Operation::Serve {
                service: number,
                port,
            } => {
                harbour.serve(&service(*number), *port).await;
            }
            Operation::Close { service: number } => harbour.close(&service(*number)).await,
            Operation::Attack(_) => {}
        }
    }
}

async fn attack(attacks: Vec<(Duration, Attack)>, client: &Client, start: Instant) -> Vec<Sent> {
    let mut sent = Vec::new();
    for (number, (at, attack)) in attacks.into_iter().enumerate() {
        until(start + at).await;
        let id = format!("{}-{number}", attack.name());
        publish(client, attack, &id).await;
        sent.push(Sent { attack, id });
    }
    sent
}

/// Publishes an event as an event source does, until the bus has it.
async fn publish(client: &Client, attack: Attack, id: &str) {
    let context = Context {
        id: id.to_owned(),
        source: HOSTILE.to_owned(),
        specversion: "1.0".to_owned(),
        r#type: "webhook".to_owned(),
        datacontenttype: "application/json".to_owned(),
        subject: attack.name().to_owned(),
        time: None,
    };
    let event = Event {
        context: context.into(),
        data: Some(Bytes::from_static(objects::data(attack).as_bytes())),
    };
    let subject = Subject::event(HOSTILE, attack.name()).to_string();
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", id);
    eventually_ok("an event on the bus", || async {
        let sent = client.request_with_headers(subject.clone(), headers.clone(), event.encode());
        let answer = sent.await.map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_slice(&answer.payload).unwrap_or_default();
        match &answer["error"] {
            Value::Null => Ok(()),
            error => Err(error.to_string()),
        }
    })
    .await;
}

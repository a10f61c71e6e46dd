//! One contract for every kind of event source that listens to a message broker, on real servers, and on
//! fakes of those that cannot be had.
//!
//! A kind says in [`Kind`] how its broker is started and spoken to, and what it promises; `contract.rs`
//! holds all of them to it.

mod azurite;
mod contract;
mod event_hubs;
mod generic;
mod kafka;
mod minio;
mod mosquitto;
mod nats;
mod nsq;
mod rabbitmq;
mod redis;
mod service_bus;
mod sqs;
mod stage;

use async_trait::async_trait;
use serde_json::{Value, json};
use tiphys_testbed::Certificates;

/// What a broker of this kind has to be like.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted {
    /// Who connects has to know it.
    password: Option<&'static str>,
    /// Both sides of a connection show certificates.
    tls: bool,
}

/// A broker, and an event source that listens to it.
#[async_trait]
pub(crate) trait Kind: Sized + Send {
    /// The broker keeps what was not acknowledged: nothing is ever lost.
    const KEEPS: bool;

    /// Its messages are known by something: one that is sent again is no second event.
    const KNOWS: bool = true;

    /// Messages come in the order in which they were sent, those of each lane: a number has the lane of its
    /// remainder. `None`: in any order.
    const LANES: Option<u64> = Some(1);

    /// How large a body is that the bus does not take.
    const LARGE: usize = 100_000;

    /// A body may have to be JSON.
    const HAS_BODY: bool = true;

    /// The field that names the Secret with the password.
    const PASSWORD: &'static str;

    /// Starts a broker.
    async fn start(wanted: Wanted) -> Self;

    /// The kind in the spec, and the event that listens. Its login, if one is wanted, is the key
    /// `password` of the Secret `login`, and `user`, if it needs one.
    fn spec(&self) -> (&'static str, Value);

    /// User and password, if they are wanted.
    fn login(&self) -> (String, String) {
        ("tiphys".to_owned(), stage::PASSWORD.to_owned())
    }

    /// A password that is wrong.
    fn mistaken(&self) -> String {
        "mistaken".to_owned()
    }

    /// The certificates, if they are wanted and it has any.
    fn certificates(&self) -> Option<&Certificates>;

    /// Sends one message for each number, and returns when the broker has them.
    async fn send(&mut self, numbers: std::ops::Range<u64>);

    /// Sends one message with this body.
    async fn send_body(&mut self, body: &[u8]);

    /// The number of a message, in the payload of its event.
    fn number(payload: &Value) -> Option<u64> {
        payload["body"]["n"].as_u64()
    }

    /// How many messages the broker keeps for the event source; 0 if it keeps none at all.
    async fn left(&mut self) -> u64 {
        0
    }

    /// Kills the broker.
    fn kill(&mut self);

    /// Starts it again, with what it has kept.
    fn restart(&mut self);
}

/// The settings of TLS in the spec.
fn tls() -> Value {
    let key = |key: &str| json!({"name": "tls", "key": key});
    json!({
        "caCertSecret": key("ca.crt"),
        "clientCertSecret": key("tls.crt"),
        "clientKeySecret": key("tls.key"),
    })
}

/// The body of the message of a number.
fn body(number: u64) -> String {
    format!(r#"{{"n":{number}}}"#)
}

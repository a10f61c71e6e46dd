//! Stories of the triggers `azureServiceBus` and `azureEventHubs`, against a fake of a namespace.

use std::sync::Arc;

use tiphys_clients::values::Values;
use tiphys_tests::azure::{Azure, Encryption, POLICY, Taken};
use tiphys_tests::eventually;

use crate::running::{KnownValues, Running, Setting};

/// The key that lets in.
const KEY: &str = "right";

fn spec(kind: &str, fields: &str) -> String {
    format!(
        "dependencies: [{{name: dep, eventSourceName: source, eventName: order}}]
triggers:
- template:
    name: tell
    {kind}:
      payload: [{{src: {{dependencyName: dep, dataKey: id}}, dest: order}}]
      {}
",
        fields.trim().replace('\n', "\n      ")
    )
}

/// Sends to the queue `orders`.
fn to_queue() -> String {
    let fields = "connectionString: {name: azure, key: string}\nqueueName: orders";
    spec("azureServiceBus", fields)
}

/// Sends to the hub `orders`.
fn to_hub(azure: &Azure) -> String {
    let fields = "hubName: orders
sharedAccessKeyName: {name: azure, key: policy}
sharedAccessKey: {name: azure, key: key}";
    spec(
        "azureEventHubs",
        &format!("fqdn: {:?}\n{fields}", azure.fqdn()),
    )
}

fn values(azure: &Azure, key: &str) -> Arc<dyn Values> {
    KnownValues::of(&[
        ("azure", "string", &azure.connection_string(key)),
        ("azure", "policy", POLICY),
        ("azure", "key", key),
    ])
}

async fn start(azure: &Azure, spec: &str, key: &str) -> Running {
    let setting = Setting {
        values: values(azure, key),
        ..Setting::default()
    };
    Running::start(spec, setting).await
}

/// Waits for the first messages.
async fn taken(azure: &Azure, count: usize) -> Vec<Taken> {
    let taken = || async { Some(azure.taken("orders")).filter(|taken| taken.len() >= count) };
    let mut taken = eventually(&format!("{count} messages"), taken).await;
    taken.sort_by_key(|taken| taken.body.clone());
    taken
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_arrives_with_an_id_that_duplicates_are_found_by() {
    let azure = Azure::start(KEY, Encryption::None);
    azure.add_queue("orders.paris");
    let spec = format!(
        "{}      parameters:\n      - {{src: {{dependencyName: dep, dataKey: shop}}, dest: queueName, operation: append}}\n",
        to_queue()
    );
    let sensor = start(&azure, &spec, KEY).await;
    for id in [7, 8] {
        sensor
            .publish("order", &format!(r#"{{"id":{id},"shop":".paris"}}"#))
            .await;
    }
    let taken = || async { Some(azure.taken("orders.paris")).filter(|taken| taken.len() == 2) };
    let mut taken = eventually("two messages", taken).await;
    taken.sort_by_key(|taken| taken.body.clone());
    let bodies: Vec<&str> = taken.iter().map(|taken| taken.body.as_str()).collect();
    assert_eq!(bodies, [r#"{"order":"7"}"#, r#"{"order":"8"}"#]);
    let ids: Vec<&str> = taken
        .iter()
        .filter_map(|taken| taken.id.as_deref())
        .collect();
    assert_eq!(ids[0].len(), 32);
    assert_ne!(ids[0], ids[1]);
    sensor.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_arrives_in_a_hub_with_the_id_of_its_firing() {
    let azure = Azure::start(KEY, Encryption::None);
    azure.add_hub("orders", 2);
    let sensor = start(&azure, &to_hub(&azure), KEY).await;
    sensor.publish("order", r#"{"id":7}"#).await;
    let taken = taken(&azure, 1).await;
    assert_eq!(taken[0].body, r#"{"order":"7"}"#);
    let id = taken[0].id.clone().unwrap();
    assert_eq!(id.len(), 32);
    assert_eq!(taken[0].properties, [("tiphys-event-id".to_owned(), id)]);
    sensor.stop().await;
}

/// A namespace that is not there, and one that goes while a message may be on its way.
async fn away(mut azure: Azure, spec: String) {
    azure.kill();
    let again = "- atLeastOnce: true\n  retryStrategy: {duration: 100ms, steps: 100}\n  template:";
    let spec = spec.replacen("- template:", again, 1);
    let sensor = start(&azure, &spec, KEY).await;
    sensor.publish("order", r#"{"id":7}"#).await;
    let unavailable = sensor.unavailable().await;
    assert!(unavailable.contains("send to "), "{unavailable}");
    tokio::task::block_in_place(|| azure.restart());
    taken(&azure, 1).await;
    azure.kill();
    sensor.publish("order", r#"{"id":8}"#).await;
    tokio::task::block_in_place(|| azure.restart());
    let taken = taken(&azure, 2).await;
    let (first, second) = (&taken[0], &taken[1..]);
    assert_eq!(first.body, r#"{"order":"7"}"#);
    // Once more at most, and then under the same id.
    assert!(second.len() <= 2, "{second:?}");
    for message in second {
        assert_eq!(message.body, r#"{"order":"8"}"#);
        assert_eq!(message.id, second[0].id);
        assert_ne!(message.id, first.id);
    }
    assert!(sensor.dead_letters().await.is_empty());
    sensor.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_that_is_away_is_waited_for() {
    let azure = Azure::start(KEY, Encryption::None);
    azure.add_queue("orders");
    away(azure, to_queue()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_of_hubs_that_is_away_is_waited_for() {
    let azure = Azure::start(KEY, Encryption::None);
    azure.add_hub("orders", 2);
    let spec = to_hub(&azure);
    away(azure, spec).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_too_large_is_refused() {
    let azure = Azure::start(KEY, Encryption::None);
    azure.add_queue("orders");
    let sensor = start(&azure, &to_queue(), KEY).await;
    let event = format!(r#"{{"id":"{}"}}"#, "x".repeat(300_000));
    sensor.publish("order", &event).await;
    let letter = sensor.dead_letter().await;
    let expected = "send to orders of Azure Service Bus: message size exceeds max of 262144";
    assert!(letter.error.contains(expected), "{}", letter.error);
    // The link is as good as before.
    sensor.publish("order", r#"{"id":7}"#).await;
    taken(&azure, 1).await;
    sensor.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_and_a_missing_queue_are_waited_for() {
    let azure = Azure::start(KEY, Encryption::None);
    let sensor = start(&azure, &to_queue(), "mistaken").await;
    sensor.publish("order", r#"{"id":7}"#).await;
    let unavailable = sensor.unavailable().await;
    assert!(
        unavailable.contains("401 InvalidSignature"),
        "{unavailable}"
    );
    assert!(!unavailable.contains("mistaken"), "{unavailable}");
    sensor.stop().await;

    let sensor = start(&azure, &to_queue(), KEY).await;
    sensor.publish("order", r#"{"id":7}"#).await;
    let unavailable = sensor.unavailable().await;
    assert!(unavailable.contains("could not be found"), "{unavailable}");
    azure.add_queue("orders");
    taken(&azure, 1).await;
    assert!(sensor.dead_letters().await.is_empty());
    sensor.stop().await;
}

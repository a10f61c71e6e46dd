//! What an API server refuses: counted, tried again as the retry strategy says, then dead-lettered.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ResourceQuota};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::core::ObjectMeta;
use serde_json::json;
use tiphys_eventbus::DeadLetterReason;
use tiphys_tests::{World, eventually};

use crate::wire::{self, Wire, outcome};

#[tokio::test]
async fn a_retry_strategy_counts_answers_and_gives_up_after_the_last() {
    let world = World::start().await;
    let wire = Wire::to(&world).await;
    let triggers = "
  - retryStrategy: {steps: 3, duration: 50ms, factor: 1}
    template:
      name: hopeless
      conditions: a
      k8s:
        source:
          resource: {apiVersion: v1, kind: ConfigMap, metadata: {name: x, namespace: nowhere}}
  - retryStrategy: {steps: 10000, duration: 100ms, factor: 1}
    template:
      name: patient
      conditions: a
      k8s:
        source:
          resource: {apiVersion: v1, kind: ConfigMap, metadata: {name: x, namespace: NAMESPACE-later}}
";
    let later = format!("{}-later", world.namespace());
    let desk = wire::desk(&world, &triggers.replace("NAMESPACE-later", &later));
    let mut tiphys = desk.start();
    wire::listening(&tiphys).await;
    wire.event("input", "a", "a1", &json!({})).await;

    let letter = wire.dead_letters(1).await.remove(0);
    assert_eq!(
        (letter.reason, letter.attempts),
        (DeadLetterReason::RetriesExhausted, 3)
    );
    let error = "create configmaps nowhere/x: namespaces \"nowhere\" not found";
    assert_eq!(
        (letter.trigger.as_str(), letter.error.as_str()),
        ("hopeless", error)
    );
    assert!(letter.action.unwrap().contains("\"operation\":\"create\""));
    let told = tiphys.logged("Failed to execute a trigger").await;
    assert_eq!(
        (&told["attempts"], &told["error"]),
        (&json!(3), &json!(error))
    );
    let of = |trigger| format!("trigger_name=\"{trigger}\"");
    let failed = "argo_events_action_failed_total";
    assert_eq!(tiphys.count(failed, &[&of("hopeless")]).await, 3);
    let given_up = "argo_events_action_retries_failed_total";
    assert_eq!(tiphys.count(given_up, &[&of("hopeless")]).await, 1);

    eventually("two refusals of the other", || async {
        (tiphys.count(failed, &[&of("patient")]).await >= 2).then_some(())
    })
    .await;
    let client = world.client().await;
    let metadata = ObjectMeta {
        name: Some(later.clone()),
        ..ObjectMeta::default()
    };
    let namespace = Namespace {
        metadata,
        ..Namespace::default()
    };
    Api::all(client.clone())
        .create(&PostParams::default(), &namespace)
        .await
        .unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client, &later);
    eventually("the object", || async { maps.get("x").await.ok() }).await;
    outcome(&tiphys, "patient", "fired", 1).await;
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_refusal_by_admission_is_an_answer_and_no_missing_permission() {
    let world = World::start().await;
    let wire = Wire::to(&world).await;
    world
        .apply("{apiVersion: v1, kind: ResourceQuota, metadata: {name: full}, spec: {hard: {count/secrets: 0}}}")
        .await;
    // The work of a controller that is not here.
    let quotas = world.api::<ResourceQuota>().await;
    let none = json!({ "count/secrets": "0" });
    let status = Patch::Merge(json!({ "status": { "hard": none, "used": none } }));
    quotas
        .patch_status("full", &PatchParams::default(), &status)
        .await
        .unwrap();
    let triggers = "
  - template:
      name: once
      conditions: a
      k8s:
        source:
          resource: {apiVersion: v1, kind: Secret, metadata: {name: once}}
  - retryStrategy: {steps: 10000, duration: 100ms, factor: 1}
    template:
      name: patient
      conditions: a
      k8s:
        source:
          resource: {apiVersion: v1, kind: Secret, metadata: {name: patient}}
";
    let mut tiphys = wire::desk(&world, triggers).start();
    wire::listening(&tiphys).await;
    wire.event("input", "a", "a1", &json!({})).await;
    let letter = wire.dead_letters(1).await.remove(0);
    assert_eq!((letter.trigger.as_str(), letter.attempts), ("once", 1));
    assert!(letter.error.contains("quota"), "{}", letter.error);
    let failed = "argo_events_action_failed_total";
    eventually("two refusals of the other", || async {
        (tiphys.count(failed, &["trigger_name=\"patient\""]).await >= 2).then_some(())
    })
    .await;
    quotas
        .delete("full", &DeleteParams::default())
        .await
        .unwrap();
    outcome(&tiphys, "patient", "fired", 1).await;
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

//! Several pods of one object: one of them works.

use jiff::SignedDuration;
use k8s_openapi::api::coordination::v1::Lease;
use serde_json::{Value, json};
use tiphys_tests::{Pod, Tiphys, World, eventually};

use crate::stage::{Wire, printed, workbench};

fn pod(world: &World, replicas: i32) -> Pod {
    let mut sensor = workbench(world, "[{template: {name: log, log: {}}}]");
    sensor["spec"]["replicas"] = replicas.into();
    Pod::of(world, &sensor)
}

async fn has_role(tiphys: &Tiphys, role: &str) -> Value {
    tiphys.reported(role, |report| report["role"] == role).await
}

async fn ready(tiphys: &Tiphys) {
    eventually("readiness", || async {
        (tiphys.get("/readyz").await?.0 == 200).then_some(())
    })
    .await;
}

async fn lease(world: &World) -> k8s_openapi::api::coordination::v1::LeaseSpec {
    let leases = world.api::<Lease>().await;
    leases.get("sensor-workbench").await.unwrap().spec.unwrap()
}

#[tokio::test]
async fn one_of_two_works_and_the_other_takes_over_when_it_stops() {
    let world = World::start().await;
    let pod = pod(&world, 2);
    let mut first = pod.start("sn-0");
    has_role(&first, "Active").await;
    let second = pod.start("sn-1");
    let report = has_role(&second, "Standby").await;
    assert_eq!(report["lease"]["message"], "sn-0 holds it");
    ready(&second).await;
    let held = lease(&world).await;
    assert_eq!(held.holder_identity.as_deref(), Some("sn-0"));
    assert_eq!(held.lease_duration_seconds, Some(15));
    assert_eq!(held.lease_transitions, Some(0));

    let wire = Wire::to(&world).await;
    for number in 1..=20 {
        wire.event(&format!("e{number}"), &json!({})).await;
    }
    eventually("all events", || async {
        (printed(&first).len() == 20).then_some(())
    })
    .await;
    assert_eq!(printed(&second).len(), 0);

    let status = first.stop().await;
    assert!(status.success(), "{status}");
    has_role(&second, "Active").await;
    first.logged("Gave the lease back").await;
    second.logged("Holding the lease").await;
    assert_eq!(lease(&world).await.lease_transitions, Some(1));
    wire.event("e21", &json!({})).await;
    eventually("the next event", || async {
        (printed(&second) == ["e21"]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_other_takes_over_from_one_that_was_killed_but_not_before_its_time() {
    let world = World::start().await;
    let mut pod = pod(&world, 2);
    // Shorter than usual, yet so long that nobody loses it because the machine is slow.
    pod.set("LEADER_ELECTION_LEASE_DURATION", "12s");
    pod.set("LEADER_ELECTION_RENEW_DEADLINE", "10s");
    pod.set("LEADER_ELECTION_RETRY_PERIOD", "500ms");
    let mut first = pod.start("sn-0");
    has_role(&first, "Active").await;
    let second = pod.start("sn-1");
    has_role(&second, "Standby").await;
    let mut reports = second.follow().await;
    let held = lease(&world).await;
    assert_eq!(held.holder_identity.as_deref(), Some("sn-0"));
    first.kill();
    reports
        .until("the change-over", |report| report["role"] == "Active")
        .await;
    let taken = lease(&world).await.acquire_time.unwrap().0;
    let free = held.renew_time.unwrap().0 + SignedDuration::from_secs(12);
    assert!(taken >= free, "taken at {taken}, free at {free}");
    Wire::to(&world).await.event("e1", &json!({})).await;
    eventually("the event", || async {
        (printed(&second) == ["e1"]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_container_that_restarts_in_its_pod_goes_on_with_its_lease() {
    let world = World::start().await;
    let pod = pod(&world, 1);
    let mut first = pod.start("sn-0");
    has_role(&first, "Active").await;
    first.kill();
    let again = pod.start("sn-0");
    has_role(&again, "Active").await;
    assert_eq!(lease(&world).await.lease_transitions, Some(0));
}

#[tokio::test]
async fn whoever_loses_the_lease_stops() {
    let world = World::start().await;
    let pod = pod(&world, 2);
    let tiphys = pod.start("sn-0");
    has_role(&tiphys, "Active").await;
    let mut reports = tiphys.follow().await;
    let leases = world.api::<Lease>().await;
    let theft = json!({"spec": {"holderIdentity": "thief", "leaseTransitions": 7}});
    let parameters = kube::api::PatchParams::default();
    leases
        .patch(
            "sensor-workbench",
            &parameters,
            &kube::api::Patch::Merge(&theft),
        )
        .await
        .unwrap();
    let report = reports
        .until("the loss", |report| report["role"] == "Standby")
        .await;
    assert_eq!(report["lease"]["message"], "thief holds it");
    Wire::to(&world).await.event("e1", &json!({})).await;
    // The thief never shows a heartbeat.
    reports
        .until("the return", |report| report["role"] == "Active")
        .await;
    assert_eq!(lease(&world).await.lease_transitions, Some(8));
    eventually("the event", || async {
        (printed(&tiphys) == ["e1"]).then_some(())
    })
    .await;
}

/// Pods whose service account may do nothing.
fn powerless(world: &World, replicas: i32) -> Pod {
    let mut pod = pod(world, replicas);
    let namespace = world.namespace();
    let account = world.control_plane().kubeconfig_as(namespace, "nobody");
    pod.set("KUBECONFIG", account.unwrap());
    pod
}

#[tokio::test]
async fn one_pod_without_the_right_to_leases_works_and_says_so() {
    let world = World::start().await;
    let tiphys = powerless(&world, 1).start("sn-0");
    let report = has_role(&tiphys, "Active").await;
    assert_eq!(report["lease"]["ok"], false);
    assert_eq!(report["lease"]["reason"], "Forbidden");
    ready(&tiphys).await;
    Wire::to(&world).await.event("e1", &json!({})).await;
    eventually("the event", || async {
        (printed(&tiphys) == ["e1"]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn several_pods_without_the_right_to_leases_refuse_to_work_until_they_have_it() {
    let world = World::start().await;
    let tiphys = powerless(&world, 2).start("sn-0");
    let report = has_role(&tiphys, "Refused").await;
    let message = report["lease"]["message"].as_str().unwrap();
    let account = format!("system:serviceaccount:{}:nobody", world.namespace());
    for part in [
        "cannot create resource \"leases\"",
        &account,
        "grant create, get, update and watch",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(tiphys.get("/readyz").await.unwrap().0, 503);
    assert_eq!(tiphys.get("/healthz").await.unwrap().0, 200);
    Wire::to(&world).await.event("e1", &json!({})).await;

    world
        .apply(&format!(
            "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: leases}}
rules: [{{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create, get, update, watch]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: leases}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: leases}}
subjects: [{{kind: ServiceAccount, name: nobody, namespace: {}}}]
",
            world.namespace()
        ))
        .await;
    has_role(&tiphys, "Active").await;
    eventually("the event", || async {
        (printed(&tiphys) == ["e1"]).then_some(())
    })
    .await;
}

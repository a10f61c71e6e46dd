//! Of several pods one works, and another one when it goes.

use tiphys_tests::{Story, eventually};

use crate::harbour::{
    SENSOR_OBJECT, SENSOR_PODS, SOURCE_OBJECT, SOURCE_PODS, are_ready, are_served, names, ready,
    serve, services,
};

/// Who has a lease.
pub(crate) async fn holder(story: &Story, lease: &str) -> Option<String> {
    let lease = story.get("lease", lease).await?;
    let holder = lease["spec"]["holderIdentity"].as_str()?;
    (!holder.is_empty()).then(|| holder.to_owned())
}

#[tokio::test]
async fn a_standby_takes_over_and_nothing_is_lost() {
    let story = ready().await;
    for object in [SOURCE_OBJECT, SENSOR_OBJECT] {
        story
            .kubectl([
                "patch",
                object,
                "--type=merge",
                "-p",
                r#"{"spec": {"replicas": 2}}"#,
            ])
            .await;
    }
    let deployments = [
        "deployment/ingress-es-eventsource",
        "deployment/ingress-sn-sensor",
    ];
    story
        .wait("jsonpath={.status.readyReplicas}=2", &deployments)
        .await;
    for deployment in deployments {
        story.rolled_out(deployment).await;
    }
    are_ready(&story).await;
    serve(&story, &["before"]).await;

    let parts = [
        ("eventsource-ingress-es", SOURCE_PODS),
        ("sensor-ingress-sn", SENSOR_PODS),
    ];
    let mut created = names("first", 3);
    for (lease, pods) in parts {
        let active = eventually("somebody with the lease", || holder(&story, lease)).await;
        let all = story.list("pods", pods, ".metadata.name").await;
        assert!(all.contains(&active), "{active} of {all:?}");
        created.extend(names(lease, 3));
        story.apply(&services(&created, 80)).await;
        story
            .kubectl(["delete", "pod", &active, "--wait=false"])
            .await;
        let successor = eventually("another holder of the lease", || async {
            let holder = holder(&story, lease).await?;
            (holder != active).then_some(holder)
        });
        assert!(all.contains(&successor.await), "a standby takes over");
        serve(&story, &[format!("after-{lease}")]).await;
    }
    are_served(&story, &created).await;
    are_ready(&story).await;
}

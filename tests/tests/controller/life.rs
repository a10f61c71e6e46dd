//! The life of the controller itself: it is killed, there are two, and there is nothing to do.

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::ListParams;
use tiphys_api::{EventSource, Sensor};
use tiphys_tests::eventually;

use crate::stage::{SENSOR, SOURCE, Stage, desk, quiet};

#[tokio::test]
async fn nothing_is_sent_when_nothing_has_changed() {
    let stage = Stage::start().await;
    let before = stage.quiet().await;
    stage.world.apply(SOURCE).await;
    stage.world.apply(SENSOR).await;
    stage
        .condition::<EventSource>("watcher", "Deployed", "True")
        .await;
    stage
        .condition::<Sensor>("printer", "Deployed", "True")
        .await;
    // Two objects, each with a Deployment, a ConfigMap and a status.
    let writes = before + 6;
    assert_eq!(stage.quiet_after(writes).await, writes);
    stage.roll_out("watcher-eventsource").await;
    stage
        .reason::<EventSource>("watcher", "Available", "NoReport")
        .await;
    assert_eq!(stage.quiet_after(writes + 1).await, writes + 1);
}

#[tokio::test]
async fn a_killed_controller_goes_on_where_it_was() {
    let mut stage = Stage::start().await;
    for number in 0..30 {
        let name = format!("name: printer-{number}");
        stage
            .world
            .apply(&SENSOR.replace("name: printer", &name))
            .await;
        if number == 15 {
            stage.controller.kill();
        }
    }
    stage.controller = stage.desk.start_controller();
    for number in 0..30 {
        stage
            .condition::<Sensor>(&format!("printer-{number}"), "Deployed", "True")
            .await;
    }
    let deployments = stage
        .api::<Deployment>()
        .list(&ListParams::default())
        .await
        .unwrap();
    assert_eq!(deployments.items.len(), 30);
    stage.quiet().await;
    let before = stage
        .api::<Deployment>()
        .list(&ListParams::default())
        .await
        .unwrap();

    // A start looks at everything and changes nothing.
    stage.controller.stop().await;
    stage.controller = stage.desk.start_controller();
    stage.controller.logged("Reconciling").await;
    stage.quiet().await;
    let after = stage
        .api::<Deployment>()
        .list(&ListParams::default())
        .await
        .unwrap();
    let versions = |list: kube::core::ObjectList<Deployment>| {
        list.items
            .into_iter()
            .map(|item| item.metadata.resource_version)
            .collect::<Vec<_>>()
    };
    assert_eq!(versions(before), versions(after));
}

#[tokio::test]
async fn one_of_two_controllers_works_and_the_other_one_takes_over() {
    let mut stage = Stage::start().await;
    stage.controller.logged("Reconciling").await;
    let other = desk(&stage.world);
    let second = other.start_controller();
    eventually("the second one being ready", || async {
        let (code, _) = second.get("/readyz").await?;
        (code == 200).then_some(())
    })
    .await;
    stage.world.apply(SOURCE).await;
    stage
        .condition::<EventSource>("watcher", "Deployed", "True")
        .await;
    assert_eq!(second.count("tiphys_controller_writes_total", &[]).await, 0);

    let status = stage.controller.stop().await;
    assert!(status.success());
    second.logged("Reconciling").await;
    stage.world.apply(SENSOR).await;
    stage
        .condition::<Sensor>("printer", "Deployed", "True")
        .await;
    quiet(&second).await;
}

//! A bus that is used stays; what goes leaves nothing behind.

use tiphys_tests::{Cluster, eventually};

use crate::harbour::{
    BUS_OBJECT, SENSOR_OBJECT, SOURCE_OBJECT, all, are_ready, bus_of_one, event_source, rbac,
    sensor, serve,
};

/// What every namespace has.
const OTHERS: [&str; 1] = ["configmap/kube-root-ca.crt"];

/// Everything that may be left.
const KINDS: &str = "eventbus,eventsources,sensors,statefulsets,deployments,replicasets,pods,\
                     poddisruptionbudgets,services,endpointslices,configmaps,secrets,\
                     persistentvolumeclaims,leases";

#[tokio::test]
async fn a_bus_in_use_stays_and_all_of_it_goes_in_the_end() {
    let story = Cluster::open().story().await;
    let bus = bus_of_one(&story).replace(
        "    version: latest",
        "    persistence: {volumeSize: 64Mi}\n    version: latest",
    );
    let manifests = [rbac(&story), bus, event_source(&story), sensor(&story)];
    story.apply(&all(&manifests)).await;
    are_ready(&story).await;
    let claims = story
        .list("persistentvolumeclaims", "", ".metadata.name")
        .await;
    assert_eq!(claims.len(), 1, "{claims:?}");

    story.kubectl(["delete", BUS_OBJECT, "--wait=false"]).await;
    let message = story.told(BUS_OBJECT, "Deleted", ("False", "InUse")).await;
    for user in ["ingress-es", "ingress-sn"] {
        assert!(message.contains(user), "{message}");
    }
    serve(&story, &["meanwhile"]).await;
    story.kubectl(["delete", "service", "meanwhile"]).await;
    story.wait("delete", &["ingress/meanwhile-ing"]).await;

    story
        .kubectl(["delete", SOURCE_OBJECT, SENSOR_OBJECT])
        .await;
    story.wait("delete", &[BUS_OBJECT]).await;
    eventually("the end of everything", || async {
        let left = story.kubectl(["get", KINDS, "-o", "name"]).await;
        let left: Vec<&str> = left
            .lines()
            .filter(|object| !OTHERS.contains(object))
            .collect();
        left.is_empty().then_some(())
    })
    .await;
}

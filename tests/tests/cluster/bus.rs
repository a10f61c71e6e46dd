//! The bus loses servers while events are on their way.

use tiphys_tests::Cluster;

use crate::harbour::{are_ready, are_served, bus_of_three, names, services, start};

const SERVERS: &str = "statefulset/eventbus-jetstream-eb-js";

#[tokio::test]
async fn nothing_is_lost_when_servers_die() {
    let story = Cluster::open().story().await;
    start(&story, bus_of_three(&story)).await;
    let [before, between, after] = ["before", "between", "after"].map(|prefix| names(prefix, 8));
    story.apply(&services(&before, 80)).await;
    let kill = "delete pod eventbus-jetstream-eb-js-0 --grace-period=0 --force --wait=false";
    story.kubectl(kill.split(' ')).await;
    story.apply(&services(&between, 80)).await;
    are_served(&story, &before).await;
    are_served(&story, &between).await;
    story.rolled_out(SERVERS).await;
    are_ready(&story).await;

    let end = "delete pod eventbus-jetstream-eb-js-1 --wait=false";
    story.kubectl(end.split(' ')).await;
    story.apply(&services(&after, 80)).await;
    are_served(&story, &after).await;
    story.rolled_out(SERVERS).await;
    are_ready(&story).await;
    story
        .wait("jsonpath={.status.readyReplicas}=3", &[SERVERS])
        .await;
}

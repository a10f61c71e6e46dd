//! Another image is rolled out while events come.

use std::cell::Cell;

use tiphys_tests::Cluster;

use crate::harbour::{are_ready, are_served, bus_of_one, services, start};

const DEPLOYMENTS: [&str; 2] = [
    "deployment/ingress-es-eventsource",
    "deployment/ingress-sn-sensor",
];

/// The controller of the installation with another image, until the end.
struct Upgraded {
    cluster: &'static Cluster,
}

impl Upgraded {
    async fn new(cluster: &'static Cluster) -> Self {
        let upgraded = Self { cluster };
        cluster
            .installation(with_image(cluster.next_image()).iter())
            .await;
        upgraded
    }

    async fn end(self) {
        let cluster = self.cluster;
        drop(self);
        cluster.installed("deployment/controller-manager").await;
    }
}

impl Drop for Upgraded {
    fn drop(&mut self) {
        let back = with_image(self.cluster.image());
        self.cluster.restore(&back.each_ref().map(String::as_str));
    }
}

/// Arguments of `kubectl`: the controller runs an image, and in the pods that it makes the same.
fn with_image(image: &str) -> [String; 5] {
    let patch = format!(
        r#"{{"spec": {{"template": {{"spec": {{"containers": [{{"name": "controller-manager",
            "image": "{image}", "env": [{{"name": "TIPHYS_IMAGE", "value": "{image}"}}]}}]}}}}}}}}"#
    );
    let words = [
        "patch",
        "deployment/controller-manager",
        "-p",
        &patch,
        "--type=strategic",
    ];
    words.map(str::to_owned)
}

#[tokio::test]
async fn an_upgrade_rolls_the_pods_and_loses_nothing() {
    let story = Cluster::open().story_alone().await;
    start(&story, bus_of_one(&story)).await;
    let upgraded = Upgraded::new(story.cluster()).await;
    let image = story.cluster().next_image();
    let is_next = format!("jsonpath={{.spec.template.spec.containers[0].image}}={image}");
    let is_rolled = Cell::new(false);
    let roll = async {
        story.wait(&is_next, &DEPLOYMENTS).await;
        for deployment in DEPLOYMENTS {
            story.rolled_out(deployment).await;
        }
        is_rolled.set(true);
    };
    let create = async {
        let mut created = Vec::new();
        // One after the other, all the time that the pods change.
        while !is_rolled.get() {
            let name = format!("rolling-{}", created.len());
            story.apply(&services(&[&name], 80)).await;
            created.push(name);
        }
        created
    };
    let ((), created) = tokio::join!(roll, create);
    are_served(&story, &created).await;
    are_ready(&story).await;
    for selector in [
        "controller=eventsource-controller",
        "controller=sensor-controller",
    ] {
        let images = story
            .list("pods", selector, ".spec.containers[0].image")
            .await;
        assert!(images.contains(&image.to_owned()), "{images:?}");
    }
    upgraded.end().await;
}

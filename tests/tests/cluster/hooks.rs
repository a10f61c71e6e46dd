//! Hooks at a code host, kept by one of two pods: the other takes over, deliveries to either are events once, and
//! the hook goes with its object.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use tiphys_testbed::Progress;
use tiphys_tests::host::{Host, Style};
use tiphys_tests::{Cluster, Story, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harbour::{BUS_OBJECT, all, bus_of_one};
use crate::replicas::holder;

/// A hook that goes with its object, and a sensor that prints what is delivered.
const OBJECTS: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: hooks}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: hooks}
rules:
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, create, update, patch]}
- {apiGroups: [argoproj.io], resources: [eventsources], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: hooks}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: hooks}
subjects: [{kind: ServiceAccount, name: hooks}]
---
apiVersion: v1
kind: Secret
metadata: {name: github}
stringData: {token: t0ken}
---
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: code}
spec:
  eventBusName: jetstream-eb
  replicas: 2
  template: {serviceAccountName: hooks}
  github:
    pushed:
      webhook: {port: '12000', endpoint: /push, method: POST, url: 'https://us.example'}
      repositories: [{owner: argo, names: [harbour]}]
      events: [push]
      apiToken: {name: github, key: token}
      active: true
      contentType: json
      deleteHookOnFinish: true
      githubBaseURL: HOST/api/v3
      githubUploadURL: HOST/api/uploads
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: reader}
spec:
  eventBusName: jetstream-eb
  dependencies: [{name: pushed, eventSourceName: code, eventName: pushed}]
  triggers: [{template: {name: read, log: {}}}]
";

const SOURCE: &str = "eventsource/code";
const SOURCE_PODS: &str = "eventsource-name=code";
const SENSOR_PODS: &str = "sensor-name=reader";
const LEASE: &str = "eventsource-code";

/// Where hooks are at the host.
const PLACE: &str = "repos/argo/harbour";

/// The node's address, if the node is this machine: pods reach what runs here by it, and are reached from here.
async fn here(cluster: &Cluster) -> Option<Ipv4Addr> {
    let path = r#"jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}"#;
    let address = cluster.kubectl(["get", "nodes", "-o", path]).await;
    let address = address.trim().parse().ok();
    let address = address.filter(|address| TcpListener::bind((*address, 0)).is_ok());
    if address.is_none() {
        // Past the capture of the test runner: nobody should take this for a test that has run.
        Progress::Shown
            .say("NOT RUN: the node is another machine; pods cannot reach a host that is here");
    }
    address
}

/// The pods that are ready: their names and addresses.
async fn pods(story: &Story) -> BTreeMap<String, String> {
    let path = r#".metadata.name}{" "}{.status.podIP}{" "}{.status.containerStatuses[0].ready"#;
    let pods = story.list("pods", SOURCE_PODS, path).await;
    let pods = pods.iter().filter_map(|pod| {
        let (name, address) = pod.strip_suffix(" true")?.split_once(' ')?;
        Some((name.to_owned(), address.to_owned()))
    });
    pods.collect()
}

/// Delivers to a pod what GitHub knows by a number; true if the pod says that it has it.
async fn deliver(address: &str, number: u32) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(format!("{address}:12000")).await?;
        let body = format!(r#"{{"number":{number}}}"#);
        let request = format!(
            "POST /push HTTP/1.1\r\nHost: us.example\r\nContent-Type: application/json\r\nX-GitHub-Event: push\r\n\
             X-GitHub-Delivery: d-{number}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = asked.await.unwrap_or_default();
    answer.starts_with("HTTP/1.1 200 ")
}

/// Delivers to a pod until it has it, as GitHub's users do.
async fn delivered(address: &str, number: u32) {
    eventually(&format!("delivery {number}"), || async {
        deliver(address, number).await.then_some(())
    })
    .await;
}

/// How often each delivery was printed.
async fn printed(story: &Story) -> BTreeMap<u32, usize> {
    let mut times = BTreeMap::new();
    for line in story.logs(SENSOR_PODS).await.lines() {
        let number = line.split_once(r#"X-GitHub-Delivery\":\"d-"#);
        let number = number.and_then(|(_, rest)| rest.split('\\').next()?.parse().ok());
        if let Some(number) = number {
            *times.entry(number).or_default() += 1;
        }
    }
    times
}

#[tokio::test]
async fn of_two_pods_one_keeps_the_hook_and_the_other_takes_over() {
    let cluster = Cluster::open();
    let Some(here) = here(cluster).await else {
        return;
    };
    let host = Host::start_at(Style::Github, SocketAddr::from((here, 0))).await;
    let story = cluster.story().await;
    let objects = OBJECTS.replace("HOST", &host.url(""));
    story.apply(&all(&[bus_of_one(&story), objects])).await;
    story
        .wait("condition=Ready", &[BUS_OBJECT, SOURCE, "sensor/reader"])
        .await;
    story.rolled_out("deployment/code-eventsource").await;
    let first = eventually("two pods that are ready", || async {
        Some(pods(&story).await).filter(|pods| pods.len() == 2)
    })
    .await;
    eventually("the hook", || async {
        (host.hooks(PLACE).len() == 1).then_some(())
    })
    .await;
    // What GitHub is not sure of it delivers again, to any pod.
    for number in 0..10 {
        for address in first.values() {
            delivered(address, number).await;
        }
    }

    let active = eventually("somebody with the lease", || holder(&story, LEASE)).await;
    assert!(first.contains_key(&active), "{active} of {first:?}");
    let looks = host.calls("GET");
    let kill = [
        "delete",
        "pod",
        &active,
        "--grace-period=0",
        "--force",
        "--wait=false",
    ];
    story.kubectl(kill).await;
    let (standby, address) = first.iter().find(|(name, _)| **name != active).unwrap();
    for number in 10..20 {
        delivered(address, number).await;
    }
    let successor = eventually("another holder of the lease", || async {
        holder(&story, LEASE)
            .await
            .filter(|holder| *holder != active)
    });
    let successor = successor.await;
    eventually("a look at the hooks by the other one", || async {
        (host.calls("GET") > looks).then_some(())
    })
    .await;
    let second = eventually("two pods that are ready", || async {
        let pods = pods(&story).await;
        (pods.len() == 2 && !pods.contains_key(&active)).then_some(pods)
    })
    .await;
    assert!(second.contains_key(standby) && second.contains_key(&successor));
    for number in 20..30 {
        for address in second.values() {
            delivered(address, number).await;
        }
    }
    assert_eq!(host.hooks(PLACE).len(), 1);
    assert_eq!((host.calls("POST"), host.calls("DELETE")), (1, 0));

    let once: BTreeMap<u32, usize> = (0..30).map(|number| (number, 1)).collect();
    eventually("each delivery, once", || async {
        let printed = printed(&story).await;
        assert!(printed.values().all(|times| *times == 1), "{printed:?}");
        (printed == once).then_some(())
    })
    .await;

    story.kubectl(["delete", SOURCE]).await;
    eventually("the end of the pods", || async {
        let pods = story.list("pods", SOURCE_PODS, ".metadata.name").await;
        pods.is_empty().then_some(())
    })
    .await;
    // Pods do not end at the same moment: one that takes the lease meanwhile does not make it again.
    assert_eq!(host.hooks(PLACE).len(), 0);
    assert_eq!((host.calls("POST"), host.calls("DELETE")), (1, 1));
}

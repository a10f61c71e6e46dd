//! From a folder to acting: what a pod reads, and what it waits for.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use serde_json::{Value, json};
use tiphys_testbed::{Auth, NatsOptions, Tls};
use tiphys_tests::{Pod, Tiphys, World, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::stage::{Wire, bus, event_source, printed, routed, sensor, serve, workbench};

/// Waits until both work.
pub(crate) async fn at_work(source: &Tiphys, sensor: &Tiphys) {
    for tiphys in [source, sensor] {
        let at_work = |report: &Value| {
            report["role"] == "Active"
                && report["bus"]["ok"] == true
                && report["parts"][0]["health"]["ok"] == true
        };
        tiphys.reported("work", at_work).await;
        ready(tiphys).await;
    }
}

async fn ready(tiphys: &Tiphys) {
    eventually("readiness", || async {
        (tiphys.get("/readyz").await? == (200, "ok\n".to_owned())).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_service_becomes_an_ingress_by_two_pods() {
    let world = World::start().await;
    let (source, sensor) = (event_source(&world), sensor(&world));
    let (mut es, mut sn) = (
        Pod::of(&world, &source).start("ingress-es-0"),
        Pod::of(&world, &sensor).start("ingress-sn-0"),
    );
    at_work(&es, &sn).await;
    // What Argo Events' users look for.
    es.logged("Eventing server started.").await;
    sn.logged("Sensor started.").await;
    serve(&world, "web", 80).await;
    routed(&world, "web-ing", 80).await;
    assert_eq!(printed(&sn).len(), 1);
    for tiphys in [&mut es, &mut sn] {
        let status = tiphys.stop().await;
        assert!(status.success(), "{status}");
    }
}

#[tokio::test]
async fn a_pod_is_alive_before_it_has_anything_to_run_and_says_what_is_missing() {
    let world = World::start().await;
    let sensor = sensor(&world);
    let pod = Pod::of(&world, &sensor);
    pod.volume("spec", &[]);
    let tiphys = pod.start("sn-0");
    let report = tiphys
        .reported("the missing object", |report| {
            report["faults"][0].is_string()
        })
        .await;
    let fault = report["faults"][0].as_str().unwrap();
    assert!(
        fault.starts_with("there is neither object.json nor object.json.zst"),
        "{fault}"
    );
    assert_eq!(report["bus"]["reason"], "InvalidConfig");
    assert_eq!(tiphys.get("/healthz").await.unwrap().0, 200);
    assert_eq!(tiphys.get("/readyz").await.unwrap().0, 503);
    pod.spec(&sensor, &bus(&world));
    ready(&tiphys).await;
}

#[tokio::test]
async fn a_packed_object_of_a_megabyte_runs() {
    let world = World::start().await;
    let note = "x".repeat(1_200_000);
    let triggers = "[{template: {name: log, log: {}}}]";
    let mut sensor = workbench(&world, triggers);
    sensor["metadata"]["annotations"] = json!({ "note": note });
    let pod = Pod::of(&world, &sensor);
    let packed = zstd::encode_all(sensor.to_string().as_bytes(), 1).unwrap();
    assert!(packed.len() < 100_000);
    pod.volume(
        "spec",
        &[
            ("object.json.zst", &packed),
            ("eventbus.json", bus(&world).to_string().as_bytes()),
        ],
    );
    let tiphys = pod.start("sn-0");
    ready(&tiphys).await;
    Wire::to(&world).await.event("e1", &json!({})).await;
    eventually("the log line", || async {
        (printed(&tiphys) == ["e1"]).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_comes_later_is_waited_for() {
    let mut world = World::start().await;
    tokio::task::block_in_place(|| world.nats_mut().kill(0)).unwrap();
    let sensor = workbench(&world, "[{template: {name: log, log: {}}}]");
    let tiphys = Pod::of(&world, &sensor).start("sn-0");
    let report = tiphys
        .reported("the absence", |report| {
            report["bus"]["ok"] == false && report["role"] == "Active"
        })
        .await;
    assert_eq!(report["bus"]["reason"], "ConnectionFailed");
    assert_eq!(tiphys.get("/readyz").await.unwrap().0, 503);
    tokio::task::block_in_place(|| world.nats_mut().restart(0)).unwrap();
    ready(&tiphys).await;
    Wire::to(&world).await.event("e1", &json!({})).await;
    eventually("the log line", || async {
        (printed(&tiphys) == ["e1"]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_bus_of_another_kind_is_refused_by_name_and_replaced_when_it_changes() {
    let world = World::start().await;
    let sensor = workbench(&world, "[{template: {name: log, log: {}}}]");
    let pod = Pod::of(&world, &sensor);
    pod.spec(&sensor, &json!({"kafka": {"url": "broker:9092"}}));
    let tiphys = pod.start("sn-0");
    let report = tiphys
        .reported("the refusal", |report| report["bus"]["ok"] == false)
        .await;
    assert_eq!(report["bus"]["reason"], "Unsupported");
    assert_eq!(
        report["bus"]["message"],
        "the EventBus is Kafka, which this version of tiphys does not speak: use jetstream"
    );
    pod.spec(&sensor, &bus(&world));
    ready(&tiphys).await;
}

async fn world_with(auth: Auth, tls: Tls) -> World {
    let options = NatsOptions {
        auth,
        tls,
        ..NatsOptions::default()
    };
    World::start_with(options).await
}

fn sailor(password: &str) -> Auth {
    Auth::Password {
        user: "sailor".to_owned(),
        password: password.to_owned(),
    }
}

/// A pod on a bus with a login and these settings of TLS.
fn pod_with_login(world: &World, tls: Option<Value>) -> Pod {
    let sensor = workbench(world, "[{template: {name: log, log: {}}}]");
    let pod = Pod::of(world, &sensor);
    // Whether a server encrypts is not said by the URL in a cluster.
    let url = world.nats().url().replace("tls://", "nats://");
    let mut config = json!({"url": url, "accessSecret": {"name": "login", "key": "client-auth"}});
    if let Some(tls) = tls {
        config["tls"] = tls;
    }
    pod.spec(&sensor, &json!({ "jetstream": config }));
    pod
}

#[tokio::test]
async fn argo_events_bus_that_encrypts_without_saying_so_is_reached() {
    let world = world_with(sailor("right"), Tls::Server).await;
    let pod = pod_with_login(&world, None);
    pod.volume(
        "auth",
        &[("auth.yaml", b"username: sailor\npassword: right\n")],
    );
    ready(&pod.start("sn-0")).await;
}

#[tokio::test]
async fn a_server_is_verified_by_the_authority_of_the_bus() {
    let world = world_with(sailor("right"), Tls::Server).await;
    let tls = json!({"caCertSecret": {"name": "login", "key": "ca-cert"}});
    let pod = pod_with_login(&world, Some(tls));
    pod.volume(
        "auth",
        &[("auth.yaml", b"username: sailor\npassword: right\n")],
    );
    let stranger = tiphys_testbed::Certificates::generate().unwrap().authority;
    pod.volume("values/secrets/login", &[("ca-cert", stranger.as_bytes())]);
    let tiphys = pod.start("sn-0");
    let report = tiphys
        .reported("the refusal", |report| report["bus"]["ok"] == false)
        .await;
    assert_eq!(report["bus"]["reason"], "InvalidCertificate");

    let authority = &world.nats().certificates().unwrap().authority;
    pod.volume("values/secrets/login", &[("ca-cert", authority.as_bytes())]);
    ready(&tiphys).await;
}

#[tokio::test]
async fn an_expired_certificate_of_the_bus_is_named_with_its_date() {
    let world = world_with(sailor("right"), Tls::Expired).await;
    let tls = json!({"caCertSecret": {"name": "login", "key": "ca-cert"}});
    let pod = pod_with_login(&world, Some(tls));
    let login: &[u8] = b"username: sailor\npassword: right\n";
    pod.volume("auth", &[("auth.yaml", login)]);
    let authority = &world.nats().certificates().unwrap().authority;
    pod.volume("values/secrets/login", &[("ca-cert", authority.as_bytes())]);
    let tiphys = pod.start("sn-0");
    let report = tiphys
        .reported("the refusal", |report| report["bus"]["ok"] == false)
        .await;
    assert_eq!(report["bus"]["reason"], "InvalidCertificate");
    let message = report["bus"]["message"].as_str().unwrap();
    let fault = "the bus refused: the server's certificate expired on 2020-12-31T00:00:00Z";
    assert!(message.ends_with(fault), "{message}");
}

/// What the controller writes for pods on a bus of its own: it encrypts, and asks for a password.
fn on_a_bus_of_the_cluster(world: &World, object: &Value) -> Pod {
    let pod = Pod::of(world, object);
    let url = world.nats().url().replace("tls://", "nats://");
    let stream = "duplicates: 300s\nmaxage: 5m\nmaxbytes: -1\nmaxmsgs: 50000\nreplicas: 1\n";
    let bus = json!({"jetstream": {
        "url": url,
        "accessSecret": {"name": "login", "key": "client-auth"},
        "streamConfig": stream,
        "tls": {"caCertSecret": {"name": "login", "key": "ca-cert"}},
    }});
    pod.spec(object, &bus);
    let login: &[u8] = b"username: sailor\npassword: right\n";
    pod.volume("auth", &[("auth.yaml", login)]);
    let authority = &world.nats().certificates().unwrap().authority;
    pod.volume("values/secrets/login", &[("ca-cert", authority.as_bytes())]);
    pod
}

async fn renewed(world: &World, lease: &str) -> Option<MicroTime> {
    let leases = world.api::<Lease>().await;
    leases.get(lease).await.unwrap().spec.unwrap().renew_time
}

/// `cargo xtask link-order` watches this one: it is the life of a pair of pods.
#[tokio::test]
async fn a_pair_of_pods_goes_on_in_new_containers_and_repeats_nothing() {
    let world = world_with(sailor("right"), Tls::Server).await;
    let source = on_a_bus_of_the_cluster(&world, &event_source(&world));
    let sensor = on_a_bus_of_the_cluster(&world, &sensor(&world));
    let start = || (source.start("ingress-es-0"), sensor.start("ingress-sn-0"));
    let (mut es, mut sn) = start();
    at_work(&es, &sn).await;
    serve(&world, "web", 80).await;
    routed(&world, "web-ing", 80).await;
    for (tiphys, lease) in [
        (&mut es, "eventsource-ingress-es"),
        (&mut sn, "sensor-ingress-sn"),
    ] {
        let before = renewed(&world, lease).await;
        eventually("a renewed lease", || async {
            (renewed(&world, lease).await > before).then_some(())
        })
        .await;
        assert_eq!(tiphys.get("/healthz").await.unwrap().0, 200);
        assert_eq!(tiphys.get("/metrics").await.unwrap().0, 200);
        tiphys.stop().await;
    }
    serve(&world, "meanwhile", 81).await;

    let (mut es, mut sn) = start();
    at_work(&es, &sn).await;
    routed(&world, "meanwhile-ing", 81).await;
    serve(&world, "after", 82).await;
    routed(&world, "after-ing", 82).await;
    let trigger = ["trigger_name=\"ingress\""];
    eventually("two firings in the second life", || async {
        let fired = sn.count("argo_events_action_triggered_total", &trigger);
        (fired.await == 2).then_some(())
    })
    .await;
    for tiphys in [&mut es, &mut sn] {
        let status = tiphys.stop().await;
        assert!(status.success(), "{status}");
    }
}

#[tokio::test]
async fn rotated_credentials_are_picked_up_by_the_running_process() {
    let world = world_with(sailor("right"), Tls::Off).await;
    let pod = pod_with_login(&world, None);
    pod.volume(
        "auth",
        &[("auth.yaml", b"username: sailor\npassword: old\n")],
    );
    let mut tiphys = pod.start("sn-0");
    let report = tiphys
        .reported("the refusal", |report| report["bus"]["ok"] == false)
        .await;
    assert_eq!(report["bus"]["reason"], "Unauthorized");
    pod.volume(
        "auth",
        &[("auth.yaml", b"username: sailor\npassword: right\n")],
    );
    ready(&tiphys).await;

    tiphys
        .reported("the connection", |report| report["bus"]["ok"] == true)
        .await;
    // What does not let us in takes nothing away from us.
    pod.volume(
        "auth",
        &[("auth.yaml", b"username: sailor\npassword: wrong\n")],
    );
    let report = tiphys
        .reported("the refusal", |report| report["bus"]["ok"] == false)
        .await;
    let message = report["bus"]["message"].as_str().unwrap();
    assert!(
        message.ends_with("the connection from before is used"),
        "{message}"
    );
    assert!(
        !report.to_string().contains("wrong"),
        "no report tells the password"
    );
    assert!(tiphys.is_running());
    assert_eq!(tiphys.get("/readyz").await.unwrap().0, 200);
}

#[tokio::test]
async fn secrets_come_from_mounted_files() {
    let world = World::start().await;
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let triggers = format!(
        "[{{template: {{name: call, http: {{url: 'http://{}/', method: POST, basicAuth: {{
           username: {{name: login, key: user}}, password: {{name: login, key: word}}}},
           payload: [{{src: {{dependencyName: a, dataKey: x}}, dest: x}}]}}}}}}]",
        server.local_addr().unwrap()
    );
    let pod = Pod::of(&world, &workbench(&world, &triggers));
    pod.volume(
        "values/secrets/login",
        &[("user", b"ada"), ("word", b"pw\n")],
    );
    let tiphys = pod.start("sn-0");
    ready(&tiphys).await;
    Wire::to(&world)
        .await
        .event("e1", &json!({"x": "payload-of-e1"}))
        .await;

    let (mut connection, _) = server.accept().await.unwrap();
    let mut request = vec![0; 4096];
    let length = connection.read(&mut request).await.unwrap();
    let request = String::from_utf8_lossy(&request[..length]).to_lowercase();
    assert!(
        request.contains("authorization: basic ywrhonb3"),
        "{request}"
    );
    connection
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    let report = tiphys
        .reported("the call", |report| report["parts"][0]["done"] == 1)
        .await;
    assert_eq!(report["parts"][0]["name"], "call");
    assert_eq!(report["parts"][0]["lag"], 0);
    assert!(report["parts"][0]["lastEventTime"].is_string());
    assert!(!report.to_string().contains("payload-of-e1"));
}

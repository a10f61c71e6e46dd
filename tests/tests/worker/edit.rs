//! An edited spec acts in the running process, and no event gets lost or is handled twice.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tiphys_tests::{Pod, World, eventually};

use crate::stage::{Wire, bus, edited, event_source, printed, routed, sensor, serve, workbench};
use crate::start::at_work;

#[tokio::test]
async fn an_edit_acts_without_a_restart() {
    let world = World::start().await;
    let (source, sensor) = (event_source(&world), sensor(&world));
    let (source_pod, sensor_pod) = (Pod::of(&world, &source), Pod::of(&world, &sensor));
    let (es, mut sn) = (source_pod.start("es-0"), sensor_pod.start("sn-0"));
    at_work(&es, &sn).await;
    serve(&world, "web", 80).await;
    routed(&world, "web-ing", 80).await;

    let changed = edited(&sensor, 2, |spec| {
        spec["triggers"][0]["template"]["k8s"]["source"]["resource"]["metadata"]["name"] =
            "-way".into();
    });
    let mut reports = sn.follow().await;
    sensor_pod.spec(&changed, &bus(&world));
    let is_running = |line: &Value| line["msg"] == "Running" && line["generation"] == 2;
    sn.line("the edit", is_running).await;
    serve(&world, "shop", 81).await;
    routed(&world, "shop-way", 81).await;
    assert!(sn.is_running());
    let count = |report: &Value| report["parts"][0]["done"] == 2;
    reports.until("counts that go on", count).await;
}

/// Argo Events leaves the consumer of each trigger that ever was.
#[tokio::test]
async fn a_removed_trigger_leaves_nothing_on_the_bus() {
    let world = World::start().await;
    let sensor = workbench(
        &world,
        "[{template: {name: log, log: {}}}, {template: {name: more, log: {}}}]",
    );
    let pod = Pod::of(&world, &sensor);
    let sn = pod.start("sn-0");
    sn.line("the start", |line| line["msg"] == "Running").await;
    let wire = Wire::to(&world).await;
    eventually("a consumer for each trigger", || async {
        (wire.consumers().await == 2).then_some(())
    })
    .await;

    let fewer = edited(&sensor, 2, |spec| {
        spec["triggers"].as_array_mut().unwrap().pop();
    });
    pod.spec(&fewer, &bus(&world));
    eventually("the end of the other consumer", || async {
        (wire.consumers().await == 1).then_some(())
    })
    .await;
    wire.event("e1", &json!({})).await;
    eventually("the event", || async {
        (printed(&sn) == ["e1"]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_faulty_edit_changes_nothing_and_is_reported_with_its_field() {
    let world = World::start().await;
    let sensor = workbench(&world, "[{template: {name: log, log: {}}}]");
    let pod = Pod::of(&world, &sensor);
    let tiphys = pod.start("sn-0");
    let mut reports = tiphys.follow().await;
    reports
        .until("work", |report| report["parts"][0]["health"]["ok"] == true)
        .await;

    let faulty = edited(&sensor, 2, |spec| {
        spec["dependencies"][0]["transform"] = json!({"jq": ".["});
    });
    pod.spec(&faulty, &bus(&world));
    let report = reports
        .until("the fault", |report| report["faults"][0].is_string())
        .await;
    let fault = report["faults"][0].as_str().unwrap();
    assert!(
        fault.starts_with("spec.dependencies[0].transform.jq: "),
        "{fault}"
    );
    assert_eq!(report["generation"], 1);
    assert_eq!(report["role"], "Active");
    assert_eq!(tiphys.get("/readyz").await.unwrap().0, 200);
    Wire::to(&world).await.event("e1", &json!({})).await;
    eventually("the log line", || async {
        (printed(&tiphys) == ["e1"]).then_some(())
    })
    .await;

    let mended = edited(&sensor, 3, |spec| {
        spec["dependencies"][0]["transform"] = json!({"jq": "."});
    });
    pod.spec(&mended, &bus(&world));
    let report = reports
        .until("the mended spec", |report| report["generation"] == 3)
        .await;
    assert_eq!(report["faults"], json!([]));
}

#[tokio::test]
async fn what_does_not_concern_the_work_does_not_interrupt_it() {
    let world = World::start().await;
    let sensor = workbench(&world, "[{template: {name: log, log: {}}}]");
    let pod = Pod::of(&world, &sensor);
    let tiphys = pod.start("sn-0");
    let mut reports = tiphys.follow().await;
    reports
        .until("work", |report| report["parts"][0]["health"]["ok"] == true)
        .await;
    let mut scaled = edited(&sensor, 2, |spec| {
        spec["template"] = json!({"metadata": {"labels": {"a": "b"}}});
    });
    scaled["metadata"]["labels"] = json!({"c": "d"});
    scaled["status"] = json!({"conditions": []});
    pod.spec(&scaled, &bus(&world));
    reports
        .until("the generation", |report| report["generation"] == 2)
        .await;
    let starts = tiphys
        .lines()
        .into_iter()
        .filter(|line| line["msg"] == "Running");
    assert_eq!(starts.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_edits_of_a_sensor_under_load_lose_and_repeat_nothing() {
    let world = World::start().await;
    let triggers = "
- template: {name: log, log: {}}
- template:
    name: note
    k8s:
      operation: create
      source: {resource: {apiVersion: v1, kind: ConfigMap, metadata: {generateName: note-}}}
      parameters: [{src: {dependencyName: a, dataKey: number}, dest: data.number}]
";
    let sensor = workbench(&world, triggers);
    let pod = Pod::of(&world, &sensor);
    let tiphys = pod.start("sn-0");
    let mut reports = tiphys.follow().await;
    reports
        .until("work", |report| report["parts"][0]["health"]["ok"] == true)
        .await;

    let wire = Wire::to(&world).await;
    let mut published = 0;
    for generation in 2..=21 {
        let edit = edited(&sensor, generation, |spec| {
            spec["dependencies"][0]["transform"] =
                json!({"jq": format!(".generation = {generation}")});
        });
        pod.spec(&edit, &bus(&world));
        let runs = |line: &Value| line["msg"] == "Running" && line["generation"] == generation;
        while !tiphys.lines().iter().any(runs) {
            published += 1;
            wire.event(
                &format!("e{published}"),
                &json!({"number": format!("n{published}")}),
            )
            .await;
        }
    }
    assert!(published > 100, "{published} events went by");
    let wanted: BTreeSet<String> = (1..=published).map(|n| format!("e{n}")).collect();
    eventually("every event", || async {
        (printed(&tiphys).len() >= wanted.len()).then_some(())
    })
    .await;
    let done = json!(published);
    let report = reports
        .until("all notes", |report| {
            report["parts"][1]["done"] == done && report["parts"][1]["lag"] == 0
        })
        .await;
    assert_eq!(report["parts"][0]["done"], done);
    assert_eq!(report["parts"][0]["deadLettered"], 0);
    let printed = printed(&tiphys);
    assert_eq!(printed.len(), wanted.len(), "each is printed once");
    assert_eq!(printed.into_iter().collect::<BTreeSet<_>>(), wanted);
    let config_maps = world.api::<k8s_openapi::api::core::v1::ConfigMap>().await;
    let config_maps = config_maps
        .list(&kube::api::ListParams::default())
        .await
        .unwrap()
        .items;
    let noted: Vec<String> = config_maps
        .into_iter()
        .filter_map(|config_map| config_map.data?.remove("number"))
        .collect();
    assert_eq!(noted.len(), wanted.len(), "each is noted once");
    assert_eq!(
        noted.into_iter().collect::<BTreeSet<_>>().len(),
        wanted.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_edits_of_an_event_source_under_load_lose_and_repeat_nothing() {
    let world = World::start().await;
    let source = event_source(&world);
    let pod = Pod::of(&world, &source);
    let tiphys = pod.start("es-0");
    let mut reports = tiphys.follow().await;
    reports
        .until("work", |report| report["parts"][0]["health"]["ok"] == true)
        .await;

    let mut served = 0;
    for generation in 2..=21 {
        let edit = edited(&source, generation, |spec| {
            spec["resource"]["ingress"]["filter"]["fields"][0]["value"] =
                format!(".+|{generation}").into();
        });
        pod.spec(&edit, &bus(&world));
        let runs = |line: &Value| line["msg"] == "Running" && line["generation"] == generation;
        while !tiphys.lines().iter().any(runs) {
            served += 1;
            serve(&world, &format!("web-{served}"), 80).await;
        }
    }
    let wire = Wire::to(&world).await;
    eventually("every event", || async {
        (wire.stored_ids().await.len() >= served).then_some(())
    })
    .await;
    let done = json!(served);
    reports
        .until("the count", |report| report["parts"][0]["done"] == done)
        .await;
    let ids = wire.stored_ids().await;
    assert_eq!(ids.len(), served, "each is published once");
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>().len(), served);
}

#[tokio::test]
async fn an_edit_mends_a_trigger_whose_target_is_away_and_finishes_what_was_let_go_of() {
    let world = World::start().await;
    // Nobody listens there.
    let port = tiphys_testbed::free_port().unwrap();
    let call = format!(
        "[{{template: {{name: call, http: {{url: 'http://127.0.0.1:{port}/old', method: POST,
           payload: [{{src: {{dependencyName: a, dataKey: x}}, dest: x}}]}}}}}},
          {{template: {{name: note, k8s: {{operation: create, source: {{resource: {{
            apiVersion: v1, kind: ConfigMap, metadata: {{name: note, namespace: nowhere-at-all}}}}}}}}}},
            retryStrategy: {{steps: 1000, duration: 1m}}}}]"
    );
    let sensor = workbench(&world, &call);
    let pod = Pod::of(&world, &sensor);
    let tiphys = pod.start("sn-0");
    let mut reports = tiphys.follow().await;
    reports
        .until("work", |report| report["parts"][1]["health"]["ok"] == true)
        .await;
    Wire::to(&world).await.event("e1", &json!({"x": 1})).await;
    let report = reports
        .until("the absence", |report| {
            report["parts"][0]["health"]["ok"] == false
        })
        .await;
    assert_eq!(report["parts"][0]["health"]["reason"], "TargetUnavailable");
    reports
        .until("both", |report| report["parts"][1]["lag"] == 1)
        .await;

    let mended = edited(&sensor, 2, |spec| {
        let resource = &mut spec["triggers"][1]["template"]["k8s"]["source"]["resource"];
        resource["metadata"]["namespace"] = world.namespace().into();
        spec["triggers"][0]["template"]["http"]["url"] =
            format!("http://127.0.0.1:{port}/new").into();
    });
    pod.spec(&mended, &bus(&world));
    let report = reports
        .until("the mended trigger", |report| {
            report["parts"][1]["done"] == 1
        })
        .await;
    assert_eq!(report["parts"][1]["deadLettered"], 0);

    // The request was acknowledged before it began: it is finished as it was meant, and once.
    let server = tokio::net::TcpListener::bind(("127.0.0.1", port))
        .await
        .unwrap();
    let (mut connection, _) = server.accept().await.unwrap();
    let mut request = vec![0; 4096];
    let length = tokio::io::AsyncReadExt::read(&mut connection, &mut request)
        .await
        .unwrap();
    let request = String::from_utf8_lossy(&request[..length]).into_owned();
    assert!(request.starts_with("POST /old "), "{request}");
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut connection, answer)
        .await
        .unwrap();
    let report = reports
        .until("the call", |report| report["parts"][0]["done"] == 1)
        .await;
    assert_eq!(report["parts"][0]["health"]["ok"], true);
    assert_eq!(report["parts"][0]["deadLettered"], 0);
}

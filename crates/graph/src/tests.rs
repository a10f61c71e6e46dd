//! Flows for the tests of all formats.

use tiphys_api::manifest::{self, Content};
use tiphys_api::{EventBus, EventSource, Sensor};

use crate::layout::tests::{generated, hostile};
use crate::{EdgeKind, Fault, Graph, Node, NodeKind};

/// The objects of manifests.
fn objects(files: &[&str]) -> (Vec<EventSource>, Vec<EventBus>, Vec<Sensor>) {
    let (mut sources, mut buses, mut sensors) = (Vec::new(), Vec::new(), Vec::new());
    for file in files {
        let manifest = manifest::read("flow.yaml", file);
        assert!(
            !manifest.faults.iter().any(|fault| fault.problem.is_error()),
            "{:?}",
            manifest.faults
        );
        for object in manifest.objects {
            match object.content {
                Content::EventSource(source) => sources.push(*source),
                Content::EventBus(bus) => buses.push(*bus),
                Content::Sensor(sensor) => sensors.push(*sensor),
                Content::Other(_) => {}
            }
        }
    }
    (sources, buses, sensors)
}

/// The graph of manifests.
pub(crate) fn graph(files: &[&str]) -> Graph {
    let (sources, buses, sensors) = objects(files);
    Graph::from_objects(&sources, &buses, &sensors)
}

/// Services get ingresses.
pub(crate) fn story() -> Graph {
    graph(&[
        include_str!("../../../examples/auto-ingress/eventbus.yaml"),
        include_str!("../../../examples/auto-ingress/ingress-es.yaml"),
        include_str!("../../../examples/auto-ingress/ingress-sn.yaml"),
    ])
}

/// A harbour with everything: several sources, conditions, kinds of triggers, and missing things.
pub(crate) fn harbour() -> Graph {
    graph(&[include_str!("../tests/harbour.yaml")])
}

/// The node of a title and kind.
#[track_caller]
fn node<'g>(graph: &'g Graph, kind: NodeKind, title: &str) -> &'g Node {
    let mut nodes = graph.nodes.iter();
    nodes
        .find(|node| node.kind == kind && node.title == title)
        .unwrap()
}

/// What leads to a node, and what it leads to.
fn neighbours(graph: &Graph, id: &str) -> (Vec<String>, Vec<String>) {
    let title = |id: &str| {
        graph
            .nodes
            .iter()
            .find(|node| node.id == id)
            .unwrap()
            .title
            .clone()
    };
    let before = graph
        .edges
        .iter()
        .filter(|edge| edge.to == id)
        .map(|edge| title(&edge.from));
    let behind = graph
        .edges
        .iter()
        .filter(|edge| edge.from == id)
        .map(|edge| title(&edge.to));
    (before.collect(), behind.collect())
}

#[test]
fn one_dependency_leads_straight_to_its_trigger() {
    let graph = story();
    let trigger = node(&graph, NodeKind::Trigger, "ingress");
    assert_eq!(
        neighbours(&graph, &trigger.id),
        (
            vec!["service".to_owned()],
            vec!["Ingress playground/…-ing".to_owned()]
        )
    );
    assert_eq!(trigger.detail, "operation ← service.operation");
}

#[test]
fn several_dependencies_meet_in_a_condition_that_triggers_share() {
    let graph = harbour();
    let condition = node(
        &graph,
        NodeKind::Condition,
        "(arrival || departure) && tide",
    );
    assert_eq!(
        (condition.tag.as_str(), &condition.badges[..]),
        ("condition", &["reset 59 23 * * *".to_owned()][..])
    );
    let (before, behind) = neighbours(&graph, &condition.id);
    assert_eq!(before, ["arrival", "departure", "tide"]);
    assert_eq!(behind, ["assign-berth"]);
    assert_eq!(
        node(&graph, NodeKind::Condition, "arrival && departure && tide").tag,
        "all of"
    );
    assert_eq!(
        node(&graph, NodeKind::Condition, "arrival || departure").tag,
        "any of"
    );
}

#[test]
fn a_wildcard_listens_to_every_event_of_its_source() {
    let graph = harbour();
    let dependency = node(&graph, NodeKind::Dependency, "any-gate");
    let routes = graph
        .routes
        .iter()
        .filter(|route| route.dependency == dependency.id);
    let events: Vec<_> = routes.map(|route| route.event.as_str()).collect();
    assert_eq!(
        events,
        [
            "event_harbour_gates_arrivals",
            "event_harbour_gates_departures",
            "event_harbour_gates_weather"
        ]
    );
}

#[test]
fn what_does_not_exist_is_shown_as_missing() {
    let graph = harbour();
    let missing: Vec<_> = graph
        .nodes
        .iter()
        .filter(|node| node.is_missing)
        .map(|node| (node.kind, node.title.as_str(), node.detail.as_str()))
        .collect();
    assert_eq!(
        missing,
        [
            (NodeKind::Event, "filed", "not found"),
            (NodeKind::Source, "paperwork", "not found"),
            (NodeKind::Event, "storm-warning", "not found"),
            (NodeKind::Dependency, "tsunami", "not found"),
            (NodeKind::Bus, "elsewhere", "not found"),
            (NodeKind::Event, "push", "not found"),
            (
                NodeKind::Source,
                "repo",
                "publishes to default, not to elsewhere"
            ),
        ]
    );
}

#[test]
fn a_failed_trigger_leads_to_the_one_that_steps_in() {
    let graph = harbour();
    let dead_letter: Vec<_> = graph
        .edges
        .iter()
        .filter(|edge| edge.kind == EdgeKind::DeadLetter)
        .collect();
    assert_eq!(dead_letter.len(), 1);
    assert_eq!(dead_letter[0].from, "trigger_harbour_berths_assign_berth");
    assert_eq!(dead_letter[0].to, "trigger_harbour_berths_berth_failed");
}

#[test]
fn targets_say_what_is_made_or_called() {
    let graph = harbour();
    let targets: Vec<_> = graph
        .nodes
        .iter()
        .filter(|node| node.kind == NodeKind::Target)
        .map(|node| format!("{}: {} ({})", node.tag, node.title, node.detail))
        .collect();
    assert_eq!(
        targets,
        [
            "k8s object: Job harbour/berth-… (batch/v1)",
            "http: POST https://pager.example/alert?… ()",
            "http: PUT https://pilot.example/api/v2/ships ()",
            "NATS: harbour.tide (nats://nats.harbour:4222)",
            "log: log (sensor berths)",
            "k8s object: Deployment harbour/crane (apps/v1)",
            "Kafka: crane-log (kafka:9092)",
            "k8s object: Workflow harbour/inspect-… (argoproj.io/v1alpha1)",
            "k8s object: Deployment harbour/gate (apps/v1)",
            "Slack: #crew ()",
            "k8s object: object (from ConfigMap templates/rollout.yaml)",
            "e-mail: ops@example.com (pushed)",
        ]
    );
}

#[test]
fn the_story_as_mermaid() {
    assert_eq!(
        story().to_mermaid(),
        r#"flowchart LR
  subgraph namespace_1["playground"]
    direction LR
    bus_playground_jetstream_eb[("JetStream<br/><b>jetstream-eb</b><br/>3 replicas")]:::bus
    source_playground_ingress_es["event source<br/><b>ingress-es</b><br/>resource · 1 event"]:::source
    event_playground_ingress_es_ingress["resource<br/><b>ingress</b><br/>playground/services · ADD UPDATE DELETE<br/>1 filter"]:::event
    subgraph of_dependency_playground_ingress_sn_service["sensor ingress-sn"]
      direction LR
      dependency_playground_ingress_sn_service["dependency<br/><b>service</b><br/>ingress-es / ingress<br/>jq"]:::dependency
      trigger_playground_ingress_sn_ingress["k8s<br/><b>ingress</b><br/>operation ← service.operation<br/>6 parameters"]:::trigger
      trigger_playground_ingress_sn_log["log<br/><b>log</b><br/>at most every 15 s"]:::trigger
    end
    target_playground_k8s_object_ingress_playground___ing(["k8s object<br/><b>Ingress playground/…-ing</b><br/>networking.k8s.io/v1"]):::target
    target_playground_log_log(["log<br/><b>log</b><br/>sensor ingress-sn"]):::target
  end
  source_playground_ingress_es --> event_playground_ingress_es_ingress
  event_playground_ingress_es_ingress --> bus_playground_jetstream_eb
  bus_playground_jetstream_eb --> dependency_playground_ingress_sn_service
  trigger_playground_ingress_sn_ingress -->|"by event"| target_playground_k8s_object_ingress_playground___ing
  dependency_playground_ingress_sn_service --> trigger_playground_ingress_sn_ingress
  trigger_playground_ingress_sn_log -->|"writes"| target_playground_log_log
  dependency_playground_ingress_sn_service --> trigger_playground_ingress_sn_log
  classDef source stroke:#0284c7,stroke-width:2px
  classDef event stroke:#d97706,stroke-width:2px
  classDef bus stroke:#7c3aed,stroke-width:2px
  classDef dependency stroke:#0d9488,stroke-width:2px
  classDef condition stroke:#db2777,stroke-width:2px
  classDef trigger stroke:#2563eb,stroke-width:2px
  classDef target stroke:#4d7c0f,stroke-width:2px
  classDef missing stroke:#dc2626,stroke-width:2px,stroke-dasharray:5 4
"#
    );
}

#[test]
fn the_story_as_dot() {
    assert_eq!(
        story().to_dot(),
        r##"digraph tiphys {
  rankdir=LR
  graph [fontname="sans-serif" fontsize=12 style=rounded color="#cbd5e1" ranksep=0.8]
  node [fontname="sans-serif" fontsize=11 shape=box style=rounded]
  edge [fontname="sans-serif" fontsize=10 color="#64748b"]
  subgraph cluster_1 {
    label="playground"
    bus_playground_jetstream_eb [label="JetStream\njetstream-eb\n3 replicas" shape=cylinder color="#7c3aed"]
    source_playground_ingress_es [label="event source\ningress-es\nresource · 1 event" color="#0284c7"]
    event_playground_ingress_es_ingress [label="resource\ningress\nplayground/services · ADD UPDATE DELETE\n1 filter" color="#d97706"]
    subgraph cluster_of_dependency_playground_ingress_sn_service {
      label="sensor ingress-sn"
      dependency_playground_ingress_sn_service [label="dependency\nservice\ningress-es / ingress\njq" color="#0d9488"]
      trigger_playground_ingress_sn_ingress [label="k8s\ningress\noperation ← service.operation\n6 parameters" color="#2563eb"]
      trigger_playground_ingress_sn_log [label="log\nlog\nat most every 15 s" color="#2563eb"]
    }
    target_playground_k8s_object_ingress_playground___ing [label="k8s object\nIngress playground/…-ing\nnetworking.k8s.io/v1" shape=ellipse color="#4d7c0f"]
    target_playground_log_log [label="log\nlog\nsensor ingress-sn" shape=ellipse color="#4d7c0f"]
  }
  source_playground_ingress_es -> event_playground_ingress_es_ingress
  event_playground_ingress_es_ingress -> bus_playground_jetstream_eb
  bus_playground_jetstream_eb -> dependency_playground_ingress_sn_service
  trigger_playground_ingress_sn_ingress -> target_playground_k8s_object_ingress_playground___ing [label="by event"]
  dependency_playground_ingress_sn_service -> trigger_playground_ingress_sn_ingress
  trigger_playground_ingress_sn_log -> target_playground_log_log [label="writes"]
  dependency_playground_ingress_sn_service -> trigger_playground_ingress_sn_log
}
"##
    );
}

#[test]
fn the_story_as_svg_shows_each_name_and_knows_dark_and_light() {
    let svg = story().to_svg();
    for text in [
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="#,
        "@media (prefers-color-scheme:dark)",
        ">namespace playground</text>",
        ">sensor ingress-sn</text>",
        r#"<text class="title" x="16" y="45">ingress-es</text>"#,
        ">jetstream-eb</text>",
        ">Ingress playground/…-ing</text>",
        r#"<text class="label flow" "#,
        ">by event</text>",
        r#"<path class="wire flow" marker-end="url(#tiphys-flow)" d="M"#,
        r#"<g class="card event" id="event_playground_ingress_es_ingress" "#,
        r#"data-from="event_playground_ingress_es_ingress" data-to="bus_playground_jetstream_eb"/>"#,
    ] {
        assert!(svg.contains(text), "{text}");
    }
    assert_eq!(svg.matches(r#"<g class="card "#).count(), 8);
    assert_eq!(svg.matches(r#"<path class="wire flow" marker"#).count(), 7);
}

#[test]
fn the_story_as_json_has_ids_kinds_and_routes() {
    let json: serde_json::Value = serde_json::from_str(&story().to_json()).unwrap();
    assert_eq!(json["nodes"][0]["id"], "bus_playground_jetstream_eb");
    assert_eq!(json["nodes"][0]["kind"], "bus");
    assert_eq!(json["nodes"][0]["isMissing"], false);
    assert_eq!(
        json["routes"][0]["event"],
        "event_playground_ingress_es_ingress"
    );
    assert_eq!(
        json["routes"][0]["dependency"],
        "dependency_playground_ingress_sn_service"
    );
}

#[test]
fn the_order_of_objects_does_not_matter() {
    let files = [include_str!("../tests/harbour.yaml")];
    let (sources, buses, sensors) = objects(&files);
    let there = Graph::from_objects(&sources, &buses, &sensors);
    let sensors = sensors.into_iter().rev().collect::<Vec<_>>();
    let buses = buses.into_iter().rev().collect::<Vec<_>>();
    let sources = sources.into_iter().rev().collect::<Vec<_>>();
    let back = Graph::from_objects(&sources, &buses, &sensors);
    assert_eq!(there.to_svg(), back.to_svg());
    assert_eq!(there.to_mermaid(), back.to_mermaid());
    assert_eq!(there.to_dot(), back.to_dot());
    assert_eq!(there.to_json(), back.to_json());
}

#[test]
fn ids_are_unique_and_plain() {
    for graph in [story(), harbour(), hostile(), generated(60, 3)] {
        let mut ids: Vec<_> = graph.nodes.iter().map(|node| node.id.as_str()).collect();
        let is_plain = |id: &str| id.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'));
        assert!(ids.iter().all(|id| is_plain(id)), "{ids:?}");
        ids.sort_unstable();
        let count = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }
}

/// A name that would end a label and begin something else in any of the formats.
fn breaking_out() -> Graph {
    graph(&[
        r#"{apiVersion: argoproj.io/v1alpha1, kind: EventSource, metadata: {name: "a\"]<b>&amp;'#;`%%\\N{|}", namespace: ns}, spec: {}}"#,
    ])
}

#[test]
fn names_cannot_leave_a_label_in_svg() {
    let svg = breaking_out().to_svg();
    assert!(
        svg.contains("a&quot;]&lt;b&gt;&amp;amp;&#39;#;`%%\\N{|}"),
        "{svg}"
    );
    let svg = hostile().to_svg();
    assert!(!svg.contains("<script"));
    assert!(!svg.contains('\u{202e}'));
}

#[test]
fn names_cannot_leave_a_label_in_mermaid() {
    let mermaid = breaking_out().to_mermaid();
    let name = "a#34;#93;#60;b#62;#38;amp#59;#39;#35;#59;#96;#37;#37;#92;N#123;#124;#125;";
    assert!(
        mermaid.contains(&format!(
            "[\"event source<br/><b>{name}</b><br/>0 events\"]"
        )),
        "{mermaid}"
    );
}

#[test]
fn names_cannot_leave_a_label_in_dot() {
    let dot = breaking_out().to_dot();
    assert!(
        dot.contains(r#"[label="event source\na\"]<b>&amp;amp;'#;`%%\\N{|}\n0 events" "#),
        "{dot}"
    );
}

#[test]
fn conditions_do_not_tell_dashes_from_underscores() {
    let graph = graph(&["
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: s}
spec:
  dependencies:
  - {name: dep-1, eventSourceName: e, eventName: x}
  - {name: dep_2, eventSourceName: e, eventName: z}
  triggers:
  - template: {name: t, conditions: dep_1&&dep-2&&true, log: {}}
"]);
    let condition = node(&graph, NodeKind::Condition, "dep_1 && dep-2 && true");
    assert_eq!(neighbours(&graph, &condition.id).0, ["dep-1", "dep_2"]);
}

#[test]
fn nothing_gives_an_empty_picture() {
    let graph = Graph::default();
    assert!(
        graph
            .to_svg()
            .contains("0 event sources · 0 events · 0 buses · 0 sensors · 0 triggers")
    );
    assert!(graph.to_mermaid().starts_with("flowchart LR\n  classDef"));
    assert!(graph.to_dot().ends_with("]\n}\n"));
}

/// One fault in a Sensor took all of it out of the picture, or nothing was seen of it.
#[test]
fn faults_are_shown_at_what_they_are_about() {
    let (sources, buses, sensors) = objects(&[include_str!("../tests/harbour.yaml")]);
    let mut graph = Graph::from_objects(&sources, &buses, &sensors);
    let sensor = &sensors[0];
    let fault = |field_path, text| Fault { field_path, text };
    graph.mark_sensor(
        sensor,
        &[
            fault(
                "spec.triggers[0].template.k8s.operation",
                "f.yaml:1: unknown operation",
            ),
            fault("spec.dependencies[0].transform.jq", "f.yaml:2: no jq"),
        ],
    );
    let trigger = &sensor.spec.triggers[0].template.as_ref().unwrap().name;
    let trigger = node(&graph, NodeKind::Trigger, trigger);
    assert_eq!(trigger.faults, ["f.yaml:1: unknown operation"]);
    assert_eq!(trigger.badges.last().unwrap(), "faulty");
    let faulty = graph.nodes.iter().filter(|node| !node.faults.is_empty());
    assert_eq!(faulty.count(), 2);

    let source = &sources[0];
    let event = source.spec.events().next().unwrap();
    let path = format!("{}.filter", event.field_path());
    graph.mark_source(source, &[fault(&path, "f.yaml:3: no filter")]);
    let node = node(&graph, NodeKind::Event, event.name);
    assert_eq!(node.faults, ["f.yaml:3: no filter"]);
    assert!(graph.to_svg().contains("f.yaml:3: no filter"));
    assert!(graph.to_json().contains("f.yaml:2: no jq"));
}

//! Flows for the tests of all formats.

use tiphys_api::manifest::{self, Content};

use crate::Graph;

/// The graph of manifests.
pub(crate) fn graph(files: &[&str]) -> Graph {
    let (mut sources, mut buses, mut sensors) = (Vec::new(), Vec::new(), Vec::new());
    for file in files {
        for object in manifest::read("flow.yaml", file).objects {
            match object.content {
                Content::EventSource(source) => sources.push(*source),
                Content::EventBus(bus) => buses.push(*bus),
                Content::Sensor(sensor) => sensors.push(*sensor),
                Content::Other(_) => {}
            }
        }
    }
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

#[test]
fn dump() {
    let at = std::env::var("GRAPH_OUT").unwrap_or_default();
    if at.is_empty() {
        return;
    }
    for (name, graph) in [
        ("story", story()),
        ("harbour", harbour()),
        ("wild", crate::layout::tests::generated(60, 7)),
        ("hostile", crate::layout::tests::hostile()),
        ("empty", Graph::default()),
    ] {
        std::fs::write(format!("{at}/{name}.svg"), graph.to_svg()).unwrap();
        std::fs::write(format!("{at}/{name}.mmd"), graph.to_mermaid()).unwrap();
        std::fs::write(format!("{at}/{name}.dot"), graph.to_dot()).unwrap();
        std::fs::write(format!("{at}/{name}.json"), graph.to_json()).unwrap();
    }
}

//! The event flow of objects, with what is wrong about each where it is.

use tiphys_api::Code;
use tiphys_api::manifest::{Content, Fault};
use tiphys_check::Loaded;
use tiphys_graph::{Focus, Graph, Objects};

/// The flow of the objects that are looked at; `None` if there are none.
///
/// A flow with faults is drawn all the same: seeing where it breaks is what the picture is for.
pub fn graph(loaded: &Loaded, focus: &Focus) -> Option<Graph> {
    let mut objects = Objects::default();
    for loadable in &loaded.objects {
        match &loadable.object.content {
            Content::EventSource(object) => objects.sources.push((**object).clone()),
            Content::EventBus(object) => objects.buses.push((**object).clone()),
            Content::Sensor(object) => objects.sensors.push((**object).clone()),
            Content::Other(_) => {}
        }
    }
    if !focus.apply(&mut objects) {
        return None;
    }
    let Objects {
        sources,
        buses,
        sensors,
    } = objects;
    let mut graph = Graph::from_objects(&sources, &buses, &sensors);
    for loadable in &loaded.objects {
        let errors = loadable.faults.iter().filter(|fault| is_wrong(fault));
        let errors: Vec<&Fault> = errors.collect();
        if !errors.is_empty() {
            mark(&mut graph, &loadable.object.content, &errors);
        }
    }
    Some(graph)
}

/// Whether something is wrong: a flow may hold what this version does not run.
pub fn is_wrong(fault: &Fault) -> bool {
    fault.problem.is_error() && fault.problem.code != Code::NotRun
}

fn mark(graph: &mut Graph, content: &Content, errors: &[&Fault]) {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let faults = errors.iter().zip(&texts);
    let faults: Vec<_> = faults
        .map(|(fault, text)| tiphys_graph::Fault {
            field_path: &fault.problem.field_path,
            text,
        })
        .collect();
    match content {
        Content::Sensor(sensor) => graph.mark_sensor(sensor, &faults),
        Content::EventSource(source) => graph.mark_source(source, &faults),
        Content::EventBus(_) | Content::Other(_) => {}
    }
}

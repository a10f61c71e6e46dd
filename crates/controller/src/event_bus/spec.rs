//! What is wrong with the spec of a bus.

use tiphys_api::{BusKind, EventBus, Problem, validate};

use super::{desired, stream_config, versions};
use crate::settings::EventBusSettings;

/// Everything that is wrong with a bus, as `tiphys lint` finds it and by what the controller's
/// configuration offers.
pub fn problems(bus: &EventBus, settings: &EventBusSettings) -> Vec<Problem> {
    let mut problems = faults(bus, settings);
    if let Some(BusKind::JetStream(spec)) = bus.spec.kind()
        && !spec.version.is_empty()
        && let Err(message) = versions::find(&settings.jet_stream, &spec.version)
    {
        problems.push(Problem::error("spec.jetstream.version", message));
    }
    problems
}

/// The same without the version, which has a condition of its own in Argo Events.
pub(super) fn faults(bus: &EventBus, settings: &EventBusSettings) -> Vec<Problem> {
    let mut problems = validate::event_bus(bus);
    problems.retain(Problem::is_error);
    if let Some(BusKind::JetStream(spec)) = bus.spec.kind() {
        let merged = stream_config::merged(
            &settings.jet_stream.stream_config,
            spec.stream_config.as_deref(),
            desired::servers(spec),
        );
        problems.extend(merged.err());
    }
    problems
}

/// The problems in one line.
pub(super) fn listed(problems: &[Problem]) -> String {
    let texts: Vec<String> = problems
        .iter()
        .map(|problem| {
            let hint = problem.hint.as_ref();
            let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{}: {}{hint}", problem.field_path, problem.message)
        })
        .collect();
    texts.join("; ")
}

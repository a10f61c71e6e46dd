//! Rules of an `EventBus`.

use super::{Problems, nats_login, object_name, sasl, server_settings, tls};
use crate::problem::Problem;
use crate::{EventBus, EventBusSpec, NatsBus};

/// Everything that is wrong with an event bus, in the order of its fields.
pub fn event_bus(event_bus: &EventBus) -> Vec<Problem> {
    let mut problems = Problems::default();
    let spec = &event_bus.spec;
    object_name(event_bus.metadata.name.as_deref(), &mut problems);
    choice(spec, &mut problems);
    if let Some(nats) = &spec.nats {
        streaming(nats, &mut problems);
    }
    if let Some(bus) = &spec.jet_stream {
        if bus.version.is_empty() {
            problems.push(
                Problem::error(
                    "spec.jetstream.version",
                    "invalid spec: a version for jetstream needs to be specified",
                )
                .with_hint("`latest`, or another version of the controller's configuration"),
            );
        }
        if bus
            .replicas
            .is_some_and(|replicas| replicas == 2 || replicas <= 0)
        {
            problems.error(
                "spec.jetstream.replicas",
                "invalid spec: a jetstream eventbus requires 1 replica or >= 3 replicas",
            );
        }
        if let Some(settings) = &bus.settings
            && let Some(problem) = server_settings::problem("spec.jetstream.settings", settings)
        {
            problems.push(problem);
        }
        if let Some(size) = bus.max_payload.as_deref().filter(|size| !is_size(size)) {
            let problem = Problem::error(
                "spec.jetstream.maxPayload",
                format!("{size:?} is not a size"),
            );
            problems.push(problem.with_hint("a number with a unit, such as 1MB or 512KB"));
        }
    }
    if let Some(kafka) = &spec.kafka {
        if kafka.url.is_empty() {
            problems.error("spec.kafka.url", "\"spec.kafka.url\" is missing");
        }
        tls("spec.kafka", "tls", kafka.tls.as_ref(), &mut problems);
        sasl("spec.kafka", kafka.sasl.as_ref(), &mut problems);
        let partitioner = kafka.partitioner.as_str();
        let known = ["random", "hash", "roundrobin", "manual"];
        if !partitioner.is_empty() && !known.contains(&partitioner) {
            let message = format!("unknown partitioner {partitioner:?}");
            problems.one_of(
                "spec.kafka.partitioner".into(),
                message,
                partitioner,
                &known,
            );
        }
    }
    if let Some(exotic) = &spec.jet_stream_exotic {
        if exotic.url.is_empty() {
            problems.error(
                "spec.jetstreamExotic.url",
                "\"spec.jetstreamExotic.url\" is missing",
            );
        }
        tls(
            "spec.jetstreamExotic",
            "tls",
            exotic.tls.as_ref(),
            &mut problems,
        );
        nats_login(
            "spec.jetstreamExotic",
            exotic.access_secret.as_ref().map(|_| "accessSecret"),
            &exotic.url,
            exotic.tls.as_ref(),
            &mut problems,
        );
    }
    problems.0
}

/// One kind of bus is needed, and only one counts.
fn choice(spec: &EventBusSpec, problems: &mut Problems) {
    let present: Vec<_> = [
        ("nats", spec.nats.is_some()),
        ("jetstream", spec.jet_stream.is_some()),
        ("kafka", spec.kafka.is_some()),
        ("jetstreamExotic", spec.jet_stream_exotic.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, is_set)| is_set.then_some(name))
    .collect();
    match present.as_slice() {
        [] => problems.error(
            "spec",
            "invalid spec: either \"nats\", \"jetstream\", \"jetstreamExotic\", or \"kafka\" \
             needs to be specified",
        ),
        [_] => {}
        [first, others @ ..] => {
            for other in others {
                let message = format!("has no effect beside spec.{first}");
                problems.no_effect(format!("spec.{other}"), message);
            }
        }
    }
}

/// True if NATS reads the text as a number of bytes.
fn is_size(text: &str) -> bool {
    const UNITS: [&str; 13] = [
        "", "k", "kb", "ki", "kib", "m", "mb", "mi", "mib", "g", "gb", "gi", "gib",
    ];
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    number.parse::<u32>().is_ok() && UNITS.contains(&unit.to_lowercase().as_str())
}

fn streaming(nats: &NatsBus, problems: &mut Problems) {
    match (&nats.native, &nats.exotic) {
        (Some(_), Some(_)) => problems.error(
            "spec.nats",
            "\"spec.nats.native\" and \"spec.nats.exotic\" can not be defined together",
        ),
        (None, None) => {
            problems.error(
                "spec.nats",
                "either \"native\" or \"exotic\" must be defined",
            );
        }
        _ => {}
    }
    if let Some(exotic) = &nats.exotic {
        if exotic.cluster_id.as_deref().is_none_or(str::is_empty) {
            let path = "spec.nats.exotic.clusterID";
            problems.error(path, format!("\"{path}\" is missing"));
        }
        if exotic.url.is_empty() {
            let path = "spec.nats.exotic.url";
            problems.error(path, format!("\"{path}\" is missing"));
        }
    }
}

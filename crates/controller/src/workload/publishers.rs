//! Who publishes what a sensor waits for (pure): the event sources of its namespace are all known.

use tiphys_api::suggestion;
use tiphys_base::Reason;
use tiphys_check::link::{Gap, Place, Publisher, Publishers};

use crate::condition::{Verdict, joined};

/// What a dependency waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Awaited<'a> {
    /// The name of the dependency.
    pub dependency: &'a str,
    /// The name of the event source.
    pub source: &'a str,
    /// The name of the event.
    pub event: &'a str,
}

/// Whether each dependency has an event source that publishes to it.
pub(super) fn verdict(
    listener: Place<'_>,
    awaited: &[Awaited<'_>],
    sources: &[Publisher<'_>],
) -> Verdict {
    let publishers: Publishers<'_> = sources.iter().copied().collect();
    let names: Vec<&str> = sources.iter().map(|source| source.name).collect();
    let messages: Vec<String> = awaited
        .iter()
        .filter_map(|awaited| {
            let why = why_never(listener, *awaited, &publishers, &names)?;
            Some(format!("dependency {}: {why}", awaited.dependency))
        })
        .collect();
    if messages.is_empty() {
        return Verdict::is_well(
            Reason::Published,
            "each dependency has an EventSource that publishes to it",
        );
    }
    Verdict::fails(Reason::NobodyPublishes, joined(&messages))
}

fn why_never(
    listener: Place<'_>,
    awaited: Awaited<'_>,
    publishers: &Publishers<'_>,
    names: &[&str],
) -> Option<String> {
    let Awaited { source, event, .. } = awaited;
    // What has no name, or a pattern in it, may be published by anybody.
    if source.is_empty() || source.contains(['*', '>']) {
        return None;
    }
    if !publishers.named(source).is_empty() {
        let gap: Gap<'_> = publishers.gap(listener, source, event)?;
        return Some(gap.to_string());
    }
    let hint = match suggestion(source, names.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if names.is_empty() => "apply one".to_owned(),
        None => format!("there is {}", names.join(", ")),
    };
    Some(format!(
        "there is no EventSource {source} in namespace {} ({hint})",
        listener.namespace
    ))
}

#[cfg(test)]
mod tests;

//! The books of a drill: what has to have happened, what has happened, and what differs.
//!
//! Pure: what was seen comes in as values.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

/// The metric of event sources; its received are the sum of all others.
const SOURCE_EVENTS: &str = "tiphys_eventsource_events";

/// The metric of triggers.
const SENSOR_EVENTS: &str = "tiphys_sensor_events";

/// Where nothing is when nothing happens any more.
const UNFINISHED: [&str; 3] = ["in-hand", "in_flight", "waiting"];

/// A process that goes on acts first on what it had in hand before it was frozen: its lease and its
/// deliveries may be another's by then, who acts on them again.
const HAD_IN_HAND: SignedDuration = SignedDuration::from_secs(5);

/// How long after it has confirmed an acknowledgement the bus may not have written it down: NATS does so about
/// ten times a second.
const NOT_WRITTEN: SignedDuration = SignedDuration::from_secs(1);

/// A trigger has acted on an event.
#[derive(Clone, Debug)]
pub(crate) struct Firing {
    pub(crate) sensor: &'static str,
    pub(crate) trigger: &'static str,
    /// The id of the event.
    pub(crate) event: String,
    pub(crate) at: Timestamp,
}

/// A process of an object has begun to work, or has gone on after it was frozen: its triggers may act again on
/// what they have acted on.
#[derive(Clone, Debug)]
pub(crate) struct Interruption {
    /// The name of the object.
    pub(crate) object: &'static str,
    pub(crate) at: Timestamp,
}

/// Triggers that have acted on an event more than once.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Repeats {
    /// How many of them somebody explains who began, or went on, between the two or shortly before.
    pub(crate) explained: usize,
    /// The others.
    pub(crate) unexplained: Vec<String>,
}

impl Repeats {
    /// Looks for them. Whoever acts at least once may act again if its process ended, lost its lease or
    /// was frozen after it had got the event: in between, or shortly before it acted.
    pub(crate) fn among(firings: &[&Firing], interruptions: &[Interruption]) -> Self {
        Self::explained_by(firings, |sensor, first, again| {
            let explains = |interruption: &Interruption| {
                let window = first - HAD_IN_HAND..=again;
                interruption.object == sensor && window.contains(&interruption.at)
            };
            interruptions.iter().any(explains)
        })
    }

    /// Looks for them among what acts at most once, in the process of the object `process`. It
    /// acknowledges first; a `bus` that was killed just after that may have forgotten it, and gives the
    /// event to a process that has begun since and does not know it.
    pub(crate) fn forgotten(
        firings: &[&Firing],
        interruptions: &[Interruption],
        bus: &str,
        process: &str,
    ) -> Self {
        let of = |object: &str| {
            let of = interruptions.iter().filter(move |of| of.object == object);
            of.map(|of| of.at).collect::<Vec<_>>()
        };
        let (killed, begun) = (of(bus), of(process));
        Self::explained_by(firings, |_, first, again| {
            killed.iter().any(|killed| {
                (first..=first + NOT_WRITTEN).contains(killed)
                    && begun.iter().any(|begun| (*killed..=again).contains(begun))
            })
        })
    }

    fn explained_by(
        firings: &[&Firing],
        is_explained: impl Fn(&str, Timestamp, Timestamp) -> bool,
    ) -> Self {
        let mut moments: BTreeMap<_, Vec<Timestamp>> = BTreeMap::new();
        for firing in firings {
            let of = (firing.sensor, firing.trigger, &firing.event);
            moments.entry(of).or_default().push(firing.at);
        }
        let mut repeats = Self::default();
        for ((sensor, trigger, event), mut moments) in moments {
            moments.sort_unstable();
            for pair in moments.windows(2) {
                let (first, again) = (pair[0], pair[1]);
                if is_explained(sensor, first, again) {
                    repeats.explained += 1;
                } else {
                    let line =
                        format!("{sensor} {trigger} acted on {event} at {first} and at {again}");
                    repeats.unexplained.push(line);
                }
            }
        }
        repeats
    }
}

/// The events that a trigger has not brought to an end, one line each.
pub(crate) fn lost(
    trigger: &str,
    events: &BTreeSet<String>,
    ended: &BTreeSet<String>,
) -> Vec<String> {
    let lost = events.difference(ended);
    lost.map(|event| format!("{trigger} did nothing about {event}"))
        .collect()
}

/// What does not balance in the metrics of a process that has nothing to do, one line each.
pub(crate) fn imbalances(metrics: &str) -> Vec<String> {
    let mut accounts: BTreeMap<(&str, String), BTreeMap<&str, u64>> = BTreeMap::new();
    for line in metrics.lines() {
        if let Some((name, labels, value)) = sample(line)
            && [SOURCE_EVENTS, SENSOR_EVENTS].contains(&name)
            && let Some((outcome, others)) = outcome_of(labels)
        {
            accounts
                .entry((name, others))
                .or_default()
                .insert(outcome, value);
        }
    }
    let mut lines = Vec::new();
    for ((name, labels), account) in accounts {
        let unfinished = UNFINISHED.iter().filter_map(|outcome| {
            let count = account.get(outcome).filter(|count| **count > 0)?;
            Some(format!("{count} {outcome} of {labels}"))
        });
        lines.extend(unfinished);
        if name == SOURCE_EVENTS {
            let received = account.get("received").copied().unwrap_or_default();
            let others = account
                .iter()
                .filter(|(outcome, _)| **outcome != "received");
            let sum: u64 = others.map(|(_, count)| count).sum();
            if received != sum {
                lines.push(format!(
                    "{received} received of {labels}, and {sum} in all places"
                ));
            }
        }
    }
    lines
}

/// Name, labels and value of a line of Prometheus' text format.
fn sample(line: &str) -> Option<(&str, &str, u64)> {
    let (name, rest) = line.split_once('{')?;
    let (labels, value) = rest.rsplit_once("} ")?;
    Some((name, labels, value.parse().ok()?))
}

/// The outcome among labels, and the others.
fn outcome_of(labels: &str) -> Option<(&str, String)> {
    let is_outcome = |label: &&str| label.starts_with("outcome=");
    let (outcome, others): (Vec<&str>, Vec<&str>) = labels.split(',').partition(is_outcome);
    let outcome = outcome.first()?.split('"').nth(1)?;
    Some((outcome, others.join(",")))
}

#[cfg(test)]
mod tests;

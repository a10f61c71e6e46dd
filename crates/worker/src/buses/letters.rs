//! How full the dead letters of a bus are: said in the report, in the log and as a metric, before the
//! oldest give way.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tiphys_api::worker::Health;
use tiphys_base::Reason;
use tiphys_eventbus::{EventBus, Usage};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::Name;

/// How often a bus is asked: a request for each process on it.
const ASK_EVERY: Duration = Duration::from_secs(15);

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The part of its room that the dead letters of a bus take.
pub(super) type Full = Gauge<f64, AtomicU64>;

/// The metrics of all buses of a process.
#[derive(Default)]
pub(super) struct Metrics(Family<BusLabels, Full>);

/// Names the bus; where there is but one, which has no name, the labels are empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BusLabels {
    namespace: String,
    eventbus_name: String,
}

impl Metrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "tiphys_eventbus_dead_letters_full_ratio",
            "The part of their room that the dead letters of a bus take: at 1 the oldest give way",
            self.0.clone(),
        );
    }

    pub(super) fn of(&self, (namespace, name): &Name) -> Full {
        let labels = BusLabels {
            namespace: namespace.clone(),
            eventbus_name: name.clone(),
        };
        self.0.get_or_create(&labels).clone()
    }
}

/// Looks after the dead letters of one bus.
pub(super) struct Letters {
    full: Full,
    asking: JoinSet<Option<Usage>>,
    asked_at: Option<Instant>,
    usage: Option<Usage>,
}

impl Letters {
    pub(super) fn new(full: Full) -> Self {
        Self {
            full,
            asking: JoinSet::new(),
            asked_at: None,
            usage: None,
        }
    }

    /// Another bus has taken the place of the one that was asked.
    pub(super) fn replace(&mut self) {
        *self = Self::new(self.full.clone());
    }

    /// Asks the bus, if it is time to.
    pub(super) fn ask(&mut self, bus: &EventBus) {
        let is_time = self.asked_at.is_none_or(|at| at.elapsed() >= ASK_EVERY);
        if !is_time || !self.asking.is_empty() {
            return;
        }
        self.asked_at = Some(Instant::now());
        let letters = bus.dead_letters.clone();
        self.asking.spawn(async move {
            let answer = timeout(ANSWER_WITHIN, letters.usage()).await;
            // What a bus does not say now it says the next time; that it is away is said elsewhere.
            answer.ok()?.ok()
        });
    }

    /// What the bus has answered; `None`: nothing.
    ///
    /// # Cancellation
    /// Nothing is lost.
    pub(super) async fn answer(&mut self) -> Option<Usage> {
        match self.asking.join_next().await {
            Some(answer) => answer.ok().flatten(),
            None => std::future::pending().await,
        }
    }

    /// Takes note of an answer.
    pub(super) fn note(&mut self, usage: Usage) {
        let was_nearly_full = self.usage.is_some_and(|usage| usage.is_nearly_full());
        if usage.is_nearly_full() && !was_nearly_full {
            warn!(
                letters = usage.letters,
                bytes = usage.bytes,
                "The dead letters of the event bus take most of their room: the oldest give way soon"
            );
        }
        self.full.set(usage.ratio());
        self.usage = Some(usage);
    }

    /// For the report. The words do not change with each letter.
    pub(super) fn health(&self) -> Health {
        let Some(usage) = &self.usage else {
            return Health::default();
        };
        if !usage.is_nearly_full() {
            return Health {
                ok: Some(true),
                ..Health::default()
            };
        }
        Health {
            ok: Some(false),
            reason: Some(Reason::DeadLettersNearlyFull),
            message: format!(
                "the dead letters of the bus take 80 % or more of their room ({}): when it is used up, \
                 the oldest give way",
                room(usage)
            ),
        }
    }
}

/// The limits that there are, for people.
fn room(usage: &Usage) -> String {
    let letters = (usage.max_letters > 0).then(|| format!("{} letters", usage.max_letters));
    let bytes = (usage.max_bytes > 0).then(|| format!("{} MiB", usage.max_bytes >> 20));
    let limits: Vec<String> = letters.into_iter().chain(bytes).collect();
    limits.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(bytes: u64) -> Usage {
        Usage {
            newest: None,
            letters: 4,
            max_letters: 100_000,
            bytes,
            max_bytes: 64 << 20,
        }
    }

    #[test]
    fn dead_letters_that_take_most_of_their_room_are_told() {
        let mut letters = Letters::new(Full::default());
        assert_eq!(letters.health(), Health::default());
        letters.note(usage(10 << 20));
        assert_eq!(letters.health().ok, Some(true));
        letters.note(usage(56 << 20));
        assert_eq!(
            letters.health(),
            Health {
                ok: Some(false),
                reason: Some(Reason::DeadLettersNearlyFull),
                message:
                    "the dead letters of the bus take 80 % or more of their room (100000 letters, \
                          64 MiB): when it is used up, the oldest give way"
                        .to_owned(),
            }
        );
        assert!((letters.full.get() - 0.875).abs() < f64::EPSILON);
        letters.note(usage(51 << 20));
        assert_eq!(letters.health().ok, Some(true));
    }
}

//! Rounds: the events that a trigger's conditions bring together.
//!
//! Argo Events' rule: conditions without `&&` are decided by each event alone; otherwise the newest
//! event of each dependency is kept until the conditions hold, and all kept events go into the firing
//! and are forgotten.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tiphys_eventbus::{Event, Replay};
use tiphys_lang::expr::conditions::Conditions;

/// The rounds of one trigger.
#[derive(Debug)]
pub struct Rounds {
    conditions: Arc<Conditions>,
    kept: BTreeMap<usize, Member>,
}

/// An event with its place in the stream.
#[derive(Debug, Clone)]
pub struct Member {
    /// The event, as the transform left it.
    pub event: Arc<Event>,
    /// Its number in the stream.
    pub sequence: u64,
    /// When the stream took it in: resets go by it.
    pub stored_at: Timestamp,
    /// The object it is about.
    pub object: Option<u64>,
    /// The dead letter whose event it is, if it was delivered again.
    pub replay: Option<Arc<Replay>>,
}

impl Member {
    /// When the stream took the event in: before it became a dead letter, if it did.
    pub fn event_stored_at(&self) -> Timestamp {
        let replay = self.replay.as_ref();
        replay.map_or(self.stored_at, |replay| replay.stored_at)
    }
}

/// The events of one firing, by their dependencies' places in the spec.
pub type Round = Vec<(usize, Member)>;

/// What an event leads to.
#[derive(Debug)]
pub enum Step {
    /// The trigger fires; members other than the arriving one were kept before.
    Fire {
        /// The events of the firing.
        round: Round,
        /// The kept event that the arriving one takes the place of.
        replaced: Option<Member>,
    },
    /// The event is kept until its round is complete; it may replace an older one.
    Keep {
        /// The event.
        member: Member,
        /// The event that it takes the place of.
        replaced: Option<Member>,
    },
}

impl Rounds {
    /// Starts with nothing kept.
    pub fn new(conditions: Arc<Conditions>) -> Self {
        Self {
            conditions,
            kept: BTreeMap::new(),
        }
    }

    /// Puts back what was kept before a restart.
    pub fn restore(&mut self, dependency: usize, member: Member) {
        self.kept.insert(dependency, member);
    }

    /// Takes in an event that a dependency has admitted. `names` are all dependencies' names.
    pub fn arrive(&mut self, dependency: usize, member: Member, names: &[Arc<str>]) -> Step {
        if !self.conditions.needs_and() {
            return Step::Fire {
                round: vec![(dependency, member)],
                replaced: None,
            };
        }
        let satisfied = |name: &str| {
            names
                .iter()
                .position(|known| **known == *name)
                .is_some_and(|index| index == dependency || self.kept.contains_key(&index))
        };
        let complete = self.conditions.is_satisfied(satisfied);
        let replaced = self.kept.insert(dependency, member.clone());
        if complete {
            Step::Fire {
                round: std::mem::take(&mut self.kept).into_iter().collect(),
                replaced,
            }
        } else {
            Step::Keep { member, replaced }
        }
    }

    /// Forgets what was stored before a moment, and tells what.
    pub fn forget_before(&mut self, moment: Timestamp) -> Round {
        self.kept
            .extract_if(.., |_, member| member.stored_at < moment)
            .collect()
    }

    /// Forgets an event that could not be stored, unless a newer one has its place.
    pub(super) fn forget(&mut self, dependency: usize, sequence: u64) {
        if self
            .kept
            .get(&dependency)
            .is_some_and(|member| member.sequence == sequence)
        {
            self.kept.remove(&dependency);
        }
    }

    /// Forgets an event in all its places.
    pub(super) fn forget_event(&mut self, sequence: u64) {
        self.kept.retain(|_, member| member.sequence != sequence);
    }

    /// What is kept, by dependency.
    pub fn kept(&self) -> impl Iterator<Item = (usize, &Member)> {
        self.kept.iter().map(|(index, member)| (*index, member))
    }

    /// Whether events are ever kept.
    pub fn keeps(&self) -> bool {
        self.conditions.needs_and()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiphys_eventbus::Context;

    fn member(sequence: u64, stored_at: &str) -> Member {
        let event = Event {
            context: Context::default().into(),
            data: None,
        };
        let event = Arc::new(event);
        Member {
            event,
            sequence,
            stored_at: stored_at.parse().unwrap(),
            object: None,
            replay: None,
        }
    }

    #[test]
    fn a_reset_takes_what_was_stored_before_it_and_nothing_else() {
        let names = ["a".into(), "b".into(), "c".into()];
        let conditions = Conditions::compile("a && b && c", &["a", "b", "c"]).unwrap();
        let mut rounds = Rounds::new(Arc::new(conditions));
        rounds.arrive(0, member(1, "2026-01-01T22:00:00Z"), &names);
        rounds.arrive(1, member(2, "2026-01-01T23:59:00Z"), &names);
        let forgotten = rounds.forget_before("2026-01-01T23:59:00Z".parse().unwrap());
        let forgotten: Vec<_> = forgotten
            .iter()
            .map(|(index, m)| (*index, m.sequence))
            .collect();
        assert_eq!(forgotten, [(0, 1)]);
        let kept: Vec<_> = rounds
            .kept()
            .map(|(index, m)| (index, m.sequence))
            .collect();
        assert_eq!(kept, [(1, 2)]);
    }
}

//! What a drill came to: what was seen beside what was expected.
//!
//! Pure: what was seen comes in as values.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::books::{Firing, Interruption, Repeats, lost};
use crate::load::Sent;
use crate::objects::{
    BUS, CALL, EXAMPLE_SENSOR, EXAMPLE_SOURCE, HOSTILE, LOG, PRINT, SENSOR, SOURCE,
};
use crate::schedule::Attack;

/// Why a trigger that acts at most once may leave an event to the dead letters: its process was stopped.
const INTERRUPTED: &str = "interrupted";

/// What was seen in the end.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The sources and ids of all events on the bus, in their order.
    pub(crate) events: Vec<(String, String)>,
    pub(crate) letters: Vec<Letter>,
    /// How often the bus gave an event to a trigger.
    pub(crate) deliveries: u64,
    pub(crate) firings: Vec<Firing>,
    pub(crate) interruptions: Vec<Interruption>,
}

/// A dead letter, in short.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) sensor: String,
    pub(crate) trigger: String,
    /// The id of the event.
    pub(crate) event: String,
    pub(crate) reason: &'static str,
    pub(crate) error: String,
}

/// What was sent during the drill, and what has to be there in the end.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    /// All services, and their ports.
    pub(crate) services: BTreeMap<String, u16>,
    pub(crate) sent: Vec<Sent>,
    /// True if the process was killed that has a trigger that acts at most once.
    pub(crate) engine_was_killed: bool,
}

/// What a drill came to.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Events on the bus, by their source.
    pub(crate) published: BTreeMap<String, usize>,
    /// How often the bus gave an event to a trigger; more than once where it was not acknowledged.
    pub(crate) deliveries: u64,
    /// Firings that were seen, by sensor and trigger.
    pub(crate) fired: BTreeMap<String, usize>,
    /// Dead letters, by sensor and trigger.
    pub(crate) dead_lettered: BTreeMap<String, usize>,
    /// Events that the trigger that acts at most once did nothing about: a kill may cost them.
    pub(crate) left_out: usize,
    /// What nobody did anything about, one line each.
    pub(crate) lost: Vec<String>,
    /// What differs otherwise, one line each.
    pub(crate) wrong: Vec<String>,
    pub(crate) repeats: Repeats,
}

impl Findings {
    /// Compares what was seen with what was expected.
    pub(crate) fn of(seen: &Seen, expected: &Expected) -> Self {
        let mut findings = Self {
            deliveries: seen.deliveries,
            ..Self::default()
        };
        findings.count(seen);
        findings.look_for_lost(seen, expected);
        findings.look_for_lost_attacks(seen, expected);
        findings.look_for_repeats(seen);
        findings.look_for_wrong(seen);
        findings
    }

    /// True if all is as it should be.
    pub(crate) fn are_right(&self) -> bool {
        self.lost.is_empty() && self.wrong.is_empty() && self.repeats.unexplained.is_empty()
    }

    fn count(&mut self, seen: &Seen) {
        for (source, _) in &seen.events {
            *self.published.entry(source.clone()).or_default() += 1;
        }
        for Firing {
            sensor, trigger, ..
        } in &seen.firings
        {
            let of = format!("{sensor} {trigger}");
            *self.fired.entry(of).or_default() += 1;
        }
        for letter in &seen.letters {
            let of = format!("{} {}", letter.sensor, letter.trigger);
            *self.dead_lettered.entry(of).or_default() += 1;
        }
    }

    fn look_for_lost(&mut self, seen: &Seen, expected: &Expected) {
        let audited = seen.published_by(SOURCE);
        for trigger in [PRINT, CALL] {
            let ended = seen.acted_on(SENSOR, trigger);
            self.lost.extend(lost(trigger, &audited, &ended));
        }
        let mut ended = seen.acted_on(EXAMPLE_SENSOR, LOG);
        ended.extend(seen.dead_lettered(EXAMPLE_SENSOR, LOG));
        let left_out = lost(LOG, &seen.published_by(EXAMPLE_SOURCE), &ended);
        self.left_out = left_out.len();
        if !expected.engine_was_killed {
            self.lost.extend(left_out);
        }
    }

    fn look_for_lost_attacks(&mut self, seen: &Seen, expected: &Expected) {
        for attack in Attack::ALL {
            let trigger = attack.name();
            let sent = expected.sent.iter().filter(|sent| sent.attack == attack);
            let sent = sent.map(|sent| sent.id.clone()).collect();
            let mut ended = seen.acted_on(HOSTILE, trigger);
            ended.extend(seen.dead_lettered(HOSTILE, trigger));
            self.lost.extend(lost(trigger, &sent, &ended));
        }
    }

    fn look_for_repeats(&mut self, seen: &Seen) {
        // It acts at most once, but for what the bus forgets.
        let is_log = |firing: &Firing| (firing.sensor, firing.trigger) == (EXAMPLE_SENSOR, LOG);
        let (at_most_once, at_least_once): (Vec<&Firing>, Vec<&Firing>) =
            seen.firings.iter().partition(|firing| is_log(firing));
        self.repeats = Repeats::among(&at_least_once, &seen.interruptions);
        let forgotten = Repeats::forgotten(&at_most_once, &seen.interruptions, BUS, HOSTILE);
        self.repeats.explained += forgotten.explained;
        self.repeats.unexplained.extend(forgotten.unexplained);
    }

    fn look_for_wrong(&mut self, seen: &Seen) {
        for letter in &seen.letters {
            let may_be =
                letter.sensor == HOSTILE || (letter.reason == INTERRUPTED && letter.trigger == LOG);
            if !may_be {
                self.wrong.push(letter.to_string());
            }
        }
        let mut known = BTreeSet::new();
        for event in &seen.events {
            if !known.insert(event) {
                let (source, id) = event;
                self.wrong.push(format!("{source} published {id} twice"));
            }
        }
    }
}

impl Seen {
    fn published_by(&self, source: &str) -> BTreeSet<String> {
        let events = self.events.iter().filter(|(of, _)| of == source);
        events.map(|(_, id)| id.clone()).collect()
    }

    fn acted_on(&self, sensor: &str, trigger: &str) -> BTreeSet<String> {
        let firings = self.firings.iter();
        let firings = firings.filter(|firing| firing.sensor == sensor && firing.trigger == trigger);
        firings.map(|firing| firing.event.clone()).collect()
    }

    fn dead_lettered(&self, sensor: &str, trigger: &str) -> BTreeSet<String> {
        let letters = self.letters.iter();
        let letters = letters.filter(|letter| letter.sensor == sensor && letter.trigger == trigger);
        letters.map(|letter| letter.event.clone()).collect()
    }
}

impl fmt::Display for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sensor,
            trigger,
            event,
            reason,
            error,
        } = self;
        write!(
            f,
            "{sensor} {trigger} dead-lettered {event} ({reason}): {error}"
        )
    }
}

#[cfg(test)]
mod tests;

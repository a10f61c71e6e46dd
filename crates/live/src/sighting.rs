//! An event of a bus beside what triggers make of it, in short: a page of a few lines, or a line of JSON.

use serde_json::{Value, json};
use tiphys_api::message::shortened;
use tiphys_base::text::one_line;
use tiphys_sensor::engine::Outcome;
use tiphys_simulate::{Decision, Report};

use crate::events::Seen;
use crate::mask::Values;

/// How much of a reason is shown, in characters.
const REASON: usize = 400;

/// What is shown.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// Only decisions of sensors of this name.
    pub sensor: Option<String>,
    /// Only decisions of triggers of this name.
    pub trigger: Option<String>,
    /// Only these outcomes; all if there are none.
    pub outcomes: Vec<Outcome>,
    /// With the payload.
    pub with_data: bool,
    /// With the values of Secrets that are in it.
    pub is_revealed: bool,
}

/// An event, and what the objects at hand make of it.
pub struct Sighting<'s> {
    /// The event.
    pub seen: &'s Seen,
    /// What becomes of it; nothing if no objects are at hand.
    pub reports: Option<&'s [Report<'s>]>,
}

impl Look {
    fn wants(&self, decision: &Decision<'_>) -> bool {
        let is = |wanted: &Option<String>, name: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == name)
        };
        is(&self.sensor, decision.sensor())
            && is(&self.trigger, decision.trigger())
            && (self.outcomes.is_empty() || self.outcomes.contains(&decision.outcome()))
    }

    /// Whether anything is left out that is about decisions.
    fn is_narrow(&self) -> bool {
        self.sensor.is_some() || self.trigger.is_some() || !self.outcomes.is_empty()
    }
}

impl<'s> Sighting<'s> {
    /// The decisions that are wanted.
    pub fn decisions<'a>(&'a self, look: &'a Look) -> impl Iterator<Item = Decision<'s>> + 'a {
        let reports = self.reports.unwrap_or_default().iter();
        let decisions = reports.flat_map(Report::decisions);
        decisions.filter(|decision| look.wants(decision))
    }

    /// Whether there is anything to show.
    fn is_wanted(&self, look: &Look) -> bool {
        !look.is_narrow() || self.decisions(look).next().is_some()
    }

    /// Why nothing comes of it, where no trigger was asked.
    fn unanswered(&self) -> impl Iterator<Item = String> {
        self.reports
            .unwrap_or_default()
            .iter()
            .filter_map(Report::unanswered)
    }

    /// A few lines for people; nothing if it is not wanted.
    pub fn text(&self, look: &Look) -> String {
        self.shown(look, Self::lines)
    }

    /// One line for programs; nothing if it is not wanted.
    pub fn json(&self, look: &Look) -> String {
        self.shown(look, Self::object)
    }

    fn shown(&self, look: &Look, print: impl Fn(&Self, &Look) -> String) -> String {
        if !self.is_wanted(look) {
            return String::new();
        }
        let mut secrets = Values::default();
        if let (Ok(event), false) = (&self.seen.event, look.is_revealed) {
            secrets.add(event);
        }
        secrets.hide(print(self, look))
    }

    fn lines(&self, look: &Look) -> String {
        let seen = self.seen;
        let (at, number) = (seen.stored_at, seen.position);
        let what = match &seen.event {
            Ok(event) => {
                let context = &event.context;
                format!(
                    "{}/{} ({}) {}",
                    context.source, context.subject, context.r#type, context.id
                )
            }
            Err(error) => format!("{}: no event: {error}", seen.subject.as_str()),
        };
        let mut lines = vec![format!("{at}  {number}  {what}")];
        if let Some(replay) = &seen.replay {
            let (letter, subject) = (&replay.letter, seen.subject.as_str());
            lines.push(format!(
                "  the event of dead letter {letter}, for {subject} alone"
            ));
        }
        if look.with_data {
            lines.push(format!("  {}", seen.data(look.is_revealed)));
        }
        lines.extend(self.decisions(look).map(|decision| {
            let (outcome, reason) = (decision.outcome(), decision.reason());
            let reason = shortened(&reason, REASON);
            let place = format!("{}/{}", decision.namespace(), decision.sensor());
            format!("  {place} {}  {outcome}: {reason}", decision.trigger())
        }));
        if !look.is_narrow() {
            let unanswered = self.unanswered();
            lines.extend(unanswered.map(|why| format!("  → {}", shortened(&why, REASON))));
        }
        lines.iter().map(|line| one_line(line) + "\n").collect()
    }

    fn object(&self, look: &Look) -> String {
        let mut json = self.seen.to_json();
        if look.with_data {
            json["data"] = self.seen.data(look.is_revealed);
        }
        if self.reports.is_some() {
            let decisions = self.decisions(look).map(|decision| {
                json!({
                    "namespace": decision.namespace(),
                    "sensor": decision.sensor(),
                    "trigger": decision.trigger(),
                    "outcome": decision.outcome().name(),
                    "reason": decision.reason(),
                })
            });
            json["decisions"] = decisions.collect::<Vec<Value>>().into();
            json["unanswered"] = self.unanswered().collect::<Vec<_>>().into();
        }
        format!("{json}\n")
    }
}

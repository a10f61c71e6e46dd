//! What becomes of events by two specs: which actions come, go or change.

use std::collections::BTreeMap;

use serde_json::json;
use tiphys_sensor::engine::Outcome;

use crate::comparison::{self, lines};
use crate::decisions::Decision;
use crate::error::Act as _;
use crate::expect::{Done, Part, Verdict};
use crate::lines::{Lines, line};
use crate::{Error, Format, Report};

/// All that differs, gathered event by event: what differs alike is one entry.
#[derive(Debug, Default)]
pub struct Changes {
    events: u64,
    changed_events: u64,
    groups: BTreeMap<Key, Group>,
}

/// What differs for a trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It does something that it did not do before.
    New,
    /// It does not do any more what it did before.
    Gone,
    /// It does something else.
    Changed,
    /// It could not be performed before, and can be now.
    Mended,
    /// It cannot be performed any more.
    Fails,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    /// The sensor and the trigger.
    by: String,
    change: Change,
    /// The fields that differ, of an action that has changed.
    fields: String,
}

#[derive(Debug)]
struct Group {
    count: u64,
    /// The id of the first event.
    event: String,
    /// The action of the first event, or the error.
    what: String,
    /// What came of it instead, if nothing is done any more.
    instead: Option<String>,
    part: Option<Part>,
}

/// What a trigger made of one event.
#[derive(Default)]
struct Result<'r> {
    decision: Option<Decision<'r>>,
    done: Done,
}

impl Change {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Gone => "gone",
            Self::Changed => "changed",
            Self::Mended => "mended",
            Self::Fails => "fails",
        }
    }
}

impl Changes {
    /// Takes note of what became of one event before, and what becomes of it now.
    ///
    /// # Errors
    /// If an action cannot be printed.
    pub fn add(
        &mut self,
        id: &str,
        before: &[Report<'_>],
        now: &[Report<'_>],
    ) -> std::result::Result<(), Error> {
        self.events += 1;
        if is_equal(before, now)? {
            return Ok(());
        }
        let mut triggers: BTreeMap<String, [Result<'_>; 2]> = BTreeMap::new();
        for (side, reports) in [before, now].into_iter().enumerate() {
            for report in reports {
                for decision in report.decisions() {
                    let both = triggers.entry(decision.to_string());
                    let result = &mut both.or_default()[side];
                    decision.add_to(&mut result.done)?;
                    result.decision = Some(decision);
                }
            }
        }
        let mut has_changed = false;
        for (by, [before, now]) in triggers {
            has_changed |= self.compare(id, &by, before, now);
        }
        self.changed_events += u64::from(has_changed);
        Ok(())
    }

    /// How many events were followed.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// For how many of them something differs.
    pub fn changed_events(&self) -> u64 {
        self.changed_events
    }

    /// Takes note of what differs for a trigger; true if something does.
    fn compare(&mut self, id: &str, by: &str, before: Result<'_>, now: Result<'_>) -> bool {
        let mut has_changed = false;
        let failed = |result: &Result<'_>| result.done.failure().map(ToOwned::to_owned);
        let mut note = |change, fields, what, instead, part| {
            has_changed = true;
            let by = by.to_owned();
            let group = self.groups.entry(Key { by, change, fields });
            let group = group.or_insert_with(|| Group {
                count: 0,
                event: id.to_owned(),
                what,
                instead,
                part,
            });
            group.count += 1;
        };
        match (failed(&before), failed(&now)) {
            (None, Some(error)) => note(Change::Fails, String::new(), error, None, None),
            (Some(error), None) => note(Change::Mended, String::new(), error, None, None),
            _ => {}
        }
        let is_done_now = now.done.failure().is_none();
        let reason = now.decision.filter(|now| now.outcome() != Outcome::Fired);
        let reason = reason.map(|now| format!("{}: {}", now.outcome(), now.reason()));
        for part in before.done.expected().compare(now.done).parts {
            let action = part.action.clone();
            match part.verdict {
                Verdict::Different => {
                    let fields = part.fields().join(", ");
                    note(Change::Changed, fields, action, None, Some(part));
                }
                // That it fails is said.
                Verdict::Missing if is_done_now => {
                    note(Change::Gone, String::new(), action, reason.clone(), None);
                }
                Verdict::Missing => {}
                Verdict::Unexpected => {
                    note(Change::New, String::new(), action, None, Some(part));
                }
            }
        }
        has_changed
    }

    /// What differs, for people or, a line each, for programs.
    ///
    /// # Errors
    /// If a difference cannot be printed.
    pub fn print(&self, format: Format) -> std::result::Result<String, Error> {
        match format {
            Format::Text => Ok(self.text()),
            Format::Json => self.json().act(|| "print the differences".to_owned()),
        }
    }

    fn text(&self) -> String {
        let mut out = Lines::default();
        let mut last = "";
        for (Key { by, change, .. }, group) in &self.groups {
            if by != last {
                line!(out, "{by}");
                last = by;
            }
            let Group {
                count,
                event,
                what,
                instead,
                part,
            } = group;
            let says = match change {
                Change::New => format!("new: {what}"),
                Change::Gone => format!("not done any more: {what}"),
                Change::Changed => format!("changed: {what}"),
                Change::Mended => format!("does not fail any more: {what}"),
                Change::Fails => format!("fails: {what}"),
            };
            line!(out, "  {count} × {says}");
            let example = if *count > 1 {
                "first in event"
            } else {
                "event"
            };
            line!(out, "      {example} {event}");
            if let Some(instead) = instead {
                line!(out, "      {instead}");
            }
            for difference in part.iter().flat_map(|part| &part.differences) {
                lines('-', difference.expected.as_ref(), "      ", &mut out);
                lines('+', difference.actual.as_ref(), "      ", &mut out);
            }
        }
        out.finish()
    }

    fn json(&self) -> serde_json::Result<String> {
        let mut text = String::new();
        for (Key { by, change, .. }, group) in &self.groups {
            let rows = group.part.as_ref().map(comparison::rows);
            let rows = rows.into_iter().flatten();
            let line = json!({
                "by": by,
                "change": change.name(),
                "count": group.count,
                "event": group.event,
                "action": group.what,
                "instead": group.instead,
                "differences": rows.collect::<serde_json::Result<Vec<_>>>()?,
            });
            text.extend([line.to_string().as_str(), "\n"]);
        }
        Ok(text)
    }
}

/// Whether the same triggers do the same: most events are as they were.
fn is_equal(before: &[Report<'_>], now: &[Report<'_>]) -> std::result::Result<bool, Error> {
    let [before, now] = [before, now].map(|reports| {
        let decisions = reports.iter().flat_map(Report::decisions);
        decisions.map(|decision| decision.printed())
    });
    let mut now = now;
    for before in before {
        let Some(now) = now.next() else {
            return Ok(false);
        };
        if before? != now? {
            return Ok(false);
        }
    }
    Ok(now.next().is_none())
}

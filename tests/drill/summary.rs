//! What a drill came to, as people read it.

use std::collections::BTreeMap;
use std::fmt;

use crate::findings::Findings;
use crate::schedule::{Fault, Operation, Part, Schedule};

/// How many lines of one kind are shown: the first ones tell what it is about.
const SHOWN: usize = 20;

/// A drill and its end.
pub(crate) struct Summary<'a> {
    pub(crate) seed: u64,
    pub(crate) minutes: u32,
    pub(crate) schedule: &'a Schedule,
    pub(crate) findings: &'a Findings,
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            minutes,
            schedule,
            findings,
        } = self;
        writeln!(f, "drill of {minutes} min, seed {seed}")?;
        for part in Part::ALL {
            let count = |fault: Fault| (fault, schedule.count(part, fault));
            let counts = Fault::ALL.map(count).into_iter();
            let counts = counts.filter(|(_, count)| *count > 0);
            let counts = counts.map(|(fault, count)| format!("{fault} {count}"));
            row(f, &part.to_string(), &counts.collect::<Vec<_>>())?;
        }
        row(f, "operations", &operations(schedule))?;
        row(f, "published", &counted(&findings.published))?;
        let deliveries = format!("{} deliveries to triggers", findings.deliveries);
        row(f, "received", &[deliveries])?;
        row(f, "fired", &counted(&findings.fired))?;
        row(f, "dead letters", &counted(&findings.dead_lettered))?;
        let repeats = &findings.repeats;
        writeln!(
            f,
            "lost {}, wrong {}, twice {} ({} without an explanation), \
             left out by what acts at most once {}",
            findings.lost.len(),
            findings.wrong.len(),
            repeats.explained + repeats.unexplained.len(),
            repeats.unexplained.len(),
            findings.left_out,
        )?;
        list(f, "lost", &findings.lost)?;
        list(f, "wrong", &findings.wrong)?;
        list(f, "twice", &repeats.unexplained)
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, cells: &[String]) -> fmt::Result {
    if cells.is_empty() {
        return Ok(());
    }
    writeln!(f, "  {name:<13} {}", cells.join(", "))
}

fn operations(schedule: &Schedule) -> Vec<String> {
    let mut counts = BTreeMap::<&str, usize>::new();
    for (_, operation) in &schedule.operations {
        let name = match operation {
            Operation::Serve { .. } => "services created or changed",
            Operation::Close { .. } => "services deleted",
            Operation::Attack(_) => "attacks",
        };
        *counts.entry(name).or_default() += 1;
    }
    let counts = counts.into_iter();
    counts
        .map(|(name, count)| format!("{name} {count}"))
        .collect()
}

fn counted(counts: &BTreeMap<String, usize>) -> Vec<String> {
    let counts = counts.iter();
    counts
        .map(|(name, count)| format!("{name} {count}"))
        .collect()
}

fn list(f: &mut fmt::Formatter<'_>, what: &str, lines: &[String]) -> fmt::Result {
    for line in lines.iter().take(SHOWN) {
        writeln!(f, "{what}: {line}")?;
    }
    match lines.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => writeln!(f, "{what}: {more} more"),
    }
}

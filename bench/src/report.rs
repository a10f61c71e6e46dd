//! The figures: a table for people, JSON for programs.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

/// Everything that was measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

/// One figure.
#[derive(Debug)]
pub(crate) struct Row {
    what: String,
    unit: &'static str,
    measured: f64,
    argo: Option<f64>,
    goal: Option<Goal>,
    floor: Option<Floor>,
}

#[derive(Debug, Clone, Copy)]
enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

/// What nobody can beat here, and by how much it may be exceeded.
#[derive(Debug)]
struct Floor {
    what: &'static str,
    value: f64,
    at_most_times: Option<f64>,
}

impl Row {
    pub(crate) fn new(what: impl Into<String>, unit: &'static str, measured: f64) -> Self {
        Self {
            what: what.into(),
            unit,
            measured,
            argo: None,
            goal: None,
            floor: None,
        }
    }

    /// What Argo Events 1.9 needs, as measured on a machine of this size.
    pub(crate) fn argo(mut self, value: f64) -> Self {
        self.argo = Some(value);
        self
    }

    pub(crate) fn at_most(mut self, goal: f64) -> Self {
        self.goal = Some(Goal::AtMost(goal));
        self
    }

    pub(crate) fn at_least(mut self, goal: f64) -> Self {
        self.goal = Some(Goal::AtLeast(goal));
        self
    }

    pub(crate) fn floor(mut self, what: &'static str, value: f64) -> Self {
        self.floor = Some(Floor {
            what,
            value,
            at_most_times: None,
        });
        self
    }

    /// The goal is also missed above `times` the floor.
    pub(crate) fn within(mut self, times: f64) -> Self {
        if let Some(floor) = &mut self.floor {
            floor.at_most_times = Some(times);
        }
        self
    }

    /// `None` if there is nothing to reach.
    fn is_reached(&self) -> Option<bool> {
        let of_goal = self.goal.map(|goal| match goal {
            Goal::AtMost(limit) => self.measured <= limit,
            Goal::AtLeast(limit) => self.measured >= limit,
        });
        let of_floor = self.floor.as_ref().and_then(|floor| {
            floor
                .at_most_times
                .map(|times| self.measured <= times * floor.value)
        });
        match (of_goal, of_floor) {
            (None, None) => None,
            (goal, floor) => Some(goal.unwrap_or(true) && floor.unwrap_or(true)),
        }
    }

    fn cells(&self) -> [String; 6] {
        let goal = self.goal.map_or_else(String::new, |goal| match goal {
            Goal::AtMost(limit) => format!("≤ {}", number(limit)),
            Goal::AtLeast(limit) => format!("≥ {}", number(limit)),
        });
        let times = self.floor.as_ref().and_then(|floor| floor.at_most_times);
        let times = times.map_or_else(String::new, |times| format!(", ≤ {times} × floor"));
        let floor = self.floor.as_ref().map_or_else(String::new, |floor| {
            let ratio = self.measured / floor.value;
            let ratio = if ratio.is_finite() {
                format!(", × {ratio:.2}")
            } else {
                String::new()
            };
            format!("{} ({}{ratio})", number(floor.value), floor.what)
        });
        [
            format!("{} [{}]", self.what, self.unit),
            self.argo.map_or_else(String::new, number),
            goal + &times,
            number(self.measured),
            floor,
            self.is_reached()
                .map_or("", |reached| if reached { "yes" } else { "NO" })
                .to_owned(),
        ]
    }

    fn to_json(&self) -> Value {
        let goal = self.goal.map(|goal| match goal {
            Goal::AtMost(limit) => json!({"atMost": limit}),
            Goal::AtLeast(limit) => json!({"atLeast": limit}),
        });
        let floor = self.floor.as_ref().map(|floor| {
            json!({"what": floor.what, "value": floor.value, "atMostTimes": floor.at_most_times})
        });
        json!({
            "what": self.what,
            "unit": self.unit,
            "argo": self.argo,
            "goal": goal,
            "measured": self.measured,
            "floor": floor,
            "ok": self.is_reached(),
        })
    }
}

impl Report {
    pub(crate) fn add(&mut self, row: Row) {
        eprintln!("   {} [{}]: {}", row.what, row.unit, number(row.measured));
        self.rows.push(row);
    }

    /// The table, columns in line.
    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let head = ["what", "Argo", "goal", "measured", "floor", "ok?"].map(ToOwned::to_owned);
        let table: Vec<[String; 6]> = std::iter::once(head)
            .chain(self.rows.iter().map(Row::cells))
            .collect();
        let width = |column: usize| {
            table
                .iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or_default()
        };
        let widths: [usize; 6] = std::array::from_fn(width);
        for (index, row) in table.iter().enumerate() {
            let cells = row
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{cell:<width$}"));
            writeln!(out, "| {} |", cells.collect::<Vec<_>>().join(" | "))?;
            if index == 0 {
                writeln!(
                    out,
                    "|{}|",
                    widths.map(|width| "-".repeat(width + 2)).join("|")
                )?;
            }
        }
        Ok(())
    }

    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let document = json!({
            "time": jiff::Timestamp::now().to_string(),
            "cores": std::thread::available_parallelism().map_or(0, usize::from),
            "rows": self.rows.iter().map(Row::to_json).collect::<Vec<_>>(),
        });
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        }
        fs::write(path, format!("{document:#}\n"))
            .with_context(|| format!("write {}", path.display()))
    }
}

/// Three digits that mean something, thousands in groups.
fn number(value: f64) -> String {
    if value.abs() < 1000.0 {
        let decimals = match value.abs() {
            small if small < 1.0 => 3,
            small if small < 10.0 => 2,
            small if small < 100.0 => 1,
            _ => 0,
        };
        let text = format!("{value:.decimals$}");
        return if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        };
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.0456, "0.046"),
            (4.0, "4"),
            (5.625, "5.62"),
            (18.25, "18.2"),
            (999.0, "999"),
            (20_000.0, "20,000"),
            (1_234_567.0, "1,234,567"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn a_goal_is_missed_by_the_value_or_by_the_floor() {
        let row = || Row::new("x", "ms", 4.0);
        assert_eq!(row().is_reached(), None);
        assert_eq!(row().at_most(4.0).is_reached(), Some(true));
        assert_eq!(row().at_least(5.0).is_reached(), Some(false));
        let floored = || row().at_most(4.0).floor("f", 2.0);
        assert_eq!(floored().is_reached(), Some(true));
        assert_eq!(floored().within(1.5).is_reached(), Some(false));
    }
}

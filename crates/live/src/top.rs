//! What triggers do at this moment: how many events they take, how far they are behind, how long they need.

pub mod metrics;
pub mod pods;

use std::time::Duration;

use serde_json::{Value, json};
use tiphys_base::text::one_line;
use tiphys_eventbus::{ConsumerLook, Durable, Letters, Look};

use metrics::Durations;

/// A trigger, or a consumer that is nobody's.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The namespace, sensor and trigger, as far as the consumer's name says it.
    pub names: Option<(String, String, String)>,
    /// The name of its consumer.
    pub consumer: Durable,
    /// Deliveries per second since the look before.
    pub rate: f64,
    /// How many events are still to be delivered.
    pub lag: u64,
    /// How many are delivered and not acknowledged.
    pub in_hand: u64,
    /// How many of those were delivered before.
    pub repeated: u64,
    /// How many dead letters it has.
    pub dead_letters: u64,
    /// How long 95 of 100 actions took at most, in milliseconds, since its pods started.
    pub p95: Option<f64>,
}

/// All triggers of a bus.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Events published per second since the look before, whoever waits for them.
    pub published: f64,
    /// How many events are stored.
    pub stored: u64,
    /// The triggers, by their names.
    pub rows: Vec<Row>,
}

/// Which triggers are meant.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only of this namespace.
    pub namespace: Option<String>,
    /// Only of sensors of this name.
    pub sensor: Option<String>,
}

impl Filter {
    fn wants(&self, row: &Row) -> bool {
        let is = |wanted: &Option<String>, name: Option<&String>| {
            wanted.is_none() || wanted.as_ref() == name
        };
        let names = row.names.as_ref();
        is(&self.namespace, names.map(|(namespace, ..)| namespace))
            && is(&self.sensor, names.map(|(_, sensor, _)| sensor))
    }
}

impl Page {
    /// What happened between two looks at a bus.
    pub fn between(
        before: &Look,
        now: &Look,
        passed: Duration,
        durations: &Durations,
        filter: &Filter,
    ) -> Self {
        let row = |consumer: &ConsumerLook| {
            let names = consumer.durable.names();
            let mut earlier = before.consumers.iter();
            let earlier = earlier.find(|earlier| earlier.durable == consumer.durable);
            let earlier = earlier.map_or(0, |earlier| earlier.delivered);
            let letters = names.as_ref().map(|(namespace, sensor, trigger)| Letters {
                namespace: namespace.clone(),
                sensor: sensor.clone(),
                trigger: trigger.clone(),
            });
            let mut counts = now.dead_letters.iter();
            let count = counts.find(|(of, _)| Some(of) == letters.as_ref());
            let p95 = names.as_ref();
            let p95 = p95.and_then(|(_, sensor, trigger)| durations.p95(sensor, trigger));
            Row {
                consumer: consumer.durable.clone(),
                rate: rate(earlier, consumer.delivered, passed),
                lag: consumer.lag,
                in_hand: consumer.in_hand,
                repeated: consumer.repeated,
                dead_letters: count.map_or(0, |(_, count)| *count),
                p95,
                names,
            }
        };
        let rows = now.consumers.iter().map(row);
        let mut rows: Vec<Row> = rows.filter(|row| filter.wants(row)).collect();
        rows.sort_by(|a, b| (&a.names, &a.consumer).cmp(&(&b.names, &b.consumer)));
        Self {
            published: rate(before.published, now.published, passed),
            stored: now.stored,
            rows,
        }
    }

    /// A table of at most so many columns of characters.
    pub fn text(&self, width: usize) -> String {
        let (published, stored) = (self.published, self.stored);
        let mut lines = vec![format!(
            "{published:.1} events/s published, {stored} stored"
        )];
        let head = [
            "TRIGGER", "RATE/s", "LAG", "IN HAND", "AGAIN", "DEAD", "P95 ms",
        ];
        let mut table = vec![head.map(ToOwned::to_owned)];
        table.extend(self.rows.iter().map(Row::cells));
        let widths: Vec<usize> = (0..head.len())
            .map(|column| {
                let cells = table.iter().map(|row| row[column].chars().count());
                cells.max().unwrap_or(0)
            })
            .collect();
        let numbers: usize = widths[1..].iter().map(|width| width + 2).sum();
        // A name gives way, numbers do not.
        let room = widths[0].min(width.saturating_sub(numbers).max(12));
        lines.extend(table.iter().map(|row| {
            let name = format!("{:<room$}", cut(&row[0], room));
            let numbers = row[1..].iter().zip(&widths[1..]);
            let numbers = numbers.map(|(cell, width)| format!("  {cell:>width$}"));
            name + &numbers.collect::<String>()
        }));
        lines.iter().map(|line| one_line(line) + "\n").collect()
    }

    /// One line for programs.
    pub fn json(&self) -> String {
        let rows = self.rows.iter().map(Row::json);
        let json = json!({
            "publishedPerSecond": self.published,
            "stored": self.stored,
            "triggers": rows.collect::<Vec<Value>>(),
        });
        format!("{json}\n")
    }
}

impl Row {
    fn cells(&self) -> [String; 7] {
        let name = match &self.names {
            Some((namespace, sensor, trigger)) => format!("{namespace}/{sensor} {trigger}"),
            None => format!("consumer {}", self.consumer),
        };
        [
            name,
            format!("{:.1}", self.rate),
            self.lag.to_string(),
            self.in_hand.to_string(),
            self.repeated.to_string(),
            self.dead_letters.to_string(),
            self.p95.map_or("-".to_owned(), |p95| format!("{p95:.1}")),
        ]
    }

    fn json(&self) -> Value {
        let names = self.names.as_ref();
        json!({
            "namespace": names.map(|(namespace, ..)| namespace),
            "sensor": names.map(|(_, sensor, _)| sensor),
            "trigger": names.map(|(.., trigger)| trigger),
            "consumer": self.consumer.as_str(),
            "ratePerSecond": self.rate,
            "lag": self.lag,
            "inHand": self.in_hand,
            "repeated": self.repeated,
            "deadLetters": self.dead_letters,
            "p95Milliseconds": self.p95,
        })
    }
}

/// The begin of a text, if it is too long.
fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let begin: String = text.chars().take(room - 1).collect();
    begin + "…"
}

#[expect(
    clippy::cast_precision_loss,
    reason = "nobody looks at the sixteenth digit of it"
)]
fn rate(before: u64, now: u64, passed: Duration) -> f64 {
    // A bus that was made anew counts from the begin.
    let more = now.checked_sub(before).unwrap_or(now);
    more as f64 / passed.as_secs_f64().max(0.001)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(delivered: u64, published: u64) -> Look {
        Look {
            published,
            stored: 7,
            consumers: vec![
                ConsumerLook {
                    durable: Durable::trigger("harbour", "gate", "note"),
                    delivered,
                    reached: None,
                    done: None,
                    lag: 12,
                    in_hand: 2,
                    repeated: 1,
                },
                ConsumerLook {
                    durable: Durable::trigger("docks", "gate", "a trigger with a long name"),
                    delivered: 1,
                    reached: None,
                    done: None,
                    lag: 0,
                    in_hand: 0,
                    repeated: 0,
                },
            ],
            dead_letters: vec![(
                Letters {
                    namespace: "harbour".to_owned(),
                    sensor: "gate".to_owned(),
                    trigger: "note".to_owned(),
                },
                3,
            )],
        }
    }

    fn page(filter: &Filter) -> Page {
        let passed = Duration::from_secs(2);
        let none = Durations::default();
        Page::between(&look(10, 100), &look(15, 130), passed, &none, filter)
    }

    #[test]
    fn a_table_has_a_line_for_each_trigger() {
        assert_eq!(
            page(&Filter::default()).text(120),
            "\
15.0 events/s published, 7 stored
TRIGGER                                RATE/s  LAG  IN HAND  AGAIN  DEAD  P95 ms
docks/gate a trigger with a long name     0.0    0        0      0     0       -
harbour/gate note                         2.5   12        2      1     3       -
"
        );
        let harbour = Filter {
            namespace: Some("harbour".to_owned()),
            ..Filter::default()
        };
        assert_eq!(
            page(&harbour).text(40),
            "\
15.0 events/s published, 7 stored
TRIGGER       RATE/s  LAG  IN HAND  AGAIN  DEAD  P95 ms
harbour/gat…     2.5   12        2      1     3       -
"
        );
    }

    #[test]
    fn programs_get_the_same() {
        let gate = Filter {
            sensor: Some("other".to_owned()),
            ..Filter::default()
        };
        assert_eq!(
            page(&gate).json(),
            "{\"publishedPerSecond\":15.0,\"stored\":7,\"triggers\":[]}\n"
        );
    }
}

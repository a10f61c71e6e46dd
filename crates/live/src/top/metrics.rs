//! How long actions take, out of what pods count about themselves.

use std::collections::BTreeMap;

/// The metric with the durations of actions.
const DURATION: &str = "argo_events_action_duration_milliseconds_bucket{";

/// Durations by trigger: sensor and trigger, then upper bounds in milliseconds and how many took no longer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Durations(BTreeMap<(String, String), BTreeMap<Bound, u64>>);

/// An upper bound in milliseconds, in thousandths; the last one is without end.
type Bound = u64;

impl Durations {
    /// Adds what a pod says, in Prometheus' text format.
    pub fn add(&mut self, text: &str) {
        for line in text.lines() {
            let Some(rest) = line.strip_prefix(DURATION) else {
                continue;
            };
            let Some((labels, value)) = rest.rsplit_once('}') else {
                continue;
            };
            let labels = read_labels(labels);
            let label = |name: &str| labels.get(name).cloned();
            let count = value
                .split_whitespace()
                .next()
                .and_then(|count| count.parse::<u64>().ok());
            let (Some(sensor), Some(trigger), Some(bound), Some(count)) = (
                label("sensor_name"),
                label("trigger_name"),
                label("le").and_then(|bound| read_bound(&bound)),
                count,
            ) else {
                continue;
            };
            let buckets = self.0.entry((sensor, trigger)).or_default();
            *buckets.entry(bound).or_default() += count;
        }
    }

    /// The time in milliseconds that 95 of 100 actions of a trigger took no longer than, as near as buckets
    /// say it; `None` if there was none, or it took longer than the last bucket.
    pub fn p95(&self, sensor: &str, trigger: &str) -> Option<f64> {
        let buckets = self.0.get(&(sensor.to_owned(), trigger.to_owned()))?;
        let all = *buckets.values().max()?;
        // In whole events: of one, it is that one.
        let wanted = (all * 95).div_ceil(100);
        let (mut before, mut counted) = (0, 0);
        for (bound, count) in buckets {
            if *count >= wanted && wanted > 0 {
                if *bound == Bound::MAX {
                    return None;
                }
                let share = ratio(wanted - counted, count - counted);
                let milliseconds = |bound: u64| ratio(bound, 1000);
                let (low, high) = (milliseconds(before), milliseconds(*bound));
                return Some(low + (high - low) * share);
            }
            (before, counted) = (*bound, *count);
        }
        None
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "nobody looks at the sixteenth digit of it"
)]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

fn read_bound(text: &str) -> Option<Bound> {
    if text == "+Inf" {
        return Some(Bound::MAX);
    }
    let bound: f64 = text.parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is between"
    )]
    (0.0..1e15)
        .contains(&bound)
        .then_some((bound * 1000.0) as u64)
}

/// `name="value"` with commas between them, and escapes in values.
fn read_labels(text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    while let Some((name, tail)) = rest.split_once("=\"") {
        let (mut value, mut escaped, mut end) = (String::new(), false, tail.len());
        for (at, c) in tail.char_indices() {
            match (escaped, c) {
                (false, '\\') => escaped = true,
                (false, '"') => {
                    end = at;
                    break;
                }
                (true, 'n') => {
                    value.push('\n');
                    escaped = false;
                }
                (_, c) => {
                    value.push(c);
                    escaped = false;
                }
            }
        }
        labels.insert(name.trim_start_matches([',', ' ']).to_owned(), value);
        rest = tail.get(end + 1..).unwrap_or_default();
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(trigger: &str, bound: &str, count: u64) -> String {
        format!(
            "{DURATION}le=\"{bound}\",namespace=\"n\",sensor_name=\"s\",trigger_name=\"{trigger}\"}} {count}\n"
        )
    }

    #[test]
    fn of_pods_together_95_of_100_took_no_longer() {
        let mut durations = Durations::default();
        let pod = |trigger: &str, counts: [u64; 4]| -> String {
            let bounds = ["1.0", "2.0", "5.0", "+Inf"];
            let lines = bounds.iter().zip(counts);
            lines
                .map(|(bound, count)| line(trigger, bound, count))
                .collect()
        };
        durations.add("# HELP argo_events_action_duration_milliseconds How long\n");
        durations.add(&pod("t", [90, 90, 100, 100]));
        assert_eq!(durations.p95("s", "t"), Some(3.5));
        // The same again, from another pod.
        durations.add(&pod("t", [90, 90, 100, 100]));
        assert_eq!(durations.p95("s", "t"), Some(3.5));
        durations.add(&pod("slow", [0, 0, 0, 3]));
        assert_eq!(durations.p95("s", "slow"), None);
        durations.add(&pod("none", [0, 0, 0, 0]));
        assert_eq!(durations.p95("s", "none"), None);
        durations.add(&pod("one", [0, 1, 1, 1]));
        assert_eq!(durations.p95("s", "one"), Some(2.0));
        assert_eq!(durations.p95("s", "other"), None);
    }

    #[test]
    fn names_may_hold_anything() {
        let mut durations = Durations::default();
        durations.add(&line(r#"a\"b,c=\\d"#, "1.0", 1));
        assert_eq!(durations.p95("s", r#"a"b,c=\d"#), Some(1.0));
        durations.add("argo_events_action_duration_milliseconds_bucket{le=\"1.0\"");
        durations.add("argo_events_action_duration_milliseconds_bucket{} x");
    }
}

//! Times at which a trigger's kept events are forgotten (`conditionsReset`).
//!
//! A reset is a moment, not an act: whatever was stored before it is forgotten, however late
//! somebody looks. So a sensor that was down at that time makes up for it, and a reset that comes
//! late takes no newer event along.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tiphys_api::{ConditionsResetCriteria, CronSchedule, Problem};

/// The resets of one trigger.
#[derive(Debug, Clone, Default)]
pub struct Resets {
    schedules: Vec<(CronSchedule, TimeZone)>,
}

impl Resets {
    /// Compiles a list of criteria; `field` is its field path. Faults are added to `problems`.
    pub fn compile(
        specs: &[ConditionsResetCriteria],
        field: &str,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut schedules = Vec::new();
        for (index, spec) in specs.iter().enumerate() {
            let Some(by_time) = &spec.by_time else {
                problems.push(Problem::error(
                    format!("{field}[{index}]"),
                    "invalid conditionsReset",
                ));
                continue;
            };
            let place = format!("{field}[{index}].byTime");
            let schedule = by_time.cron.parse::<CronSchedule>().map_err(|error| {
                problems.push(Problem::error(format!("{place}.cron"), error.to_string()));
            });
            let zone = match by_time.timezone.as_str() {
                "" => Ok(TimeZone::UTC),
                name => TimeZone::get(name).map_err(|error| {
                    problems.push(Problem::error(
                        format!("{place}.timezone"),
                        error.to_string(),
                    ));
                }),
            };
            if let (Ok(schedule), Ok(zone)) = (schedule, zone) {
                schedules.push((schedule, zone));
            }
        }
        Self { schedules }
    }

    /// Whether there is never a reset.
    pub fn is_empty(&self) -> bool {
        self.schedules.is_empty()
    }

    /// The last reset at or before `now`.
    pub fn last(&self, now: Timestamp) -> Option<Timestamp> {
        let after = now
            .checked_add(SignedDuration::from_nanos(1))
            .unwrap_or(now);
        self.schedules
            .iter()
            .filter_map(|(cron, zone)| cron.last_before(after, zone))
            .max()
    }

    /// The first reset after `now`.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        self.schedules
            .iter()
            .filter_map(|(cron, zone)| cron.next_after(now, zone))
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resets(list: &[(&str, &str)]) -> Resets {
        let specs: Vec<ConditionsResetCriteria> = list
            .iter()
            .map(|(cron, zone)| {
                let json = serde_json::json!({"byTime": {"cron": cron, "timezone": zone}});
                serde_json::from_value(json).unwrap()
            })
            .collect();
        let mut problems = Vec::new();
        let resets = Resets::compile(&specs, "conditionsReset", &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        resets
    }

    #[test]
    fn the_latest_schedule_says_when_the_last_reset_was() {
        let now: Timestamp = "2026-01-02T00:10:00Z".parse().unwrap();
        for (list, last, next) in [
            (&[][..], None, None),
            (
                &[("59 23 * * *", "")][..],
                Some("2026-01-01T23:59:00Z"),
                Some("2026-01-02T23:59:00Z"),
            ),
            (
                &[("59 23 * * *", ""), ("0 1 * * *", "Europe/Paris")],
                Some("2026-01-02T00:00:00Z"),
                Some("2026-01-02T23:59:00Z"),
            ),
            (
                &[("10 0 * * *", "UTC")],
                Some("2026-01-02T00:10:00Z"),
                Some("2026-01-03T00:10:00Z"),
            ),
            (&[("0 0 31 2 *", "UTC")], None, None),
        ] {
            let resets = resets(list);
            let text = |time: Option<Timestamp>| time.map(|time| time.to_string());
            assert_eq!(text(resets.last(now)).as_deref(), last, "{list:?}");
            assert_eq!(text(resets.next(now)).as_deref(), next, "{list:?}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_named() {
        let specs: Vec<ConditionsResetCriteria> = serde_json::from_str(
            r#"[{}, {"byTime": {"cron": "x"}}, {"byTime": {"cron": "* * * * *", "timezone": "Mars/Base"}}]"#,
        )
        .unwrap();
        let mut problems = Vec::new();
        Resets::compile(&specs, "r", &mut problems);
        let fields: Vec<&str> = problems
            .iter()
            .map(|problem| problem.field_path.as_str())
            .collect();
        assert_eq!(fields, ["r[0]", "r[1].byTime.cron", "r[2].byTime.timezone"]);
    }
}

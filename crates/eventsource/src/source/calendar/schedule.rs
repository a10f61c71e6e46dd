//! When a calendar ticks: pure functions over time.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tiphys_api::{CalendarEventSource, CalendarSchedule, Problem, parse_duration};

/// What is missed for no longer than this is published all the same: another pod has to take over, or
/// this one to start again.
const HANDOVER: SignedDuration = SignedDuration::from_secs(60);

/// When a calendar ticks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Schedule {
    times: CalendarSchedule,
    /// Also that of the payload.
    pub(super) zone: TimeZone,
    excluded: Vec<Date>,
    catch_up: CatchUp,
}

/// Which of the ticks that were missed are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CatchUp {
    /// Those of a handover.
    No,
    /// All.
    All,
    /// Those that are no older than this.
    Within(SignedDuration),
}

impl Schedule {
    pub(super) fn compile(path: &str, spec: &CalendarEventSource) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut problem = |field: &str, message: String| {
            problems.push(Problem::error(format!("{path}.{field}"), message));
        };
        let times = if spec.schedule.is_empty() {
            let every = parse_duration(&spec.interval);
            if let Err(error) = &every {
                problem("interval", error.to_string());
            }
            let every = every.unwrap_or(SignedDuration::ZERO);
            // Below a second the next tick would not be after the last one.
            if every.as_secs() < 1 {
                problem("interval", "interval has to be at least 1s".to_owned());
            }
            CalendarSchedule::Every(every)
        } else {
            match spec.schedule.parse::<CalendarSchedule>() {
                Ok(times) => times,
                Err(error) => {
                    problem("schedule", error.to_string());
                    CalendarSchedule::Every(SignedDuration::ZERO)
                }
            }
        };
        let zone = match spec.timezone.as_str() {
            "" => TimeZone::UTC,
            name => TimeZone::get(name).unwrap_or_else(|_| {
                problem("timezone", format!("invalid timezone {name:?}"));
                TimeZone::UTC
            }),
        };
        let mut excluded = Vec::new();
        for (at, dates) in spec.exclusion_dates.iter().enumerate() {
            let dates = dates.strip_prefix("EXDATE:").into_iter();
            for date in dates.flat_map(|dates| dates.split(',')) {
                match DateTime::strptime("%Y%m%dT%H%M%SZ", date) {
                    Ok(date) => excluded.push(date.date()),
                    Err(_) => problem(
                        &format!("exclusionDates[{at}]"),
                        format!("{date:?} is not written like 20260101T000000Z"),
                    ),
                }
            }
        }
        let catch_up = spec
            .persistence
            .as_ref()
            .and_then(|kept| kept.catchup.as_ref());
        let catch_up = match catch_up {
            Some(catch_up) if *catch_up.enabled => match catch_up.max_duration.as_str() {
                "" => CatchUp::All,
                limit => parse_duration(limit).map_or_else(
                    |error| {
                        problem("persistence.catchup.maxDuration", error.to_string());
                        CatchUp::All
                    },
                    CatchUp::Within,
                ),
            },
            _ => CatchUp::No,
        };
        if problems.is_empty() {
            Ok(Self {
                times,
                zone,
                excluded,
                catch_up,
            })
        } else {
            Err(problems)
        }
    }

    /// The first tick after `last`, which was one, or was when it all began. `None` if there is none any
    /// more.
    pub(super) fn next(&self, last: Timestamp) -> Option<Timestamp> {
        let mut last = last;
        loop {
            let next = match &self.times {
                CalendarSchedule::Cron(cron) => cron.next_after(last, &self.zone)?,
                CalendarSchedule::Every(every) => whole_seconds(last).checked_add(*every).ok()?,
            };
            // Their date is compared with the local one, as Argo Events does it.
            if !self.excluded.contains(&self.zone.to_datetime(next).date()) {
                return Some(next);
            }
            last = next;
        }
    }

    /// Where to go on at `now`, if `last` was the last tick that was published: what is missed by then
    /// is skipped, unless it is to be caught up on.
    pub(super) fn resume(&self, last: Timestamp, now: Timestamp) -> Timestamp {
        let reach = match self.catch_up {
            CatchUp::All => return last,
            CatchUp::Within(limit) => limit.max(HANDOVER),
            CatchUp::No => HANDOVER,
        };
        let from = now.checked_sub(reach).unwrap_or(Timestamp::MIN);
        if last >= from {
            return last;
        }
        match &self.times {
            CalendarSchedule::Cron(_) => from,
            CalendarSchedule::Every(every) => {
                // The rhythm stays what it was.
                let missed = from.duration_since(last).as_secs() / every.as_secs().max(1);
                let missed = i32::try_from(missed).unwrap_or(i32::MAX);
                let skipped = every.checked_mul(missed);
                let at = skipped.and_then(|skipped| last.checked_add(skipped).ok());
                at.filter(|at| *at <= now).unwrap_or(from)
            }
        }
    }
}

/// Without the part of a second.
pub(super) fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

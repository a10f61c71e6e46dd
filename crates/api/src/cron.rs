//! Cron schedules: minute, hour, day of the month, month, day of the week.
//!
//! The rules are those of the Go library that Argo Events uses: names of months and weekdays,
//! `* , - / ?`, a `TZ=` in front; if both days are restricted, one of them is enough. Every moment of
//! real time counts whose local time matches: where clocks go back, an hour comes twice; where they go
//! forward, it does not come.
//!
//! A [`CronSchedule`] is read from five fields, as Argo Events reads it. Calendars may have more
//! ([`CalendarSchedule`]): a field of seconds in front, `@daily` and its like, `@every 90s`.

use std::str::FromStr;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, civil};

use crate::duration::{DurationError, parse_duration};

/// How far ahead or back a schedule is looked at: 29 February comes within eight years at most, and
/// Argo Events gives up after five.
const YEARS: i16 = 8;

/// A cron schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct CronSchedule {
    seconds: u64,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// One of the days is `*`, so the other one alone decides.
    any_day: bool,
    time_zone: Option<TimeZone>,
}

/// Why a text is no cron schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// There are not five fields.
    #[error("a cron expression has 5 fields (minute hour day month weekday), found {0}")]
    Fields(usize),
    /// A field cannot be read.
    #[error("{field} {text:?} is not a list of numbers, ranges and steps from {min} to {max}")]
    Field {
        /// Which field it is.
        field: &'static str,
        /// What stands there.
        text: String,
        /// Its least value.
        min: u8,
        /// Its greatest value.
        max: u8,
    },
    /// The time zone in front is not known.
    #[error("unknown time zone {0:?}")]
    TimeZone(String),
    /// There is no schedule of this name.
    #[error(
        "unknown schedule {0:?}: there are @yearly, @annually, @monthly, @weekly, @daily, @midnight, \
         @hourly and @every with a duration"
    )]
    Descriptor(String),
    /// The duration behind `@every` cannot be read.
    #[error("@every: {0}")]
    Every(#[from] DurationError),
    /// The duration behind `@every` is too short.
    #[error("@every has to be at least 1s")]
    TooOften,
}

/// The schedule of a calendar.
#[derive(Clone, Debug, PartialEq)]
pub enum CalendarSchedule {
    /// Points in time.
    Cron(Box<CronSchedule>),
    /// Always the same time apart: at least a second.
    Every(SignedDuration),
}

/// Names of schedules, and what they stand for.
const DESCRIPTORS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// What a field may hold.
struct Field {
    name: &'static str,
    min: u8,
    max: u8,
    names: &'static [&'static str],
}

const SECOND: Field = Field {
    name: "second",
    min: 0,
    max: 59,
    names: &[],
};

const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        min: 0,
        max: 59,
        names: &[],
    },
    Field {
        name: "hour",
        min: 0,
        max: 23,
        names: &[],
    },
    Field {
        name: "day",
        min: 1,
        max: 31,
        names: &[],
    },
    Field {
        name: "month",
        min: 1,
        max: 12,
        names: &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    },
    Field {
        name: "weekday",
        min: 0,
        max: 6,
        names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    },
];

impl FromStr for CronSchedule {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let (time_zone, fields) = time_zone(text)?;
        let words: Vec<_> = fields.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = words.as_slice() else {
            return Err(CronError::Fields(words.len()));
        };
        Ok(Self {
            seconds: 1,
            minutes: FIELDS[0].bits(minute)?,
            hours: FIELDS[1].bits(hour)?,
            days: FIELDS[2].bits(day)?,
            months: FIELDS[3].bits(month)?,
            weekdays: FIELDS[4].bits(weekday)?,
            any_day: is_star(day) || is_star(weekday),
            time_zone,
        })
    }
}

impl FromStr for CalendarSchedule {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let (time_zone, fields) = time_zone(text)?;
        if let Some(every) = fields.strip_prefix("@every ") {
            // In whole seconds, as the library does it.
            let every = parse_duration(every.trim())?.as_secs();
            if every < 1 {
                return Err(CronError::TooOften);
            }
            return Ok(Self::Every(SignedDuration::from_secs(every)));
        }
        let named = DESCRIPTORS.iter().find(|(name, _)| *name == fields);
        let fields = match named {
            Some((_, fields)) => fields,
            None if fields.starts_with('@') => {
                return Err(CronError::Descriptor(fields.to_owned()));
            }
            None => fields,
        };
        let (seconds, fields) = match fields.split_once(char::is_whitespace) {
            Some((seconds, rest)) if fields.split_whitespace().count() == 6 => {
                (SECOND.bits(seconds)?, rest)
            }
            _ => (1, fields),
        };
        let cron = fields.parse::<CronSchedule>()?;
        Ok(Self::Cron(Box::new(CronSchedule {
            seconds,
            time_zone,
            ..cron
        })))
    }
}

/// Takes off a time zone in front.
fn time_zone(text: &str) -> Result<(Option<TimeZone>, &str), CronError> {
    let text = text.trim();
    let Some(named) = text
        .strip_prefix("CRON_TZ=")
        .or_else(|| text.strip_prefix("TZ="))
    else {
        return Ok((None, text));
    };
    let (name, rest) = named.split_once(char::is_whitespace).unwrap_or((named, ""));
    let zone = TimeZone::get(name).map_err(|_| CronError::TimeZone(name.to_owned()))?;
    Ok((Some(zone), rest.trim()))
}

/// A field without restriction: `*` or `*/1`, also as one of several.
fn is_star(text: &str) -> bool {
    text.split(',')
        .any(|part| matches!(part, "*" | "?" | "*/1" | "?/1"))
}

impl Field {
    /// The values of a field, a bit each.
    fn bits(&self, text: &str) -> Result<u64, CronError> {
        let error = || CronError::Field {
            field: self.name,
            text: text.to_owned(),
            min: self.min,
            max: self.max,
        };
        let mut bits = 0;
        for part in text.split(',').filter(|part| !part.is_empty()) {
            bits |= self.range(part).ok_or_else(error)?;
        }
        if bits == 0 { Err(error()) } else { Ok(bits) }
    }

    /// `*`, `a`, `a-b`, each with a step behind `/` if wanted.
    fn range(&self, part: &str) -> Option<u64> {
        let (range, step) = part
            .split_once('/')
            .map_or((part, None), |(r, s)| (r, Some(s)));
        let (low, high) = match range {
            "*" | "?" => (self.min, self.max),
            _ => match range.split_once('-') {
                Some((low, high)) => (self.value(low)?, self.value(high)?),
                None if step.is_some() => (self.value(range)?, self.max),
                None => (self.value(range)?, self.value(range)?),
            },
        };
        let step: u8 = step.map_or(Some(1), digits)?;
        if low < self.min || high > self.max || low > high || step == 0 {
            return None;
        }
        let values = (low..=high).step_by(usize::from(step));
        Some(values.fold(0, |bits, value| bits | 1 << value))
    }

    fn value(&self, text: &str) -> Option<u8> {
        let lower = text.to_ascii_lowercase();
        match self.names.iter().position(|name| *name == lower) {
            Some(at) => u8::try_from(at).ok().map(|at| at + self.min),
            None => digits(text),
        }
    }
}

/// A number without a sign.
fn digits(text: &str) -> Option<u8> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

impl CronSchedule {
    /// The next time after `time`. The schedule's own time zone goes before `default_zone`.
    ///
    /// `None` if there is none within eight years, for example on 31 February.
    pub fn next_after(&self, time: Timestamp, default_zone: &TimeZone) -> Option<Timestamp> {
        let zone = self.time_zone.as_ref().unwrap_or(default_zone);
        let mut date = zone.to_datetime(time).date();
        let last = date.checked_add(YEARS.years()).unwrap_or(civil::Date::MAX);
        while date <= last {
            if self.matches_date(date) {
                let found = Minutes::of(date, zone)?
                    .filter(|at| *at > before(time) && self.matches_time(*at, zone))
                    .find_map(|at| self.seconds_of(at).find(|at| *at > time));
                if found.is_some() {
                    return found;
                }
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    /// The last time before `time`. The schedule's own time zone goes before `default_zone`.
    ///
    /// `None` if there is none within eight years.
    pub fn last_before(&self, time: Timestamp, default_zone: &TimeZone) -> Option<Timestamp> {
        let zone = self.time_zone.as_ref().unwrap_or(default_zone);
        let mut date = zone.to_datetime(time).date();
        let first = date.checked_sub(YEARS.years()).unwrap_or(civil::Date::MIN);
        while date >= first {
            if self.matches_date(date) {
                let minutes = Minutes::of(date, zone)?;
                let found = minutes
                    .filter(|at| *at < time && self.matches_time(*at, zone))
                    .filter_map(|at| self.seconds_of(at).filter(|at| *at < time).last())
                    .last();
                if found.is_some() {
                    return found;
                }
            }
            date = date.yesterday().ok()?;
        }
        None
    }

    /// The moments of a minute that match.
    fn seconds_of(&self, minute: Timestamp) -> impl Iterator<Item = Timestamp> {
        (0..60)
            .filter(|second| has(self.seconds, *second))
            .filter_map(move |second| {
                let second = SignedDuration::from_secs(i64::from(second));
                minute.checked_add(second).ok()
            })
    }

    fn matches_date(&self, date: civil::Date) -> bool {
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        let day_matches = if self.any_day {
            day && weekday
        } else {
            day || weekday
        };
        has(self.months, date.month()) && day_matches
    }

    fn matches_time(&self, at: Timestamp, zone: &TimeZone) -> bool {
        let local = zone.to_datetime(at);
        has(self.hours, local.hour()) && has(self.minutes, local.minute())
    }
}

/// A minute earlier.
fn before(time: Timestamp) -> Timestamp {
    let minute = SignedDuration::from_mins(1);
    time.checked_sub(minute).unwrap_or(Timestamp::MIN)
}

fn has(bits: u64, value: i8) -> bool {
    u32::try_from(value).is_ok_and(|value| bits & (1 << value) != 0)
}

/// The minutes of a day in a time zone, in the order of real time.
struct Minutes {
    next: Timestamp,
    end: Timestamp,
}

impl Minutes {
    fn of(date: civil::Date, zone: &TimeZone) -> Option<Self> {
        let start = date.to_zoned(zone.clone()).ok()?;
        let end = date.tomorrow().ok()?.to_zoned(zone.clone()).ok()?;
        Some(Self {
            next: start.timestamp(),
            end: end.timestamp(),
        })
    }
}

impl Iterator for Minutes {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        let now = self.next;
        if now >= self.end {
            return None;
        }
        self.next = now.checked_add(SignedDuration::from_mins(1)).ok()?;
        Some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_next(cron: &str, zone: &str, time: &str, expected: Option<&str>) {
        let zone = TimeZone::get(zone).unwrap();
        let schedule: CronSchedule = cron.parse().unwrap();
        let next = schedule.next_after(time.parse().unwrap(), &zone);
        assert_eq!(next.map(|at| at.to_string()).as_deref(), expected, "{cron}");
    }

    #[test]
    fn the_next_time_is_found() {
        let time = "2026-01-02T10:00:00Z";
        for (cron, expected) in [
            ("* * * * *", "2026-01-02T10:01:00Z"),
            ("0 10 * * *", "2026-01-03T10:00:00Z"),
            ("30 9 * * 1-5", "2026-01-05T09:30:00Z"),
            ("30 9 * * mon-FRI", "2026-01-05T09:30:00Z"),
            ("0 0 1 mar *", "2026-03-01T00:00:00Z"),
            ("*/20 10 * * *", "2026-01-02T10:20:00Z"),
            ("5/20 * * * ?", "2026-01-02T10:05:00Z"),
            ("0 0 13 * 5", "2026-01-09T00:00:00Z"),
            ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
            ("TZ=Europe/Paris 0 12 * * *", "2026-01-02T11:00:00Z"),
        ] {
            check_next(cron, "UTC", time, Some(expected));
        }
        check_next("0 0 31 2 *", "UTC", time, None);
    }

    #[test]
    fn clock_changes_skip_and_repeat() {
        let zone = "America/New_York";
        check_next(
            "30 2 * * *",
            zone,
            "2026-03-08T05:00:00Z",
            Some("2026-03-09T06:30:00Z"),
        );
        check_next(
            "30 1 * * *",
            zone,
            "2026-11-01T04:00:00Z",
            Some("2026-11-01T05:30:00Z"),
        );
        check_next(
            "30 1 * * *",
            zone,
            "2026-11-01T05:30:00Z",
            Some("2026-11-01T06:30:00Z"),
        );
    }

    #[test]
    fn the_last_time_is_found() {
        let schedule: CronSchedule = "59 23 * * *".parse().unwrap();
        let last = schedule.last_before("2026-01-02T00:10:00Z".parse().unwrap(), &TimeZone::UTC);
        assert_eq!(last.unwrap().to_string(), "2026-01-01T23:59:00Z");
    }

    #[test]
    fn calendars_have_seconds_and_names() {
        let time: Timestamp = "2026-01-02T10:00:00Z".parse().unwrap();
        for (schedule, expected) in [
            ("*/20 * * * * *", "2026-01-02T10:00:20Z"),
            ("30 0 10 * * *", "2026-01-02T10:00:30Z"),
            ("0 0 10 * * *", "2026-01-03T10:00:00Z"),
            ("0 10 * * *", "2026-01-03T10:00:00Z"),
            ("TZ=Europe/Paris 15 30 11 * * *", "2026-01-02T10:30:15Z"),
            ("@hourly", "2026-01-02T11:00:00Z"),
            ("@midnight", "2026-01-03T00:00:00Z"),
            ("@weekly", "2026-01-04T00:00:00Z"),
            ("@monthly", "2026-02-01T00:00:00Z"),
            ("TZ=America/New_York @yearly", "2027-01-01T05:00:00Z"),
        ] {
            let parsed: CalendarSchedule = schedule.parse().unwrap();
            let CalendarSchedule::Cron(cron) = parsed else {
                panic!("{schedule}")
            };
            let next = cron.next_after(time, &TimeZone::UTC).unwrap();
            assert_eq!(next.to_string(), expected, "{schedule}");
        }
        assert_eq!(
            "@every 1m30.5s".parse(),
            Ok(CalendarSchedule::Every(SignedDuration::from_secs(90)))
        );
        for schedule in [
            "@every 999ms",
            "@every x",
            "@fortnightly",
            "60 * * * * *",
            "* * * * * * *",
        ] {
            assert!(schedule.parse::<CalendarSchedule>().is_err(), "{schedule}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for cron in [
            "",
            "* * * *",
            "* * * * * *",
            "@daily",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 7",
            "*/0 * * * *",
            "5-1 * * * *",
            "a * * * *",
            "-1 * * * *",
            "1- * * * *",
            "1/ * * * *",
            "TZ=Nowhere/At * * * * *",
            ", * * * *",
            "+1 * * * *",
        ] {
            assert!(cron.parse::<CronSchedule>().is_err(), "{cron}");
        }
    }
}

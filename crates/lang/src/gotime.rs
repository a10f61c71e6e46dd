//! Go's `time`, as far as the languages here need it: they stem from programs in Go, and so do
//! their dates, layouts, zones and durations.
//!
//! Go's local zone is UTC here, as it is in a container.

mod calendar;
pub(crate) mod duration;
mod format;
mod layout;
mod parse;
mod zone;

#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fmt;

pub(crate) use self::calendar::{DAY, Date, MONTHS, WEEKDAYS, month_name, weekday_name};
pub(crate) use self::parse::{parse, parse_any};
pub(crate) use self::zone::Zone;

/// A point in time and the zone it is shown in: any year, proleptic Gregorian calendar.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Time {
    /// Seconds since 1970.
    seconds: i64,
    nanosecond: u32,
    zone: Zone,
}

impl Time {
    /// The start of year 1, what Go gives for a time it could not read.
    pub(crate) const ZERO: Self = Self {
        seconds: -62_135_596_800,
        nanosecond: 0,
        zone: Zone::Utc,
    };

    /// The present moment, in UTC.
    pub(crate) fn now() -> Self {
        let now = jiff::Timestamp::now();
        let nanosecond = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
        Self::from_unix(now.as_second(), nanosecond)
    }

    pub(crate) fn from_unix(seconds: i64, nanosecond: u32) -> Self {
        // Beyond this the calendar would overflow; Go's years wrap around there.
        let limit = 1 << 55;
        Self {
            seconds: seconds.clamp(-limit, limit),
            nanosecond,
            zone: Zone::Utc,
        }
    }

    pub(crate) fn in_zone(self, zone: Zone) -> Self {
        Self { zone, ..self }
    }

    /// Seconds since 1970, fractions cut off.
    pub(crate) fn unix(&self) -> i64 {
        self.seconds
    }

    pub(crate) fn nanosecond(&self) -> i64 {
        i64::from(self.nanosecond)
    }

    /// So many parts of a second since 1970, `per_second` of which are a second; wraps around.
    pub(crate) fn unix_in(&self, per_second: i64) -> i64 {
        self.seconds
            .wrapping_mul(per_second)
            .wrapping_add(self.nanosecond() / (duration::SECOND / per_second))
    }

    pub(crate) fn plus(&self, nanoseconds: i64) -> Self {
        let sum = i128::from(self.nanosecond) + i128::from(nanoseconds);
        let seconds = i64::try_from(sum.div_euclid(1_000_000_000)).unwrap_or(0);
        let nanosecond = u32::try_from(sum.rem_euclid(1_000_000_000)).unwrap_or(0);
        Self::from_unix(self.seconds + seconds, nanosecond).in_zone(self.zone.clone())
    }

    /// Nanoseconds from `earlier` to this, as many as a duration can hold.
    pub(crate) fn since(&self, earlier: &Self) -> i64 {
        let seconds = i128::from(self.seconds) - i128::from(earlier.seconds);
        let nanoseconds = i128::from(self.nanosecond) - i128::from(earlier.nanosecond);
        let sum = seconds * 1_000_000_000 + nanoseconds;
        i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX })
    }

    /// The same clock on another day; days and months that do not exist count on.
    pub(crate) fn plus_date(&self, years: i64, months: i64, days: i64) -> Self {
        // Far more than any calendar needs, far less than what would overflow.
        let bounded = |number: i64| number.clamp(-10_000_000, 10_000_000);
        let date = self.date();
        let date = Date {
            year: date.year + bounded(years),
            month: date.month + bounded(months),
            day: date.day + bounded(days),
        };
        let local = date.days() * DAY + self.local_seconds().rem_euclid(DAY);
        Self::from_unix(self.zone.unix_of(local), self.nanosecond).in_zone(self.zone.clone())
    }

    /// Compares moments, whatever their zones.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        (self.seconds, self.nanosecond).cmp(&(other.seconds, other.nanosecond))
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.compare(&Self::ZERO).is_eq()
    }

    /// Seconds east of UTC.
    fn offset(&self) -> i64 {
        self.zone.offset_at(self.seconds)
    }

    fn zone_name(&self) -> String {
        self.zone.name_at(self.seconds)
    }

    fn local_seconds(&self) -> i64 {
        self.seconds + self.offset()
    }

    pub(crate) fn date(&self) -> Date {
        Date::from_days(self.local_seconds().div_euclid(DAY))
    }

    /// Hour, minute and second.
    pub(crate) fn clock(&self) -> (i64, i64, i64) {
        let second = self.local_seconds().rem_euclid(DAY);
        (second / 3600, second / 60 % 60, second % 60)
    }

    /// As `layout` says.
    pub(crate) fn format(&self, layout: &str) -> String {
        fmt::from_fn(|out| format::write(out, self, layout)).to_string()
    }

    /// As it stands in JSON.
    pub(crate) fn rfc3339(&self) -> String {
        self.format("2006-01-02T15:04:05.999999999Z07:00")
    }
}

impl fmt::Display for Time {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        format::write(out, self, "2006-01-02 15:04:05.999999999 -0700 MST")
    }
}

//! Points in time with a zone, as Go's `time.Time`: any year, proleptic Gregorian calendar.
//!
//! Go's local zone is UTC here, as it is in a container.

use std::fmt;
use std::rc::Rc;

use jiff::tz::TimeZone;

use super::layout;

pub(in super::super) use super::duration::duration_text;

const DAY: i64 = 86_400;

/// A point in time and the zone it is shown in.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Time {
    /// Seconds since 1970.
    seconds: i64,
    nanosecond: u32,
    zone: Zone,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Zone {
    Utc,
    /// An offset in seconds; the name may be empty.
    Fixed {
        name: Rc<str>,
        offset: i64,
    },
    /// A zone of the time zone database.
    Named(TimeZone),
}

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
}

impl Date {
    /// Days since 1970 of any day: months and days may be out of their range.
    pub(super) fn days(self) -> i64 {
        // Years start in March here, so that a leap day is the last of its year.
        let months = self.year.saturating_mul(12).saturating_add(self.month - 3);
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12));
        let days = year.saturating_mul(365) + year.div_euclid(4) - year.div_euclid(100)
            + year.div_euclid(400);
        days + (month * 153 + 2) / 5 + self.day - 1 - 719_468
    }

    /// The day that is so many days after 1970 began.
    fn from_days(days: i64) -> Self {
        let days = days + 719_468;
        let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        Self {
            year: era * 400 + year + i64::from(month >= 10),
            month: if month < 10 { month + 3 } else { month - 9 },
            day: day - (153 * month + 2) / 5 + 1,
        }
    }
}

impl Time {
    /// The start of year 1, what Go gives for a time it could not read.
    pub(super) const ZERO: Self = Self {
        seconds: -62_135_596_800,
        nanosecond: 0,
        zone: Zone::Utc,
    };

    pub(super) fn from_unix(seconds: i64, nanosecond: u32) -> Self {
        // Beyond this the calendar would overflow; Go's years wrap around there.
        let limit = 1 << 55;
        Self {
            seconds: seconds.clamp(-limit, limit),
            nanosecond,
            zone: Zone::Utc,
        }
    }

    pub(super) fn in_zone(&self, zone: Zone) -> Self {
        Self {
            zone,
            ..self.clone()
        }
    }

    /// The same moment in a zone of the database; in UTC if there is no such zone.
    pub(super) fn in_named_zone(&self, name: &str) -> Self {
        self.in_zone(match name {
            "" | "UTC" | "Local" => Zone::Utc,
            name => TimeZone::get(name).map_or(Zone::Utc, Zone::Named),
        })
    }

    pub(in super::super) fn unix(&self) -> i64 {
        self.seconds
    }

    pub(in super::super) fn nanosecond(&self) -> i64 {
        i64::from(self.nanosecond)
    }

    /// Nanoseconds since 1970; wraps around as in Go.
    pub(in super::super) fn unix_nanos(&self) -> i64 {
        self.seconds
            .wrapping_mul(1_000_000_000)
            .wrapping_add(self.nanosecond())
    }

    pub(in super::super) fn plus(&self, nanoseconds: i64) -> Self {
        let sum = i128::from(self.nanosecond) + i128::from(nanoseconds);
        let seconds = i64::try_from(sum.div_euclid(1_000_000_000)).unwrap_or(0);
        let nanosecond = u32::try_from(sum.rem_euclid(1_000_000_000)).unwrap_or(0);
        Self::from_unix(self.seconds + seconds, nanosecond).in_zone(self.zone.clone())
    }

    /// Nanoseconds from `earlier` to this, as many as a duration can hold.
    pub(in super::super) fn since(&self, earlier: &Self) -> i64 {
        let seconds = i128::from(self.seconds) - i128::from(earlier.seconds);
        let nanoseconds = i128::from(self.nanosecond) - i128::from(earlier.nanosecond);
        let sum = seconds * 1_000_000_000 + nanoseconds;
        i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX })
    }

    pub(in super::super) fn plus_date(&self, years: i64, months: i64, days: i64) -> Self {
        // Far more than any calendar needs, far less than what would overflow.
        let bounded = |number: i64| number.clamp(-10_000_000, 10_000_000);
        let date = self.date();
        let date = Date {
            year: date.year + bounded(years),
            month: date.month + bounded(months),
            day: date.day + bounded(days),
        };
        let local = date.days() * DAY + self.local_seconds().rem_euclid(DAY);
        Self::from_unix(local - self.offset(), self.nanosecond).in_zone(self.zone.clone())
    }

    /// Compares moments, whatever their zones.
    pub(in super::super) fn compare(&self, other: &Self) -> std::cmp::Ordering {
        (self.seconds, self.nanosecond).cmp(&(other.seconds, other.nanosecond))
    }

    pub(in super::super) fn is_zero(&self) -> bool {
        self.compare(&Self::ZERO).is_eq()
    }

    pub(in super::super) fn in_utc(&self) -> Self {
        self.in_zone(Zone::Utc)
    }

    /// Seconds east of UTC.
    pub(super) fn offset(&self) -> i64 {
        match &self.zone {
            Zone::Utc => 0,
            Zone::Fixed { offset, .. } => *offset,
            Zone::Named(zone) => i64::from(zone.to_offset(self.timestamp()).seconds()),
        }
    }

    pub(super) fn zone_name(&self) -> String {
        match &self.zone {
            Zone::Utc => "UTC".into(),
            Zone::Fixed { name, .. } => name.to_string(),
            Zone::Named(zone) => zone
                .to_offset_info(self.timestamp())
                .abbreviation()
                .to_string(),
        }
    }

    /// For looking up offsets: zones do not change at the ends of time.
    fn timestamp(&self) -> jiff::Timestamp {
        let (least, most) = (
            jiff::Timestamp::MIN.as_second(),
            jiff::Timestamp::MAX.as_second(),
        );
        jiff::Timestamp::from_second(self.seconds.clamp(least, most)).unwrap_or_default()
    }

    fn local_seconds(&self) -> i64 {
        self.seconds + self.offset()
    }

    pub(super) fn date(&self) -> Date {
        Date::from_days(self.local_seconds().div_euclid(DAY))
    }

    pub(in super::super) fn year(&self) -> i64 {
        self.date().year
    }

    pub(in super::super) fn month(&self) -> i64 {
        self.date().month
    }

    pub(in super::super) fn day(&self) -> i64 {
        self.date().day
    }

    /// Hour, minute and second.
    pub(in super::super) fn clock(&self) -> (i64, i64, i64) {
        let second = self.local_seconds().rem_euclid(DAY);
        (second / 3600, second / 60 % 60, second % 60)
    }

    pub(in super::super) fn year_day(&self) -> i64 {
        let date = self.date();
        date.days()
            - Date {
                year: date.year,
                month: 1,
                day: 1,
            }
            .days()
            + 1
    }

    /// From 0, a Sunday.
    pub(in super::super) fn weekday(&self) -> i64 {
        (self.local_seconds().div_euclid(DAY) + 4).rem_euclid(7)
    }

    /// Go's `Format`.
    pub(in super::super) fn format(&self, layout: &str) -> String {
        layout::format(self, layout)
    }

    /// As it stands in JSON.
    pub(in super::super) fn rfc3339(&self) -> String {
        self.format("2006-01-02T15:04:05.999999999Z07:00")
    }
}

impl fmt::Display for Time {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// The name of a month, counted from 1.
pub(in super::super) fn month_name(month: i64) -> &'static str {
    let index = usize::try_from(month - 1).unwrap_or(usize::MAX);
    MONTHS.get(index).copied().unwrap_or("???")
}

pub(in super::super) fn weekday_name(weekday: i64) -> &'static str {
    let index = usize::try_from(weekday).unwrap_or(usize::MAX);
    WEEKDAYS.get(index).copied().unwrap_or("???")
}

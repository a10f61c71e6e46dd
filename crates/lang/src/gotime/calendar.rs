//! The proleptic Gregorian calendar: days and their dates, and the names of months and weekdays.

/// Seconds of a day.
pub(crate) const DAY: i64 = 86_400;

pub(crate) const MONTHS: [&str; 12] = [
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

pub(crate) const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// Days from March 1 of year 0 to January 1 of 1970.
const TO_1970: i64 = 719_468;

/// The name of a month, counted from 1.
pub(crate) fn month_name(month: i64) -> &'static str {
    name(&MONTHS, month - 1)
}

/// The name of a weekday, counted from 0, a Sunday.
pub(crate) fn weekday_name(weekday: i64) -> &'static str {
    name(&WEEKDAYS, weekday)
}

fn name(names: &[&'static str], index: i64) -> &'static str {
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    names.get(index).copied().unwrap_or("???")
}

/// A day of the calendar. Months and days may be out of their range, up to 2^40 either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: i64,
    /// From 1.
    pub(crate) month: i64,
    /// From 1.
    pub(crate) day: i64,
}

impl Date {
    /// Days since 1970 began.
    pub(crate) fn days(self) -> i64 {
        // Years start in March here, so that a leap day is the last of its year.
        let months = self.year * 12 + self.month - 3;
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12));
        let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
        year * 365 + leap_days + (month * 153 + 2) / 5 + self.day - 1 - TO_1970
    }

    /// The day that is so many days after 1970 began.
    pub(crate) fn from_days(days: i64) -> Self {
        let days = days + TO_1970;
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

    /// False of February 30.
    pub(super) fn exists(self) -> bool {
        Self::from_days(self.days()) == self
    }

    /// From 0, a Sunday.
    pub(crate) fn weekday(self) -> i64 {
        (self.days() + 4).rem_euclid(7)
    }

    /// From 1.
    pub(crate) fn year_day(self) -> i64 {
        let first = Self {
            month: 1,
            day: 1,
            ..self
        };
        self.days() - first.days() + 1
    }

    /// Year and week of ISO 8601.
    pub(crate) fn iso_week(self) -> (i64, i64) {
        // The week belongs to the year of its Thursday.
        let thursday = Self::from_days(self.days() + 3 - (self.weekday() + 6) % 7);
        (thursday.year, (thursday.year_day() - 1) / 7 + 1)
    }
}

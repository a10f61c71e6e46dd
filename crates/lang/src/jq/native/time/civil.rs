//! Moments and the calendar, in UTC.

/// A moment: seconds since 1970 and a fraction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moment {
    pub(super) seconds: i64,
    pub(super) nanos: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: i64,
    /// From 1.
    pub(super) month: u8,
    /// From 1.
    pub(super) day: u8,
}

/// Moments further from 1970 are refused.
const MAX_SECONDS: f64 = 1e14;

const DAY: i64 = 86_400;

impl Moment {
    /// Out of seconds with a fraction.
    #[expect(clippy::cast_possible_truncation, reason = "bounded just before")]
    pub(super) fn from_seconds(seconds: f64) -> Option<Self> {
        if seconds.is_nan() || seconds.abs() > MAX_SECONDS {
            return None;
        }
        let nanos = ((seconds - seconds.floor()) * 1e9) as i64;
        Some(Self {
            seconds: seconds as i64,
            nanos: u32::try_from(nanos).ok()?,
        })
    }

    /// Out of parts, each of which may be beyond its range: the 32nd is the next month's first.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "below 1e9"
    )]
    pub(super) fn new(year: i64, month: i64, day: i64, seconds: i64, nanos: f64) -> Option<Self> {
        let year = year.checked_add((month - 1).div_euclid(12))?;
        let month = (month - 1).rem_euclid(12) + 1;
        let days = days_before(year, month)?.checked_add(day - 1)?;
        let seconds = days.checked_mul(DAY)?.checked_add(seconds)?;
        (seconds.unsigned_abs() < 1 << 50).then_some(Self {
            seconds,
            nanos: nanos as u32,
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "gojq's seconds are doubles too")]
    pub(super) fn to_seconds(self) -> f64 {
        self.seconds as f64 + f64::from(self.nanos) / 1e9
    }

    fn days(self) -> i64 {
        self.seconds.div_euclid(DAY)
    }

    fn of_day(self) -> u32 {
        u32::try_from(self.seconds.rem_euclid(DAY)).unwrap_or_default()
    }

    pub(super) fn hour(self) -> u32 {
        self.of_day() / 3600
    }

    pub(super) fn minute(self) -> u32 {
        self.of_day() / 60 % 60
    }

    pub(super) fn second(self) -> u32 {
        self.of_day() % 60
    }

    /// Sunday is 0.
    pub(super) fn weekday(self) -> u32 {
        u32::try_from((self.days() + 4).rem_euclid(7)).unwrap_or_default()
    }

    /// From 1.
    pub(super) fn year_day(self) -> u32 {
        let first = days_before(self.date().year, 1).unwrap_or_default();
        u32::try_from(self.days() - first + 1).unwrap_or_default()
    }

    /// Year and week of ISO 8601.
    pub(super) fn iso_week(self) -> (i64, u32) {
        // The week belongs to the year of its Thursday.
        let to_thursday = 3 - (i64::from(self.weekday()) + 6) % 7;
        let thursday = Self {
            seconds: self.seconds + to_thursday * DAY,
            ..self
        };
        (thursday.date().year, (thursday.year_day() - 1) / 7 + 1)
    }

    /// The date, by counting years from March on, so that the leap day comes last.
    pub(super) fn date(self) -> Date {
        let days = self.days() + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 {
            shifted + 3
        } else {
            shifted - 9
        };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let small = |number: i64| u8::try_from(number).unwrap_or_default();
        Date {
            year,
            month: small(month),
            day: small(day),
        }
    }
}

/// Days from 1970 to the first of a month.
fn days_before(year: i64, month: i64) -> Option<i64> {
    let year = if month <= 2 {
        year.checked_sub(1)?
    } else {
        year
    };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5;
    era.checked_mul(146_097)?
        .checked_add(of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

pub(super) const MONTHS: [&str; 12] = [
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

pub(super) const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

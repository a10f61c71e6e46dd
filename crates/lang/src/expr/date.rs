//! Dates as Go's `time.Parse` reads them: by a layout that spells a reference moment,
//! `Mon Jan 2 15:04:05 MST 2006`. The local zone is UTC.

mod layout;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use layout::{Element, next_element};

/// The layouts in which govaluate takes a quoted text for a date, in its order.
pub(super) const LITERALS: [&str; 14] = [
    "Mon Jan _2 15:04:05 2006",
    "Mon Jan _2 15:04:05 MST 2006",
    "Mon Jan 02 15:04:05 -0700 2006",
    "3:04PM",
    "2006-01-02T15:04:05Z07:00",
    "2006-01-02T15:04:05.999999999Z07:00",
    "2006-01-02",
    "2006-01-02 15:04",
    "2006-01-02 15:04:05",
    "2006-01-02 15:04:05-07:00",
    "2006-01-02T15Z0700",
    "2006-01-02T15:04Z0700",
    "2006-01-02T15:04:05Z0700",
    "2006-01-02T15:04:05.999999999Z0700",
];

/// The layouts that `date()` of event source filters tries, in its order.
pub(super) const DEFAULTS: [&str; 7] = [
    "2006-01-02",
    "15:04:05",
    "2006-01-02 15:04:05",
    "2006-01-02T15:04:05Z07:00",
    "02 Jan 06 15:04 MST",
    "Monday, 02-Jan-06 15:04:05 MST",
    "Mon, 02 Jan 2006 15:04:05 MST",
];

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

const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// A moment, as it was written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Time {
    /// The clock where it was written.
    pub(super) civil: DateTime,
    /// How far that clock is ahead of UTC.
    pub(super) offset_seconds: i32,
}

impl Time {
    /// Seconds since 1970, fractions cut off.
    pub(super) fn seconds(&self) -> i64 {
        const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
        let days = EPOCH
            .date()
            .until(self.civil.date())
            .map_or(0, |span| span.get_days());
        let time = self.civil.time();
        let clock = i64::from(time.hour()) * 3600
            + i64::from(time.minute()) * 60
            + i64::from(time.second());
        i64::from(days) * 86_400 + clock - i64::from(self.offset_seconds)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "every number of an expression is a double"
    )]
    pub(super) fn seconds_as_f64(&self) -> f64 {
        self.seconds() as f64
    }

    /// Nanoseconds since 1970.
    pub(super) fn nanoseconds(&self) -> i128 {
        i128::from(self.seconds()) * 1_000_000_000 + i128::from(self.civil.subsec_nanosecond())
    }

    /// The moment `nanoseconds` after 1970, on the clock `offset_seconds` ahead of UTC.
    pub(super) fn from_nanoseconds(nanoseconds: i128, offset_seconds: i32) -> Option<Self> {
        let timestamp = jiff::Timestamp::from_nanosecond(nanoseconds).ok()?;
        let offset = Offset::from_seconds(offset_seconds).ok()?;
        Some(Self {
            civil: offset.to_datetime(timestamp),
            offset_seconds,
        })
    }
}

/// Reads `text` in the first of `layouts` that fits.
pub(super) fn any_of(layouts: &[&str], text: &str) -> Option<Time> {
    // No layout matches a text without digits, or a very long one.
    if text.len() > 80 || !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    layouts.iter().find_map(|layout| parse(layout, text, None))
}

/// Reads `text` by `layout`; without a zone of its own it is in `zone`, or UTC.
pub(super) fn parse(layout: &str, text: &str, zone: Option<&TimeZone>) -> Option<Time> {
    let mut fields = Fields::default();
    let mut rest = text;
    let mut layout = layout;
    loop {
        let (prefix, element, after) = next_element(layout);
        rest = skip(rest, prefix)?;
        let Some(element) = element else {
            break;
        };
        layout = after;
        rest = fields.read(element, rest, layout)?;
    }
    if rest.is_empty() {
        fields.time(zone)
    } else {
        None
    }
}

/// Steps over literal text; a space stands for any number of them.
fn skip<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (mut text, mut prefix) = (text, prefix);
    while let Some(char) = prefix.chars().next() {
        if char == ' ' {
            if !text.is_empty() && !text.starts_with(' ') {
                return None;
            }
            prefix = prefix.trim_start_matches(' ');
            text = text.trim_start_matches(' ');
        } else {
            prefix = &prefix[char.len_utf8()..];
            text = text.strip_prefix(char)?;
        }
    }
    Some(text)
}

/// One or two digits; exactly two if `fixed`.
fn number(text: &str, fixed: bool) -> Option<(i8, &str)> {
    let count = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    if count == 0 || (fixed && count < 2) {
        return None;
    }
    Some((text[..count].parse().ok()?, &text[count..]))
}

fn digits(text: &str, count: usize) -> Option<(i16, &str)> {
    let digits = text
        .get(..count)
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some((digits.parse().ok()?, &text[count..]))
}

/// The index of the name that `text` begins with, in any case.
fn name<'a>(names: &[&str], long: bool, text: &'a str) -> Option<(i8, &'a str)> {
    for (index, name) in (0_i8..).zip(names) {
        let name = if long { name } else { &name[..3] };
        if text
            .get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
        {
            return Some((index, &text[name.len()..]));
        }
    }
    None
}

#[derive(Debug, Default)]
struct Fields {
    year: i16,
    month: Option<i8>,
    day: Option<i8>,
    year_day: Option<i16>,
    hour: i8,
    minute: i8,
    second: i8,
    nanosecond: i32,
    afternoon: Option<bool>,
    offset_seconds: Option<i32>,
}

impl Fields {
    fn read<'a>(&mut self, element: Element, text: &'a str, layout: &str) -> Option<&'a str> {
        let (value, rest) = match element {
            Element::Year => {
                let (year, rest) = digits(text, 4)?;
                self.year = year;
                return Some(rest);
            }
            Element::ShortYear => {
                let (year, rest) = digits(text, 2)?;
                self.year = if year >= 69 { year + 1900 } else { year + 2000 };
                return Some(rest);
            }
            Element::YearDay { padded } => {
                let blanks = if padded {
                    text.len() - text.trim_start_matches(' ').len()
                } else {
                    0
                };
                let (day, rest) = digits(&text[blanks.min(2)..], 3 - blanks.min(2))?;
                self.year_day = Some(day);
                return Some(rest);
            }
            Element::Fraction { digits, exact } => return self.fraction(text, digits, exact),
            Element::Second { fixed } => return self.seconds(text, fixed, layout),
            Element::Offset { utc_is_z, form } => return self.offset(text, utc_is_z, form),
            Element::ZoneName => return self.zone_name(text),
            Element::Noon { upper } => {
                let (am, pm) = if upper { ("AM", "PM") } else { ("am", "pm") };
                self.afternoon = Some(text.starts_with(pm));
                return text.strip_prefix(pm).or_else(|| text.strip_prefix(am));
            }
            Element::MonthName { long } => name(&MONTHS, long, text)?,
            Element::DayName { long } => name(&DAYS, long, text)?,
            Element::Day { padded: true, .. } => {
                number(text.strip_prefix(' ').unwrap_or(text), false)?
            }
            Element::Hour => number(text, false)?,
            Element::Month { fixed }
            | Element::Day { fixed, .. }
            | Element::Hour12 { fixed }
            | Element::Minute { fixed } => number(text, fixed)?,
        };
        match element {
            Element::MonthName { .. } => self.month = Some(value + 1),
            Element::Month { .. } => self.month = Some(value),
            Element::Day { .. } => self.day = Some(value),
            Element::Hour12 { .. } if value > 12 => return None,
            Element::Hour | Element::Hour12 { .. } => self.hour = value,
            Element::Minute { .. } => self.minute = value,
            _ => {}
        }
        Some(rest)
    }

    /// Seconds may carry a fraction that the layout does not mention.
    fn seconds<'a>(&mut self, text: &'a str, fixed: bool, layout: &str) -> Option<&'a str> {
        let (second, rest) = number(text, fixed)?;
        self.second = second;
        let follows = |text: &str| {
            text.starts_with(['.', ',']) && text[1..].starts_with(|c: char| c.is_ascii_digit())
        };
        if follows(rest)
            && !matches!(
                next_element(layout),
                ("", Some(Element::Fraction { .. }), _)
            )
        {
            return self.fraction(rest, 0, false);
        }
        Some(rest)
    }

    fn fraction<'a>(&mut self, text: &'a str, digits: usize, exact: bool) -> Option<&'a str> {
        let Some(fraction) = text.strip_prefix(['.', ',']) else {
            return if exact { None } else { Some(text) };
        };
        let count = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if exact && count < digits {
            return None;
        }
        if count == 0 {
            return Some(text);
        }
        let count = if exact { digits } else { count };
        let nine = format!("{:0<9}", &fraction[..count.min(9)]);
        self.nanosecond = nine.parse().ok()?;
        Some(&fraction[count..])
    }

    fn offset<'a>(&mut self, text: &'a str, utc_is_z: bool, form: &str) -> Option<&'a str> {
        if utc_is_z && let Some(rest) = text.strip_prefix('Z') {
            self.offset_seconds = Some(0);
            return Some(rest);
        }
        let sign = match text.bytes().next()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let written = text.get(1..=form.len())?;
        let mut parts = [0_i32; 3];
        for (char, form) in written.bytes().zip(form.bytes()) {
            let part = match form {
                b'h' => &mut parts[0],
                b'm' => &mut parts[1],
                b's' => &mut parts[2],
                _ if char == form => continue,
                _ => return None,
            };
            if !char.is_ascii_digit() {
                return None;
            }
            *part = *part * 10 + i32::from(char - b'0');
        }
        let [hours, minutes, seconds] = parts;
        if hours > 24 || minutes > 60 || seconds > 60 {
            return None;
        }
        self.offset_seconds = Some(sign * (hours * 3600 + minutes * 60 + seconds));
        Some(&text[1 + form.len()..])
    }

    /// Three or four capitals, or `GMT+3`. Other zones than UTC have no known offset: they count 0.
    fn zone_name<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        let letters = text
            .bytes()
            .take(6)
            .take_while(u8::is_ascii_uppercase)
            .count();
        if let Some(rest) = text.strip_prefix("GMT")
            && let Some(sign) = rest
                .bytes()
                .next()
                .filter(|byte| matches!(byte, b'+' | b'-'))
        {
            let (hours, rest) = number(&rest[1..], false)?;
            if hours < 24 {
                let hours = i32::from(hours) * 3600;
                self.offset_seconds = Some(if sign == b'-' { -hours } else { hours });
                return Some(rest);
            }
        }
        let known = match letters {
            3 => true,
            4 => text.as_bytes()[3] == b'T' || text.starts_with("WITA"),
            5 => text.as_bytes()[4] == b'T',
            _ => false,
        };
        if !known {
            return None;
        }
        self.offset_seconds = Some(0);
        Some(&text[letters..])
    }

    fn time(self, zone: Option<&TimeZone>) -> Option<Time> {
        let hour = match self.afternoon {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let first =
            jiff::civil::Date::new(self.year, self.month.unwrap_or(1), self.day.unwrap_or(1));
        let date = match self.year_day {
            Some(day) if self.month.is_none() => {
                first.ok()?.with().day_of_year(day).build().ok()?
            }
            _ => first.ok()?,
        };
        let time = jiff::civil::Time::new(hour, self.minute, self.second, self.nanosecond).ok()?;
        let civil = date.to_datetime(time);
        let offset_seconds = match (self.offset_seconds, zone) {
            (Some(offset), _) => offset,
            (None, Some(zone)) => zone
                .to_ambiguous_zoned(civil)
                .compatible()
                .ok()?
                .offset()
                .seconds(),
            (None, None) => 0,
        };
        Some(Time {
            civil,
            offset_seconds,
        })
    }
}

//! Reads dates by a layout, as Go's `time.ParseInLocation` does with the zone UTC.

use super::layout::{Offset, OffsetFields, Part, next_part};
use super::time::{Date, Time, Zone, month_name, weekday_name};

/// What was read so far.
#[derive(Debug, Default)]
struct Fields {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: i64,
    /// From `PM` (true) or `AM` (false).
    is_afternoon: Option<bool>,
    is_utc: bool,
    offset: Option<i64>,
    zone: Option<String>,
}

/// The time that `text` names. `None` if it does not follow the layout, or does not exist.
pub(super) fn parse(layout: &str, text: &str) -> Option<Time> {
    let mut fields = Fields::default();
    let (mut layout, mut text) = (layout, text);
    loop {
        let (literal, part, tail) = next_part(layout);
        text = skip(text, literal)?;
        let Some(part) = part else {
            return if text.is_empty() {
                fields.finish()
            } else {
                None
            };
        };
        layout = tail;
        text = fields.read(part, text, layout)?;
    }
}

/// Steps over literal text; any run of spaces in the layout fits any run of spaces.
fn skip<'a>(mut text: &'a str, mut literal: &str) -> Option<&'a str> {
    while let Some(first) = literal.chars().next() {
        if first == ' ' {
            if !text.is_empty() && !text.starts_with(' ') {
                return None;
            }
            literal = literal.trim_start_matches(' ');
            text = text.trim_start_matches(' ');
        } else {
            text = text.strip_prefix(first)?;
            literal = &literal[first.len_utf8()..];
        }
    }
    Some(text)
}

/// A number of one or two digits, or of exactly two.
fn number(text: &str, is_fixed: bool) -> Option<(i64, &str)> {
    let digits = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    if digits == 0 || is_fixed && digits < 2 {
        return None;
    }
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

/// The index of the name that `text` starts with, whatever the case of its letters.
fn name(text: &str, count: i64, name: impl Fn(i64) -> &'static str) -> Option<(i64, &str)> {
    (0..count).find_map(|index| {
        let name = name(index);
        let head = text.get(..name.len())?;
        head.eq_ignore_ascii_case(name)
            .then(|| (index, &text[name.len()..]))
    })
}

fn in_range(number: i64, range: std::ops::Range<i64>) -> Option<i64> {
    range.contains(&number).then_some(number)
}

impl Fields {
    /// Reads one part of the layout, and returns what is left of the text.
    fn read<'a>(&mut self, part: Part, text: &'a str, layout: &str) -> Option<&'a str> {
        match part {
            Part::LongYear => {
                let digits = text.get(..4).filter(|digits| is_digits(digits))?;
                self.year = digits.parse().ok()?;
                Some(&text[4..])
            }
            Part::Year => {
                let digits = text.get(..2).filter(|digits| is_digits(digits))?;
                let year: i64 = digits.parse().ok()?;
                self.year = year + if year >= 69 { 1900 } else { 2000 };
                Some(&text[2..])
            }
            Part::Month => {
                let (index, rest) = name(text, 12, |index| &month_name(index + 1)[..3])?;
                self.month = Some(index + 1);
                Some(rest)
            }
            Part::LongMonth => {
                let (index, rest) = name(text, 12, |index| month_name(index + 1))?;
                self.month = Some(index + 1);
                Some(rest)
            }
            Part::NumberMonth | Part::ZeroMonth => {
                let (month, rest) = number(text, part == Part::ZeroMonth)?;
                self.month = Some(in_range(month, 1..13)?);
                Some(rest)
            }
            Part::Weekday => name(text, 7, |index| &weekday_name(index)[..3]).map(|(_, rest)| rest),
            Part::LongWeekday => name(text, 7, weekday_name).map(|(_, rest)| rest),
            Part::Day | Part::UnderDay | Part::ZeroDay => {
                let text = match part {
                    Part::UnderDay => text.strip_prefix(' ').unwrap_or(text),
                    _ => text,
                };
                let (day, rest) = number(text, part == Part::ZeroDay)?;
                self.day = Some(day);
                Some(rest)
            }
            Part::UnderYearDay | Part::ZeroYearDay => self.read_year_day(part, text),
            Part::ZoneName => {
                if let Some(rest) = text.strip_prefix("UTC") {
                    self.is_utc = true;
                    return Some(rest);
                }
                let (zone, rest) = text.split_at(zone_length(text)?);
                self.zone = Some(zone.into());
                Some(rest)
            }
            Part::Offset(offset) => self.read_offset(offset, text),
            part => self.read_clock(part, text, layout),
        }
    }

    fn read_year_day<'a>(&mut self, part: Part, text: &'a str) -> Option<&'a str> {
        let mut text = text;
        if part == Part::UnderYearDay {
            text = text.strip_prefix(' ').unwrap_or(text);
            text = text.strip_prefix(' ').unwrap_or(text);
        }
        let digits = text.bytes().take(3).take_while(u8::is_ascii_digit).count();
        if digits == 0 || part == Part::ZeroYearDay && digits < 3 {
            return None;
        }
        self.year_day = Some(text[..digits].parse().ok()?);
        Some(&text[digits..])
    }

    fn read_clock<'a>(&mut self, part: Part, text: &'a str, layout: &str) -> Option<&'a str> {
        match part {
            Part::Hour => {
                let (hour, rest) = number(text, false)?;
                self.hour = in_range(hour, 0..24)?;
                Some(rest)
            }
            Part::Hour12 | Part::ZeroHour12 => {
                let (hour, rest) = number(text, part == Part::ZeroHour12)?;
                self.hour = in_range(hour, 0..13)?;
                Some(rest)
            }
            Part::Minute | Part::ZeroMinute => {
                let (minute, rest) = number(text, part == Part::ZeroMinute)?;
                self.minute = in_range(minute, 0..60)?;
                Some(rest)
            }
            Part::Second | Part::ZeroSecond => {
                let (second, rest) = number(text, part == Part::ZeroSecond)?;
                self.second = in_range(second, 0..60)?;
                // A fraction may follow even where the layout has none.
                let has_part = matches!(
                    next_part(layout).1,
                    Some(Part::Fraction { .. } | Part::TrimmedFraction { .. })
                );
                Some(if has_part {
                    rest
                } else {
                    self.read_fraction(rest)
                })
            }
            Part::UpperHalf | Part::LowerHalf => {
                let (afternoon, morning) = if part == Part::UpperHalf {
                    ("PM", "AM")
                } else {
                    ("pm", "am")
                };
                self.is_afternoon = Some(text.starts_with(afternoon));
                text.strip_prefix(afternoon)
                    .or_else(|| text.strip_prefix(morning))
            }
            Part::Fraction { digits, .. } => {
                let fraction = text.get(1..=digits).filter(|digits| is_digits(digits))?;
                if !text.starts_with(['.', ',']) {
                    return None;
                }
                self.set_fraction(fraction);
                Some(&text[1 + digits..])
            }
            _ => Some(self.read_fraction(text)),
        }
    }

    /// Reads a fraction if there is one.
    fn read_fraction<'a>(&mut self, text: &'a str) -> &'a str {
        let Some(after) = text.strip_prefix(['.', ',']) else {
            return text;
        };
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return text;
        }
        self.set_fraction(&after[..digits]);
        &after[digits..]
    }

    fn set_fraction(&mut self, digits: &str) {
        let nine: String = digits
            .chars()
            .chain(std::iter::repeat('0'))
            .take(9)
            .collect();
        self.nanosecond = nine.parse().unwrap_or(0);
    }

    fn read_offset<'a>(&mut self, offset: Offset, text: &'a str) -> Option<&'a str> {
        if offset.has_z
            && let Some(rest) = text.strip_prefix('Z')
        {
            self.is_utc = true;
            return Some(rest);
        }
        let sign = match text.as_bytes().first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let mut rest = &text[1..];
        let count = match offset.fields {
            OffsetFields::Hours => 1,
            OffsetFields::Minutes => 2,
            OffsetFields::Seconds => 3,
        };
        let mut seconds = 0;
        for (unit, most) in [(3600, 24), (60, 60), (1, 60)].into_iter().take(count) {
            if unit < 3600 && offset.has_colons {
                rest = rest.strip_prefix(':')?;
            }
            let (field, tail) = number(rest, true)?;
            seconds += unit * in_range(field, 0..most + 1)?;
            rest = tail;
        }
        self.offset = Some(sign * seconds);
        Some(rest)
    }

    fn finish(self) -> Option<Time> {
        let hour = match self.is_afternoon {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let date = self.date()?;
        let local = date.days() * 86_400 + hour * 3600 + self.minute * 60 + self.second;
        let nanosecond = u32::try_from(self.nanosecond).ok()?;
        let in_zone = |name: &str, offset: i64, shift: i64| {
            let zone = Zone::Fixed {
                name: name.into(),
                offset,
            };
            Some(Time::from_unix(local - shift, nanosecond).in_zone(zone))
        };
        match (self.is_utc, self.offset, &self.zone) {
            (false, Some(0), None) | (true, ..) | (_, None, None) => {
                Some(Time::from_unix(local, nanosecond))
            }
            (false, Some(offset), zone) => in_zone(zone.as_deref().unwrap_or(""), offset, offset),
            (false, None, Some(zone)) => {
                // Only the name `GMT+3` tells an offset. Even then the clock is taken for UTC's.
                let hours = zone
                    .strip_prefix("GMT")
                    .and_then(|hours| hours.parse::<i64>().ok());
                let offset = hours.unwrap_or(0) * 3600;
                in_zone(zone, offset, 0)
            }
        }
    }

    fn date(&self) -> Option<Date> {
        if let Some(year_day) = self.year_day {
            let first = Date {
                year: self.year,
                month: 1,
                day: 1,
            };
            let next = Date {
                year: self.year + 1,
                month: 1,
                day: 1,
            };
            let day = in_range(year_day, 1..next.days() - first.days() + 1)?;
            let midnight = Time::from_unix((first.days() + day - 1) * 86_400, 0);
            let date = midnight.date();
            let fits = self.month.is_none_or(|month| month == date.month)
                && self.day.is_none_or(|day| day == date.day);
            return fits.then_some(date);
        }
        let date = Date {
            year: self.year,
            month: self.month.unwrap_or(1),
            day: self.day.unwrap_or(1),
        };
        // A day that does not exist is another one when it is counted.
        (Time::from_unix(date.days() * 86_400, 0).date() == date).then_some(date)
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// How long the zone abbreviation at the start of `text` is.
fn zone_length(text: &str) -> Option<usize> {
    let signed = |text: &str| {
        let digits = text
            .get(1..)?
            .bytes()
            .take_while(u8::is_ascii_digit)
            .count();
        let hours: i64 = text.get(1..=digits)?.parse().ok()?;
        (text.starts_with(['+', '-']) && hours <= 23).then_some(digits + 1)
    };
    if text.starts_with("ChST") || text.starts_with("MeST") {
        return Some(4);
    }
    if let Some(after) = text.strip_prefix("GMT") {
        return Some(3 + signed(after).unwrap_or(0));
    }
    if text.starts_with(['+', '-']) {
        return signed(text);
    }
    let uppers = text
        .bytes()
        .take(6)
        .take_while(u8::is_ascii_uppercase)
        .count();
    match uppers {
        5 if text[..5].ends_with('T') => Some(5),
        4 if text[..4].ends_with('T') || text.starts_with("WITA") => Some(4),
        3 => Some(3),
        _ => None,
    }
}

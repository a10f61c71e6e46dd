//! Reads times by a layout, as Go's `time.ParseInLocation`.

use std::ops::RangeInclusive;

use super::layout::{Fill, Fraction, Offset, Part, next_part};
use super::{DAY, Date, MONTHS, Time, WEEKDAYS, Zone};

/// The time that `text` names, in `zone` if the text itself tells none.
///
/// `None` if it does not follow the layout, or there is no such time.
pub(crate) fn parse(layout: &str, text: &str, zone: &Zone) -> Option<Time> {
    let mut reader = Reader {
        rest: text,
        fields: Fields::default(),
    };
    let mut layout = layout;
    loop {
        let (literal, part, after) = next_part(layout);
        reader.skip(literal)?;
        let Some(part) = part else {
            break;
        };
        layout = after;
        reader.read(part, layout)?;
    }
    if reader.rest.is_empty() {
        reader.fields.time(zone)
    } else {
        None
    }
}

/// Reads `text` by the first of `layouts` that fits, in UTC if the text itself tells no zone.
pub(crate) fn parse_any(layouts: &[&str], text: &str) -> Option<Time> {
    layouts
        .iter()
        .find_map(|layout| parse(layout, text, &Zone::Utc))
}

/// What was read; the last of a kind counts.
#[derive(Debug, Default)]
struct Fields<'t> {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: u32,
    is_morning: bool,
    is_afternoon: bool,
    is_utc: bool,
    offset: Option<i64>,
    zone_name: Option<&'t str>,
}

struct Reader<'t> {
    rest: &'t str,
    fields: Fields<'t>,
}

impl<'t> Reader<'t> {
    /// Steps over literal text; any run of spaces in the layout fits any run of spaces.
    fn skip(&mut self, mut literal: &str) -> Option<()> {
        while let Some(first) = literal.chars().next() {
            if first == ' ' {
                if !self.rest.is_empty() && !self.rest.starts_with(' ') {
                    return None;
                }
                literal = literal.trim_start_matches(' ');
                self.rest = self.rest.trim_start_matches(' ');
            } else {
                self.rest = self.rest.strip_prefix(first)?;
                literal = &literal[first.len_utf8()..];
            }
        }
        Some(())
    }

    /// Reads one part; `layout` follows it.
    fn read(&mut self, part: Part, layout: &str) -> Option<()> {
        match part {
            Part::LongYear => {
                let digits = self.take(4)?;
                self.fields.year = digits.parse().ok().filter(|_| is_digits(digits))?;
            }
            Part::ShortYear => {
                // One digit may follow a sign.
                let year: i64 = self.take(2)?.parse().ok()?;
                self.fields.year = year + if year >= 69 { 1900 } else { 2000 };
            }
            Part::LongMonth => self.fields.month = Some(self.name(&MONTHS, usize::MAX)? + 1),
            Part::ShortMonth => self.fields.month = Some(self.name(&MONTHS, 3)? + 1),
            Part::Month(fill) => self.fields.month = Some(self.number(2, fill, 1..=12)?),
            Part::LongWeekday => {
                self.name(&WEEKDAYS, usize::MAX)?;
            }
            Part::ShortWeekday => {
                self.name(&WEEKDAYS, 3)?;
            }
            Part::Day(fill) => self.fields.day = Some(self.number(2, fill, 0..=99)?),
            Part::YearDay(fill) => self.fields.year_day = Some(self.number(3, fill, 0..=999)?),
            Part::Hour => self.fields.hour = self.number(2, Fill::Nothing, 0..=23)?,
            Part::Hour12(fill) => self.fields.hour = self.number(2, fill, 0..=12)?,
            Part::Minute(fill) => self.fields.minute = self.number(2, fill, 0..=59)?,
            Part::Second(fill) => {
                self.fields.second = self.number(2, fill, 0..=59)?;
                // A fraction may follow even where the layout has none.
                if !matches!(next_part(layout).1, Some(Part::Fraction(_))) {
                    self.fraction();
                }
            }
            Part::Half { is_upper } => match (self.take(2)?, is_upper) {
                ("PM", true) | ("pm", false) => self.fields.is_afternoon = true,
                ("AM", true) | ("am", false) => self.fields.is_morning = true,
                _ => return None,
            },
            Part::ZoneName => self.zone_name()?,
            Part::Offset(offset) => self.offset(offset)?,
            Part::Fraction(Fraction {
                is_trimmed: true, ..
            }) => self.fraction(),
            Part::Fraction(Fraction { digits, .. }) => {
                self.rest = self.rest.strip_prefix(['.', ','])?;
                let digits = self.take(digits)?;
                // Nobody looks at those behind the ninth; the first may be a sign.
                let digits = digits.get(..9).unwrap_or(digits);
                self.fields.nanosecond = nanoseconds(digits)?;
            }
        }
        Some(())
    }

    fn take(&mut self, length: usize) -> Option<&'t str> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    /// The index of the name the text starts with, in any case; only `length` bytes of each count.
    fn name(&mut self, names: &[&str], length: usize) -> Option<i64> {
        (0..).zip(names).find_map(|(index, name)| {
            let (start, rest) = self.rest.split_at_checked(length.min(name.len()))?;
            let is_name = name[..start.len()].eq_ignore_ascii_case(start);
            is_name.then(|| {
                self.rest = rest;
                index
            })
        })
    }

    /// A number of at most `width` digits, or of exactly so many where zeros fill it.
    fn number(&mut self, width: usize, fill: Fill, range: RangeInclusive<i64>) -> Option<i64> {
        if fill == Fill::Spaces {
            for _ in 1..width {
                self.rest = self.rest.strip_prefix(' ').unwrap_or(self.rest);
            }
        }
        let digits = self.rest.bytes().take(width);
        let digits = digits.take_while(u8::is_ascii_digit).count();
        if fill == Fill::Zeros && digits < width {
            return None;
        }
        let number = self.take(digits)?.parse().ok()?;
        range.contains(&number).then_some(number)
    }

    /// Reads a fraction of any length, if there is one.
    fn fraction(&mut self) {
        let after = self.rest.strip_prefix(['.', ',']).unwrap_or_default();
        let count = after.bytes().take_while(u8::is_ascii_digit).count();
        if count > 0 {
            self.rest = &after[count..];
            self.fields.nanosecond = nanoseconds(&after[..count.min(9)]).unwrap_or_default();
        }
    }

    fn offset(&mut self, offset: Offset) -> Option<()> {
        if offset.has_z
            && let Some(rest) = self.rest.strip_prefix('Z')
        {
            self.rest = rest;
            self.fields.is_utc = true;
            return Some(());
        }
        let sign = match self.take(1)? {
            "+" => 1,
            "-" => -1,
            _ => return None,
        };
        let mut seconds = 0;
        // People do write 24 hours, 60 minutes and 60 seconds.
        let fields = [(3600, 24), (60, 60), (1, 60)].into_iter();
        for (unit, most) in fields.take(offset.fields.into()) {
            if unit < 3600 && offset.has_colons {
                self.rest = self.rest.strip_prefix(':')?;
            }
            seconds += unit * self.number(2, Fill::Zeros, 0..=most)?;
        }
        self.fields.offset = Some(sign * seconds);
        Some(())
    }

    fn zone_name(&mut self) -> Option<()> {
        if let Some(rest) = self.rest.strip_prefix("UTC") {
            self.rest = rest;
            self.fields.is_utc = true;
        } else {
            self.fields.zone_name = Some(self.take(zone_name_length(self.rest)?)?);
        }
        Some(())
    }
}

impl Fields<'_> {
    fn time(self, zone: &Zone) -> Option<Time> {
        let hour = match self.hour {
            hour if self.is_afternoon && hour < 12 => hour + 12,
            12 if self.is_morning => 0,
            hour => hour,
        };
        let clock = hour * 3600 + self.minute * 60 + self.second;
        let local = self.date()?.days() * DAY + clock;
        let (unix, zone) = self.place(local, zone);
        Some(Time::from_unix(unix, self.nanosecond).in_zone(zone))
    }

    /// What is missing of the date is that of January 1 in year 0.
    fn date(&self) -> Option<Date> {
        let Some(year_day) = self.year_day else {
            let date = Date {
                year: self.year,
                month: self.month.unwrap_or(1),
                day: self.day.unwrap_or(1),
            };
            return date.exists().then_some(date);
        };
        let counted = Date {
            year: self.year,
            month: 1,
            day: year_day,
        };
        let date = Date::from_days(counted.days());
        let fits = date.year == self.year
            && self.month.is_none_or(|month| month == date.month)
            && self.day.is_none_or(|day| day == date.day);
        fits.then_some(date)
    }

    /// The moment when a clock shows `local`, and the zone of that clock.
    fn place(&self, local: i64, zone: &Zone) -> (i64, Zone) {
        if self.is_utc {
            return (local, Zone::Utc);
        }
        let name = self.zone_name.unwrap_or_default();
        let fixed = |offset| Zone::Fixed {
            name: name.into(),
            offset,
        };
        // Go keeps -1 for an offset that was not read.
        if let Some(offset) = self.offset.filter(|offset| *offset != -1) {
            let unix = local - offset;
            let is_here =
                zone.offset_at(unix) == offset && (name.is_empty() || zone.name_at(unix) == name);
            let zone = if is_here { zone.clone() } else { fixed(offset) };
            return (unix, zone);
        }
        if name.is_empty() {
            return (zone.unix_of(local), zone.clone());
        }
        if let Some(offset) = zone.offset_of(name, local) {
            return (local - offset, zone.clone());
        }
        // Only the name `GMT+3` tells an offset. Even then the clock is taken for UTC's.
        let hours = name
            .strip_prefix("GMT")
            .and_then(|hours| hours.parse().ok());
        (local, fixed(3600 * hours.unwrap_or(0)))
    }
}

/// The first digits of a fraction; a sign alone is a zero.
fn nanoseconds(digits: &str) -> Option<u32> {
    let number: i32 = match digits {
        "" | "+" | "-" => 0,
        digits => digits.parse().ok()?,
    };
    let missing = 9_u32.checked_sub(u32::try_from(digits.len()).ok()?)?;
    Some(u32::try_from(number).ok()? * 10_u32.pow(missing))
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// How long the zone abbreviation at the start of `text` is.
fn zone_name_length(text: &str) -> Option<usize> {
    if text.starts_with("ChST") || text.starts_with("MeST") {
        return Some(4);
    }
    if let Some(after) = text.strip_prefix("GMT") {
        return Some(3 + signed_hours_length(after).unwrap_or(0));
    }
    if text.starts_with(['+', '-']) {
        return signed_hours_length(text).filter(|_| text.len() >= 3);
    }
    let uppers = text.bytes().take(6).take_while(u8::is_ascii_uppercase);
    match uppers.count() {
        5 if text[..5].ends_with('T') => Some(5),
        4 if text[..4].ends_with('T') || text.starts_with("WITA") => Some(4),
        3 => Some(3),
        _ => None,
    }
}

/// The length of a sign and hours of at most 23.
fn signed_hours_length(text: &str) -> Option<usize> {
    let hours = text.strip_prefix(['+', '-'])?;
    let digits = hours.bytes().take_while(u8::is_ascii_digit).count();
    let hours: u64 = hours[..digits].parse().ok()?;
    (hours <= 23).then_some(1 + digits)
}

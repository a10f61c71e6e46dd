//! Go's layouts of dates: texts in which the parts of the reference time
//! `Mon Jan 2 15:04:05 MST 2006` stand for the parts of any other.

use super::super::format::append;
use super::time::{Time, month_name, weekday_name};

/// A part of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    LongMonth,
    Month,
    NumberMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperHalf,
    LowerHalf,
    ZoneName,
    Offset(Offset),
    /// `.000`: so many digits, after this character
    Fraction {
        digits: usize,
        mark: u8,
    },
    /// `.999`: as `.000`, without zeros at the end
    TrimmedFraction {
        digits: usize,
        mark: u8,
    },
}

/// How an offset from UTC is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offset {
    /// `Z` for UTC.
    pub(super) has_z: bool,
    pub(super) has_colons: bool,
    pub(super) fields: OffsetFields,
}

/// How exact an offset is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OffsetFields {
    Hours,
    Minutes,
    Seconds,
}

/// The offsets after `-` or `Z`, longest first where one starts another.
const OFFSETS: [(&str, bool, OffsetFields); 5] = [
    ("070000", false, OffsetFields::Seconds),
    ("07:00:00", true, OffsetFields::Seconds),
    ("0700", false, OffsetFields::Minutes),
    ("07:00", true, OffsetFields::Minutes),
    ("07", false, OffsetFields::Hours),
];

/// The text before the first part of `layout`, the part, and what follows it.
pub(super) fn next_part(layout: &str) -> (&str, Option<Part>, &str) {
    for index in 0..layout.len() {
        // Parts start with ASCII characters only.
        if layout.is_char_boundary(index)
            && let Some((part, skipped, length)) = part_at(&layout[index..])
        {
            let start = index + skipped;
            return (&layout[..start], Some(part), &layout[start + length..]);
        }
    }
    (layout, None, "")
}

/// The part that `text` starts with: the part, how many characters to skip before it, its length.
fn part_at(text: &str) -> Option<(Part, usize, usize)> {
    let starts = |prefix: &str| text.starts_with(prefix);
    let whole = |prefix: &str| {
        starts(prefix) && !text[prefix.len()..].starts_with(|char: char| char.is_ascii_lowercase())
    };
    let (part, length) = match text.as_bytes()[0] {
        b'J' if starts("January") => (Part::LongMonth, 7),
        b'J' if whole("Jan") => (Part::Month, 3),
        b'M' if starts("Monday") => (Part::LongWeekday, 6),
        b'M' if whole("Mon") => (Part::Weekday, 3),
        b'M' if starts("MST") => (Part::ZoneName, 3),
        b'0' if starts("002") => (Part::ZeroYearDay, 3),
        b'0' => match text.as_bytes().get(1)? {
            b'1' => (Part::ZeroMonth, 2),
            b'2' => (Part::ZeroDay, 2),
            b'3' => (Part::ZeroHour12, 2),
            b'4' => (Part::ZeroMinute, 2),
            b'5' => (Part::ZeroSecond, 2),
            b'6' => (Part::Year, 2),
            _ => return None,
        },
        b'1' if starts("15") => (Part::Hour, 2),
        b'1' => (Part::NumberMonth, 1),
        b'2' if starts("2006") => (Part::LongYear, 4),
        b'2' => (Part::Day, 1),
        b'_' if starts("_2006") => return Some((Part::LongYear, 1, 4)),
        b'_' if starts("_2") => (Part::UnderDay, 2),
        b'_' if starts("__2") => (Part::UnderYearDay, 3),
        b'3' => (Part::Hour12, 1),
        b'4' => (Part::Minute, 1),
        b'5' => (Part::Second, 1),
        b'P' if starts("PM") => (Part::UpperHalf, 2),
        b'p' if starts("pm") => (Part::LowerHalf, 2),
        mark @ (b'-' | b'Z') => {
            let found = OFFSETS
                .iter()
                .find(|(text_of, ..)| text[1..].starts_with(text_of));
            let (text_of, has_colons, fields) = *found?;
            let offset = Offset {
                has_z: mark == b'Z',
                has_colons,
                fields,
            };
            (Part::Offset(offset), 1 + text_of.len())
        }
        mark @ (b'.' | b',') => {
            let digit = *text
                .as_bytes()
                .get(1)
                .filter(|digit| matches!(digit, b'0' | b'9'))?;
            let digits = text[1..].bytes().take_while(|byte| *byte == digit).count();
            if text
                .as_bytes()
                .get(1 + digits)
                .is_some_and(u8::is_ascii_digit)
            {
                return None;
            }
            let part = if digit == b'0' {
                Part::Fraction { digits, mark }
            } else {
                Part::TrimmedFraction { digits, mark }
            };
            (part, 1 + digits)
        }
        _ => return None,
    };
    Some((part, 0, length))
}

/// Writes `time` as `layout` says.
pub(super) fn format(time: &Time, layout: &str) -> String {
    let mut out = String::new();
    let mut rest = layout;
    while !rest.is_empty() {
        let (text, part, tail) = next_part(rest);
        out.push_str(text);
        if let Some(part) = part {
            write_part(&mut out, time, part);
        }
        rest = tail;
    }
    out
}

fn write_part(out: &mut String, time: &Time, part: Part) {
    let date = time.date();
    let (hour, minute, second) = time.clock();
    let hour12 = if hour % 12 == 0 { 12 } else { hour % 12 };
    match part {
        Part::LongYear if date.year < 0 => append(out, format_args!("-{:04}", -date.year)),
        Part::LongYear => append(out, format_args!("{:04}", date.year)),
        Part::Year => append(out, format_args!("{:02}", date.year.abs() % 100)),
        Part::LongMonth => out.push_str(month_name(date.month)),
        Part::Month => out.push_str(&month_name(date.month)[..3]),
        Part::NumberMonth => append(out, format_args!("{}", date.month)),
        Part::ZeroMonth => append(out, format_args!("{:02}", date.month)),
        Part::LongWeekday => out.push_str(weekday_name(time.weekday())),
        Part::Weekday => out.push_str(&weekday_name(time.weekday())[..3]),
        Part::Day => append(out, format_args!("{}", date.day)),
        Part::UnderDay => append(out, format_args!("{:>2}", date.day)),
        Part::ZeroDay => append(out, format_args!("{:02}", date.day)),
        Part::UnderYearDay => append(out, format_args!("{:>3}", time.year_day())),
        Part::ZeroYearDay => append(out, format_args!("{:03}", time.year_day())),
        Part::Hour => append(out, format_args!("{hour:02}")),
        Part::Hour12 => append(out, format_args!("{hour12}")),
        Part::ZeroHour12 => append(out, format_args!("{hour12:02}")),
        Part::Minute => append(out, format_args!("{minute}")),
        Part::ZeroMinute => append(out, format_args!("{minute:02}")),
        Part::Second => append(out, format_args!("{second}")),
        Part::ZeroSecond => append(out, format_args!("{second:02}")),
        Part::UpperHalf => out.push_str(if hour >= 12 { "PM" } else { "AM" }),
        Part::LowerHalf => out.push_str(if hour >= 12 { "pm" } else { "am" }),
        Part::ZoneName => match time.zone_name() {
            name if name.is_empty() => {
                let offset = Offset {
                    has_z: false,
                    has_colons: false,
                    fields: OffsetFields::Minutes,
                };
                write_offset(out, time.offset(), offset);
            }
            name => out.push_str(&name),
        },
        Part::Offset(offset) => write_offset(out, time.offset(), offset),
        Part::Fraction { digits, mark } => {
            out.push(char::from(mark));
            out.push_str(&fraction(time, digits));
        }
        Part::TrimmedFraction { digits, mark } => {
            let text = fraction(time, digits);
            let text = text.trim_end_matches('0');
            if !text.is_empty() {
                append(out, format_args!("{}{text}", char::from(mark)));
            }
        }
    }
}

fn fraction(time: &Time, digits: usize) -> String {
    format!("{:09}", time.nanosecond())[..digits.min(9)].into()
}

fn write_offset(out: &mut String, seconds: i64, offset: Offset) {
    if seconds == 0 && offset.has_z {
        out.push('Z');
        return;
    }
    // The sign is that of the whole minutes, as in Go.
    out.push(if seconds / 60 < 0 { '-' } else { '+' });
    let seconds = seconds.abs();
    let colon = if offset.has_colons { ":" } else { "" };
    append(out, format_args!("{:02}", seconds / 3600));
    if offset.fields != OffsetFields::Hours {
        append(out, format_args!("{colon}{:02}", seconds / 60 % 60));
    }
    if offset.fields == OffsetFields::Seconds {
        append(out, format_args!("{colon}{:02}", seconds % 60));
    }
}

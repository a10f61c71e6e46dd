//! Writes times by a layout, as Go's `Time.Format`.

use std::fmt::{self, Formatter, Write as _};

use super::layout::{Fill, Fraction, Offset, Part, next_part};
use super::{Time, month_name, weekday_name};

pub(super) fn write(out: &mut Formatter<'_>, time: &Time, layout: &str) -> fmt::Result {
    let mut rest = layout;
    while !rest.is_empty() {
        let (text, part, tail) = next_part(rest);
        out.write_str(text)?;
        if let Some(part) = part {
            write_part(out, time, part)?;
        }
        rest = tail;
    }
    Ok(())
}

fn write_part(out: &mut Formatter<'_>, time: &Time, part: Part) -> fmt::Result {
    let date = time.date();
    let (hour, minute, second) = time.clock();
    match part {
        Part::LongYear => write_number(out, date.year, 4),
        Part::ShortYear => write_number(out, date.year.abs() % 100, 2),
        Part::LongMonth => out.write_str(month_name(date.month)),
        Part::ShortMonth => out.write_str(&month_name(date.month)[..3]),
        Part::Month(fill) => write_filled(out, date.month, 2, fill),
        Part::LongWeekday => out.write_str(weekday_name(date.weekday())),
        Part::ShortWeekday => out.write_str(&weekday_name(date.weekday())[..3]),
        Part::Day(fill) => write_filled(out, date.day, 2, fill),
        Part::YearDay(fill) => write_filled(out, date.year_day(), 3, fill),
        Part::Hour => write_number(out, hour, 2),
        Part::Hour12(fill) => write_filled(out, (hour + 11) % 12 + 1, 2, fill),
        Part::Minute(fill) => write_filled(out, minute, 2, fill),
        Part::Second(fill) => write_filled(out, second, 2, fill),
        Part::Half { is_upper } => out.write_str(match (hour >= 12, is_upper) {
            (true, true) => "PM",
            (false, true) => "AM",
            (true, false) => "pm",
            (false, false) => "am",
        }),
        Part::ZoneName => match time.zone_name() {
            name if name.is_empty() => write_offset(
                out,
                time.offset(),
                Offset {
                    has_z: false,
                    has_colons: false,
                    fields: 2,
                },
            ),
            name => out.write_str(&name),
        },
        Part::Offset(offset) => write_offset(out, time.offset(), offset),
        Part::Fraction(fraction) => write_fraction(out, time.nanosecond(), fraction),
    }
}

fn write_filled(out: &mut Formatter<'_>, number: i64, width: usize, fill: Fill) -> fmt::Result {
    match fill {
        Fill::Nothing => write_number(out, number, 0),
        Fill::Spaces => write!(out, "{number:>width$}"),
        Fill::Zeros => write_number(out, number, width),
    }
}

/// Digits after zeros, `width` in all; a sign does not count.
fn write_number(out: &mut Formatter<'_>, number: i64, width: usize) -> fmt::Result {
    if number < 0 {
        out.write_char('-')?;
    }
    write!(out, "{:0width$}", number.unsigned_abs())
}

fn write_fraction(out: &mut Formatter<'_>, nanosecond: i64, fraction: Fraction) -> fmt::Result {
    let digits = format!("{nanosecond:09}");
    let mut digits = &digits[..fraction.digits.min(9)];
    if fraction.is_trimmed {
        digits = digits.trim_end_matches('0');
        if digits.is_empty() {
            return Ok(());
        }
    }
    out.write_char(fraction.mark)?;
    out.write_str(digits)
}

fn write_offset(out: &mut Formatter<'_>, seconds: i64, offset: Offset) -> fmt::Result {
    if seconds == 0 && offset.has_z {
        return out.write_char('Z');
    }
    // The sign is that of the whole minutes: 30 seconds west of UTC are `+00:00:-30`.
    let is_west = seconds / 60 < 0;
    out.write_char(if is_west { '-' } else { '+' })?;
    let seconds = if is_west { -seconds } else { seconds };
    let fields = [seconds / 3600, seconds / 60 % 60, seconds % 60];
    for (index, field) in fields.into_iter().take(offset.fields.into()).enumerate() {
        if index > 0 && offset.has_colons {
            out.write_char(':')?;
        }
        write_number(out, field, 2)?;
    }
    Ok(())
}

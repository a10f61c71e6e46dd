//! `strftime`: the directives of C with the flags and widths of GNU.

use crate::gotime::{Time, month_name, weekday_name};

/// The widest field.
const MAX_WIDTH: usize = 1024;

/// What fills a field.
#[derive(Default, Clone, Copy)]
enum Padding {
    /// As the field does without a flag.
    #[default]
    Usual,
    Nothing,
    With(char),
}

/// What stands between the percent sign and the letter.
#[derive(Default, Clone, Copy)]
struct Flags {
    padding: Padding,
    width: usize,
    upper: bool,
    swap: bool,
}

pub(super) fn format(time: &Time, format: &str) -> String {
    let mut out = String::new();
    let mut rest = format;
    while let Some(start) = rest.find('%') {
        out.push_str(&rest[..start]);
        let directive = &rest[start + 1..];
        let (flags, letter, tail) = read(directive);
        let raw = &rest[start..rest.len() - tail.len()];
        match letter.and_then(|letter| field(time, letter, flags)) {
            Some(text) => out.push_str(&text),
            None => out.push_str(raw),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

fn read(directive: &str) -> (Flags, Option<char>, &str) {
    let mut flags = Flags::default();
    let mut chars = directive.chars();
    loop {
        let rest = chars.as_str();
        match chars.next() {
            Some('-') => flags.padding = Padding::Nothing,
            Some('_') => flags.padding = Padding::With(' '),
            Some('0') => flags.padding = Padding::With('0'),
            Some('^') => flags.upper = true,
            Some('#') => flags.swap = true,
            Some('1'..='9') => {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                flags.width = rest[..digits].parse().unwrap_or(MAX_WIDTH).min(MAX_WIDTH);
                chars = rest[digits..].chars();
            }
            // `%:z` has a letter of its own.
            Some(':') if chars.as_str().starts_with('z') => {
                chars.next();
                return (flags, Some(':'), chars.as_str());
            }
            letter => return (flags, letter, chars.as_str()),
        }
    }
}

fn field(time: &Time, letter: char, flags: Flags) -> Option<String> {
    let date = time.date();
    let (hour, minute, second) = time.clock();
    let (iso_year, iso_week) = date.iso_week();
    let week_from = |first| (date.year_day() + 6 - (date.weekday() + 7 - first) % 7) / 7;
    let hour12 = (hour + 11) % 12 + 1;
    let number = |number: i64, width| Some(pad_number(number, width, '0', flags));
    let spaced = |number: i64, width| Some(pad_number(number, width, ' ', flags));
    let text = |text: &str| Some(pad_text(text, flags));
    let month = month_name(date.month);
    let weekday = weekday_name(date.weekday());
    let half = if hour < 12 { "AM" } else { "PM" };
    match letter {
        'Y' => number(date.year, 4),
        'y' => number((date.year % 100).abs(), 2),
        'C' => number(date.year / 100, 2),
        'G' => number(iso_year, 4),
        'g' => number((iso_year % 100).abs(), 2),
        'm' => number(date.month, 2),
        'B' => text(month),
        'b' | 'h' => text(&month[..3]),
        'A' => text(weekday),
        'a' => text(&weekday[..3]),
        'w' => number(date.weekday(), 1),
        'u' => number((date.weekday() + 6) % 7 + 1, 1),
        'V' => number(iso_week, 2),
        'U' => number(week_from(0), 2),
        'W' => number(week_from(1), 2),
        'd' => number(date.day, 2),
        'e' => spaced(date.day, 2),
        'j' => number(date.year_day(), 3),
        'H' => number(hour, 2),
        'k' => spaced(hour, 2),
        'I' => number(hour12, 2),
        'l' => spaced(hour12, 2),
        'p' => text(half),
        'P' => Some(pad_text(
            half,
            Flags {
                swap: !flags.upper && !flags.swap,
                ..flags
            },
        )),
        'M' => number(minute, 2),
        'S' => number(second, 2),
        's' => spaced(time.unix(), 1),
        'f' => number(time.nanosecond() / 1000, 6),
        'Z' => text("UTC"),
        'z' => Some("+0000".to_owned()),
        ':' => Some("+00:00".to_owned()),
        't' => text("\t"),
        'n' => text("\n"),
        '%' => text("%"),
        'c' => Some(format(time, "%a %b %e %H:%M:%S %Y")),
        '+' => Some(format(time, "%a %b %e %H:%M:%S %Z %Y")),
        'v' => Some(format(time, "%e-%b-%Y")),
        'r' => Some(format(time, "%I:%M:%S %p")),
        'F' => Some(format(time, "%Y-%m-%d")),
        'D' | 'x' => Some(format(time, "%m/%d/%y")),
        'T' | 'X' => Some(format(time, "%H:%M:%S")),
        'R' => Some(format(time, "%H:%M")),
        _ => None,
    }
}

fn pad_number(number: i64, width: usize, fill: char, flags: Flags) -> String {
    let width = width.max(flags.width);
    let digits = number.unsigned_abs().to_string();
    let sign = if number < 0 { "-" } else { "" };
    let fill = match flags.padding {
        Padding::Nothing => return format!("{sign}{digits}"),
        Padding::With(asked) => asked,
        Padding::Usual => fill,
    };
    if fill == '0' {
        let width = width.saturating_sub(sign.len());
        format!("{sign}{digits:0>width$}")
    } else {
        format!("{:>width$}", format!("{sign}{digits}"))
    }
}

fn pad_text(text: &str, flags: Flags) -> String {
    let all_upper = text
        .chars()
        .nth(1)
        .is_some_and(|char| char.is_ascii_uppercase());
    let text = match (flags.swap, flags.upper) {
        (true, _) if all_upper => text.to_ascii_lowercase(),
        (true, _) | (_, true) => text.to_ascii_uppercase(),
        _ => text.to_owned(),
    };
    let width = flags.width;
    match flags.padding {
        Padding::Nothing => text,
        Padding::With('0') => format!("{text:0>width$}"),
        Padding::With(_) | Padding::Usual => format!("{text:>width$}"),
    }
}

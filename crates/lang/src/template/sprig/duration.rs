//! Go's `time.Duration`, in nanoseconds: read from and written as `1h2m3.5s`.

use super::super::format::append;

pub(super) const MICROSECOND: i64 = 1_000;
pub(super) const MILLISECOND: i64 = 1_000_000;
pub(super) const SECOND: i64 = 1_000_000_000;
pub(super) const MINUTE: i64 = 60 * SECOND;
pub(super) const HOUR: i64 = 60 * MINUTE;

/// `1h2m3.5s`, with smaller units only below a second.
pub(in super::super) fn duration_text(nanoseconds: i64) -> String {
    let magnitude = nanoseconds.unsigned_abs();
    let mut out = String::from(if nanoseconds < 0 { "-" } else { "" });
    let (seconds, rest) = (magnitude / 1_000_000_000, magnitude % 1_000_000_000);
    if seconds == 0 {
        let (unit, name, digits) = match magnitude {
            0 => return "0s".into(),
            1..1_000 => (1, "ns", 0),
            1_000..1_000_000 => (1_000, "µs", 3),
            _ => (1_000_000, "ms", 6),
        };
        append(&mut out, format_args!("{}", magnitude / unit));
        push_fraction(&mut out, magnitude % unit, digits);
        out.push_str(name);
        return out;
    }
    if seconds >= 3600 {
        append(&mut out, format_args!("{}h", seconds / 3600));
    }
    if seconds >= 60 {
        append(&mut out, format_args!("{}m", seconds / 60 % 60));
    }
    append(&mut out, format_args!("{}", seconds % 60));
    push_fraction(&mut out, rest, 9);
    out.push('s');
    out
}

fn push_fraction(out: &mut String, fraction: u64, digits: usize) {
    if fraction > 0 {
        let text = format!("{fraction:0digits$}");
        append(out, format_args!(".{}", text.trim_end_matches('0')));
    }
}

/// `time.ParseDuration`: numbers with units in a row, after a sign.
pub(super) fn parse_duration(text: &str) -> Option<i64> {
    let (is_negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut sum: i128 = 0;
    while !rest.is_empty() {
        let number = rest.find(|char: char| !char.is_ascii_digit() && char != '.')?;
        let (number, tail) = rest.split_at(number);
        let end = tail
            .find(|char: char| char == '.' || char.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let unit = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => MICROSECOND,
            "ms" => MILLISECOND,
            "s" => SECOND,
            "m" => MINUTE,
            "h" => HOUR,
            _ => return None,
        };
        sum += amount(number, unit)?;
        if sum > 1 << 63 {
            return None;
        }
        rest = tail;
    }
    i64::try_from(if is_negative { -sum } else { sum }).ok()
}

/// A decimal number of units, in nanoseconds.
fn amount(number: &str, unit: i64) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: i128 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    // Digits beyond these are below a nanosecond of any unit.
    let digits = &fraction[..fraction.len().min(18)];
    let part: i128 = if digits.is_empty() {
        0
    } else {
        digits.parse().ok()?
    };
    let scale = 10i128.pow(u32::try_from(digits.len()).ok()?);
    whole
        .checked_mul(i128::from(unit))?
        .checked_add(part * i128::from(unit) / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_as_go_does() {
        let cases = [
            ("1h2m3.5s", Some("1h2m3.5s")),
            ("90m", Some("1h30m0s")),
            ("-1.5h", Some("-1h30m0s")),
            ("1500us", Some("1.5ms")),
            ("0", Some("0s")),
            ("2ns", Some("2ns")),
            (".5s", Some("500ms")),
            ("5", None),
            ("1d", None),
            ("", None),
            (".s", None),
        ];
        for (text, expected) in cases {
            let written = parse_duration(text).map(duration_text);
            assert_eq!(written.as_deref(), expected, "{text}");
        }
    }
}

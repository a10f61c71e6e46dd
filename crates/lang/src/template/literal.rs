//! Numbers and quoted texts as Go's `strconv` reads them: the constants of a template, and what
//! sprig's casts make of a text.

/// Reads the inside of a quoted text (`"…"`, `` `…` `` or `'…'`), quotes included.
pub(super) fn unquote(quoted: &str) -> Option<Vec<u8>> {
    let quote = quoted.as_bytes().first().copied()?;
    let inside = quoted.get(1..quoted.len().checked_sub(1)?)?;
    if quote == b'`' {
        return Some(inside.bytes().filter(|byte| *byte != b'\r').collect());
    }
    let mut out = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(char) = rest.chars().next() {
        match char {
            '\\' => rest = unescape(rest, quote, &mut out)?,
            '\n' => return None,
            _ if char.is_ascii() && char as u8 == quote => return None,
            _ => {
                let (head, tail) = rest.split_at(char.len_utf8());
                out.extend_from_slice(head.as_bytes());
                rest = tail;
            }
        }
    }
    Some(out)
}

/// Reads one escape at the start of `text` into `out`, and returns what follows it.
fn unescape<'a>(text: &'a str, quote: u8, out: &mut Vec<u8>) -> Option<&'a str> {
    let letter = *text.as_bytes().get(1)?;
    let (digits, radix) = match letter {
        b'x' => (2, 16),
        b'u' => (4, 16),
        b'U' => (8, 16),
        b'0'..=b'7' => (3, 8),
        _ => {
            out.push(match letter {
                b'a' => 7,
                b'b' => 8,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 11,
                b'\\' => b'\\',
                b'\'' | b'"' if letter == quote => letter,
                _ => return None,
            });
            return text.get(2..);
        }
    };
    let start = if radix == 8 { 1 } else { 2 };
    let number = text.get(start..start + digits)?;
    if !number.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let code = u32::from_str_radix(number, radix).ok()?;
    if matches!(letter, b'u' | b'U') {
        let char = char::from_u32(code)?;
        out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        out.push(u8::try_from(code).ok()?);
    }
    text.get(start + digits..)
}

/// The code of a character constant such as `'a'` or `'\n'`, quotes included.
pub(super) fn char_code(quoted: &str) -> Option<i64> {
    let inside = quoted.strip_prefix('\'')?.strip_suffix('\'')?;
    if inside.starts_with("\\x") || inside.as_bytes().get(1).is_some_and(u8::is_ascii_digit) {
        // A byte escape names a code here, not a byte of UTF-8.
        return match unquote(quoted)?.as_slice() {
            [byte] => Some(i64::from(*byte)),
            _ => None,
        };
    }
    let bytes = unquote(quoted)?;
    let text = std::str::from_utf8(&bytes).ok()?;
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(char), None) => Some(i64::from(u32::from(char))),
        _ => None,
    }
}

/// `ParseUint(text, 0, 64)`: decimal, `0x`, `0o`, `0b`, or octal after a `0`; `_` between digits.
pub(super) fn parse_uint(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = match lower.as_bytes() {
        [b'0', b'x', ..] => (&lower[2..], 16),
        [b'0', b'o', ..] => (&lower[2..], 8),
        [b'0', b'b', ..] => (&lower[2..], 2),
        [b'0', _, ..] => (&lower[1..], 8),
        _ => (&*lower, 10),
    };
    if !underscores_fit(&lower) {
        return None;
    }
    let digits: String = digits.chars().filter(|char| *char != '_').collect();
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    u64::from_str_radix(&digits, radix).ok()
}

/// `ParseInt(text, 0, 64)`: as [`parse_uint`], after a sign.
pub(super) fn parse_int(text: &str) -> Option<i64> {
    let (negative, digits) = split_sign(text);
    let number = i128::from(parse_uint(digits)?);
    i64::try_from(if negative { -number } else { number }).ok()
}

/// `ParseInt(text, radix, 64)` for one radix without prefixes.
pub(super) fn parse_int_radix(text: &str, radix: u32) -> Option<i64> {
    let (negative, digits) = split_sign(text);
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let number = i128::from(u64::from_str_radix(digits, radix).ok()?);
    i64::try_from(if negative { -number } else { number }).ok()
}

/// `ParseFloat(text, 64)`. A number out of range is `None`, as it is an error in Go.
pub(super) fn parse_float(text: &str) -> Option<f64> {
    let (negative, unsigned) = split_sign(text);
    let lower = unsigned.to_ascii_lowercase();
    if matches!(&*lower, "inf" | "infinity") {
        return Some(if negative {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        });
    }
    if lower == "nan" && unsigned.len() == text.len() {
        return Some(f64::NAN);
    }
    if !underscores_fit(&lower) {
        return None;
    }
    let plain: String = lower.chars().filter(|char| *char != '_').collect();
    let number = match plain.strip_prefix("0x") {
        Some(hex) => parse_hex_float(hex)?,
        None if plain
            .bytes()
            .any(|byte| !matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'+' | b'-')) =>
        {
            return None;
        }
        None => plain.parse::<f64>().ok()?,
    };
    number
        .is_finite()
        .then_some(if negative { -number } else { number })
}

/// `1f.8p-3`: hexadecimal digits, and a power of two that must be there.
fn parse_hex_float(text: &str) -> Option<f64> {
    let (digits, power) = text.split_once('p')?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    // Sixteen digits fill a u64; longer constants would need rounding rules nobody writes.
    if all.is_empty() || all.len() > 16 || !all.chars().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let power: i32 = power
        .parse()
        .ok()
        .filter(|power: &i32| power.abs() < 5000)?;
    let scale = power - 4 * i32::try_from(fraction.len()).ok()?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "a constant is rounded to a double"
    )]
    let mantissa = u64::from_str_radix(&all, 16).ok()? as f64;
    // Two steps, so that a subnormal result does not pass through zero.
    Some(mantissa * 2f64.powi(scale / 2) * 2f64.powi(scale - scale / 2))
}

fn split_sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

/// Underscores must stand between digits, or between the prefix and a digit; a decimal number
/// without a prefix may have them as well.
fn underscores_fit(lower: &str) -> bool {
    let bytes = lower.as_bytes();
    let is_hex = bytes.starts_with(b"0x");
    let is_prefixed = is_hex || bytes.starts_with(b"0o") || bytes.starts_with(b"0b");
    let is_digit = |byte: u8| byte.is_ascii_digit() || is_hex && byte.is_ascii_hexdigit();
    bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'_')
        .all(|(index, _)| {
            let before = index
                .checked_sub(1)
                .and_then(|before| bytes.get(before))
                .copied();
            let after = bytes.get(index + 1).copied();
            let before_fits = before.is_some_and(is_digit) || is_prefixed && index == 2;
            before_fits && after.is_some_and(is_digit)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_have_go_prefixes_and_underscores() {
        let cases = [
            ("0x1F", Some(31)),
            ("0b11", Some(3)),
            ("0o17", Some(15)),
            ("017", Some(15)),
            ("1_000", Some(1000)),
            ("0x_ff", Some(255)),
            ("-5", Some(-5)),
            ("+5", Some(5)),
            ("0", Some(0)),
            ("08", None),
            ("1__0", None),
            ("_1", None),
            ("", None),
            ("1e3", None),
            ("9223372036854775808", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_int(text), expected, "{text}");
        }
    }

    #[test]
    fn floats_are_read_as_go_reads_them() {
        let cases = [
            ("1e3", Some(1000.0)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("0x1p4", Some(16.0)),
            ("1_0.5", Some(10.5)),
            ("-inf", Some(f64::NEG_INFINITY)),
            ("1e400", None),
            ("x", None),
            ("", None),
            ("1 ", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_float(text), expected, "{text}");
        }
    }

    #[test]
    fn quoted_texts_are_unescaped() {
        assert_eq!(
            unquote(r#""a\t\"q\"\x41\u00e9\101""#).as_deref(),
            Some("a\t\"q\"A\u{e9}A".as_bytes())
        );
        assert_eq!(unquote("`raw\\n`").as_deref(), Some(&b"raw\\n"[..]));
        assert_eq!(unquote(r#""\q""#), None);
        assert_eq!(char_code("'a'"), Some(97));
        assert_eq!(char_code(r"'\n'"), Some(10));
        assert_eq!(char_code("'ab'"), None);
    }
}

//! JSON as Go's `encoding/json` writes it, base64 and base32.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::format::append;
use super::super::function::Param::{Any, Text};
use super::super::function::{Args, Function, fixed};
use super::super::limit::{Budget, MAX_TEXT, Outcome};
use super::super::value::Value;
use crate::json;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("toJson", &[Any], |args| lenient(args, &Style::COMPACT)),
    fixed("mustToJson", &[Any], |args| strict(args, &Style::COMPACT)),
    fixed("toPrettyJson", &[Any], |args| lenient(args, &Style::PRETTY)),
    fixed("mustToPrettyJson", &[Any], |args| {
        strict(args, &Style::PRETTY)
    }),
    fixed("toRawJson", &[Any], |args| strict(args, &Style::RAW)),
    fixed("mustToRawJson", &[Any], |args| strict(args, &Style::RAW)),
    fixed("fromJson", &[Text], |args| match parsed(args)? {
        Ok(document) => Value::from_json(args.budget(), &document),
        Err(_) => Ok(Value::Nil),
    }),
    fixed("mustFromJson", &[Text], |args| match parsed(args)? {
        Ok(document) => Value::from_json(args.budget(), &document),
        Err(error) => Err(error.to_string().into()),
    }),
    fixed("b64enc", &[Text], |args| {
        args.give(STANDARD.encode(args.bytes(0)))
    }),
    fixed("b64dec", &[Text], |args| {
        args.give(decoded("base64", decode64(args.bytes(0))))
    }),
    fixed("b32enc", &[Text], |args| args.give(encode32(args.bytes(0)))),
    fixed("b32dec", &[Text], |args| {
        args.give(decoded("base32", decode32(args.bytes(0))))
    }),
];

/// The document that a text is, if there is room for it: each number of one digit, with its comma, becomes a
/// value.
fn parsed(args: &Args<'_>) -> Outcome<Result<json::Value, json::Error>> {
    let text = args.bytes(0);
    args.budget()
        .take(text.len().saturating_mul(size_of::<json::Value>() / 2))?;
    Ok(json::from_slice(text))
}

/// How JSON is written.
#[derive(Debug)]
pub(super) struct Style {
    indented: bool,
    escape_html: bool,
}

impl Style {
    pub(super) const COMPACT: Self = Self {
        indented: false,
        escape_html: true,
    };
    const PRETTY: Self = Self {
        indented: true,
        escape_html: true,
    };
    const RAW: Self = Self {
        indented: false,
        escape_html: false,
    };
}

/// What cannot be written gives an empty text.
fn lenient(args: &Args<'_>, style: &Style) -> Outcome<Value> {
    if has_special_float(args.budget(), args.any(0))? {
        return args.give("");
    }
    strict(args, style)
}

fn strict(args: &Args<'_>, style: &Style) -> Outcome<Value> {
    args.give(to_json(args.budget(), args.any(0), style)?)
}

fn has_special_float(budget: &Budget, value: &Value) -> Outcome<bool> {
    let _level = budget.nest()?;
    match value {
        Value::Float(float) => Ok(!float.is_finite()),
        Value::List(list) => list.items().iter().try_fold(false, |found, item| {
            Ok(found || has_special_float(budget, item)?)
        }),
        Value::Map(map) => map
            .snapshot(budget)?
            .iter()
            .try_fold(false, |found, (_, member)| {
                Ok(found || has_special_float(budget, member)?)
            }),
        _ => Ok(false),
    }
}

/// # Errors
/// If a float is not finite, or the text gets too long.
pub(super) fn to_json(budget: &Budget, value: &Value, style: &Style) -> Outcome<String> {
    let mut writer = Writer {
        budget,
        style,
        out: String::new(),
        depth: 0,
    };
    writer.write(value)?;
    Ok(writer.out)
}

struct Writer<'a> {
    budget: &'a Budget,
    style: &'a Style,
    out: String,
    depth: usize,
}

impl Writer<'_> {
    fn write(&mut self, value: &Value) -> Outcome<()> {
        let _level = self.budget.nest()?;
        match value {
            Value::List(list) if !list.is_nil() => {
                self.sequence("[]", list.items(), Writer::write)?;
            }
            Value::Map(map) if !map.is_nil() => {
                let members = map.snapshot(self.budget)?;
                self.sequence("{}", &members, |writer, (key, member)| {
                    writer.bytes(key);
                    writer
                        .out
                        .push_str(if writer.style.indented { ": " } else { ":" });
                    writer.write(member)
                })?;
            }
            value => self.single(value)?,
        }
        if self.out.len() > MAX_TEXT {
            return Err("the template made a text that is too long".into());
        }
        Ok(())
    }

    /// Anything but lists and maps, which recurse.
    fn single(&mut self, value: &Value) -> Outcome<()> {
        match value {
            Value::Bool(bool) => self.out.push_str(if *bool { "true" } else { "false" }),
            Value::Float(float) if !float.is_finite() => {
                return Err(format!("json: unsupported value: {float}").into());
            }
            Value::Float(float) => json::write_float(*float, &mut self.out),
            Value::Exact(digits) => self.out.push_str(digits),
            Value::Text(text) => self.bytes(text),
            Value::Time(time) => self.text(&time.rfc3339()),
            Value::Version(version) => self.text(&version.to_string()),
            value => match (value.as_int(), value.as_uint()) {
                (Some(int), _) => append(&mut self.out, format_args!("{int}")),
                (None, Some(uint)) => append(&mut self.out, format_args!("{uint}")),
                // Nil values, lists and maps.
                (None, None) => self.out.push_str("null"),
            },
        }
        Ok(())
    }

    /// A text, with an escaped U+FFFD for every byte that is not UTF-8.
    fn bytes(&mut self, text: &[u8]) {
        self.out.push('"');
        for chunk in text.utf8_chunks() {
            let start = self.out.len();
            self.text(chunk.valid());
            self.out.pop();
            self.out.remove(start);
            self.out.push_str(&"\\ufffd".repeat(chunk.invalid().len()));
        }
        self.out.push('"');
    }

    fn text(&mut self, text: &str) {
        if self.style.escape_html {
            json::write_string(text, &mut self.out);
        } else {
            json::write_string_plain(text, &mut self.out);
        }
    }

    fn sequence<T>(
        &mut self,
        brackets: &str,
        items: &[T],
        write: impl Fn(&mut Self, &T) -> Outcome<()>,
    ) -> Outcome<()> {
        self.out.push_str(&brackets[..1]);
        self.depth += 1;
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.line_break();
            write(self, item)?;
        }
        self.depth -= 1;
        if !items.is_empty() {
            self.line_break();
        }
        self.out.push_str(&brackets[1..]);
        Ok(())
    }

    fn line_break(&mut self) {
        if self.style.indented {
            self.out.push('\n');
            self.out.push_str(&"  ".repeat(self.depth));
        }
    }
}

/// The text with U+FFFD for every byte that is not UTF-8.
pub(in super::super) fn go_lossy(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    out
}

/// What was decoded, or a text that says at which byte it could not be: sprig gives both alike.
fn decoded(name: &str, result: Result<Vec<u8>, usize>) -> Vec<u8> {
    result.unwrap_or_else(|at| format!("illegal {name} data at input byte {at}").into_bytes())
}

/// Line breaks may stand anywhere, padding is required.
fn decode64(text: &[u8]) -> Result<Vec<u8>, usize> {
    let is_break = |byte: u8| matches!(byte, b'\n' | b'\r');
    let skip_breaks = |mut at: usize| {
        while text.get(at).copied().is_some_and(is_break) {
            at += 1;
        }
        at
    };
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let mut group = [0u8; 4];
    let mut filled = 0;
    let mut at = 0;
    while let Some(byte) = text.get(at).copied() {
        at += 1;
        if is_break(byte) {
            continue;
        }
        if let Some(digit) = digit64(byte) {
            group[filled] = digit;
            filled += 1;
            if filled == 4 {
                push64(&mut out, group, 3);
                filled = 0;
            }
            continue;
        }
        if byte != b'=' || filled < 2 {
            return Err(at - 1);
        }
        if filled == 2 {
            at = skip_breaks(at);
            match text.get(at) {
                None => return Err(text.len()),
                Some(b'=') => at += 1,
                Some(_) => return Err(at - 1),
            }
        }
        at = skip_breaks(at);
        if at < text.len() {
            return Err(at);
        }
        group[filled..].fill(0);
        push64(&mut out, group, filled - 1);
        return Ok(out);
    }
    if filled > 0 {
        Err(text.len() - filled)
    } else {
        Ok(out)
    }
}

fn digit64(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

fn push64(out: &mut Vec<u8>, group: [u8; 4], count: usize) {
    let [a, b, c, d] = group;
    let bytes = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
    out.extend_from_slice(&bytes[..count]);
}

const ALPHABET32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn encode32(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len().div_ceil(5) * 8);
    for group in text.chunks(5) {
        let mut bits = [0u8; 8];
        bits[3..3 + group.len()].copy_from_slice(group);
        let bits = u64::from_be_bytes(bits);
        let digits = (group.len() * 8).div_ceil(5);
        for index in 0..8 {
            let digit = usize::try_from(bits >> (35 - 5 * index) & 31).unwrap_or(0);
            out.push(if index < digits {
                char::from(ALPHABET32[digit])
            } else {
                '='
            });
        }
    }
    out
}

/// Line breaks are dropped first, padding is required.
fn decode32(text: &[u8]) -> Result<Vec<u8>, usize> {
    let text: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !matches!(byte, b'\n' | b'\r'))
        .collect();
    let mut out = Vec::with_capacity(text.len() / 8 * 5 + 5);
    for (index, group) in text.chunks(8).enumerate() {
        let start = index * 8;
        let is_last = start + 8 >= text.len();
        let mut bits = 0u64;
        let mut digits = 0;
        for byte in group {
            if *byte == b'=' && digits >= 2 && is_last {
                break;
            }
            let digit = ALPHABET32.iter().position(|known| known == byte);
            bits = bits << 5
                | digit
                    .and_then(|digit| u64::try_from(digit).ok())
                    .ok_or(start + digits)?;
            digits += 1;
        }
        if digits < group.len() {
            check_padding32(group, digits, start, text.len())?;
        } else if group.len() < 8 {
            return Err(text.len() - digits);
        }
        let bytes = (bits << (5 * (8 - digits))).to_be_bytes();
        out.extend_from_slice(&bytes[3..3 + digits * 5 / 8]);
    }
    Ok(out)
}

fn check_padding32(group: &[u8], digits: usize, start: usize, length: usize) -> Result<(), usize> {
    if group.len() < 8 {
        return Err(length);
    }
    if let Some(at) = group[digits..].iter().position(|byte| *byte != b'=') {
        return Err(start + digits + at - 1);
    }
    if matches!(digits, 1 | 3 | 6) {
        Err(start + digits)
    } else {
        Ok(())
    }
}

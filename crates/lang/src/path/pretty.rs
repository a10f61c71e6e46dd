//! `@pretty` and `@ugly`: JSON with and without white space.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::found::{content, go_float};
use super::scan::{Item, Member};
use super::work::Work;
use super::{Found, Kind, modifier, scan};

/// Takes out all white space between tokens.
pub(super) fn ugly(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        let end = match byte {
            b'"' => scan::string_end(json, at + 1).map_or(json.len(), |(end, _)| end + 1),
            _ => at + 1,
        };
        if byte > b' ' {
            out.extend_from_slice(&json[at..end]);
        }
        at = end;
    }
    out
}

/// Lays a document out in lines, as the options in `argument` say.
pub(super) fn pretty(json: &[u8], argument: &[u8], work: &mut Work) -> Vec<u8> {
    let options = Options::parse(argument);
    let out = options.prefix.clone();
    let mut printer = Printer {
        json,
        options,
        out,
        line: 0,
        work,
    };
    if let Some(start) = scan::value_start(json, 0) {
        printer.value(start, 0);
    }
    let mut out = printer.out;
    if !out.is_empty() {
        out.push(b'\n');
    }
    out
}

struct Options {
    /// Arrays of scalars that fit in as many columns stay on one line.
    width: i64,
    prefix: Vec<u8>,
    indent: Vec<u8>,
    sort_keys: bool,
}

impl Options {
    fn parse(argument: &[u8]) -> Self {
        let mut options = Self {
            width: 80,
            prefix: Vec::new(),
            indent: b"  ".to_vec(),
            sort_keys: false,
        };
        let argument = Found::parse(Cow::Borrowed(argument));
        for entry in modifier::members(&argument).filter(|entry| !entry.key.is_empty()) {
            let value = Found::slice(entry.kind, entry.value);
            match &*content(entry.key) {
                b"sortKeys" => options.sort_keys = value.as_bool(),
                b"indent" => options.indent = white_space(&value.bytes()),
                b"prefix" => options.prefix = white_space(&value.bytes()),
                b"width" => options.width = whole(&value),
                _ => {}
            }
        }
        options
    }
}

fn white_space(text: &[u8]) -> Vec<u8> {
    text.iter()
        .copied()
        .filter(|byte| b" \t\n\r".contains(byte))
        .collect()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a width beyond the range is no limit anyway"
)]
fn whole(value: &Found<'_>) -> i64 {
    match value.kind {
        Kind::True => 1,
        Kind::Number => value.as_f64() as i64,
        Kind::String => value.text().parse().unwrap_or(0),
        Kind::Null | Kind::False | Kind::Json => 0,
    }
}

struct Printer<'j, 'w> {
    json: &'j [u8],
    options: Options,
    out: Vec<u8>,
    /// Where the last line began, as the width of arrays is measured.
    line: usize,
    work: &'w mut Work,
}

impl<'j> Printer<'j, '_> {
    /// Prints the value at `start`; returns its end.
    fn value(&mut self, start: usize, depth: usize) -> usize {
        match self.json[start] {
            b'[' => {
                let mark = self.out.len();
                if let Some(end) = self.one_line(start) {
                    return end;
                }
                self.out.truncate(mark);
                self.nested(|printer| printer.array(start + 1, depth))
            }
            b'{' => self.nested(|printer| printer.object(start + 1, depth)),
            _ => self.scalar(start),
        }
    }

    fn nested(&mut self, print: impl FnOnce(&mut Self) -> usize) -> usize {
        if !self.work.spend(1) || !self.work.down() {
            return self.json.len();
        }
        let end = print(self);
        self.work.up();
        end
    }

    fn scalar(&mut self, start: usize) -> usize {
        let Some((kind, end)) = scan::value_end(self.json, start) else {
            self.out.extend_from_slice(&self.json[start..]);
            return self.json.len();
        };
        self.out.extend_from_slice(match kind {
            Kind::Null => b"null",
            Kind::True => b"true",
            Kind::False => b"false",
            Kind::Number | Kind::String | Kind::Json => &self.json[start..end],
        });
        end
    }

    /// Prints an array as one line. None, and any output, if it does not fit or holds an object.
    fn one_line(&mut self, start: usize) -> Option<usize> {
        if self.options.width <= 0 {
            return None;
        }
        let column = i64::try_from(self.out.len() - self.line.min(self.out.len())).ok()?;
        let room = usize::try_from(self.options.width - column)
            .ok()
            .filter(|room| *room > 3)?;
        let mark = self.out.len();
        let mut at = start;
        let mut open = 0_usize;
        while self.out.len() - mark <= room && self.work.spend(1) {
            let byte = *self.json.get(at)?;
            at += 1;
            match byte {
                b'{' => return None,
                b'[' => open += 1,
                b']' => open -= 1,
                b',' => self.out.extend_from_slice(b", "),
                0..=b' ' => {}
                _ => at = self.scalar(at - 1),
            }
            if matches!(byte, b'[' | b']') {
                self.out.push(byte);
            }
            if open == 0 {
                return (self.out.len() - mark <= room).then_some(at);
            }
        }
        None
    }

    fn array(&mut self, mut at: usize, depth: usize) -> usize {
        self.out.push(b'[');
        let mut is_empty = true;
        loop {
            let start = match scan::item(self.json, at) {
                Item::Value(start) => start,
                Item::End(end) => {
                    self.close(b']', is_empty, depth);
                    return end;
                }
            };
            self.comma(is_empty);
            self.new_line();
            if !is_empty && self.options.width != -1 {
                // Between elements the blank of `, ` becomes the new line, and is measured as one.
                self.line = self.out.len();
            }
            self.indent(depth + 1);
            is_empty = false;
            at = self.value(start, depth + 1);
        }
    }

    fn object(&mut self, mut at: usize, depth: usize) -> usize {
        self.out.push(b'{');
        let body = self.out.len();
        let mut members: Vec<Printed<'j>> = Vec::new();
        loop {
            let key = match scan::member(self.json, at) {
                Member::Key(key) => key,
                Member::End(end) => {
                    if self.options.sort_keys {
                        self.sort(body, &mut members);
                    }
                    self.close(b'}', members.is_empty(), depth);
                    return end;
                }
            };
            self.comma(members.is_empty());
            self.new_line();
            let start = self.out.len();
            self.indent(depth + 1);
            let key_text = &self.json[key.start - 1..=key.end];
            self.out.extend_from_slice(key_text);
            self.out.extend_from_slice(b": ");
            let value = self.out.len();
            at = match scan::value_start(self.json, key.end + 1) {
                Some(start) => self.value(start, depth + 1),
                None => self.json.len(),
            };
            members.push(Printed {
                key: key_text,
                start,
                value,
                end: self.out.len(),
            });
        }
    }

    fn comma(&mut self, is_first: bool) {
        if !is_first {
            self.out.push(b',');
        }
    }

    fn new_line(&mut self) {
        self.line = self.out.len();
        self.out.push(b'\n');
    }

    fn indent(&mut self, depth: usize) {
        self.out.extend_from_slice(&self.options.prefix);
        for _ in 0..depth {
            self.out.extend_from_slice(&self.options.indent);
        }
        self.work
            .spend(depth * self.options.indent.len() + self.options.prefix.len());
    }

    fn close(&mut self, bracket: u8, is_empty: bool, depth: usize) {
        if !is_empty {
            self.new_line();
            self.indent(depth);
        }
        self.out.push(bracket);
    }

    /// Puts the members printed since `body` in order.
    fn sort(&mut self, body: usize, members: &mut [Printed<'j>]) {
        let printed = self.out.split_off(body);
        let text = |start: usize, end: usize| &printed[start - body..end - body];
        members.sort_by(|left, right| {
            compare(left.key, right.key)
                .then_with(|| compare(text(left.value, left.end), text(right.value, right.end)))
        });
        for (index, member) in members.iter().enumerate() {
            self.comma(index == 0);
            self.out.push(b'\n');
            self.out.extend_from_slice(text(member.start, member.end));
        }
    }
}

/// A member of an object: its quoted key, and where it, its value and its end stand in the output.
struct Printed<'j> {
    key: &'j [u8],
    start: usize,
    value: usize,
    end: usize,
}

/// The order of sorted members: by kind, then by what they stand for.
fn compare(left: &[u8], right: &[u8]) -> Ordering {
    let rank = |text: &[u8]| match text.first() {
        None | Some(b'n') => 0,
        Some(b'f') => 1,
        Some(b'"') => 3,
        Some(b't') => 4,
        Some(b'{' | b'[') => 5,
        Some(_) => 2,
    };
    rank(left).cmp(&rank(right)).then_with(|| match rank(left) {
        2 => go_float(left)
            .partial_cmp(&go_float(right))
            .unwrap_or(Ordering::Equal),
        3 => content(left).cmp(&content(right)),
        _ => left.cmp(right),
    })
}

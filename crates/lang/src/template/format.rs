//! Go's `fmt`: what `%v` makes of a value, and `print`, `println` and `printf`.

mod float;
mod pattern;
mod verb;

use std::fmt::Write as _;

pub(super) use self::pattern::sprintf;
pub(super) use self::verb::quote;
use self::verb::{Flags, write_verb};
use super::limit::{Budget, MAX_TEXT, Outcome};
use super::value::Value;

/// Collects text up to [`MAX_TEXT`].
#[derive(Debug)]
pub(super) struct Printer<'a> {
    pub(super) budget: &'a Budget,
    out: Vec<u8>,
}

impl<'a> Printer<'a> {
    pub(super) fn new(budget: &'a Budget) -> Self {
        Self {
            budget,
            out: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, text: impl AsRef<[u8]>) -> Outcome<()> {
        let text = text.as_ref();
        if self.out.len() + text.len() > MAX_TEXT {
            return Err("the template made a text that is too long".into());
        }
        self.budget.take(text.len())?;
        self.out.extend_from_slice(text);
        Ok(())
    }

    pub(super) fn push_repeated(&mut self, byte: u8, count: usize) -> Outcome<()> {
        self.budget.take_text(count)?;
        self.push(vec![byte; count])
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.out
    }
}

/// Writes what `%v` prints.
pub(super) fn write_plain(out: &mut Printer<'_>, value: &Value) -> Outcome<()> {
    match value {
        Value::Text(text) => out.push(text),
        value => write_verb(out, value, 'v', &Flags::default()),
    }
}

/// What `%v` prints.
pub(super) fn plain(budget: &Budget, value: &Value) -> Outcome<Vec<u8>> {
    let mut out = Printer::new(budget);
    write_plain(&mut out, value)?;
    Ok(out.into_bytes())
}

/// `fmt.Sprint`: a space between two values neither of which is a text.
pub(super) fn sprint(budget: &Budget, values: &[Value]) -> Outcome<Vec<u8>> {
    let mut out = Printer::new(budget);
    let mut after_text = true;
    for value in values {
        let is_text = matches!(value, Value::Text(_));
        if !is_text && !after_text {
            out.push(b" ")?;
        }
        write_plain(&mut out, value)?;
        after_text = is_text;
    }
    Ok(out.into_bytes())
}

/// `fmt.Sprintln`: a space between all values, and a line break.
pub(super) fn sprintln(budget: &Budget, values: &[Value]) -> Outcome<Vec<u8>> {
    let mut out = Printer::new(budget);
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(b" ")?;
        }
        write_plain(&mut out, value)?;
    }
    out.push(b"\n")?;
    Ok(out.into_bytes())
}

/// Appends to a text that is short by nature; writing to a `String` cannot fail.
pub(super) fn append(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).unwrap_or_default();
}

//! Writes what a script returned as JSON, by the rules of Argo Events: a table with a positive index
//! is an array, any other an object with its keys as text.

use mlua::{Table, Value};

use super::document::{Context, Item, Node, dropped_key, node_key};
use super::state::Clock;
use super::{MAX_OUTPUT, RunError, number};
use crate::json::{write_float, write_string};

/// The largest index that makes a table an array; gopher-lua keeps larger ones as keys.
const MAX_INDEX: usize = 67_108_864;

/// How deep tables may nest that a script made or looked into. Parts of the event it left alone may
/// nest as deep as any document; tables take more of the stack, of which threads have 2 MiB.
const MAX_TABLES: usize = 200;

/// The result table as JSON.
pub(super) fn write(context: &Context, clock: &Clock, table: &Table) -> Result<String, RunError> {
    let mut writer = Writer {
        context,
        clock,
        depth: 0,
        left: MAX_OUTPUT,
    };
    let mut out = String::new();
    writer.table(table, &mut out)?;
    Ok(out)
}

struct Writer<'a> {
    context: &'a Context,
    clock: &'a Clock,
    depth: usize,
    /// Bytes that may still be written.
    left: usize,
}

/// The parts of a table, written one behind the other: a table of the machine takes little for each, and so
/// may they.
#[derive(Default)]
struct Parts {
    text: String,
    /// By index, from 1.
    items: Vec<(u32, Span)>,
    /// Keys and values.
    members: Vec<(Span, Span)>,
    /// Why a member cannot be written. It does not matter where the table is an array, whose
    /// members are dropped.
    fault: Option<RunError>,
}

/// A piece of what was written.
#[derive(Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

/// What stands for a byte that is not UTF-8.
const REPLACED: &str = "\\ufffd";

/// A piece of text that is written at a time, so that no more is written than fits.
const PIECE: usize = 64 << 10;

impl Writer<'_> {
    fn table(&mut self, table: &Table, out: &mut String) -> Result<(), RunError> {
        if self.depth >= MAX_TABLES {
            return Err(RunError::TooDeep);
        }
        self.clock.check()?;
        self.depth += 1;
        let meta = table.metatable();
        let untouched: Option<usize> = match &meta {
            Some(meta) if *meta == self.context.lazy => table.raw_get(node_key())?,
            _ => None,
        };
        if let Some(index) = untouched {
            let before = out.len();
            self.context.document.write(index, out);
            self.spend(out.len() - before)?;
        } else {
            self.touched(table, meta.as_ref(), out)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn spend(&mut self, bytes: usize) -> Result<(), RunError> {
        self.left = self.left.checked_sub(bytes).ok_or(RunError::TooLarge)?;
        Ok(())
    }

    fn touched(
        &mut self,
        table: &Table,
        meta: Option<&Table>,
        out: &mut String,
    ) -> Result<(), RunError> {
        let origin = match meta {
            Some(meta) => meta.raw_get::<Option<usize>>(node_key())?,
            None => None,
        };
        let origin = origin.and_then(|index| self.context.document.node(index));
        let mut parts = self.parts(table, origin)?;
        self.spend(2)?;
        if parts.is_array(meta, &self.context.empty)? {
            return self.array(parts, out);
        }
        if let Some(fault) = parts.fault {
            return Err(fault);
        }
        if let (Some(meta), Some(Node::Object(members))) = (meta, origin) {
            parts.add_nulls(meta, members)?;
        }
        parts.object(out);
        Ok(())
    }

    fn parts(&mut self, table: &Table, origin: Option<&Node>) -> Result<Parts, RunError> {
        let mut parts = Parts::default();
        let mut stop = None;
        let done = table.for_each(|key: Value, value: Value| {
            self.part(&mut parts, &key, &value, origin)
                .map_err(|error| {
                    stop = Some(error);
                    mlua::Error::runtime("stopped")
                })
        });
        match stop {
            Some(error) => Err(error),
            None => Ok(done.map(|()| parts)?),
        }
    }

    fn part(
        &mut self,
        parts: &mut Parts,
        key: &Value,
        value: &Value,
        origin: Option<&Node>,
    ) -> Result<(), RunError> {
        let index = match key {
            Value::Integer(index) => usize::try_from(*index).ok(),
            _ => None,
        };
        let start = parts.text.len();
        if let Some(index) = index.filter(|index| (1..=MAX_INDEX).contains(index)) {
            let before = match origin {
                Some(Node::Array(items)) => items.get(index - 1),
                _ => None,
            };
            self.value(value, before, &mut parts.text)?;
            self.spend(1)?;
            let index = u32::try_from(index).map_err(|_| RunError::TooLarge)?;
            parts.items.push((index, parts.span(start)?));
            return Ok(());
        }
        if let Value::String(text) = key
            && text.as_bytes().len() > self.left
        {
            return Err(RunError::TooLarge);
        }
        let name = match key_text(key) {
            Ok(name) => name,
            Err(fault) => {
                parts.fault.get_or_insert(fault);
                return Ok(());
            }
        };
        let before = match origin {
            Some(Node::Object(members)) => members
                .binary_search_by(|(key, _)| key.as_str().cmp(&name))
                .ok()
                .map(|place| &members[place].1),
            _ => None,
        };
        // Before the value, in which more such keys may be.
        self.spend(name.len() + 4)?;
        parts.text.push_str(&name);
        drop(name);
        let key = parts.span(start)?;
        let value_start = parts.text.len();
        match self.value(value, before, &mut parts.text) {
            Err(fault @ RunError::NotRepresentable(_)) => {
                parts.fault.get_or_insert(fault);
                parts.text.truncate(start);
            }
            Err(error) => return Err(error),
            Ok(()) => parts.members.push((key, parts.span(value_start)?)),
        }
        Ok(())
    }

    /// Writes one value; `before` is what the event had in its place.
    fn value(
        &mut self,
        value: &Value,
        before: Option<&Item>,
        out: &mut String,
    ) -> Result<(), RunError> {
        let start = out.len();
        match value {
            Value::Table(table) => return self.table(table, out),
            Value::String(text) => return self.text(&text.as_bytes(), out),
            Value::Nil => out.push_str("null"),
            Value::LightUserData(pointer) if pointer.0.is_null() => out.push_str("null"),
            Value::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
            #[expect(clippy::cast_precision_loss, reason = "made of a double, so exact")]
            Value::Integer(int) => self.number(*int as f64, before, out)?,
            Value::Number(number) => self.number(*number, before, out)?,
            other => {
                let message = format!("a value of type {}", other.type_name());
                return Err(RunError::NotRepresentable(message));
            }
        }
        self.spend(out.len() - start)
    }

    /// Writes a text of Lua. Bytes that are not UTF-8 become an escaped U+FFFD each, as in Go.
    fn text(&mut self, bytes: &[u8], out: &mut String) -> Result<(), RunError> {
        self.spend(2)?;
        let mut quoted = String::new();
        out.push('"');
        for chunk in bytes.utf8_chunks() {
            let mut valid = chunk.valid();
            while !valid.is_empty() {
                let (piece, rest) = valid.split_at(valid.floor_char_boundary(PIECE));
                quoted.clear();
                write_string(piece, &mut quoted);
                self.spend(quoted.len() - 2)?;
                out.push_str(&quoted[1..quoted.len() - 1]);
                valid = rest;
            }
            for _ in chunk.invalid() {
                self.spend(REPLACED.len())?;
                out.push_str(REPLACED);
            }
        }
        out.push('"');
        Ok(())
    }

    fn number(&self, number: f64, before: Option<&Item>, out: &mut String) -> Result<(), RunError> {
        if !number.is_finite() {
            return Err(RunError::NotRepresentable(format!(
                "the number {}",
                number::text(number)
            )));
        }
        let same = |old: &f64| old.to_bits() == number.to_bits();
        let digits = match before {
            Some(Item::Exact(old, digits)) if same(old) => Some(digits.as_ref()),
            Some(Item::Number(old)) if same(old) => None,
            _ => self.context.document.exact(number),
        };
        match digits {
            Some(digits) => out.push_str(digits),
            None => write_float(number, out),
        }
        Ok(())
    }

    fn array(&mut self, parts: Parts, out: &mut String) -> Result<(), RunError> {
        let Parts {
            text, mut items, ..
        } = parts;
        items.sort_unstable_by_key(|(index, _)| *index);
        let length = items.last().map_or(0, |(index, _)| *index);
        self.spend((length as usize - items.len()) * "null,".len())?;
        out.push('[');
        let mut next = 1;
        for (index, item) in items {
            for _ in next..index {
                out.push_str("null,");
            }
            out.push_str(item.of(&text));
            if index < length {
                out.push(',');
            }
            next = index + 1;
        }
        out.push(']');
        Ok(())
    }
}

impl Span {
    fn of(self, text: &str) -> &str {
        &text[self.start as usize..self.end as usize]
    }
}

impl Parts {
    /// What was written from `start` on.
    fn span(&self, start: usize) -> Result<Span, RunError> {
        let place = |place| u32::try_from(place).map_err(|_| RunError::TooLarge);
        Ok(Span {
            start: place(start)?,
            end: place(self.text.len())?,
        })
    }

    /// A table with an index is an array; an empty one if the event had an array there, or if the
    /// script marked it with `__is_array`.
    fn is_array(&self, meta: Option<&Table>, empty: &Table) -> Result<bool, RunError> {
        if !self.items.is_empty() {
            return Ok(true);
        }
        Ok(match meta {
            None => false,
            Some(meta) if meta == empty => self.members.is_empty() && self.fault.is_none(),
            Some(meta) => matches!(meta.raw_get("__is_array")?, Value::Boolean(true)),
        })
    }

    /// Adds the null members of the event that the script did not write to.
    fn add_nulls(&mut self, meta: &Table, before: &[(String, Item)]) -> Result<(), RunError> {
        let dropped: Option<Table> = meta.raw_get(dropped_key())?;
        for (key, item) in before {
            if !matches!(item, Item::Null) {
                continue;
            }
            let written = match &dropped {
                Some(dropped) => !dropped.raw_get::<Value>(key.as_str())?.is_nil(),
                None => false,
            };
            if !written {
                let start = self.text.len();
                self.text.push_str(key);
                let key = self.span(start)?;
                let start = self.text.len();
                self.text.push_str("null");
                self.members.push((key, self.span(start)?));
            }
        }
        Ok(())
    }

    fn object(self, out: &mut String) {
        let Self {
            text, mut members, ..
        } = self;
        members.sort_by(|(one, _), (two, _)| one.of(&text).cmp(two.of(&text)));
        // A number and its text are two keys for Lua, but one for JSON.
        members.dedup_by(|(later, _), (first, _)| later.of(&text) == first.of(&text));
        out.push('{');
        for (place, (key, value)) in members.into_iter().enumerate() {
            if place > 0 {
                out.push(',');
            }
            write_string(key.of(&text), out);
            out.push(':');
            out.push_str(value.of(&text));
        }
        out.push('}');
    }
}

fn key_text(key: &Value) -> Result<String, RunError> {
    Ok(match key {
        Value::String(text) => text.to_string_lossy(),
        #[expect(clippy::cast_precision_loss, reason = "made of a double, so exact")]
        Value::Integer(int) => number::text(*int as f64),
        Value::Number(float) => number::text(*float),
        Value::Boolean(value) => value.to_string(),
        other => {
            let message = format!("a key of type {}", other.type_name());
            return Err(RunError::NotRepresentable(message));
        }
    })
}

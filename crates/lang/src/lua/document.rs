//! The event as a script sees it: tables that are made when they are first looked into.
//!
//! Most scripts look at a few members of an event and return all of it. What was never looked into
//! is written back from here, so it is exact and costs nothing; what was is exact by these rules:
//! * A null member is absent for the script (`event.x == nil`), and written back unless the script
//!   assigned to it. A null in an array is a value of its own, so that positions stay.
//! * A whole number beyond 2^53 is the nearest double for the script. Written unchanged, wherever
//!   the script put it, it is the exact number again.
//! * An empty array stays one while it is empty.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::c_void;

use mlua::{Function, LightUserData, Lua, Table, Value};

use super::RunError;
use crate::json::{Build, parse_with, write_float, write_string};

/// Whole numbers from here on may not be exact as a double.
const EXACT_LIMIT: f64 = 9_007_199_254_740_992.0;

/// The key of a table, or of its metatable, under which the number of its node is kept. No script
/// can get hold of it.
pub(super) fn node_key() -> Value {
    hidden(1)
}

/// The key of a metatable under which the null members are kept that the script wrote to.
pub(super) fn dropped_key() -> Value {
    hidden(2)
}

fn hidden(number: usize) -> Value {
    Value::LightUserData(LightUserData(std::ptr::without_provenance_mut::<c_void>(
        number,
    )))
}

/// A part of the event.
pub(super) enum Item {
    Null,
    Bool(bool),
    Number(f64),
    /// A whole number whose double prints differently, with its digits.
    Exact(f64, Box<str>),
    Text(String),
    Node(usize),
}

/// An array or an object of the event; members are sorted by key.
pub(super) enum Node {
    Array(Vec<Item>),
    Object(Vec<(String, Item)>),
}

/// One event.
#[derive(Default)]
pub(super) struct Document {
    nodes: Vec<Node>,
    /// The digits of large whole numbers by their double; nothing if two numbers share one.
    exact: HashMap<u64, Option<Box<str>>>,
}

impl Document {
    /// Reads an event and the number of its root, which has to be an object. Null is an empty one.
    pub(super) fn read(event: &[u8]) -> Result<(Self, usize), RunError> {
        let reader = Reader::default();
        let root = parse_with(event, &reader)?;
        if reader.out_of_range.get() {
            return Err(RunError::NumberOutOfRange);
        }
        let mut document = Self {
            nodes: reader.nodes.into_inner(),
            exact: reader.exact.into_inner(),
        };
        match root {
            Item::Null => {
                document.nodes.push(Node::Object(Vec::new()));
                let root = document.nodes.len() - 1;
                Ok((document, root))
            }
            Item::Node(root) if matches!(document.nodes[root], Node::Object(_)) => {
                Ok((document, root))
            }
            _ => Err(RunError::NotAnObject),
        }
    }

    pub(super) fn node(&self, index: usize) -> Option<&Node> {
        self.nodes.get(index)
    }

    /// The digits of the large whole number of the event that this double stands for.
    pub(super) fn exact(&self, number: f64) -> Option<&str> {
        if number.abs() < EXACT_LIMIT {
            return None;
        }
        self.exact.get(&number.to_bits())?.as_deref()
    }

    /// Writes a part of the event nobody looked into.
    pub(super) fn write(&self, index: usize, out: &mut String) {
        match self.nodes.get(index) {
            Some(Node::Array(items)) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    self.write_item(item, out);
                }
                out.push(']');
            }
            Some(Node::Object(members)) => {
                out.push('{');
                for (index, (key, item)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_string(key, out);
                    out.push(':');
                    self.write_item(item, out);
                }
                out.push('}');
            }
            None => out.push_str("null"),
        }
    }

    fn write_item(&self, item: &Item, out: &mut String) {
        match item {
            Item::Null => out.push_str("null"),
            Item::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Item::Number(number) => write_float(*number, out),
            Item::Exact(_, digits) => out.push_str(digits),
            Item::Text(text) => write_string(text, out),
            Item::Node(index) => self.write(*index, out),
        }
    }
}

/// Collects the nodes of an event while it is read.
#[derive(Default)]
struct Reader {
    nodes: RefCell<Vec<Node>>,
    exact: RefCell<HashMap<u64, Option<Box<str>>>>,
    out_of_range: Cell<bool>,
}

impl Reader {
    fn push(&self, node: Node) -> Item {
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(node);
        Item::Node(nodes.len() - 1)
    }
}

impl Build for Reader {
    type Value = Item;
    type Key = String;

    fn key(&self, text: Cow<'_, str>) -> String {
        text.into_owned()
    }

    fn null(&self) -> Item {
        Item::Null
    }

    fn bool(&self, value: bool) -> Item {
        Item::Bool(value)
    }

    fn number(&self, text: &str) -> Item {
        let number: f64 = text.parse().unwrap_or(f64::INFINITY);
        if number.is_infinite() {
            self.out_of_range.set(true);
        }
        let whole = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-');
        if !whole || number.abs() < EXACT_LIMIT {
            return Item::Number(number);
        }
        let mut exact = self.exact.borrow_mut();
        exact
            .entry(number.to_bits())
            .and_modify(|known| {
                if known.as_deref() != Some(text) {
                    *known = None;
                }
            })
            .or_insert_with(|| Some(text.into()));
        let mut printed = String::new();
        write_float(number, &mut printed);
        if printed == text {
            Item::Number(number)
        } else {
            Item::Exact(number, text.into())
        }
    }

    fn string(&self, text: Cow<'_, str>) -> Item {
        Item::Text(text.into_owned())
    }

    fn array(&self, items: Vec<Item>) -> Item {
        self.push(Node::Array(items))
    }

    fn object(&self, mut members: Vec<(String, Item)>) -> Item {
        // Of duplicate keys the last stays: it comes first after turning around.
        members.reverse();
        members.sort_by(|one, two| one.0.cmp(&two.0));
        members.dedup_by(|later, first| later.0 == first.0);
        self.push(Node::Object(members))
    }
}

/// The event of the current run, with the metatables its tables need.
pub(super) struct Context {
    pub(super) document: Document,
    /// Of tables that have not been looked into.
    pub(super) lazy: Table,
    /// Of empty arrays.
    pub(super) empty: Table,
    /// Notes which null members are written to.
    pub(super) newindex: Function,
}

impl Context {
    /// Makes a table that stands for a node.
    fn lazy_table(&self, lua: &Lua, index: usize) -> mlua::Result<Table> {
        let table = lua.create_table_with_capacity(0, 1)?;
        table.raw_set(node_key(), index)?;
        table.set_metatable(Some(self.lazy.clone()))?;
        Ok(table)
    }

    /// Fills a table with the parts of a node.
    pub(super) fn fill(&self, lua: &Lua, table: &Table, index: usize) -> mlua::Result<()> {
        table.set_metatable(None)?;
        let inexact = match self.document.node(index) {
            None => return Ok(()),
            Some(Node::Array(items)) => {
                if items.is_empty() {
                    return table.set_metatable(Some(self.empty.clone()));
                }
                for (place, item) in items.iter().enumerate() {
                    table.raw_set(place + 1, self.value(lua, item)?)?;
                }
                items.iter().any(|item| matches!(item, Item::Exact(..)))
            }
            Some(Node::Object(members)) => {
                for (key, item) in members {
                    if !matches!(item, Item::Null) {
                        table.raw_set(key.as_str(), self.value(lua, item)?)?;
                    }
                }
                members
                    .iter()
                    .any(|(_, item)| matches!(item, Item::Null | Item::Exact(..)))
            }
        };
        if inexact {
            let meta = lua.create_table()?;
            meta.raw_set(node_key(), index)?;
            meta.raw_set("__newindex", &self.newindex)?;
            table.set_metatable(Some(meta))?;
        }
        Ok(())
    }

    fn value(&self, lua: &Lua, item: &Item) -> mlua::Result<Value> {
        Ok(match item {
            Item::Null => Value::NULL,
            Item::Bool(value) => Value::Boolean(*value),
            Item::Number(number) | Item::Exact(number, _) => Value::Number(*number),
            Item::Text(text) => Value::String(lua.create_string(text)?),
            Item::Node(index) => Value::Table(self.lazy_table(lua, *index)?),
        })
    }
}

/// Turns the table that stands for a node into one that holds its parts.
pub(super) fn expand(lua: &Lua, table: &Table) -> mlua::Result<()> {
    let index: Option<usize> = table.raw_get(node_key())?;
    let Some(index) = index else { return Ok(()) };
    table.raw_set(node_key(), Value::Nil)?;
    match lua.app_data_ref::<Context>() {
        Some(context) => context.fill(lua, table, index),
        None => Ok(()),
    }
}

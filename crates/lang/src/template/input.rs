//! Reads an event's document straight into template values.
//!
//! Unlike everywhere else, of duplicate keys the first one counts, as Argo Events has it here.

use std::borrow::Cow;

use super::limit::{Budget, Outcome};
use super::value::{Element, List, Map, Members, Text, Value, number_value};
use crate::json::{self, Build, Number};

/// Reads a JSON document.
///
/// # Errors
/// If it is not one, or too large.
pub(super) fn read(budget: &Budget, document: &[u8]) -> Outcome<Value> {
    json::parse_with(document, &Input { budget }).map_err(|error| error.to_string())?
}

struct Input<'a> {
    budget: &'a Budget,
}

impl Build for Input<'_> {
    type Value = Outcome<Value>;
    type Key = Text;

    fn key(&self, text: Cow<'_, str>) -> Text {
        Text::from(text.as_bytes())
    }

    fn null(&self) -> Outcome<Value> {
        Ok(Value::Nil)
    }

    fn bool(&self, value: bool) -> Outcome<Value> {
        Ok(Value::Bool(value))
    }

    fn number(&self, text: &str) -> Outcome<Value> {
        Ok(number_value(&Number::from_text(text)))
    }

    fn string(&self, text: Cow<'_, str>) -> Outcome<Value> {
        Ok(Value::text(text.as_bytes()))
    }

    fn array(&self, items: Vec<Outcome<Value>>) -> Outcome<Value> {
        let items = items.into_iter().collect::<Outcome<_>>()?;
        Ok(Value::List(List::new(self.budget, Element::Any, items)?))
    }

    fn object(&self, members: Vec<(Text, Outcome<Value>)>) -> Outcome<Value> {
        let mut first = Members::new();
        for (key, member) in members {
            first.entry(key).or_insert(member?);
        }
        Ok(Value::Map(Map::new(self.budget, Element::Any, first)?))
    }
}

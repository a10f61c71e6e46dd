//! The fields of each kind, in a short form of the CRDs' schemas.
//!
//! Generating the schemas takes a tenth of a second and tens of megabytes, which neither `lint` nor a
//! running process has to spend: what checking needs of them is committed, and a test compares it.

use std::sync::LazyLock;

/// The fields of the kinds. Read when one is needed: that takes less than a millisecond.
static EVENT_BUS: LazyLock<Field> = LazyLock::new(|| read(include_str!("fields/event_bus.txt")));
static EVENT_SOURCE: LazyLock<Field> =
    LazyLock::new(|| read(include_str!("fields/event_source.txt")));
static SENSOR: LazyLock<Field> = LazyLock::new(|| read(include_str!("fields/sensor.txt")));

/// What a field may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    /// An object with these fields, by name.
    Object(Vec<(&'static str, Field)>),
    /// An object with any keys.
    Map(Box<Field>),
    /// An object that is not described further.
    OpenObject,
    List(Box<Field>),
    /// A list that is not described further.
    OpenList,
    Text,
    Boolean,
    Number,
    Int32,
    Int64,
    /// A whole number from 0.
    Count,
    IntOrText,
    Any,
}

/// The fields of an object of this kind.
pub(super) fn of_kind(kind: &str) -> Option<&'static Field> {
    match kind {
        "EventBus" => Some(&EVENT_BUS),
        "EventSource" => Some(&EVENT_SOURCE),
        "Sensor" => Some(&SENSOR),
        _ => None,
    }
}

impl Field {
    /// The field `name` of an object.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(fields) = self else {
            return None;
        };
        let index = fields
            .binary_search_by_key(&name, |(known, _)| known)
            .ok()?;
        fields.get(index).map(|(_, field)| field)
    }

    /// The names of an object's fields.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + Clone {
        let fields = if let Self::Object(fields) = self {
            fields.as_slice()
        } else {
            &[]
        };
        fields.iter().map(|(name, _)| *name)
    }
}

/// Reads lines `name type`; what is inside a field follows it, one blank further in, with `*` as the
/// name of an item or a value.
fn read(text: &'static str) -> Field {
    let mut lines = text.lines().map(|line| {
        let inner = line.trim_start_matches(' ');
        (
            line.len() - inner.len(),
            inner.split_once(' ').unwrap_or((inner, "any")),
        )
    });
    Field::Object(inside(&mut lines.by_ref().peekable(), 0))
}

type Line = (usize, (&'static str, &'static str));

fn inside(
    lines: &mut std::iter::Peekable<impl Iterator<Item = Line>>,
    depth: usize,
) -> Vec<(&'static str, Field)> {
    let mut fields = Vec::new();
    while let Some((_, (name, kind))) = lines.next_if(|(indent, _)| *indent == depth) {
        let mut inner = inside(lines, depth + 1);
        let field = match kind {
            "object" if inner.is_empty() => Field::OpenObject,
            "object" => Field::Object(inner),
            "map" => Field::Map(Box::new(inner.pop().map_or(Field::Any, |(_, field)| field))),
            "list" => inner
                .pop()
                .map_or(Field::OpenList, |(_, item)| Field::List(Box::new(item))),
            "text" => Field::Text,
            "boolean" => Field::Boolean,
            "number" => Field::Number,
            "int32" => Field::Int32,
            "int64" => Field::Int64,
            "count" => Field::Count,
            "int-or-text" => Field::IntOrText,
            _ => Field::Any,
        };
        fields.push((name, field));
    }
    fields
}

#[cfg(test)]
mod tests;

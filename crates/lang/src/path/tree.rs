//! Places in a document that has been read: where nearly all writes go, without its text.

use super::Path;
use super::write::{Place, Step};
use crate::json::{MAX_DEPTH, Map, Value};

/// Where a path leads in a document that has been read.
#[derive(Debug)]
pub enum Spot<'v> {
    /// A value stands there.
    There(&'v mut Value),
    /// Nothing does: an object lacks this member, or one on the way to it.
    Missing(Missing<'v>),
}

/// A member that an object lacks.
#[derive(Debug)]
pub struct Missing<'v> {
    object: &'v mut Map,
    /// The member, and the members inside it that lead to the place.
    names: Vec<&'v str>,
}

impl Path {
    /// The place in a document without duplicate keys, as [`Path::set`] finds it in its text.
    ///
    /// `None`: only the text tells. That is a path with a query or a `:`, a step that makes, fills up
    /// or extends an array, and a value in the way.
    pub fn spot<'v>(&'v self, document: &'v mut Value) -> Option<Spot<'v>> {
        let Place::Steps(steps) = &self.place else {
            return None;
        };
        if self.jsonpath.is_some() || steps.len() > MAX_DEPTH {
            return None;
        }
        let mut here = document;
        for (at, step) in steps.iter().enumerate() {
            let name = step.plain_name()?;
            match here {
                Value::Object(object) => {
                    let Some(index) = object.get_index_of(name) else {
                        let inner = steps[at + 1..].iter().map(Step::member_name);
                        let names = std::iter::once(Some(name)).chain(inner);
                        return Some(Spot::Missing(Missing {
                            names: names.collect::<Option<_>>()?,
                            object,
                        }));
                    };
                    here = object.get_index_mut(index)?.1;
                }
                Value::Array(items) => here = items.get_mut(step.element()?)?,
                _ => return None,
            }
        }
        Some(Spot::There(here))
    }
}

impl Spot<'_> {
    /// Puts a value there.
    pub fn set(self, value: Value) {
        match self {
            Self::There(place) => *place = value,
            Self::Missing(Missing { object, names }) => {
                let Some((first, inner)) = names.split_first() else {
                    return;
                };
                let nest = |value, name: &&str| {
                    Value::Object(Map::from_iter([((*name).to_owned(), value)]))
                };
                let value = inner.iter().rev().fold(value, nest);
                object.insert((*first).to_owned(), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::from_slice;
    use crate::path::Write;

    #[test]
    fn a_place_in_a_tree_is_the_one_in_the_text() {
        let documents = [
            r#"{"a":{"b":1,"01":2,"c.d":3},"l":[{"x":1},2,[3]],"":4,"s":"t","n":null}"#,
            "{}",
            "[]",
            r#"{"a":[]}"#,
        ];
        let paths = [
            "a", "a.b", "a.b.c", "a.01", "a.1", r"a.c\.d", "a.c.d", "l.0.x", "l.00.x", "l.0.y.z",
            "l.1", "l.3", "l.-1", "l.x", "", ".", "a.", "s.x", "n.x", "new", "new.x.y", "new.0",
            "new.-1", "new..x", ":a", "a.:b", "0", "-1", "l.2.0", "l.0.-1", "a.*", "l.#", "a.b@c",
            "+1", "l.+1", "$.a",
        ];
        let mut reached = 0;
        for document in documents {
            for path in paths {
                let Ok(path) = Path::compile(path) else {
                    continue;
                };
                let mut tree = from_slice(document.as_bytes()).unwrap();
                let Some(spot) = path.spot(&mut tree) else {
                    continue;
                };
                spot.set(Value::String("v".to_owned()));
                reached += 1;
                let text = path.set(document.as_bytes(), Write::Text("v")).unwrap();
                let expected = from_slice(&text.json).unwrap();
                assert_eq!(
                    tree.to_go_json(),
                    expected.to_go_json(),
                    "{document} {path:?}"
                );
            }
        }
        assert!(reached >= 25, "{reached} places are reached in the tree");
    }
}

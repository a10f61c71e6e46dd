//! A schema, as a list of types that name each other by their places in it.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::DEPTH;

/// What a value was written with.
#[derive(Debug)]
pub struct Schema {
    types: Vec<Type>,
    root: Place,
}

/// The text is no schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SchemaError(String);

/// The place of a type in the list of its schema.
pub(super) type Place = usize;

#[derive(Debug)]
pub(super) enum Type {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed(usize),
    Enum(Vec<String>),
    Array(Place),
    Map(Place),
    Record(Vec<Field>),
    Union(Vec<Branch>),
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) of: Place,
    pub(super) default: Option<Value>,
}

#[derive(Debug)]
pub(super) struct Branch {
    /// What tells it from the others in JSON.
    pub(super) name: String,
    pub(super) of: Place,
}

/// Logical types that are part of the name of a union's branch.
const NAMED: [&str; 6] = [
    "int.date",
    "int.time-millis",
    "long.time-micros",
    "long.timestamp-millis",
    "long.timestamp-micros",
    "bytes.decimal",
];

impl Schema {
    /// Reads a schema. `known` are those that it refers to by name, what one of them needs before it.
    ///
    /// # Errors
    /// If one of them is no schema: what is wrong with it.
    pub fn parse(text: &str, known: &[String]) -> Result<Self, SchemaError> {
        let mut reader = Reader::default();
        for text in known {
            reader.read(text)?;
        }
        let root = reader.read(text)?;
        let types = reader.types.into_iter().map(|(of, _)| of).collect();
        Ok(Self { types, root })
    }

    pub(super) fn root(&self) -> Place {
        self.root
    }

    pub(super) fn at(&self, place: Place) -> &Type {
        &self.types[place]
    }
}

#[derive(Default)]
struct Reader {
    /// Types, with what a union calls them.
    types: Vec<(Type, String)>,
    /// Records, enums and fixed ones by their full names.
    named: HashMap<String, Place>,
}

impl Reader {
    fn read(&mut self, text: &str) -> Result<Place, SchemaError> {
        let schema: Value = serde_json::from_str(text)
            .map_err(|error| fault(format!("the schema is no JSON: {error}")))?;
        self.schema(&schema, "", 0)
    }

    /// The place of a schema within names of `namespace`.
    fn schema(
        &mut self,
        schema: &Value,
        namespace: &str,
        depth: usize,
    ) -> Result<Place, SchemaError> {
        if depth > DEPTH {
            return Err(fault(format!(
                "the schema is nested more than {DEPTH} deep"
            )));
        }
        match schema {
            Value::String(name) => self.known(name, namespace),
            Value::Array(branches) => self.union(branches, namespace, depth),
            Value::Object(object) => match object.get("type") {
                Some(Value::String(name)) => self.object(name, object, namespace, depth),
                Some(inner) => self.schema(inner, namespace, depth + 1),
                None => Err(fault("a schema has no type")),
            },
            other => Err(fault(format!("{other} is no schema"))),
        }
    }

    /// A type by its name: one of Avro's, or one that was read before.
    fn known(&mut self, name: &str, namespace: &str) -> Result<Place, SchemaError> {
        if let Some(simple) = simple(name) {
            return Ok(self.push(simple, name.to_owned()));
        }
        let full = full_name(name, namespace);
        let place = self.named.get(&full).or_else(|| self.named.get(name));
        place
            .copied()
            .ok_or_else(|| fault(format!("the schema names {full}, which it does not define")))
    }

    fn union(
        &mut self,
        branches: &[Value],
        namespace: &str,
        depth: usize,
    ) -> Result<Place, SchemaError> {
        let mut known = Vec::new();
        for branch in branches {
            let of = self.schema(branch, namespace, depth + 1)?;
            let name = self.types[of].1.clone();
            known.push(Branch { name, of });
        }
        Ok(self.push(Type::Union(known), "union".to_owned()))
    }

    fn object(
        &mut self,
        name: &str,
        object: &Map<String, Value>,
        namespace: &str,
        depth: usize,
    ) -> Result<Place, SchemaError> {
        let inner = |member: &str| {
            let missing = || fault(format!("a schema of the type {name} has no {member}"));
            object.get(member).ok_or_else(missing)
        };
        match name {
            "array" => {
                let items = self.schema(inner("items")?, namespace, depth + 1)?;
                Ok(self.push(Type::Array(items), name.to_owned()))
            }
            "map" => {
                let values = self.schema(inner("values")?, namespace, depth + 1)?;
                Ok(self.push(Type::Map(values), name.to_owned()))
            }
            "record" | "error" | "enum" | "fixed" => self.define(name, object, namespace, depth),
            name => match simple(name) {
                Some(simple) => {
                    let logical = object.get("logicalType").and_then(Value::as_str);
                    let logical = logical.map(|logical| format!("{name}.{logical}"));
                    let logical = logical.filter(|logical| NAMED.contains(&logical.as_str()));
                    Ok(self.push(simple, logical.unwrap_or_else(|| name.to_owned())))
                }
                None => self.known(name, namespace),
            },
        }
    }

    /// A type that has a name of its own.
    fn define(
        &mut self,
        kind: &str,
        object: &Map<String, Value>,
        namespace: &str,
        depth: usize,
    ) -> Result<Place, SchemaError> {
        let text = |member: &str| object.get(member).and_then(Value::as_str);
        let name = text("name").filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| fault(format!("a schema of the type {kind} has no name")))?;
        let full = full_name(name, text("namespace").unwrap_or(namespace));
        let missing = |member: &str| fault(format!("{full} has no {member}"));
        // Its fields may be of the type itself: its place is known before they are.
        let place = self.push(Type::Null, full.clone());
        self.named.insert(full.clone(), place);
        let of = match kind {
            "enum" => {
                let symbols = object.get("symbols").and_then(Value::as_array);
                let symbols = symbols.ok_or_else(|| missing("symbols"))?;
                let symbols = symbols
                    .iter()
                    .map(|symbol| symbol.as_str().map(str::to_owned));
                Type::Enum(
                    symbols
                        .collect::<Option<_>>()
                        .ok_or_else(|| missing("symbols"))?,
                )
            }
            "fixed" => {
                let size = object.get("size").and_then(Value::as_u64);
                let size = size.and_then(|size| usize::try_from(size).ok());
                Type::Fixed(size.ok_or_else(|| missing("size"))?)
            }
            _ => {
                let within = full.rsplit_once('.').map_or("", |(namespace, _)| namespace);
                let fields = object.get("fields").and_then(Value::as_array);
                let fields = fields.ok_or_else(|| missing("fields"))?;
                let read = |field| self.field(field, &full, within, depth);
                Type::Record(fields.iter().map(read).collect::<Result<_, _>>()?)
            }
        };
        self.types[place].0 = of;
        Ok(place)
    }

    fn field(
        &mut self,
        field: &Value,
        record: &str,
        namespace: &str,
        depth: usize,
    ) -> Result<Field, SchemaError> {
        let name = field.get("name").and_then(Value::as_str);
        let name = name.ok_or_else(|| fault(format!("a field of {record} has no name")))?;
        let of = field.get("type");
        let of = of.ok_or_else(|| fault(format!("{record}.{name} has no type")))?;
        Ok(Field {
            name: name.to_owned(),
            of: self.schema(of, namespace, depth + 1)?,
            default: field.get("default").cloned(),
        })
    }

    fn push(&mut self, of: Type, name: String) -> Place {
        self.types.push((of, name));
        self.types.len() - 1
    }
}

fn simple(name: &str) -> Option<Type> {
    Some(match name {
        "null" => Type::Null,
        "boolean" => Type::Boolean,
        "int" => Type::Int,
        "long" => Type::Long,
        "float" => Type::Float,
        "double" => Type::Double,
        "bytes" => Type::Bytes,
        "string" => Type::String,
        _ => return None,
    })
}

fn full_name(name: &str, namespace: &str) -> String {
    if namespace.is_empty() || name.contains('.') {
        name.to_owned()
    } else {
        format!("{namespace}.{name}")
    }
}

fn fault(why: impl Into<String>) -> SchemaError {
    SchemaError(why.into())
}

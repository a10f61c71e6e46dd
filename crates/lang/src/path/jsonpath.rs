//! Paths that start with `$`: RFC 9535, evaluated by `jsonpath-rust`.

mod patterns;

use jsonpath_rust::parser::model::JpQuery;
use jsonpath_rust::parser::parse_json_path;
use jsonpath_rust::query::js_path_process;
use jsonpath_rust::query::queryable::Queryable;

use super::scan::{self, Item, Member};
use super::{Error, Found, Kind, found};

/// How deep a document may nest: the evaluation recurses.
const MAX_DEPTH: usize = 128;

/// How many values an evaluation may visit at worst.
const MAX_VISITS: usize = 4_000_000;

/// A compiled path.
#[derive(Debug, Clone)]
pub(super) struct JsonPath {
    query: JpQuery,
    /// `..`: each may visit every value once more per level above it.
    descents: u32,
    /// `$` in filters: each visits the whole document per value.
    roots: u32,
    /// Each may double what is selected.
    commas: u32,
    /// What the patterns cost for each value, in visits.
    patterns: usize,
}

impl JsonPath {
    /// Whether a path is to be read as RFC 9535.
    pub(super) fn is_meant(path: &str) -> bool {
        path == "$" || path.starts_with("$.") || path.starts_with("$[")
    }

    pub(super) fn compile(path: &str) -> Result<Self, Error> {
        let query = parse_json_path(path).map_err(|error| Error::JsonPath {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        let patterns = patterns::visits(&query).ok_or_else(|| Error::JsonPath {
            path: path.to_owned(),
            reason: "a pattern has to be written in the path".to_owned(),
        })?;
        let count = |text: &str| u32::try_from(path.matches(text).count()).unwrap_or(u32::MAX);
        let roots = count("$").saturating_sub(1);
        Ok(Self {
            query,
            descents: count(".."),
            roots,
            commas: count(","),
            patterns,
        })
    }

    /// The match itself if there is one; an array of them if there are several.
    pub(super) fn get<'a>(&self, json: &'a [u8]) -> Found<'a> {
        let Some(found) = self.try_get(json) else {
            return Found::none();
        };
        match found.as_slice() {
            [] => Found::none(),
            [(start, end)] => match scan::value_end(json, *start) {
                Some((kind, _)) => Found::slice(kind, &json[*start..*end]).lost(),
                None => Found::none(),
            },
            several => {
                let mut out = vec![b'['];
                for (start, end) in several {
                    if out.len() > 1 {
                        out.push(b',');
                    }
                    out.extend_from_slice(&json[*start..*end]);
                }
                out.push(b']');
                Found::computed(Kind::Json, out)
            }
        }
    }

    /// Where what it finds lies; `None` if it would take too long to look.
    pub(super) fn try_get(&self, json: &[u8]) -> Option<Vec<(usize, usize)>> {
        let start = scan::value_start(json, 0)?;
        let mut size = Size::default();
        let (root, _) = Node::read(json, start, 1, &mut size)?;
        if self.visits(&size) > MAX_VISITS {
            return None;
        }
        let matches = js_path_process(&self.query, &root).ok()?;
        let spans: Vec<_> = matches.iter().map(|found| found.val.span).collect();
        let bytes = spans
            .iter()
            .fold(0_usize, |sum, span| sum.saturating_add(span.1 - span.0));
        (bytes <= MAX_VISITS.max(json.len())).then_some(spans)
    }

    /// The most values an evaluation can visit.
    fn visits(&self, size: &Size) -> usize {
        let deeper = size.depth.saturating_pow(self.descents.saturating_sub(1));
        let again = size.values.saturating_pow(self.roots.saturating_add(1));
        again
            .saturating_mul(self.patterns.saturating_add(1))
            .saturating_mul(deeper)
            .saturating_mul(2_usize.saturating_pow(self.commas))
    }
}

#[derive(Default)]
struct Size {
    values: usize,
    depth: usize,
}

/// A value of the document together with where it stands.
#[derive(Debug, Clone, Default)]
struct Node {
    shape: Shape,
    span: (usize, usize),
}

#[derive(Debug, Clone, Default, PartialEq)]
enum Shape {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

/// Values are equal wherever they stand.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape
    }
}

impl Node {
    /// Reads the value at `start`; also where it ends. None if it nests too deeply.
    fn read(json: &[u8], start: usize, depth: usize, size: &mut Size) -> Option<(Self, usize)> {
        if depth > MAX_DEPTH {
            return None;
        }
        size.values += 1;
        size.depth = size.depth.max(depth);
        let (shape, end) = match json[start] {
            b'[' => {
                let mut items = Vec::new();
                let mut at = start + 1;
                let end = loop {
                    match scan::item(json, at) {
                        Item::Value(start) => {
                            let (item, end) = Self::read(json, start, depth + 1, size)?;
                            items.push(item);
                            at = end;
                        }
                        Item::End(end) => break end.min(json.len()),
                    }
                };
                (Shape::Array(items), end)
            }
            b'{' => {
                let mut members: Vec<(String, Self)> = Vec::new();
                let mut at = start + 1;
                let end = loop {
                    let key = match scan::member(json, at) {
                        Member::Key(key) => key,
                        Member::End(end) => break end,
                    };
                    let name = found::unescape(&json[key.start..key.end]);
                    let name = String::from_utf8_lossy(&name).into_owned();
                    let start = scan::value_start(json, key.end + 1)?;
                    let (member, end) = Self::read(json, start, depth + 1, size)?;
                    members.push((name, member));
                    at = end;
                };
                (Shape::Object(members), end)
            }
            _ => {
                let (kind, end) = scan::value_end(json, start)?;
                (Shape::scalar(&Found::slice(kind, &json[start..end])), end)
            }
        };
        Some((
            Self {
                shape,
                span: (start, end),
            },
            end,
        ))
    }
}

impl Shape {
    fn scalar(found: &Found<'_>) -> Self {
        match found.kind() {
            Kind::Null | Kind::Json => Self::Null,
            Kind::False => Self::Bool(false),
            Kind::True => Self::Bool(true),
            Kind::String => Self::String(found.text().into_owned()),
            Kind::Number => match found.text().parse() {
                Ok(int) => Self::Int(int),
                Err(_) => Self::Float(found.as_f64()),
            },
        }
    }
}

impl From<Shape> for Node {
    fn from(shape: Shape) -> Self {
        Self {
            shape,
            span: (0, 0),
        }
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Shape::String(text.to_owned()).into()
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Shape::String(text).into()
    }
}

impl From<bool> for Node {
    fn from(value: bool) -> Self {
        Shape::Bool(value).into()
    }
}

impl From<i64> for Node {
    fn from(value: i64) -> Self {
        Shape::Int(value).into()
    }
}

impl From<f64> for Node {
    fn from(value: f64) -> Self {
        Shape::Float(value).into()
    }
}

impl From<Vec<Self>> for Node {
    fn from(items: Vec<Self>) -> Self {
        Shape::Array(items).into()
    }
}

impl Queryable for Node {
    fn get(&self, key: &str) -> Option<&Self> {
        match &self.shape {
            Shape::Object(members) => members
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, member)| member),
            _ => None,
        }
    }

    fn as_array(&self) -> Option<&Vec<Self>> {
        match &self.shape {
            Shape::Array(items) => Some(items),
            _ => None,
        }
    }

    fn as_object(&self) -> Option<Vec<(&str, &Self)>> {
        match &self.shape {
            Shape::Object(members) => Some(
                members
                    .iter()
                    .map(|(name, member)| (name.as_str(), member))
                    .collect(),
            ),
            _ => None,
        }
    }

    fn as_str(&self) -> Option<&str> {
        match &self.shape {
            Shape::String(text) => Some(text),
            _ => None,
        }
    }

    fn as_i64(&self) -> Option<i64> {
        match self.shape {
            Shape::Int(int) => Some(int),
            _ => None,
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "the nearest double is what is asked for"
    )]
    fn as_f64(&self) -> Option<f64> {
        match self.shape {
            Shape::Int(int) => Some(int as f64),
            Shape::Float(float) => Some(float),
            _ => None,
        }
    }

    fn as_bool(&self) -> Option<bool> {
        match self.shape {
            Shape::Bool(value) => Some(value),
            _ => None,
        }
    }

    fn null() -> Self {
        Self::default()
    }
}

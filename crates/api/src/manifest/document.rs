//! YAML as a tree that knows where each of its nodes stands.
//!
//! Files are untrusted: nesting, nodes and what aliases unfold to are bounded.

use std::collections::{HashMap, HashSet};

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::scalar::{Scalar, resolve};
use super::text::Begin;
use crate::field_path::Step;

/// Deepest nesting of a manifest. JSON readers give up at 128, and no Kubernetes object comes near.
const MAX_DEPTH: usize = 100;

/// Most nodes of a file, aliases unfolded: ten times what etcd can store of one object.
const MAX_NODES: usize = 500_000;

/// Most faults of a file: nobody reads more.
const MAX_FAULTS: usize = 1_000;

/// A line and a column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl Place {
    fn of(span: &Span) -> Self {
        Self {
            line: span.start.line().max(1),
            column: span.start.col() + 1,
        }
    }
}

/// A value and where it stands: for a member of an object, where its key stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) place: Place,
    /// Where the characters of a text begin.
    pub(super) begin: Option<Begin>,
    pub(super) value: Value,
}

/// A JSON value with its nodes in order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// The digits of a JSON number.
    Number(String),
    String(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

/// What is wrong with a file as YAML.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) place: Place,
    pub(super) message: String,
    /// The document can be read all the same.
    pub(super) is_warning: bool,
}

/// The documents of a file that hold anything, and what is wrong with the others.
pub(super) fn read(text: &str) -> (Vec<Node>, Vec<Fault>) {
    let mut composer = Composer {
        file: text,
        ..Composer::default()
    };
    let mut documents = Vec::new();
    let mut parser = Parser::new_from_str(text);
    while let Some(next) = parser.next_event() {
        let stop = match next {
            Ok((Event::DocumentEnd, _)) => {
                documents.extend(composer.finish());
                false
            }
            Ok((event, span)) => composer.on(event, &span).is_err(),
            Err(error) => {
                let mark = error.marker();
                let place = Place {
                    line: mark.line().max(1),
                    column: mark.col() + 1,
                };
                composer.fail(place, format!("not YAML: {}", error.kind()));
                true
            }
        };
        if stop {
            composer.abandon();
            match parser.proceed_next_document() {
                Ok(true) if composer.nodes < MAX_NODES && composer.faults.len() < MAX_FAULTS => {}
                _ => break,
            }
        }
    }
    (documents, composer.faults)
}

/// A collection that is still open.
struct Open {
    place: Place,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Object {
        members: Vec<(String, Node)>,
        merged: Vec<Node>,
        key: Option<Key>,
    },
}

/// The key of the member whose value comes next.
struct Key {
    place: Place,
    text: Option<String>,
}

/// The document cannot be read further; the fault is recorded.
struct Unreadable;

/// Builds nodes from the events of a parser.
#[derive(Default)]
struct Composer<'t> {
    file: &'t str,
    open: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    faults: Vec<Fault>,
}

impl Composer<'_> {
    fn fail(&mut self, place: Place, message: impl Into<String>) {
        self.faults.push(Fault {
            place,
            message: message.into(),
            is_warning: false,
        });
    }

    fn abandon(&mut self) {
        self.open.clear();
        self.root = None;
        self.anchors.clear();
    }

    /// The document, unless it is empty.
    fn finish(&mut self) -> Option<Node> {
        self.anchors.clear();
        self.open.clear();
        self.root.take().filter(|root| root.value != Value::Null)
    }

    fn on(&mut self, event: Event<'_>, span: &Span) -> Result<(), Unreadable> {
        let place = Place::of(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.count(place, 1)?;
                let scalar = scalar_of(&text, style, tag.as_deref());
                let begin = matches!(scalar, Scalar::String(_))
                    .then(|| Begin::find(&text, style, span, self.file))
                    .flatten();
                self.scalar(place, begin, anchor, scalar)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.begin(place, anchor, Content::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, _) => {
                let object = Content::Object {
                    members: Vec::new(),
                    merged: Vec::new(),
                    key: None,
                };
                self.begin(place, anchor, object)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(place, anchor),
            _ => Ok(()),
        }
    }

    fn count(&mut self, place: Place, nodes: usize) -> Result<(), Unreadable> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            self.fail(
                place,
                format!("more than {MAX_NODES} values, aliases unfolded"),
            );
            return Err(Unreadable);
        }
        Ok(())
    }

    fn begin(&mut self, place: Place, anchor: usize, content: Content) -> Result<(), Unreadable> {
        self.count(place, 1)?;
        if self.open.len() >= MAX_DEPTH {
            self.fail(place, format!("nested deeper than {MAX_DEPTH} levels"));
            return Err(Unreadable);
        }
        if self.expects_key() {
            self.fail(place, "a key has to be a text");
            return Err(Unreadable);
        }
        self.open.push(Open {
            place,
            anchor,
            content,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Unreadable> {
        let Some(Open {
            place,
            anchor,
            content,
        }) = self.open.pop()
        else {
            return Ok(());
        };
        let value = match content {
            Content::List(items) => Value::List(items),
            Content::Object {
                members, merged, ..
            } => {
                let mut members = self.without_duplicates(members);
                merge(&mut members, merged);
                Value::Object(members)
            }
        };
        self.add(anchor, Node::new(place, value))
    }

    fn alias(&mut self, place: Place, anchor: usize) -> Result<(), Unreadable> {
        let Some(size) = self.anchors.get(&anchor).map(|(_, size)| *size) else {
            self.fail(place, "an alias inside the value it stands for");
            return Err(Unreadable);
        };
        self.count(place, size)?;
        let Some((node, _)) = self.anchors.get(&anchor) else {
            return Ok(());
        };
        let mut node = node.clone();
        if self.expects_key() {
            let scalar = match node.value {
                Value::String(text) => Scalar::String(text),
                Value::Number(digits) => Scalar::Number(digits),
                Value::Bool(value) => Scalar::Bool(value),
                Value::Null | Value::List(_) | Value::Object(_) => Scalar::Null,
            };
            return self.scalar(place, None, 0, scalar);
        }
        if depth(&node) + self.open.len() > MAX_DEPTH {
            self.fail(place, format!("nested deeper than {MAX_DEPTH} levels"));
            return Err(Unreadable);
        }
        node.place = place;
        self.add(0, node)
    }

    fn expects_key(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Open {
                content: Content::Object { key: None, .. },
                ..
            })
        )
    }

    fn scalar(
        &mut self,
        place: Place,
        begin: Option<Begin>,
        anchor: usize,
        scalar: Scalar,
    ) -> Result<(), Unreadable> {
        if self.expects_key() {
            let text = match &scalar {
                Scalar::String(text) | Scalar::Number(text) => Some(text.clone()),
                Scalar::Bool(value) => Some(value.to_string()),
                Scalar::Merge => None,
                Scalar::Null | Scalar::NotInJson => {
                    self.fail(place, "a key has to be a text");
                    return Err(Unreadable);
                }
            };
            if let (true, Some(text)) = (anchor > 0, &text) {
                let node = Node::new(place, Value::String(text.clone()));
                self.anchors.insert(anchor, (node, 1));
            }
            if let Some(Open {
                content: Content::Object { key, .. },
                ..
            }) = self.open.last_mut()
            {
                *key = Some(Key { place, text });
            }
            return Ok(());
        }
        let value = match scalar {
            Scalar::Null => Value::Null,
            Scalar::Bool(value) => Value::Bool(value),
            Scalar::Number(digits) => Value::Number(digits),
            Scalar::String(text) => Value::String(text),
            Scalar::Merge => Value::String("<<".to_owned()),
            Scalar::NotInJson => {
                self.fail(place, "Kubernetes has no infinity and no NaN");
                return Err(Unreadable);
            }
        };
        let node = Node {
            begin,
            ..Node::new(place, value)
        };
        self.add(anchor, node)
    }

    /// Of members with the same key the last one stays, as in Kubernetes; each earlier one is a
    /// warning.
    fn without_duplicates(&mut self, members: Vec<(String, Node)>) -> Vec<(String, Node)> {
        let mut seen: HashMap<String, usize> = HashMap::with_capacity(members.len());
        let mut unique: Vec<(String, Node)> = Vec::with_capacity(members.len());
        for (key, node) in members {
            if let Some(&at) = seen.get(&key) {
                if self.faults.len() < MAX_FAULTS {
                    let message =
                        format!("key `{key}` stands here a second time; only this one counts");
                    self.faults.push(Fault {
                        place: node.place,
                        message,
                        is_warning: true,
                    });
                }
                unique[at].1 = node;
            } else {
                seen.insert(key.clone(), unique.len());
                unique.push((key, node));
            }
        }
        unique
    }

    /// Puts a finished node where it belongs.
    fn add(&mut self, anchor: usize, node: Node) -> Result<(), Unreadable> {
        if anchor > 0 {
            let size = size(&node);
            // The copy that is kept counts, or anchors around anchors would double it each time.
            self.count(node.place, size)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Object {
                members,
                merged,
                key,
            }) => {
                let Some(key) = key.take() else { return Ok(()) };
                match key.text {
                    None => merged.push(node),
                    Some(text) => {
                        let node = Node {
                            place: key.place,
                            ..node
                        };
                        members.push((text, node));
                    }
                }
            }
        }
        Ok(())
    }
}

/// Adds what `<<` refers to: keys of the object itself win, then earlier mappings over later ones.
fn merge(members: &mut Vec<(String, Node)>, merged: Vec<Node>) {
    if merged.is_empty() {
        return;
    }
    let mut known: HashSet<String> = members.iter().map(|(key, _)| key.clone()).collect();
    for node in merged {
        let sources = match node.value {
            Value::List(items) => items.into_iter().map(|item| item.value).collect(),
            value => vec![value],
        };
        for source in sources {
            let Value::Object(inherited) = source else {
                continue;
            };
            for (key, node) in inherited {
                if known.insert(key.clone()) {
                    members.push((key, node));
                }
            }
        }
    }
}

fn scalar_of(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Scalar {
    let is_text = match tag.and_then(Tag::core_suffix) {
        Some("str" | "binary") => true,
        Some(_) => false,
        None => style != ScalarStyle::Plain || tag.is_some(),
    };
    if is_text {
        Scalar::String(text.to_owned())
    } else {
        resolve(text)
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(items) => items.iter().map(size).sum(),
        Value::Object(members) => members.iter().map(|(_, member)| size(member)).sum(),
        _ => 0,
    }
}

fn depth(node: &Node) -> usize {
    match &node.value {
        Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.iter().map(|(_, m)| depth(m)).max().unwrap_or(0),
        _ => 0,
    }
}

impl Node {
    fn new(place: Place, value: Value) -> Self {
        Self {
            place,
            begin: None,
            value,
        }
    }

    /// A tree of JSON: instead of lines its places count the values, so that faults can be put in
    /// order. Values of `serde_json` are nested 128 levels deep at most.
    pub(super) fn from_json(value: serde_json::Value) -> Self {
        Self::numbered(value, &mut 0)
    }

    fn numbered(value: serde_json::Value, count: &mut usize) -> Self {
        *count += 1;
        let line = *count;
        let value = match value {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(value) => Value::Bool(value),
            serde_json::Value::Number(number) => Value::Number(number.to_string()),
            serde_json::Value::String(text) => Value::String(text),
            serde_json::Value::Array(items) => {
                let items = items.into_iter();
                Value::List(items.map(|item| Self::numbered(item, count)).collect())
            }
            serde_json::Value::Object(members) => {
                let members = members.into_iter();
                let members = members.map(|(key, value)| (key, Self::numbered(value, count)));
                Value::Object(members.collect())
            }
        };
        Self::new(Place { line, column: 1 }, value)
    }

    /// True if a directive of a strategic merge patch stands in it.
    pub(super) fn is_patch(&self) -> bool {
        match &self.value {
            Value::Object(members) => members
                .iter()
                .any(|(key, member)| key == "$patch" || member.is_patch()),
            Value::List(items) => items.iter().any(Self::is_patch),
            _ => false,
        }
    }

    /// A member of an object.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Value::Object(members) = &self.value else {
            return None;
        };
        members
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, node)| node)
    }

    /// The text, if it is one.
    pub(super) fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Where a field stands; if it does not exist, its nearest parent. Of a text, the character at the line
    /// and column `within` it, if that is known.
    pub(super) fn locate(&self, steps: &[Step], within: Option<(usize, usize)>) -> Place {
        let mut node = self;
        for step in steps {
            let next = match (step, &node.value) {
                (Step::Key(key), _) => node.get(key),
                (Step::Index(index), Value::List(items)) => items.get(*index),
                (Step::Index(_), _) => None,
            };
            match next {
                Some(next) => node = next,
                None => return node.place,
            }
        }
        let inside = node.begin.zip(within);
        inside
            .and_then(|(begin, within)| begin.place(within))
            .unwrap_or(node.place)
    }

    /// The node as JSON, keys in order.
    pub(super) fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    fn write_json(&self, out: &mut String) {
        match &self.value {
            Value::Null => out.push_str("null"),
            Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Value::Number(digits) => out.push_str(digits),
            Value::String(text) => write_json_text(text, out),
            Value::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write_json(out);
                }
                out.push(']');
            }
            Value::Object(members) => {
                out.push('{');
                for (index, (key, member)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_json_text(key, out);
                    out.push(':');
                    member.write_json(out);
                }
                out.push('}');
            }
        }
    }
}

fn write_json_text(text: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

#[cfg(test)]
mod tests;

//! YAML 1.1 as Kubernetes reads it: through `ghodss/yaml` on `go-yaml` v2, into JSON.
//!
//! The events come from the parser of `serde-saphyr`; what a plain scalar means is decided here
//! (`scalar`), because the meaning is not the parser's: `yes`, `on` and `n` are booleans, `010` is
//! eight, a date is a text, and a boolean key becomes `"true"`. Only the first document is read.
//! Nesting and what aliases expand to are bounded.

mod scalar;

use std::collections::{BTreeMap, HashMap};

use serde_saphyr::granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, options};

use crate::json::{MAX_DEPTH, write_float, write_string};
use scalar::Scalar;

/// The longest JSON that a text may expand to.
const MAX_OUTPUT: usize = 16 << 20;

/// From how many expanded nodes on aliases may be ever fewer of them, as in `go-yaml`.
const FEW_NODES: f64 = 400_000.0;
const MANY_NODES: f64 = 4_000_000.0;

/// Why a text is not YAML, or cannot be JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}, line {line} column {column}")]
pub struct Error {
    /// What is wrong.
    pub message: String,
    /// Where, from 1.
    pub line: usize,
    /// Where in the line, from 1.
    pub column: usize,
}

/// The first document of a text as JSON: keys sorted, numbers and texts as Go writes them.
///
/// # Errors
/// If the text is not YAML, has a value or key that JSON cannot represent, nests too deep, or
/// expands to too much.
pub fn to_json(text: &[u8]) -> Result<Vec<u8>, Error> {
    let text = std::str::from_utf8(text).map_err(|error| {
        let before = &text[..error.valid_up_to()];
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        Error {
            message: "the text is not UTF-8".into(),
            line,
            column: 1,
        }
    })?;
    let tree = Tree::read(text)?;
    let mut writer = Writer {
        tree: &tree,
        depth: 0,
        visited: 0,
        aliased: 0,
        alias_depth: 0,
    };
    let mut out = String::new();
    match tree.root {
        Some(root) => writer.node(root, &mut out)?,
        None => out.push_str("null"),
    }
    Ok(out.into_bytes())
}

#[derive(Debug)]
struct Node {
    kind: Kind,
    place: Marker,
}

#[derive(Debug)]
enum Kind {
    Scalar(Scalar),
    /// The plain key `<<`, which as a value is a text.
    Merge,
    Sequence(Vec<usize>),
    /// Keys and values in turn.
    Mapping(Vec<usize>),
    Alias(usize),
}

/// One document; anchored nodes are kept once.
#[derive(Debug, Default)]
struct Tree {
    nodes: Vec<Node>,
    root: Option<usize>,
    anchors: HashMap<usize, usize>,
    /// The collections that are not closed yet.
    open: Vec<usize>,
}

impl Tree {
    fn read(text: &str) -> Result<Self, Error> {
        let options = options! {
            emit_comments: false,
            block_scalar_eof_without_line_feed: true,
        };
        let mut tree = Self::default();
        let mut parser = Parser::new_from_str_with_options(text, options);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| scan_error(&error))?;
            tree.add(event, span.start)?;
            if tree.root.is_some() && tree.open.is_empty() {
                break;
            }
        }
        Ok(tree)
    }

    fn add(&mut self, event: Event<'_>, place: Marker) -> Result<(), Error> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let tag = tag.map(|tag| format!("{}{}", tag.handle(), tag.suffix()));
                let tag = tag.unwrap_or_default();
                let merges = text == "<<" && (plain && tag.is_empty() || tag == scalar::MERGE);
                let kind = if merges {
                    Kind::Merge
                } else {
                    let resolved = scalar::resolve(&text, plain, &tag);
                    Kind::Scalar(resolved.map_err(|message| error_at(message, place))?)
                };
                self.push(kind, place, anchor);
            }
            Event::SequenceStart(_, anchor, _) => {
                let index = self.push(Kind::Sequence(Vec::new()), place, anchor);
                self.open.push(index);
            }
            Event::MappingStart(_, anchor, _) => {
                let index = self.push(Kind::Mapping(Vec::new()), place, anchor);
                self.open.push(index);
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.open.pop();
            }
            Event::Alias(anchor) => {
                let Some(&target) = self.anchors.get(&anchor) else {
                    return Err(error_at("unknown anchor", place));
                };
                if self.open.contains(&target) {
                    return Err(error_at("the anchor's value contains itself", place));
                }
                self.push(Kind::Alias(target), place, 0);
            }
            Event::DocumentEnd if self.root.is_none() => {
                self.push(Kind::Scalar(Scalar::Null), place, 0);
            }
            _ => {}
        }
        Ok(())
    }

    fn push(&mut self, kind: Kind, place: Marker, anchor: usize) -> usize {
        let index = self.nodes.len();
        self.nodes.push(Node { kind, place });
        if anchor > 0 {
            self.anchors.insert(anchor, index);
        }
        match self.open.last().map(|parent| &mut self.nodes[*parent].kind) {
            Some(Kind::Sequence(items) | Kind::Mapping(items)) => items.push(index),
            _ => self.root = Some(index),
        }
        index
    }

    /// The node that an alias stands for.
    fn target(&self, mut index: usize) -> usize {
        while let Kind::Alias(target) = self.nodes[index].kind {
            index = target;
        }
        index
    }
}

struct Writer<'a> {
    tree: &'a Tree,
    depth: usize,
    /// Nodes written, aliases expanded.
    visited: u32,
    /// Of these, those inside an alias.
    aliased: u32,
    alias_depth: usize,
}

impl Writer<'_> {
    fn fail<T>(&self, index: usize, message: impl Into<String>) -> Result<T, Error> {
        Err(error_at(message, self.tree.nodes[index].place))
    }

    fn node(&mut self, index: usize, out: &mut String) -> Result<(), Error> {
        self.count(index, out)?;
        match &self.tree.nodes[index].kind {
            Kind::Scalar(scalar) => self.scalar(index, scalar, out),
            Kind::Merge => {
                write_string("<<", out);
                Ok(())
            }
            Kind::Alias(target) => self.nested(index, out, |writer, out| {
                writer.alias_depth += 1;
                let result = writer.node(*target, out);
                writer.alias_depth -= 1;
                result
            }),
            Kind::Sequence(items) => self.nested(index, out, |writer, out| {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    writer.node(*item, out)?;
                }
                out.push(']');
                Ok(())
            }),
            Kind::Mapping(_) => self.nested(index, out, |writer, out| writer.mapping(index, out)),
        }
    }

    fn nested(
        &mut self,
        index: usize,
        out: &mut String,
        write: impl FnOnce(&mut Self, &mut String) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.fail(index, "nested too deep");
        }
        write(self, out)?;
        self.depth -= 1;
        Ok(())
    }

    /// Refuses documents that are mostly aliases, and results that are too large.
    fn count(&mut self, index: usize, out: &str) -> Result<(), Error> {
        self.visited += 1;
        self.aliased += u32::from(self.alias_depth > 0);
        let visited = f64::from(self.visited);
        let allowed =
            0.99 - 0.89 * ((visited - FEW_NODES) / (MANY_NODES - FEW_NODES)).clamp(0.0, 1.0);
        if self.aliased > 100 && self.visited > 1000 && f64::from(self.aliased) / visited > allowed
        {
            return self.fail(index, "the document contains excessive aliasing");
        }
        if out.len() > MAX_OUTPUT {
            return self.fail(index, "the document is too large");
        }
        Ok(())
    }

    fn scalar(&self, index: usize, scalar: &Scalar, out: &mut String) -> Result<(), Error> {
        match scalar {
            Scalar::Null => out.push_str("null"),
            Scalar::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Scalar::Int(digits) => out.push_str(digits),
            Scalar::Float(float) if float.is_finite() => write_float(*float, out),
            Scalar::Float(_) => return self.fail(index, "JSON has no infinity and no NaN"),
            Scalar::Text(text) => write_string(text, out),
        }
        Ok(())
    }

    fn mapping(&mut self, index: usize, out: &mut String) -> Result<(), Error> {
        let mut members = BTreeMap::new();
        self.collect(index, &mut members)?;
        out.push('{');
        for (place, (key, value)) in members.into_iter().enumerate() {
            if place > 0 {
                out.push(',');
            }
            write_string(&key, out);
            out.push(':');
            self.node(value, out)?;
        }
        out.push('}');
        Ok(())
    }

    /// The members of a mapping, those of merged ones at their place: a later key wins.
    fn collect(
        &mut self,
        index: usize,
        members: &mut BTreeMap<String, usize>,
    ) -> Result<(), Error> {
        let Kind::Mapping(children) = &self.tree.nodes[index].kind else {
            return self.fail(index, "a merge takes a mapping or a list of mappings");
        };
        for pair in children.chunks_exact(2) {
            let (key, value) = (pair[0], pair[1]);
            self.count(key, "")?;
            if matches!(self.tree.nodes[key].kind, Kind::Merge) {
                self.merge(value, members)?;
            } else {
                members.insert(self.key(key)?, value);
            }
        }
        Ok(())
    }

    /// Of several merged mappings the first has precedence.
    fn merge(&mut self, value: usize, members: &mut BTreeMap<String, usize>) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.fail(value, "nested too deep");
        }
        let aliased = usize::from(matches!(self.tree.nodes[value].kind, Kind::Alias(_)));
        self.alias_depth += aliased;
        let target = self.tree.target(value);
        match &self.tree.nodes[target].kind {
            Kind::Sequence(items) if aliased == 0 => {
                for item in items.iter().rev() {
                    self.alias_depth += 1;
                    self.collect(self.tree.target(*item), members)?;
                    self.alias_depth -= 1;
                }
            }
            _ => self.collect(target, members)?,
        }
        self.alias_depth -= aliased;
        self.depth -= 1;
        Ok(())
    }

    fn key(&self, index: usize) -> Result<String, Error> {
        match &self.tree.nodes[self.tree.target(index)].kind {
            Kind::Scalar(scalar) => match scalar.as_key() {
                Some(key) => Ok(key),
                None => self.fail(index, "null cannot be a key"),
            },
            Kind::Merge => Ok("<<".into()),
            _ => self.fail(index, "a list or mapping cannot be a key"),
        }
    }
}

fn error_at(message: impl Into<String>, place: Marker) -> Error {
    Error {
        message: message.into(),
        line: place.line(),
        column: place.col() + 1,
    }
}

fn scan_error(error: &ScanError) -> Error {
    error_at(error.info(), *error.marker())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let got = to_json(text.as_bytes());
        let got = got.map_or_else(|e| e.to_string(), |json| String::from_utf8(json).unwrap());
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn plain_scalars_are_yaml_1_1() {
        for (text, expected) in [
            ("yes", "true"),
            ("y", "true"),
            ("On", "true"),
            ("n", "false"),
            ("OFF", "false"),
            ("yEs", "\"yEs\""),
            ("\"yes\"", "\"yes\""),
            ("~", "null"),
            ("", "null"),
            ("Null", "null"),
            ("010", "8"),
            ("08", "8"),
            ("0o17", "15"),
            ("0x1F", "31"),
            ("-0x1f", "-31"),
            ("0b101", "5"),
            ("1_000", "1000"),
            ("+5", "5"),
            ("-0", "0"),
            ("-0.0", "-0"),
            ("1.0", "1"),
            ("1e3", "1000"),
            ("1E+21", "1e+21"),
            (".5", "0.5"),
            ("5.", "5"),
            ("9007199254740993", "9007199254740993"),
            ("18446744073709551615", "18446744073709551615"),
            (
                "123456789012345678901234567890",
                "123456789012345678901234567890",
            ),
            ("12:30", "\"12:30\""),
            ("2026-03-01", "\"2026-03-01\""),
            ("2026-03-01T10:00:00Z", "\"2026-03-01T10:00:00Z\""),
            ("=", "\"=\""),
            ("1.2.3", "\"1.2.3\""),
            ("1e999", "\"1e999\""),
            ("0x", "\"0x\""),
            ("-", "[null]"),
            ("-.", "\"-.\""),
            ("nan", "\"nan\""),
            (".inf", "JSON has no infinity and no NaN, line 1 column 1"),
        ] {
            check(text, expected);
        }
    }

    #[test]
    fn tags_decide_where_given() {
        check("!!str 5", "\"5\"");
        check("!!int \"5\"", "5");
        check("!!float 5", "5");
        check("! 5", "\"5\"");
        check("!custom 5", "\"5\"");
        check("!!binary aGk=", "\"hi\"");
        check(
            "!!int x",
            "cannot read 'x' as tag:yaml.org,2002:int, line 1 column 7",
        );
        check(
            "!!binary '*'",
            "a binary value is not base64, line 1 column 10",
        );
    }

    #[test]
    fn keys_become_texts_and_the_last_one_wins() {
        check(
            "{1: a, true: b, off: c, 1.5: d, x: 1, x: 2}",
            r#"{"1":"a","1.5":"d","false":"c","true":"b","x":2}"#,
        );
        check("on: 1\n'on': 2", r#"{"on":2,"true":1}"#);
        check("operation: =\n", r#"{"operation":"="}"#);
        check(
            "? [a]\n: b",
            "a list or mapping cannot be a key, line 1 column 3",
        );
        check("~: b", "null cannot be a key, line 1 column 1");
    }

    #[test]
    fn merges_happen_where_they_stand() {
        let base = "a: &a {x: 1, w: 1}\nb: &b {x: 2, z: 2}\n";
        let rest = r#""a":{"w":1,"x":1},"b":{"x":2,"z":2}"#;
        check(
            &format!("{base}c: {{<<: *a, w: 3}}"),
            &format!(r#"{{{rest},"c":{{"w":3,"x":1}}}}"#),
        );
        check(
            &format!("{base}c: {{w: 3, <<: *a}}"),
            &format!(r#"{{{rest},"c":{{"w":1,"x":1}}}}"#),
        );
        check(
            &format!("{base}c: {{<<: [*a, *b]}}"),
            &format!(r#"{{{rest},"c":{{"w":1,"x":1,"z":2}}}}"#),
        );
        check(
            "a: {<<: 1}",
            "a merge takes a mapping or a list of mappings, line 1 column 9",
        );
        check("a: {'<<': 1}", r#"{"a":{"\u003c\u003c":1}}"#);
        check("[<<]", r#"["\u003c\u003c"]"#);
    }

    #[test]
    fn only_the_first_document_is_read() {
        check("a: 1\n---\nb: 2", r#"{"a":1}"#);
        check("a: 1\n---\n[", r#"{"a":1}"#);
        check("{\"a\":1} x", r#"{"a":1}"#);
        check("{\"a\":1} {\"a\":2}", r#"{"a":1}"#);
        check("\u{feff}{\"a\":1}", r#"{"a":1}"#);
        check("--- # nothing\n...\n", "null");
        check("", "null");
        check("hello demo", "\"hello demo\"");
        check(
            "a: |\n  x\n  y\nb: >\n  x\n  y\nc: |\n  z",
            r#"{"a":"x\ny\n","b":"x y\n","c":"z"}"#,
        );
    }

    #[test]
    fn faults_name_the_place() {
        let error = to_json(b"a: 1\nb: [1, 2\n").unwrap_err();
        assert!(error.line >= 2, "{error}");
        let error = to_json(b"a: *x").unwrap_err();
        assert_eq!((error.line, error.column), (1, 4), "{error}");
        assert!(to_json(b"a: \xff").is_err());
        check(
            "a: &x [*x]",
            "the anchor's value contains itself, line 1 column 8",
        );
    }

    #[test]
    fn bombs_are_refused() {
        let mut laughs = "a: &a0 [lol, lol]\n".to_owned();
        for level in 1..30 {
            let below = level - 1;
            laughs.extend([format!(
                "b{level}: &a{level} [*a{below}, *a{below}, *a{below}]\n"
            )]);
        }
        let quadratic = format!("a: &a [{}]\nb: [{}]", "x,".repeat(5000), "*a,".repeat(5000));
        let merges = {
            let mut text = "m0: &m0 {k: 1}\n".to_owned();
            for level in 1..40 {
                let below = level - 1;
                text.extend([format!(
                    "m{level}: &m{level} {{<<: [*m{below}, *m{below}]}}\n"
                )]);
            }
            text
        };
        for bomb in [
            laughs,
            quadratic,
            merges,
            "[".repeat(50_000),
            "{a: ".repeat(50_000),
            "- ".repeat(50_000),
        ] {
            assert!(to_json(bomb.as_bytes()).is_err(), "{}", &bomb[..40]);
        }
        let mut chain = "a0: &a0 [1]\n".to_owned();
        for level in 1..2000 {
            chain.extend([format!("a{level}: &a{level} [*a{}]\n", level - 1)]);
        }
        assert!(to_json(chain.as_bytes()).is_err());
    }
}

//! The filter on objects that the API server cannot apply.
//!
//! The rules are Argo Events', with what its users stumble over mended: no operation means `==`,
//! values that are no texts are compared by their text, changes by server-side apply count, and so
//! does the second in which the event source started.

use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use tiphys_api::message::shortened;
use tiphys_api::{Problem, ResourceEventType, ResourceFilter, field_path};
use tiphys_lang::Refused as _;
use tiphys_lang::path::Path;
use tiphys_lang::regex::{self, Regex};

use crate::event::Check;

/// How much of a value is shown to people.
const LONGEST: usize = 120;

/// Conditions on an object; all have to be met.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    prefix: String,
    after_start: bool,
    created_by: Option<Timestamp>,
    fields: Vec<Field>,
}

/// A condition on a value of the object.
#[derive(Debug, Clone)]
struct Field {
    path: Path,
    is_negated: bool,
    pattern: Regex,
    /// The pattern as it was given: the compiled one is written differently.
    written: String,
}

/// Whether an object passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All conditions are met.
    Pass,
    /// This one is not.
    Reject(Condition),
}

/// One condition of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The name's beginning.
    Prefix,
    /// What happened, happened after the start.
    AfterStart,
    /// The object is old enough.
    CreatedBy,
    /// A value of the object, by its place in the spec.
    Field(usize),
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix => f.write_str("prefix"),
            Self::AfterStart => f.write_str("afterStart"),
            Self::CreatedBy => f.write_str("createdBy"),
            Self::Field(at) => write!(f, "fields[{at}]"),
        }
    }
}

impl Verdict {
    /// True if all conditions are met.
    pub fn is_pass(self) -> bool {
        self == Self::Pass
    }
}

/// What happened to an object, and when.
#[derive(Debug, Clone, Copy)]
pub struct FilterInput {
    /// What happened.
    pub kind: ResourceEventType,
    /// When the event source was started.
    pub started_at: Timestamp,
    /// When it was noticed.
    pub now: Timestamp,
}

impl Filter {
    /// Compiles a filter that stands at `path`.
    ///
    /// # Errors
    /// Every path, pattern and operation that cannot be used.
    pub fn compile(filter: &ResourceFilter, path: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut fields = Vec::with_capacity(filter.fields.len());
        for (at, selector) in filter.fields.iter().enumerate() {
            let path = field_path::index(&format!("{path}.fields"), at);
            let key = Path::compile(&selector.key).map_err(|err| {
                Problem::program(format!("{path}.key"), err.to_string(), err.place())
            });
            let pattern = regex::compile(&selector.value).map_err(|err| {
                Problem::program(format!("{path}.value"), err.to_string(), err.place())
            });
            let is_negated = match selector.operation.as_str() {
                "" | "=" | "==" => Ok(false),
                "!=" => Ok(true),
                other => {
                    let message =
                        format!("invalid operator {other:?}, only =, == and != are supported");
                    Err(Problem::error(format!("{path}.operation"), message))
                }
            };
            match (key, pattern, is_negated) {
                (Ok(path), Ok(pattern), Ok(is_negated)) => {
                    let written = selector.value.to_string();
                    fields.push(Field {
                        path,
                        is_negated,
                        pattern,
                        written,
                    });
                }
                (key, pattern, is_negated) => {
                    problems.extend(
                        [key.err(), pattern.err(), is_negated.err()]
                            .into_iter()
                            .flatten(),
                    );
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            prefix: filter.prefix.to_string(),
            after_start: *filter.after_start,
            created_by: filter
                .created_by
                .as_ref()
                .map(|time| time.0)
                .filter(|time| !is_zero(*time)),
            fields,
        })
    }

    /// Whether `object` passes; the first condition that is not met decides.
    pub fn evaluate(&self, object: &[u8], input: FilterInput) -> Verdict {
        let times = self.times(object);
        let failed = self
            .conditions()
            .find(|condition| !self.is_met(*condition, object, &times, input));
        failed.map_or(Verdict::Pass, Verdict::Reject)
    }

    /// All conditions in words, whether `object` meets them, and what they saw.
    pub(crate) fn explain(&self, object: &[u8], input: FilterInput) -> Vec<Check> {
        let times = self.times(object);
        let explain = |condition| {
            let is_met = self.is_met(condition, object, &times, input);
            let words = self.words(condition);
            let (saw, why) = match condition {
                Condition::Field(at) => match self.fields.get(at) {
                    Some(field) => field.saw(object),
                    None => (String::new(), String::new()),
                },
                Condition::Prefix => {
                    let saw = format!("{:?}", times.name);
                    let why = format!("its name {saw} does not start with {:?}", self.prefix);
                    (saw, why)
                }
                Condition::AfterStart => {
                    let time = times.of(input).to_string();
                    (
                        time.clone(),
                        format!("it happened at {time}, before the start"),
                    )
                }
                Condition::CreatedBy => {
                    let time = times.created.to_string();
                    (
                        time.clone(),
                        format!("it was created at {time}, which is later"),
                    )
                }
            };
            Check::new(words, is_met, why).with_saw(saw)
        };
        self.conditions().map(explain).collect()
    }

    fn conditions(&self) -> impl Iterator<Item = Condition> {
        let prefix = (!self.prefix.is_empty()).then_some(Condition::Prefix);
        let after_start = self.after_start.then_some(Condition::AfterStart);
        let created_by = self.created_by.map(|_| Condition::CreatedBy);
        let fields = (0..self.fields.len()).map(Condition::Field);
        [prefix, after_start, created_by]
            .into_iter()
            .flatten()
            .chain(fields)
    }

    fn is_met(
        &self,
        condition: Condition,
        object: &[u8],
        times: &Times,
        input: FilterInput,
    ) -> bool {
        match condition {
            Condition::Prefix => times.name.starts_with(&self.prefix),
            Condition::AfterStart => times.of(input) >= whole_second(input.started_at),
            Condition::CreatedBy => self.created_by.is_none_or(|latest| times.created <= latest),
            Condition::Field(at) => self.fields.get(at).is_none_or(|field| field.is_met(object)),
        }
    }

    fn words(&self, condition: Condition) -> String {
        match condition {
            Condition::Prefix => format!("metadata.name starts with {:?}", self.prefix),
            Condition::AfterStart => "it happened after the event source was started".to_owned(),
            Condition::CreatedBy => {
                let latest = self
                    .created_by
                    .map(|time| time.to_string())
                    .unwrap_or_default();
                format!("the object was created no later than {latest}")
            }
            Condition::Field(at) => self.fields.get(at).map(Field::words).unwrap_or_default(),
        }
    }

    /// What the conditions on metadata need; nothing is read if there are none.
    fn times(&self, object: &[u8]) -> Times {
        if self.prefix.is_empty() && !self.after_start && self.created_by.is_none() {
            return Times::default();
        }
        Times::read(object)
    }
}

impl Field {
    fn is_met(&self, object: &[u8]) -> bool {
        let found = self.path.get(object);
        // What takes too long to find out meets nothing.
        let is_match = || self.pattern.is_match(&found.text());
        found.exists() && is_match().is_ok_and(|is_match| is_match != self.is_negated)
    }

    fn words(&self) -> String {
        let operation = if self.is_negated { "!=" } else { "==" };
        format!("{} {operation} {:?}", self.path.as_str(), self.written)
    }

    /// What is there, and why that does not do.
    fn saw(&self, object: &[u8]) -> (String, String) {
        let path = self.path.as_str();
        let found = self.path.get(object);
        if !found.exists() {
            let missing = self.path.explain(object);
            let saw = missing.map_or_else(|| "nothing".to_owned(), |missing| missing.to_string());
            let why = format!("{path} finds nothing: {saw}");
            return (saw, why);
        }
        let value = shortened(&String::from_utf8_lossy(found.raw()), LONGEST);
        let wanted = if self.is_negated {
            "which matches"
        } else {
            "which does not match"
        };
        let why = format!("{path} is {value}, {wanted} {:?}", self.written);
        (value, why)
    }
}

/// The name of an object, and when things happened to it. What is missing or unreadable happened
/// before everything else, as Go's zero time.
struct Times {
    name: String,
    created: Timestamp,
    deleted: Option<Timestamp>,
    changed: Timestamp,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            name: String::new(),
            created: Timestamp::MIN,
            deleted: None,
            changed: Timestamp::MIN,
        }
    }
}

#[derive(Deserialize)]
struct PartialObject<'a> {
    #[serde(borrow, default)]
    metadata: Option<PartialMetadata<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PartialMetadata<'a> {
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    creation_timestamp: Option<&'a RawValue>,
    #[serde(borrow, default)]
    deletion_timestamp: Option<&'a RawValue>,
    #[serde(borrow, default)]
    managed_fields: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ManagedFields {
    #[serde(default)]
    operation: String,
    #[serde(default)]
    time: Option<Timestamp>,
}

impl Times {
    fn read(object: &[u8]) -> Self {
        let Ok(PartialObject {
            metadata: Some(metadata),
        }) = serde_json::from_slice(object)
        else {
            return Self::default();
        };
        let time =
            |raw: Option<&RawValue>| raw.and_then(|raw| serde_json::from_str(raw.get()).ok());
        // Unreadable ones count as none, also in Argo Events.
        let entries: Vec<ManagedFields> = metadata
            .managed_fields
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default();
        let changes = entries
            .iter()
            .filter(|entry| matches!(entry.operation.as_str(), "Update" | "Apply"))
            .filter_map(|entry| entry.time);
        Self {
            name: metadata
                .name
                .and_then(|raw| serde_json::from_str(raw.get()).ok())
                .unwrap_or_default(),
            created: time(metadata.creation_timestamp).unwrap_or(Timestamp::MIN),
            deleted: time(metadata.deletion_timestamp),
            changed: changes.max().unwrap_or(Timestamp::MIN),
        }
    }

    fn of(&self, input: FilterInput) -> Timestamp {
        match input.kind {
            ResourceEventType::Add => self.created,
            ResourceEventType::Update => self.created.max(self.changed),
            ResourceEventType::Delete => self.deleted.unwrap_or(input.now),
        }
    }
}

/// Whether Go would take this time for none at all.
fn is_zero(time: Timestamp) -> bool {
    const YEAR_ONE: i64 = -62_135_596_800;
    time.as_second() == YEAR_ONE && time.subsec_nanosecond() == 0
}

/// Kubernetes' times have whole seconds: what happened in the second of the start is not older.
fn whole_second(time: Timestamp) -> Timestamp {
    let round = jiff::TimestampRound::new()
        .smallest(jiff::Unit::Second)
        .mode(jiff::RoundMode::Floor);
    time.round(round).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tiphys_api::{ResourceEventType, ResourceFilter};

    use super::{Condition, Filter, FilterInput, Verdict};

    fn filter(json: &str) -> Filter {
        let filter: ResourceFilter = serde_json::from_str(json).unwrap();
        Filter::compile(&filter, "filter").unwrap()
    }

    fn input(kind: ResourceEventType) -> FilterInput {
        FilterInput {
            kind,
            started_at: "2026-03-01T10:00:00.7Z".parse().unwrap(),
            now: "2026-03-01T12:00:00Z".parse().unwrap(),
        }
    }

    fn evaluate(filter_json: &str, object: &str, kind: ResourceEventType) -> Verdict {
        filter(filter_json).evaluate(object.as_bytes(), input(kind))
    }

    #[test]
    fn values_are_compared_by_their_text() {
        let object = r#"{"a":"text","n":3,"f":1.50,"t":true,"o":{"x":[1]},"z":null}"#;
        for (key, operation, value, passes) in [
            ("a", "==", "^te", true),
            ("a", "", "ext", true),
            ("a", "!=", "ext", false),
            ("n", "==", "^3$", true),
            ("n", "!=", "3", false),
            ("f", "=", "^1\\.5$", true),
            ("t", "==", "true", true),
            ("o", "==", "\\[1\\]", true),
            ("z", "==", "^$", true),
            ("missing", "==", ".*", false),
            ("missing", "!=", "x", false),
        ] {
            let json = serde_json::json!({"fields": [{"key": key, "operation": operation, "value": value}]});
            let verdict = evaluate(&json.to_string(), object, ResourceEventType::Add);
            assert_eq!(verdict.is_pass(), passes, "{key} {operation} {value}");
        }
    }

    #[test]
    fn after_start_counts_the_second_of_the_start_and_every_way_of_changing() {
        use ResourceEventType::{Add, Delete, Update};
        let created = |time: &str| format!(r#"{{"metadata":{{"creationTimestamp":"{time}"}}}}"#);
        let changed = |operation: &str| {
            format!(
                r#"{{"metadata":{{"creationTimestamp":"2026-01-01T00:00:00Z","managedFields":[
                    {{"operation":"{operation}","time":"2026-03-01T10:00:00Z"}}]}}}}"#
            )
        };
        for (object, kind, passes) in [
            (created("2026-03-01T10:00:00Z"), Add, true),
            (created("2026-03-01T09:59:59Z"), Add, false),
            (created("yesterday"), Add, false),
            (changed("Update"), Update, true),
            (changed("Apply"), Update, true),
            (changed("apply"), Update, false),
            (changed("Update"), Add, false),
            (created("2026-01-01T00:00:00Z"), Delete, true),
        ] {
            let verdict = evaluate(r#"{"afterStart":true}"#, &object, kind);
            assert_eq!(verdict.is_pass(), passes, "{object} {kind:?}");
        }
    }

    #[test]
    fn the_first_condition_that_is_not_met_is_published() {
        let json = r#"{"prefix":"my-","createdBy":"2026-01-01T00:00:00Z","fields":[{"key":"a","value":"x"}]}"#;
        let object = |name: &str, created: &str, a: &str| {
            format!(
                r#"{{"metadata":{{"name":"{name}","creationTimestamp":"{created}"}},"a":"{a}"}}"#
            )
        };
        for (object, verdict) in [
            (object("my-a", "2025-01-01T00:00:00Z", "x"), Verdict::Pass),
            (
                object("My-a", "2025-01-01T00:00:00Z", "x"),
                Verdict::Reject(Condition::Prefix),
            ),
            (
                object("my-a", "2026-01-01T00:00:01Z", "x"),
                Verdict::Reject(Condition::CreatedBy),
            ),
            (
                object("my-a", "2026-01-01T00:00:00Z", "y"),
                Verdict::Reject(Condition::Field(0)),
            ),
        ] {
            assert_eq!(
                evaluate(json, &object, ResourceEventType::Add),
                verdict,
                "{object}"
            );
        }
    }

    #[test]
    fn conditions_are_explained_in_words() {
        let filter =
            filter(r#"{"prefix":"a","fields":[{"key":"b.c","operation":"!=","value":"^x"}]}"#);
        let checks = filter.explain(
            br#"{"metadata":{"name":"ab"},"b":{"c":"xy"}}"#,
            FilterInput {
                started_at: Timestamp::MIN,
                ..input(ResourceEventType::Add)
            },
        );
        let told: Vec<_> = checks
            .iter()
            .map(|check| (&*check.condition, &*check.saw, &*check.why))
            .collect();
        assert_eq!(
            told,
            [
                ("metadata.name starts with \"a\"", "\"ab\"", ""),
                (
                    "b.c != \"^x\"",
                    "\"xy\"",
                    "b.c is \"xy\", which matches \"^x\""
                )
            ]
        );
    }
}

//! Data filters: one path of the payload compared with a list of values.

use tiphys_api::{Comparator, DataFilter};
use tiphys_eventbus::Event;
use tiphys_lang::path::{Document, Found, Kind, Path};
use tiphys_lang::regex::{self, Regex, TooLong};
use tiphys_lang::template::Template;

use super::{Combine, Faults, Step, Verdict, json_payload, seen};

/// The entries of `data`.
#[derive(Debug)]
pub(super) struct Data {
    entries: Vec<Entry>,
    combine: Combine,
}

#[derive(Debug)]
struct Entry {
    text: String,
    kind: String,
    /// The values as they were written, for people.
    values: Vec<String>,
    path: Result<Path, String>,
    template: Option<Result<Template, String>>,
    /// `None`: lint refuses it; it never matches.
    comparator: Option<Comparator>,
    /// Any of them has to match; a faulty one fails the entry when it is reached.
    wanted: Vec<Result<Wanted, String>>,
}

#[derive(Debug)]
enum Wanted {
    Bool(bool),
    Number(f64),
    Text(Regex),
}

impl Data {
    pub(super) fn compile(specs: &[DataFilter], combine: Combine, faults: &mut Faults<'_>) -> Self {
        let entry = |(index, spec)| Entry::compile(spec, &format!("data[{index}]"), faults);
        Self {
            entries: specs.iter().enumerate().map(entry).collect(),
            combine,
        }
    }

    pub(super) fn check(&self, event: &Event) -> Verdict {
        if self.entries.is_empty() {
            return Verdict::Pass;
        }
        let payload = match json_payload(event) {
            None => return Verdict::Pass,
            Some(Ok(payload)) => payload,
            Some(Err(fault)) => return Verdict::fail(format_args!("data filter error ({fault})")),
        };
        match self.combine {
            Combine::And => self.all(&payload),
            Combine::Or => self.any(&payload),
        }
    }

    /// What each entry says, and what it saw. `verdict` is what they say together.
    pub(super) fn explain(&self, event: &Event, verdict: Verdict, steps: &mut Vec<Step>) {
        let Some(Ok(payload)) = json_payload(event) else {
            return steps.push(Step::new("data", verdict));
        };
        for (index, entry) in self.entries.iter().enumerate() {
            steps.push(entry.explain(index, &payload));
        }
        if self.combine == Combine::Or && self.entries.len() > 1 {
            steps.push(Step {
                asks: "one of them is enough (dataLogicalOperator: or)".to_owned(),
                ..Step::new("data", verdict)
            });
        }
    }

    fn all(&self, payload: &Document<'_>) -> Verdict {
        for entry in &self.entries {
            match entry.matches(payload) {
                Ok(true) => {}
                Ok(false) => return Verdict::reject(format_args!("{} does not match", entry.text)),
                Err(fault) => return Verdict::fail(format_args!("data filter error ({fault})")),
            }
        }
        Verdict::Pass
    }

    fn any(&self, payload: &Document<'_>) -> Verdict {
        let mut faults = Vec::new();
        for entry in &self.entries {
            match entry.matches(payload) {
                Ok(true) => return Verdict::Pass,
                Ok(false) => {}
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() {
            Verdict::reject("no entry matches")
        } else {
            Verdict::fail(format_args!("data filter errors [{}]", faults.join(" / ")))
        }
    }
}

impl Entry {
    fn compile(spec: &DataFilter, place: &str, faults: &mut Faults<'_>) -> Self {
        let template = Some(spec.template.as_str()).filter(|text| !text.is_empty());
        let wanted = spec.value.iter().enumerate().map(|(index, text)| {
            let wanted = Wanted::compile(&spec.r#type, text);
            faults.note(&format!("{place}.value[{index}]"), wanted)
        });
        let wanted = wanted.collect();
        Self {
            text: spec.path.to_string(),
            kind: spec.r#type.to_string(),
            values: spec.value.to_vec(),
            path: faults.program(&format!("{place}.path"), Path::compile(&spec.path)),
            template: template
                .map(|text| faults.program(&format!("{place}.template"), Template::compile(text))),
            comparator: Comparator::from_name(&spec.comparator),
            wanted,
        }
    }

    fn matches(&self, payload: &Document<'_>) -> Result<bool, String> {
        let path = self.path.as_ref().map_err(Clone::clone)?;
        let found = path.find(payload);
        if !found.exists() {
            return Err(format!("path '{}' does not exist", self.text));
        }
        if self.wanted.is_empty() {
            return Err("no values specified".to_owned());
        }
        let value = match &self.template {
            None => Value::Found(found),
            Some(template) => Value::Text(Self::render(template.as_ref(), &found)?),
        };
        for wanted in &self.wanted {
            let wanted = wanted.as_ref().map_err(Clone::clone)?;
            let takes = wanted.takes(&value, self.comparator);
            if takes.map_err(|error| error.to_string())? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn explain(&self, index: usize, payload: &Document<'_>) -> Step {
        let wanted = self.wanted();
        let (matches, saw) = match (&self.path, self.matches(payload)) {
            (Ok(path), matches) if path.find(payload).exists() => {
                let found = path.find(payload);
                let saw = self.saw(&found);
                (matches, saw)
            }
            (Ok(path), matches) => (matches, seen::missing(path, payload.json())),
            (Err(fault), matches) => (matches, fault.clone()),
        };
        let counts = self.counts(payload);
        let verdict = match matches {
            Ok(true) => Verdict::Pass,
            Ok(false) => Verdict::Reject(format!("wanted {wanted}{counts}")),
            Err(_) => Verdict::Fail(format!("wanted {wanted}")),
        };
        let saw = match verdict {
            Verdict::Pass => saw + &counts,
            _ => saw,
        };
        Step {
            filter: format!("data[{index}]"),
            asks: self.text.clone(),
            saw,
            verdict,
        }
    }

    /// What a text counts as where a number is wanted.
    fn counts(&self, payload: &Document<'_>) -> String {
        let found = self.path.as_ref().map(|path| path.find(payload));
        match found {
            Ok(found) if found.kind() == Kind::String => {
                if self.kind != "number" || self.template.is_some() {
                    return String::new();
                }
                let number = parse_number(&found.text()).unwrap_or_default();
                format!(" (it counts as {number})")
            }
            _ => String::new(),
        }
    }

    /// What is there, what a template makes of it, and what may surprise in the comparison.
    fn saw(&self, found: &Found<'_>) -> String {
        let is_text = found.kind() == Kind::String;
        let mut saw = seen::value(found);
        let text = match &self.template {
            None => found.text().into_owned(),
            Some(template) => match Self::render(template.as_ref(), found) {
                Ok(text) => {
                    saw = format!("{saw}, {text:?} by its template");
                    text
                }
                Err(fault) => return format!("{saw}; its template: {fault}"),
            },
        };
        match self.kind.as_str() {
            "number" | "bool" if is_text && self.template.is_none() => saw + " is a text",
            "string" => {
                let wanted = self.wanted.iter().zip(&self.values);
                let surprise = wanted.filter_map(|(wanted, value)| match wanted {
                    Ok(Wanted::Text(pattern)) => seen::surprise(pattern, value, &text),
                    _ => None,
                });
                saw + &surprise.take(1).collect::<String>()
            }
            _ => saw,
        }
    }

    /// What is wanted, in words.
    fn wanted(&self) -> String {
        let comparator = self.comparator.map_or("?", Comparator::text);
        let values: Vec<String> = match self.kind.as_str() {
            "string" => self
                .values
                .iter()
                .map(|value| format!("{value:?}"))
                .collect(),
            _ => self.values.clone(),
        };
        let values = values.join(" or ");
        match (self.kind.as_str(), self.comparator) {
            ("number", _) => format!("a number {comparator} {values}"),
            ("string", Some(Comparator::NotEqual)) => {
                format!("a text that does not match {values}")
            }
            ("string", _) => format!("a text that matches {values}"),
            _ => values,
        }
    }

    fn render(template: Result<&Template, &String>, found: &Found<'_>) -> Result<String, String> {
        let template = template.map_err(Clone::clone)?;
        let text = template
            .render_text(&found.text())
            .map_err(|error| error.to_string())?;
        if text.is_empty() || text == "<no value>" {
            return Err("the template gives no value".to_owned());
        }
        Ok(text)
    }
}

impl Wanted {
    fn compile(kind: &str, text: &str) -> Result<Self, String> {
        match kind {
            "bool" => parse_bool(text)
                .map(Self::Bool)
                .ok_or_else(|| format!("{text:?} is not a bool")),
            "number" => parse_number(text)
                .filter(|number| number.is_finite() || !text.bytes().any(|b| b.is_ascii_digit()))
                .map(Self::Number)
                .ok_or_else(|| format!("{text:?} is not a number")),
            "string" => regex::compile(text)
                .map(Self::Text)
                .map_err(|error| error.to_string()),
            other => Err(format!("unsupported JSON type '{other}'")),
        }
    }
}

impl Wanted {
    fn takes(&self, value: &Value<'_>, comparator: Option<Comparator>) -> Result<bool, TooLong> {
        Ok(match self {
            Self::Bool(wanted) => value.bool() == *wanted,
            Self::Number(wanted) => {
                comparator.is_some_and(|comparator| compares(comparator, value.number(), *wanted))
            }
            Self::Text(pattern) => match comparator {
                Some(Comparator::Equal) => value.matches(pattern)?,
                Some(Comparator::NotEqual) => !value.matches(pattern)?,
                _ => false,
            },
        })
    }
}

#[expect(clippy::float_cmp, reason = "Argo Events compares doubles exactly")]
fn compares(comparator: Comparator, value: f64, wanted: f64) -> bool {
    match comparator {
        Comparator::Greater => value > wanted,
        Comparator::GreaterOrEqual => value >= wanted,
        Comparator::Equal => value == wanted,
        Comparator::NotEqual => value != wanted,
        Comparator::Less => value < wanted,
        Comparator::LessOrEqual => value <= wanted,
    }
}

/// What is compared: a value of the payload, or what a template made of it.
enum Value<'a> {
    Found(Found<'a>),
    Text(String),
}

impl Value<'_> {
    fn bool(&self) -> bool {
        match self {
            Self::Text(text) => parse_bool(&text.to_lowercase()).unwrap_or_default(),
            Self::Found(found) => match found.kind() {
                Kind::True => true,
                Kind::Number => found.as_f64() != 0.0,
                Kind::String => parse_bool(&found.text().to_lowercase()).unwrap_or_default(),
                Kind::False | Kind::Null | Kind::Json => false,
            },
        }
    }

    fn number(&self) -> f64 {
        match self {
            Self::Text(text) => parse_number(text).unwrap_or_default(),
            Self::Found(found) => match found.kind() {
                Kind::True => 1.0,
                Kind::Number => found.as_f64(),
                Kind::String => parse_number(&found.text()).unwrap_or_default(),
                Kind::False | Kind::Null | Kind::Json => 0.0,
            },
        }
    }

    fn matches(&self, pattern: &Regex) -> Result<bool, TooLong> {
        match self {
            Self::Text(text) => pattern.is_match(text),
            Self::Found(found) => pattern.is_match(&found.text()),
        }
    }
}

/// Go's `strconv.ParseBool`.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// Go's `strconv.ParseFloat`, except for hexadecimal floats: underscores may stand between digits,
/// an overflow is an infinity.
fn parse_number(text: &str) -> Option<f64> {
    if !text.contains('_') {
        return text.parse().ok();
    }
    let bytes = text.as_bytes();
    let is_digit = |index: usize| bytes.get(index).is_some_and(u8::is_ascii_digit);
    let between_digits = text
        .match_indices('_')
        .all(|(at, _)| at > 0 && is_digit(at - 1) && is_digit(at + 1));
    if between_digits {
        text.replace('_', "").parse().ok()
    } else {
        None
    }
}

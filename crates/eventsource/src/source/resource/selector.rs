//! Label selectors: checked as Kubernetes checks them, written as it writes them, matched as it
//! matches them.
//!
//! The API server filters by the text; matching here is for `simulate`.

use std::borrow::Cow;
use std::fmt::Write as _;

use tiphys_api::{Problem, Selector, label};

const OPERATORS: &str = "in, notin, =, ==, !=, gt, lt, exists, !";

/// What labels an object must have: all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equals,
    DoubleEquals,
    NotEquals,
    In,
    NotIn,
    Exists,
    DoesNotExist,
    GreaterThan,
    LessThan,
}

impl LabelSelector {
    /// Compiles selectors that stand at `path`.
    ///
    /// # Errors
    /// Everything that Kubernetes would refuse.
    pub fn compile(selectors: &[Selector], path: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut requirements = Vec::with_capacity(selectors.len());
        for (at, selector) in selectors.iter().enumerate() {
            let path = tiphys_api::field_path::index(path, at);
            requirements.extend(requirement(selector, &path, &mut problems));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        let texts: Vec<String> = requirements.iter().map(Requirement::text).collect();
        Ok(Self {
            requirements,
            text: texts.join(","),
        })
    }

    /// The selector as the API server takes it; empty if everything is selected.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether labels, looked up by `label`, are selected.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<Cow<'a, str>>) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = label(&requirement.key);
            requirement.matches(value.as_deref())
        })
    }
}

impl Operator {
    fn read(text: &str) -> Option<Self> {
        Some(match text {
            "" | "=" => Self::Equals,
            "==" => Self::DoubleEquals,
            "!=" => Self::NotEquals,
            "in" => Self::In,
            "notin" => Self::NotIn,
            "exists" => Self::Exists,
            "!" => Self::DoesNotExist,
            "gt" => Self::GreaterThan,
            "lt" => Self::LessThan,
            _ => return None,
        })
    }
}

impl Requirement {
    fn text(&self) -> String {
        let key = &self.key;
        let value = self.values.first().map_or("", String::as_str);
        let list = || {
            let mut values: Vec<&str> = self.values.iter().map(String::as_str).collect();
            values.sort_unstable();
            values.join(",")
        };
        let mut text = String::new();
        let written = match self.operator {
            Operator::Equals => write!(text, "{key}={value}"),
            Operator::DoubleEquals => write!(text, "{key}=={value}"),
            Operator::NotEquals => write!(text, "{key}!={value}"),
            Operator::In => write!(text, "{key} in ({})", list()),
            Operator::NotIn => write!(text, "{key} notin ({})", list()),
            Operator::Exists => write!(text, "{key}"),
            Operator::DoesNotExist => write!(text, "!{key}"),
            Operator::GreaterThan => write!(text, "{key}>{value}"),
            Operator::LessThan => write!(text, "{key}<{value}"),
        };
        // Writing to a String cannot fail.
        written.unwrap_or_default();
        text
    }

    fn matches(&self, label: Option<&str>) -> bool {
        let is_listed = |label: &str| self.values.iter().any(|value| value == label);
        let number = |text: &str| text.parse::<i64>().ok();
        let bound = self.values.first().and_then(|value| number(value));
        match self.operator {
            Operator::Equals | Operator::DoubleEquals | Operator::In => {
                label.is_some_and(is_listed)
            }
            Operator::NotEquals | Operator::NotIn => !label.is_some_and(is_listed),
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
            Operator::GreaterThan => label
                .and_then(number)
                .zip(bound)
                .is_some_and(|(a, b)| a > b),
            Operator::LessThan => label
                .and_then(number)
                .zip(bound)
                .is_some_and(|(a, b)| a < b),
        }
    }
}

fn requirement(
    selector: &Selector,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Option<Requirement> {
    let before = problems.len();
    if let Some(fault) = key_fault(&selector.key) {
        problems.push(Problem::error(format!("{path}.key"), fault));
    }
    let value_path = format!("{path}.value");
    let operator = Operator::read(&selector.operation);
    let values: Vec<String> = match operator {
        None => {
            let message = format!("unknown operator {:?}", selector.operation.as_str());
            problems.push(
                Problem::error(format!("{path}.operation"), message)
                    .with_hint(format!("one of {OPERATORS}")),
            );
            Vec::new()
        }
        Some(Operator::Exists | Operator::DoesNotExist) => {
            if !selector.value.is_empty() {
                let message = "value must be empty for the operators exists and !";
                problems.push(Problem::error(&value_path, message));
            }
            Vec::new()
        }
        Some(Operator::In | Operator::NotIn) => {
            selector.value.split(',').map(ToOwned::to_owned).collect()
        }
        Some(_) => vec![selector.value.to_string()],
    };
    for value in &values {
        if let Some(fault) = label::value_fault(value) {
            problems.push(Problem::error(&value_path, format!("{value:?} {fault}")));
        }
    }
    let is_bound = matches!(operator, Some(Operator::GreaterThan | Operator::LessThan));
    if is_bound && selector.value.parse::<i64>().is_err() {
        let message = format!("{:?} is not a whole number", selector.value.as_str());
        problems.push(Problem::error(&value_path, message));
    }
    let operator = operator.filter(|_| problems.len() == before)?;
    Some(Requirement {
        key: selector.key.to_string(),
        operator,
        values,
    })
}

/// Why a text is no label key.
fn key_fault(key: &str) -> Option<&'static str> {
    if key.is_empty() {
        return Some("key can't be empty for selector");
    }
    label::key_fault(key)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use tiphys_api::Selector;

    use super::LabelSelector;

    fn selector(key: &str, operation: &str, value: &str) -> Selector {
        Selector {
            key: key.into(),
            operation: operation.into(),
            value: value.into(),
        }
    }

    fn compile(selectors: &[Selector]) -> LabelSelector {
        LabelSelector::compile(selectors, "labels").unwrap()
    }

    #[test]
    fn selectors_are_written_as_kubernetes_writes_them() {
        for (operation, value, text) in [
            ("", "x", "k=x"),
            ("=", "", "k="),
            ("==", "x", "k==x"),
            ("!=", "x", "k!=x"),
            ("in", "b,a,", "k in (,a,b)"),
            ("notin", "b", "k notin (b)"),
            ("exists", "", "k"),
            ("!", "", "!k"),
            ("gt", "5", "k>5"),
            ("lt", "07", "k<07"),
        ] {
            assert_eq!(compile(&[selector("k", operation, value)]).as_str(), text);
        }
        let several = [selector("b", "", "1"), selector("a.b/c", "!", "")];
        assert_eq!(compile(&several).as_str(), "!a.b/c,b=1");
        assert_eq!(compile(&[]).as_str(), "");
    }

    #[test]
    fn labels_match_as_on_the_api_server() {
        for (operation, value, label, expected) in [
            ("=", "x", Some("x"), true),
            ("=", "x", None, false),
            ("=", "", Some(""), true),
            ("!=", "x", None, true),
            ("!=", "x", Some("x"), false),
            ("in", "a,b", Some("b"), true),
            ("in", "a,b", Some("c"), false),
            ("notin", "a,b", None, true),
            ("exists", "", Some(""), true),
            ("!", "", None, true),
            ("gt", "5", Some("10"), true),
            ("gt", "5", Some("5"), false),
            ("gt", "5", Some("x"), false),
            ("lt", "5", Some("-4"), true),
            ("lt", "5", None, false),
        ] {
            let compiled = compile(&[selector("k", operation, value)]);
            let matches = compiled.matches(|_| label.map(Cow::Borrowed));
            assert_eq!(matches, expected, "{operation} {value} {label:?}");
        }
    }

    #[test]
    fn what_kubernetes_refuses_is_refused_with_its_field() {
        let long = "a".repeat(64);
        for (key, operation, value, field) in [
            ("", "", "x", "key"),
            ("a/b/c", "", "x", "key"),
            ("-a", "", "x", "key"),
            ("A.b/c", "", "x", "key"),
            (&long, "", "x", "key"),
            ("a", "", &long, "value"),
            ("a", "", "x y", "value"),
            ("a", "in", "x,-", "value"),
            ("a", "In", "x", "operation"),
            ("a", "<=", "1", "operation"),
            ("a", "exists", "x", "value"),
            ("a", "gt", "1.5", "value"),
            ("a", "gt", "", "value"),
        ] {
            let problems =
                LabelSelector::compile(&[selector(key, operation, value)], "labels").unwrap_err();
            assert_eq!(
                problems[0].field_path,
                format!("labels[0].{field}"),
                "{key} {operation}"
            );
        }
    }
}

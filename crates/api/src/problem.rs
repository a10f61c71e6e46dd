//! What is wrong with an object, by field.

use std::fmt;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The object cannot run.
    Error,
    /// The object runs, but hardly as its author thinks.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// What sort of fault a problem is. The names are stable: users silence them, programs read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// The file cannot be read as YAML or JSON.
    Syntax,
    /// A value has the wrong type.
    WrongType,
    /// A field is not known.
    UnknownField,
    /// A value is refused, or is missing.
    Invalid,
    /// A program inside of the object (jq, Lua, template, expression, regex, path) does not compile.
    Program,
    /// The object is sound, but this version or build does not run it.
    NotRun,
    /// A field is known, and changes nothing where it stands.
    NoEffect,
    /// The object runs, but hardly as its author thinks.
    Doubtful,
    /// A login or an event goes to a server that may be anybody.
    Insecure,
    /// A dependency waits for what none of the objects at hand publishes.
    NeverComes,
    /// Two objects claim one thing: a name, or a port and path.
    Conflict,
}

impl Code {
    /// Every code, in the order of the documentation.
    pub const ALL: [Self; 11] = [
        Self::Syntax,
        Self::WrongType,
        Self::UnknownField,
        Self::Invalid,
        Self::Program,
        Self::NotRun,
        Self::NoEffect,
        Self::Doubtful,
        Self::Insecure,
        Self::NeverComes,
        Self::Conflict,
    ];

    /// Its name, for example `unknown-field`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::WrongType => "wrong-type",
            Self::UnknownField => "unknown-field",
            Self::Invalid => "invalid",
            Self::Program => "program",
            Self::NotRun => "not-run",
            Self::NoEffect => "no-effect",
            Self::Doubtful => "doubtful",
            Self::Insecure => "insecure",
            Self::NeverComes => "never-comes",
            Self::Conflict => "conflict",
        }
    }

    /// What it says, in a sentence.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Syntax => "the file cannot be read as YAML or JSON",
            Self::WrongType => "a value has the wrong type",
            Self::UnknownField => "a field is not known, and has no effect",
            Self::Invalid => "a value is refused, or is missing",
            Self::Program => {
                "a program (jq, Lua, template, expression, regex, path) does not compile"
            }
            Self::NotRun => "this build of tiphys does not run it",
            Self::NoEffect => "a field is known, and changes nothing where it stands",
            Self::Doubtful => "it runs, but hardly as its author thinks",
            Self::Insecure => "a login or an event goes to a server that may be anybody",
            Self::NeverComes => "a dependency waits for what nothing publishes",
            Self::Conflict => "two objects claim one name, or one port and path",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something that is wrong with one field of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// What sort it is.
    pub code: Code,
    /// The field, for example `spec.dependencies[0].transform.jq`; see [`crate::field_path`].
    pub field_path: String,
    /// Where in the field's text, if it is a program: line and character, from 1.
    pub within: Option<(usize, usize)>,
    /// What is wrong, without the field.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    /// An error.
    pub fn error(field_path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code: Code::Invalid,
            field_path: field_path.into(),
            within: None,
            message: message.into(),
            hint: None,
        }
    }

    /// A warning.
    pub fn warning(field_path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            code: Code::Doubtful,
            ..Self::error(field_path, message)
        }
    }

    /// The problem as one of this sort.
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// An error in a program inside of the object; `place` is its line and character there, if they are
    /// known.
    pub fn program(
        field_path: impl Into<String>,
        message: impl Into<String>,
        place: Option<(usize, usize)>,
    ) -> Self {
        Self {
            code: Code::Program,
            within: place,
            ..Self::error(field_path, message)
        }
    }

    /// The problem with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The problem with a name that was probably meant, if there is one.
    #[must_use]
    pub fn with_suggestion<'a>(
        self,
        name: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        match suggestion(name, candidates) {
            Some(meant) => self.with_hint(format!("did you mean `{meant}`?")),
            None => self,
        }
    }

    /// Field, message and hint: where only errors are shown.
    pub fn text(&self) -> String {
        let Self {
            field_path,
            message,
            hint,
            severity: _,
            code: _,
            within: _,
        } = self;
        let place = match field_path.as_str() {
            "" => "",
            _ => ": ",
        };
        match hint {
            Some(hint) => format!("{field_path}{place}{message} ({hint})"),
            None => format!("{field_path}{place}{message}"),
        }
    }

    /// True if the object cannot run.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.text())
    }
}

/// Longest names that are compared: it costs length times length, and manifests are untrusted.
const LONGEST_NAME: usize = 100;

/// Most candidates a name is compared with.
const MOST_CANDIDATES: usize = 200;

/// The candidate that `name` was probably meant to be.
pub fn suggestion<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if name.len() > LONGEST_NAME {
        return None;
    }
    let lower = name.to_lowercase();
    candidates
        .into_iter()
        .take(MOST_CANDIDATES)
        .filter(|candidate| candidate.len() <= LONGEST_NAME && *candidate != name)
        .filter_map(|candidate| {
            let candidate_lower = candidate.to_lowercase();
            let distance = strsim::damerau_levenshtein(&lower, &candidate_lower);
            let shorter = lower.chars().count().min(candidate_lower.chars().count());
            // One slip in three letters; and a word that the other one begins with.
            let close = distance <= shorter.div_ceil(3);
            let begins = shorter >= 3
                && (candidate_lower.starts_with(&lower) || lower.starts_with(&candidate_lower));
            (close || begins).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let names = [
            "eventName",
            "eventSourceName",
            "filters",
            "name",
            "transform",
        ];
        for (written, meant) in [
            ("eventname", Some("eventName")),
            ("filter", Some("filters")),
            ("trasnform", Some("transform")),
            ("eventSource", Some("eventSourceName")),
            ("replicas", None),
            ("x", None),
            ("named", Some("name")),
        ] {
            assert_eq!(suggestion(written, names), meant, "{written}");
        }
    }

    #[test]
    fn problems_read_as_a_sentence() {
        let problem = Problem::error("spec.triggers[0]", "no name").with_hint("add one");
        assert_eq!(
            problem.to_string(),
            "error: spec.triggers[0]: no name (add one)"
        );
        assert_eq!(Problem::warning("", "odd").text(), "odd");
    }
}

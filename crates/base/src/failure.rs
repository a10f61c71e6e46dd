//! What went wrong, with the values that it is about and without them.

/// What went wrong with an event.
///
/// Whoever has the event may read all of it: it is kept with its dead letter. Statuses, reports,
/// Kubernetes Events and logs are for others, who may see neither payloads nor secrets: they get the kind
/// of the failure and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    text: String,
    /// `None`: the text holds no value.
    public: Option<String>,
}

impl Failure {
    /// A failure whose text holds values of an event, or what a program or a server has said about it;
    /// `public` is the same without them.
    pub fn with_values(text: impl Into<String>, public: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            public: Some(public.into()),
        }
    }

    /// With values.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Without.
    pub fn public(&self) -> &str {
        self.public.as_deref().unwrap_or(&self.text)
    }

    /// With values.
    pub fn into_text(self) -> String {
        self.text
    }

    /// Adds another one, after these words.
    #[must_use]
    pub fn then(self, words: &str, other: &Self) -> Self {
        let public = (self.public.is_some() || other.public.is_some())
            .then(|| format!("{}{words}{}", self.public(), other.public()));
        Self {
            text: format!("{}{words}{}", self.text, other.text),
            public,
        }
    }
}

/// A text that holds no value.
impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self { text, public: None }
    }
}

/// A text that holds no value.
impl From<&str> for Failure {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

#[cfg(test)]
mod tests {
    use super::Failure;

    #[test]
    fn a_value_stays_in_its_part_of_a_failure() {
        let plain = Failure::from("create x");
        assert_eq!((plain.text(), plain.public()), ("create x", "create x"));
        let secret = Failure::with_values("jq: expected an object: hunter2", "jq: a string");
        let both = plain.then("; then ", &secret);
        assert_eq!(
            both.text(),
            "create x; then jq: expected an object: hunter2"
        );
        assert_eq!(both.public(), "create x; then jq: a string");
    }
}

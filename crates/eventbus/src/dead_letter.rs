//! Dead letters: events that could not be processed, with all that is needed to understand and to
//! replay them.

mod usage;

use std::fmt;

use async_trait::async_trait;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::name::push_token;
use crate::{BoxError, Error, Position, Subject};

pub use usage::Usage;

/// The stream that holds the dead letters of a bus.
pub(crate) const STREAM: &str = "tiphys-dead-letters";

/// What the subjects of dead letters begin with.
pub const DEAD_LETTERS: &str = "tiphys.dead-letters";

/// The dead letters that a bus keeps.
#[async_trait]
pub trait DeadLetters: fmt::Debug + Send + Sync {
    /// Stores an event that cannot be processed, with everything needed to understand and to
    /// replay it. Returns when it is stored.
    ///
    /// # Errors
    /// If it could not be stored: the event must then stay where it is.
    async fn store(&self, letter: DeadLetter) -> Result<(), Error>;

    /// Dead letters, oldest first, with their positions: a page of them.
    ///
    /// # Errors
    /// If the server is out of reach.
    async fn list(&self, filter: &DeadLetterFilter) -> Result<Vec<(Position, DeadLetter)>, Error>;

    /// Removes a dead letter; true if it existed.
    ///
    /// # Errors
    /// If the server is out of reach.
    async fn remove(&self, position: Position) -> Result<bool, Error>;

    /// How much of their room they take.
    ///
    /// # Errors
    /// If the server is out of reach.
    async fn usage(&self) -> Result<Usage, Error>;
}

/// An event that could not be processed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// Namespace of the sensor.
    pub namespace: String,
    /// Name of the sensor.
    pub sensor: String,
    /// Name of the trigger.
    pub trigger: String,
    /// Why, in one word.
    pub reason: DeadLetterReason,
    /// Why, in words.
    pub error: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it became a dead letter.
    #[serde(alias = "parkedAt")]
    pub dead_lettered_at: Timestamp,
    /// Where the event had been published.
    pub subject: Subject,
    /// When the bus had stored it there. `None`: it never had, or the letter is of a version that did not
    /// write it down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_at: Option<Timestamp>,
    /// The dependencies that it came for, by their names. None: all that wait for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<String>,
    /// Its action was under way, cannot tell whether it was done before, and may have been done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_be_done: bool,
    /// The encoded event.
    #[serde(with = "base64_text", rename = "payloadBase64")]
    pub payload: Bytes,
    /// The size of the event in bytes if it had to be cut to be stored: it cannot be replayed then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_from: Option<usize>,
    /// What would have been done: the rendered action, if it came to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
}

/// Why an event could not be processed. A closed set of names: a metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DeadLetterReason {
    /// It is not an event.
    Malformed,
    /// The `filter.expression` of its event source cannot be run on it.
    FilterFailed,
    /// Its transform failed.
    TransformFailed,
    /// Its trigger could not be rendered: a parameter or a template failed.
    RenderFailed,
    /// It was tried as often as the trigger's retry strategy says.
    RetriesExhausted,
    /// Its target was unavailable for longer than it waits.
    TargetUnavailable,
    /// It, or what became of it, is too large.
    TooLarge,
    /// It was acknowledged, and the process stopped before its action could start.
    Interrupted,
    /// A defect of tiphys ended what was done for it.
    Panicked,
}

/// Which dead letters are wanted; the default is all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeadLetterFilter {
    /// Only of this namespace.
    pub namespace: Option<String>,
    /// Only of sensors of this name.
    pub sensor: Option<String>,
    /// Only of triggers of this name.
    pub trigger: Option<String>,
    /// Only those that were stored at or after this moment.
    pub since: Option<Timestamp>,
    /// Only those after this one: the last one of the page before.
    pub after: Option<Position>,
    /// At most so many; 0 means 1000.
    pub limit: usize,
}

impl DeadLetterReason {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::Malformed,
        Self::FilterFailed,
        Self::TransformFailed,
        Self::RenderFailed,
        Self::RetriesExhausted,
        Self::TargetUnavailable,
        Self::TooLarge,
        Self::Interrupted,
        Self::Panicked,
    ];

    /// Its name, as in metrics and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::FilterFailed => "filter-failed",
            Self::TransformFailed => "transform-failed",
            Self::RenderFailed => "render-failed",
            Self::RetriesExhausted => "retries-exhausted",
            Self::TargetUnavailable => "target-unavailable",
            Self::TooLarge => "too-large",
            Self::Interrupted => "interrupted",
            Self::Panicked => "panicked",
        }
    }
}

impl fmt::Display for DeadLetterReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl DeadLetter {
    /// About how many bytes of memory it takes.
    pub(crate) fn size(&self) -> usize {
        let action = self.action.as_ref().map_or(0, String::len);
        size_of::<Self>() + self.error.len() + self.payload.len() + action
    }

    pub(crate) fn stored_subject(&self) -> String {
        subject_of([
            Some(&self.namespace),
            Some(&self.sensor),
            Some(&self.trigger),
        ])
    }

    /// The letter as it is stored, in at most `limit` bytes: what is too large is cut, because an
    /// event must never be lost for its size.
    pub(crate) fn encode(mut self, limit: usize) -> Result<Bytes, BoxError> {
        let whole = serde_json::to_vec(&self)?;
        if whole.len() <= limit {
            return Ok(whole.into());
        }
        // Room for the marker and for texts that grow by being escaped.
        let room = limit / 8;
        cut_text(&mut self.error, room);
        if self
            .action
            .as_ref()
            .is_some_and(|action| action.len() > room)
        {
            self.action = None;
        }
        let fixed = serde_json::to_vec(&Self {
            payload: Bytes::new(),
            ..self.clone()
        })?
        .len();
        let payload = limit.saturating_sub(fixed + 64) / 4 * 3;
        if self.payload.len() > payload {
            self.cut_from.get_or_insert(self.payload.len());
            self.payload.truncate(payload);
        }
        Ok(serde_json::to_vec(&self)?.into())
    }

    pub(crate) fn decode(stored: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(stored)
    }
}

impl DeadLetterFilter {
    pub(crate) fn subjects(&self) -> String {
        subject_of([
            self.namespace.as_ref(),
            self.sensor.as_ref(),
            self.trigger.as_ref(),
        ])
    }

    pub(crate) fn wants(&self, letter: &DeadLetter) -> bool {
        let is = |wanted: &Option<String>, name: &String| wanted.as_ref().is_none_or(|w| w == name);
        is(&self.namespace, &letter.namespace)
            && is(&self.sensor, &letter.sensor)
            && is(&self.trigger, &letter.trigger)
            && self
                .since
                .is_none_or(|since| letter.dead_lettered_at >= since)
    }

    pub(crate) fn page(&self) -> usize {
        if self.limit == 0 { 1000 } else { self.limit }
    }
}

fn subject_of(names: [Option<&String>; 3]) -> String {
    let mut subject = String::from(DEAD_LETTERS);
    for name in names {
        subject.push('.');
        match name {
            Some(name) => push_token(&mut subject, name),
            None => subject.push('*'),
        }
    }
    subject
}

fn cut_text(text: &mut String, limit: usize) {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|name| Self::from_wire(&name))
    }
}

mod base64_text {
    use base64::Engine as _;

    use super::{Bytes, Deserialize, Deserializer, STANDARD, Serializer};

    pub(super) fn serialize<S: Serializer>(
        bytes: &Bytes,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD
            .decode(text)
            .map(Bytes::from)
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{DeadLetter, DeadLetterFilter, DeadLetterReason};
    use crate::Subject;

    fn letter(payload: usize) -> DeadLetter {
        DeadLetter {
            namespace: "ns".to_owned(),
            sensor: "s".to_owned(),
            trigger: "t.u".to_owned(),
            reason: DeadLetterReason::RetriesExhausted,
            error: "no".to_owned(),
            attempts: 3,
            dead_lettered_at: "2026-01-02T03:04:05Z".parse().unwrap(),
            subject: Subject::event("es", "ev"),
            stored_at: None,
            dependencies: Vec::new(),
            may_be_done: false,
            payload: Bytes::from(vec![b'x'; payload]),
            cut_from: None,
            action: Some("{}".to_owned()),
        }
    }

    #[test]
    fn a_letter_is_stored_as_json_and_read_back() {
        let stored = letter(3).encode(10_000).unwrap();
        assert_eq!(
            stored,
            r#"{"namespace":"ns","sensor":"s","trigger":"t.u","reason":"retries-exhausted","error":"no","attempts":3,"deadLetteredAt":"2026-01-02T03:04:05Z","subject":"default.es.ev","payloadBase64":"eHh4","action":"{}"}"#
        );
        assert_eq!(DeadLetter::decode(&stored).unwrap(), letter(3));
    }

    #[test]
    fn a_letter_says_what_its_event_came_for() {
        let letter = DeadLetter {
            stored_at: Some("2026-01-02T03:04:00Z".parse().unwrap()),
            dependencies: vec!["a".to_owned()],
            may_be_done: true,
            ..letter(3)
        };
        let stored = letter.clone().encode(10_000).unwrap();
        assert_eq!(
            stored,
            r#"{"namespace":"ns","sensor":"s","trigger":"t.u","reason":"retries-exhausted","error":"no","attempts":3,"deadLetteredAt":"2026-01-02T03:04:05Z","subject":"default.es.ev","storedAt":"2026-01-02T03:04:00Z","dependencies":["a"],"mayBeDone":true,"payloadBase64":"eHh4","action":"{}"}"#
        );
        assert_eq!(DeadLetter::decode(&stored).unwrap(), letter);
    }

    #[test]
    fn a_letter_stored_under_the_former_name_of_its_time_is_read() {
        let stored = br#"{"namespace":"ns","sensor":"s","trigger":"t.u","reason":"retries-exhausted","error":"no","attempts":3,"parkedAt":"2026-01-02T03:04:05Z","subject":"default.es.ev","payloadBase64":"eHh4","action":"{}"}"#;
        assert_eq!(DeadLetter::decode(stored).unwrap(), letter(3));
    }

    #[test]
    fn a_letter_that_is_too_large_is_cut_and_says_so() {
        let mut large = letter(100_000);
        large.error = "é".repeat(50_000);
        large.action = Some("x".repeat(50_000));
        let stored = large.encode(10_000).unwrap();
        assert!(stored.len() <= 10_000, "{}", stored.len());
        let cut = DeadLetter::decode(&stored).unwrap();
        assert_eq!(cut.cut_from, Some(100_000));
        assert!(cut.payload.len() > 1000);
    }

    #[test]
    fn letters_are_filed_under_the_trigger() {
        assert_eq!(letter(0).stored_subject(), "tiphys.dead-letters.ns.s.t%2Eu");
        let filter = DeadLetterFilter {
            sensor: Some("s".to_owned()),
            ..Default::default()
        };
        assert_eq!(filter.subjects(), "tiphys.dead-letters.*.s.*");
        assert!(filter.wants(&letter(0)));
    }
}

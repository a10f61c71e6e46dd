//! The event of a dead letter, delivered again to the trigger that dead-lettered it.
//!
//! It travels behind a line that says which letter it is of, so that nobody else takes it for an event
//! that has just happened: Argo Events' sensors discard what is not in CloudEvents' form.

use bytes::Bytes;
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{DeadLetter, Durable, Outgoing, Position, Subject};

/// Parts what is said of the event from the event.
const END_OF_LINE: u8 = b'\n';

/// What a trigger has to know of a dead letter to go on with its event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    /// Names the letter among all of its bus, also those that were removed.
    pub letter: String,
    /// Where the event had been published.
    pub subject: Subject,
    /// When the bus had stored it there, or soon after that.
    pub stored_at: Timestamp,
    /// The dependencies that it is for, by their names. None: all that wait for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<String>,
    /// What it asks for is done even if it can be recognised as done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_forced: bool,
}

impl Replay {
    /// The replay of the letter at `position`.
    pub fn of(position: Position, letter: &DeadLetter, is_forced: bool) -> Self {
        let at = letter.dead_lettered_at;
        Self {
            letter: format!("{position}@{at}"),
            subject: letter.subject.clone(),
            stored_at: letter.stored_at.unwrap_or(at),
            dependencies: letter.dependencies.clone(),
            is_forced,
        }
    }

    /// The message that delivers `event` to the trigger with this consumer. Its id follows from the letter:
    /// the bus stores it once within its duplicates window.
    pub fn message(&self, durable: &Durable, event: &[u8]) -> Outgoing {
        // Of texts, times and a flag: it can be written.
        let mut payload = serde_json::to_vec(self).unwrap_or_default();
        payload.push(END_OF_LINE);
        payload.extend_from_slice(event);
        let digest = Sha256::digest(format!("{durable}\n{}\n{}", self.letter, self.is_forced));
        Outgoing {
            subject: Subject::replay(durable),
            id: format!("replay-{}", HEXLOWER.encode(&digest[..16])),
            payload: payload.into(),
        }
    }

    /// Reads the payload of such a message: what is said of the event, and the encoded event.
    pub fn read(payload: &Bytes) -> Option<(Self, Bytes)> {
        let end = payload.iter().position(|byte| *byte == END_OF_LINE)?;
        let replay = serde_json::from_slice(&payload[..end]).ok()?;
        Some((replay, payload.slice(end + 1..)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DeadLetterReason;

    fn letter() -> DeadLetter {
        DeadLetter {
            namespace: "ns".to_owned(),
            sensor: "s".to_owned(),
            trigger: "t".to_owned(),
            reason: DeadLetterReason::RenderFailed,
            error: "no".to_owned(),
            attempts: 1,
            dead_lettered_at: "2026-01-02T03:04:05Z".parse().unwrap(),
            subject: Subject::event("es", "ev"),
            stored_at: Some("2026-01-02T03:04:00Z".parse().unwrap()),
            dependencies: vec!["a\nb".to_owned()],
            may_be_done: false,
            payload: Bytes::from_static(b"{\n}"),
            cut_from: None,
            action: None,
        }
    }

    #[test]
    fn an_event_travels_behind_a_line_about_its_letter() {
        let durable = Durable::trigger("ns", "s", "t");
        let replay = Replay::of(Position::from_wire(7), &letter(), false);
        let message = replay.message(&durable, &letter().payload);
        assert_eq!(message.subject.as_str(), "default.%replay.ns__s__t");
        assert_eq!(
            message.payload,
            "{\"letter\":\"7@2026-01-02T03:04:05Z\",\"subject\":\"default.es.ev\",\
             \"storedAt\":\"2026-01-02T03:04:00Z\",\"dependencies\":[\"a\\nb\"]}\n{\n}"
        );
        let read = Replay::read(&message.payload).unwrap();
        assert_eq!(read, (replay, Bytes::from_static(b"{\n}")));
        for other in ["", "{}", "{}\n{}", "\n"] {
            assert_eq!(Replay::read(&Bytes::from(other)), None, "{other:?}");
        }
    }

    #[test]
    fn a_letter_and_its_force_make_the_id_of_the_message() {
        let durable = Durable::trigger("ns", "s", "t");
        let id = |number, letter: &DeadLetter, is_forced| {
            let replay = Replay::of(Position::from_wire(number), letter, is_forced);
            replay.message(&durable, &letter.payload).id
        };
        let first = id(7, &letter(), false);
        assert!(first.starts_with("replay-"), "{first}");
        assert_eq!(first.len(), 39);
        assert_eq!(id(7, &letter(), false), first);
        assert_ne!(id(8, &letter(), false), first);
        assert_ne!(id(7, &letter(), true), first);
        // Numbers begin anew when the stream of dead letters was made anew.
        let later = DeadLetter {
            dead_lettered_at: "2026-01-02T03:04:06Z".parse().unwrap(),
            ..letter()
        };
        assert_ne!(id(7, &later, false), first);
    }

    #[test]
    fn a_letter_of_a_former_version_is_replayed_for_all_dependencies() {
        let former = DeadLetter {
            stored_at: None,
            dependencies: Vec::new(),
            ..letter()
        };
        let replay = Replay::of(Position::from_wire(7), &former, true);
        assert_eq!(replay.stored_at.to_string(), "2026-01-02T03:04:05Z");
        assert!(replay.dependencies.is_empty());
        assert!(replay.is_forced);
    }
}

//! Dead letters: found, grouped by what they have in common, shown, dropped and replayed.

mod replay;

use std::collections::HashMap;
use std::fmt;

use jiff::Timestamp;
use serde_json::{Value, json};
use tiphys_base::text::one_line;
use tiphys_eventbus::{
    DeadLetter, DeadLetterFilter, DeadLetterReason, DeadLetters, Error, Event, Position,
};

use crate::mask;

pub use replay::{Outcome, Refusal, Replayer};

/// So many letters are asked for at a time.
const PAGE: usize = 500;

/// The longest error that groups are told apart by, and are shown with, in characters.
const LONGEST: usize = 300;

/// Which letters are meant; the default is all of them.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Only of this namespace.
    pub namespace: Option<String>,
    /// Only of sensors of this name.
    pub sensor: Option<String>,
    /// Only of triggers of this name.
    pub trigger: Option<String>,
    /// Only of this reason.
    pub reason: Option<DeadLetterReason>,
    /// Only from this moment on.
    pub since: Option<Timestamp>,
    /// Without the values of events, and whatever may hold one: see [`without_values`].
    pub is_blind: bool,
}

/// Letters that failed for one reason in one trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// How many there are.
    pub count: usize,
    /// When the first of them failed.
    pub first: Timestamp,
    /// When the last of them failed.
    pub last: Timestamp,
    /// Where the last one lies: an example.
    pub example: Position,
    /// How often it was tried, at most.
    pub attempts: u32,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct What {
    namespace: String,
    sensor: String,
    trigger: String,
    reason: &'static str,
    error: String,
}

impl Query {
    /// Every letter that is meant, oldest first, a page at a time: `each` gets one and its position.
    ///
    /// # Errors
    /// If the bus is out of reach.
    pub async fn each(
        &self,
        letters: &dyn DeadLetters,
        mut each: impl FnMut(Position, DeadLetter),
    ) -> Result<(), Error> {
        let mut filter = DeadLetterFilter {
            namespace: self.namespace.clone(),
            sensor: self.sensor.clone(),
            trigger: self.trigger.clone(),
            since: self.since,
            after: None,
            limit: PAGE,
        };
        loop {
            let page = letters.list(&filter).await?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            filter.after = Some(*last);
            for (position, letter) in page {
                if self.wants(&letter) {
                    let is_blind = self.is_blind;
                    each(
                        position,
                        if is_blind {
                            without_values(letter)
                        } else {
                            letter
                        },
                    );
                }
            }
        }
    }

    fn wants(&self, letter: &DeadLetter) -> bool {
        self.reason.is_none_or(|reason| reason == letter.reason)
            && self
                .since
                .is_none_or(|since| letter.dead_lettered_at >= since)
    }

    /// The letters that are meant, by what they have in common: those with the newest letter first.
    ///
    /// # Errors
    /// If the bus is out of reach.
    pub async fn groups(&self, letters: &dyn DeadLetters) -> Result<Vec<Group>, Error> {
        let mut groups: HashMap<What, Group> = HashMap::new();
        self.each(letters, |position, letter| {
            let what = What::of(&letter);
            let group = groups.entry(what.clone()).or_insert_with(|| Group {
                count: 0,
                first: letter.dead_lettered_at,
                last: letter.dead_lettered_at,
                example: position,
                attempts: 0,
                what,
            });
            group.count += 1;
            group.first = group.first.min(letter.dead_lettered_at);
            group.last = group.last.max(letter.dead_lettered_at);
            group.example = group.example.max(position);
            group.attempts = group.attempts.max(letter.attempts);
        })
        .await?;
        let mut groups: Vec<Group> = groups.into_values().collect();
        groups.sort_by(|a, b| (b.example, &a.what).cmp(&(a.example, &b.what)));
        Ok(groups)
    }
}

/// The letter at a position.
///
/// # Errors
/// If the bus is out of reach.
pub async fn find(
    letters: &dyn DeadLetters,
    position: Position,
) -> Result<Option<DeadLetter>, Error> {
    let Some(before) = position.to_wire().checked_sub(1) else {
        return Ok(None);
    };
    let filter = DeadLetterFilter {
        after: Some(Position::from_wire(before)),
        limit: 1,
        ..DeadLetterFilter::default()
    };
    let page = letters.list(&filter).await?;
    let found = page.into_iter().find(|(at, _)| *at == position);
    Ok(found.map(|(_, letter)| letter))
}

/// A letter for whoever may not see values of events: its error and its action may hold some, too.
pub fn without_values(letter: DeadLetter) -> DeadLetter {
    let event = Event::decode(&letter.payload).ok();
    let payload = event.map(|event| {
        Event {
            data: None,
            ..event
        }
        .encode()
    });
    DeadLetter {
        error: String::new(),
        action: None,
        payload: payload.unwrap_or_default(),
        ..letter
    }
}

/// Each letter of an event that was stored at a moment, by its id.
///
/// # Errors
/// If the bus is out of reach.
pub async fn of_event(
    letters: &dyn DeadLetters,
    id: &str,
    stored_at: Timestamp,
) -> Result<Vec<(Position, DeadLetter)>, Error> {
    let query = Query {
        since: Some(stored_at),
        ..Query::default()
    };
    let mut found = Vec::new();
    let each = query.each(letters, |position, letter| {
        if event_id(&letter).as_deref() == Some(id) {
            found.push((position, letter));
        }
    });
    each.await?;
    Ok(found)
}

/// The id of the event that a letter holds, if it can be read.
pub fn event_id(letter: &DeadLetter) -> Option<String> {
    let event = Event::decode(&letter.payload).ok()?;
    Some(event.context.id.clone())
}

/// The error of a letter as groups have it.
pub fn error_in_short(letter: &DeadLetter) -> String {
    shortened(&error(letter))
}

/// The error of a letter, without values of Secrets of its event.
fn error(letter: &DeadLetter) -> String {
    let mut secrets = mask::Values::default();
    if let Ok(event) = Event::decode(&letter.payload) {
        secrets.add(&event);
    }
    secrets.hide(letter.error.clone())
}

impl What {
    fn of(letter: &DeadLetter) -> Self {
        Self {
            namespace: letter.namespace.clone(),
            sensor: letter.sensor.clone(),
            trigger: letter.trigger.clone(),
            reason: letter.reason.as_str(),
            error: error_in_short(letter),
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let What {
            namespace,
            sensor,
            trigger,
            reason,
            error,
        } = &self.what;
        let (count, example) = (self.count, self.example);
        writeln!(f, "{count} × {error}")?;
        let place = one_line(&format!("sensor {namespace}/{sensor}, trigger {trigger}"));
        writeln!(f, "    {place}: {reason}")?;
        let (first, last) = (self.first, self.last);
        if count == 1 {
            writeln!(f, "    {last}, number {example}")
        } else {
            writeln!(f, "    {first} to {last}, the last one is number {example}")
        }
    }
}

impl Group {
    /// The group for programs.
    pub fn to_json(&self) -> Value {
        json!({
            "count": self.count,
            "namespace": self.what.namespace,
            "sensor": self.what.sensor,
            "trigger": self.what.trigger,
            "reason": self.what.reason,
            "error": self.what.error,
            "first": self.first.to_string(),
            "last": self.last.to_string(),
            "attempts": self.attempts,
            "example": self.example.to_wire(),
        })
    }
}

/// A letter on one line.
pub fn line(position: Position, letter: &DeadLetter) -> String {
    let What {
        namespace,
        sensor,
        trigger,
        reason,
        error,
    } = What::of(letter);
    let at = letter.dead_lettered_at;
    let text = one_line(&format!("{namespace}/{sensor} {trigger}"));
    let why = if error.is_empty() {
        String::new()
    } else {
        format!(": {error}")
    };
    format!("{position}  {at}  {text}  {reason}{why}\n")
}

/// A letter for programs. The values of Secrets are hidden unless `is_revealed`.
pub fn to_json(position: Position, letter: &DeadLetter, is_revealed: bool) -> Value {
    let action = letter.action.as_deref().map(document);
    let event = Event::decode(&letter.payload).ok();
    let payload = match &event {
        Some(event) => event.data.as_deref().map_or(Value::Null, bytes),
        None => bytes(&letter.payload),
    };
    let context = event.map(|event| {
        json!({
            "id": event.context.id,
            "source": event.context.source,
            "subject": event.context.subject,
            "type": event.context.r#type,
            "time": event.context.time.map(|time| time.to_string()),
        })
    });
    let mut json = json!({
        "number": position.to_wire(),
        "namespace": letter.namespace,
        "sensor": letter.sensor,
        "trigger": letter.trigger,
        "reason": letter.reason.as_str(),
        "error": if is_revealed { letter.error.clone() } else { error(letter) },
        "attempts": letter.attempts,
        "deadLetteredAt": letter.dead_lettered_at.to_string(),
        "subject": letter.subject.as_str(),
        "storedAt": letter.stored_at.map(|time| time.to_string()),
        "dependencies": letter.dependencies,
        "mayBeDone": letter.may_be_done,
        "cutFrom": letter.cut_from,
        "event": context,
        "action": action,
        "payload": payload,
    });
    if !is_revealed {
        mask::secrets(&mut json);
    }
    json
}

/// A letter for people; its payload only `with_data`.
pub fn to_text(
    position: Position,
    letter: &DeadLetter,
    with_data: bool,
    is_revealed: bool,
) -> String {
    let json = to_json(position, letter, is_revealed);
    let of = |path: &str| match json.pointer(path) {
        Some(Value::String(text)) => one_line(text),
        Some(Value::Null) | None => "-".to_owned(),
        Some(value) => value.to_string(),
    };
    let mut lines = vec![
        format!(
            "dead letter {position} of sensor {}/{}, trigger {}",
            of("/namespace"),
            of("/sensor"),
            of("/trigger")
        ),
        format!(
            "  reason     {}, attempt {}",
            of("/reason"),
            of("/attempts")
        ),
        format!("  error      {}", of("/error")),
        format!("  since      {}", of("/deadLetteredAt")),
        format!("  published  {}", of("/subject")),
    ];
    if json["event"].is_null() {
        lines.push("  event      cannot be read".to_owned());
    } else {
        lines.push(format!(
            "  event      {}, {} {}/{}, {}",
            of("/event/id"),
            of("/event/type"),
            of("/event/source"),
            of("/event/subject"),
            of("/event/time")
        ));
    }
    if let Some(size) = letter.cut_from {
        lines.push(format!(
            "  cut        it had {size} bytes, and is not whole any more"
        ));
    }
    let mut part = |name: &str, value: &Value| {
        lines.push(format!("  {name}"));
        let text = format!("{value:#}");
        lines.extend(text.lines().map(|line| format!("    {}", one_line(line))));
    };
    if !json["action"].is_null() {
        part("action", &json["action"]);
    }
    if with_data {
        part("payload", &json["payload"]);
    }
    lines.join("\n") + "\n"
}

/// JSON, or the text that is none.
fn document(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

fn bytes(bytes: &[u8]) -> Value {
    document(&String::from_utf8_lossy(bytes))
}

/// The begin of an error, on one line.
fn shortened(error: &str) -> String {
    let line = one_line(error);
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests;

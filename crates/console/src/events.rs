//! Events as they lie on the bus, with what becomes of each.

use std::ops::Range;
use std::sync::Arc;

use futures::StreamExt as _;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tiphys_api::message::shortened;
use tiphys_base::text::one_line;
use tiphys_eventbus::{Position, StartAt, Until};
use tiphys_live::access::Right;
use tiphys_live::dead_letters::{self, without_values};
use tiphys_live::events::{self, Seen};
use tiphys_live::mask::Values;
use tiphys_live::objects::subjects;
use tiphys_live::{conclusion, progress};
use tiphys_simulate::{Decisions, Format, Objects, Report, test_of_event};

use crate::fail::Failure;
use crate::query::Query;
use crate::site::{Known, State};
use crate::visitor::Caller;
use crate::work::apart;

/// How many events of a page there are at most, and if nobody says it.
const MOST: u64 = 200;
const USUAL: u64 = 100;

/// So many are looked at for a page: filters may leave few of them.
const LOOKED_AT: u64 = 20_000;

/// So many are read at a time.
const CHUNK: u64 = 500;

/// So many before an event are followed, for what triggers remember of them.
const BEFORE: u64 = 20_000;

/// How much of a reason, and of a payload, stands in a line, in characters.
const REASON: usize = 400;
const SUMMARY: usize = 200;

/// Which events are meant.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Filter {
    namespace: Option<String>,
    sensor: Option<String>,
    source: Option<String>,
    outcome: Option<String>,
    text: Option<String>,
}

impl Filter {
    pub(crate) fn of(query: &Query) -> Self {
        Self {
            namespace: query.owned("namespace"),
            sensor: query.owned("sensor"),
            source: query.owned("source"),
            outcome: query.owned("outcome"),
            text: query.text("text").map(str::to_lowercase),
        }
    }

    /// Whether an event, as [`shown`] makes it, is meant.
    pub(crate) fn wants(&self, event: &Value) -> bool {
        let is = |wanted: &Option<String>, value: &Value| {
            wanted.is_none() || wanted.as_deref() == value.as_str()
        };
        let is_decided =
            self.sensor.is_none() && self.outcome.is_none() && self.namespace.is_none()
                || event["decisions"].as_array().is_some_and(|decisions| {
                    decisions.iter().any(|decision| {
                        is(&self.namespace, &decision["namespace"])
                            && is(&self.sensor, &decision["sensor"])
                            && is(&self.outcome, &decision["outcome"])
                    })
                });
        is_decided
            && is(&self.source, &event["source"])
            && self.text.as_ref().is_none_or(|text| {
                // Whatever is shown of it can be searched.
                event.to_string().to_lowercase().contains(text.as_str())
            })
    }
}

/// An event that is meant, as JSON text: hundreds of decisions may be about it, and a tree of them takes ten times
/// as much memory.
pub(crate) struct Shown {
    number: u64,
    pub(crate) json: Box<RawValue>,
}

impl Filter {
    /// The event with what becomes of it, if it is meant.
    pub(crate) fn shown(
        &self,
        seen: &Seen,
        reports: &[Report<'_>],
        with_values: bool,
    ) -> Option<Shown> {
        let event = shown(seen, reports, with_values);
        let json = self.wants(&event).then(|| event.to_string())?;
        Some(Shown {
            number: seen.position.to_wire(),
            json: RawValue::from_string(json).ok()?,
        })
    }
}

/// A page of events.
#[derive(Serialize)]
struct Page {
    events: Vec<Box<RawValue>>,
    first: Option<u64>,
    last: Option<u64>,
    next: Option<u64>,
}

/// An event with what becomes of it, without its payload; and without anything that may hold a value of it, unless
/// those are shown.
fn shown(seen: &Seen, reports: &[Report<'_>], with_values: bool) -> Value {
    let context = seen.event.as_ref().ok().map(|event| &event.context);
    let of = |read: fn(&tiphys_eventbus::Context) -> &String| {
        context.map_or("", |context| read(context))
    };
    let mut secrets = Values::default();
    if let Ok(event) = &seen.event {
        secrets.add(event);
    }
    let in_short = |text: &str| secrets.hide(shortened(&one_line(text), REASON));
    let decisions = reports.iter().flat_map(Report::decisions);
    let decisions = decisions.map(|decision| {
        json!({
            "namespace": decision.namespace(),
            "sensor": decision.sensor(),
            "trigger": decision.trigger(),
            "outcome": decision.outcome().name(),
            "reason": with_values.then(|| in_short(&decision.reason())),
        })
    });
    let unanswered = reports.iter().filter_map(Report::unanswered);
    let unanswered = unanswered.filter(|_| with_values);
    let unreadable = seen.event.as_ref().err();
    let unreadable = unreadable.map(|why| if with_values { why } else { "it is no event" });
    let mut shown = json!({
        "number": seen.position.to_wire(),
        "storedAt": seen.stored_at.to_string(),
        "id": of(|context| &context.id),
        "source": of(|context| &context.source),
        "name": of(|context| &context.subject),
        "type": of(|context| &context.r#type),
        "subject": seen.subject.as_str(),
        "unreadable": unreadable,
        "replay": seen.replay.as_ref().and_then(|replay| replay.letter.parse::<u64>().ok()),
        "decisions": decisions.collect::<Vec<_>>(),
        "unanswered": unanswered.map(|why| in_short(&why)).collect::<Vec<_>>(),
    });
    if with_values {
        shown["summary"] = summary(&seen.data(false)).into();
    }
    shown
}

/// The first values of a payload: `ship=argo cargo.kind=fleece`.
fn summary(data: &Value) -> String {
    fn add(path: &str, value: &Value, out: &mut String) {
        if out.len() >= SUMMARY {
            return;
        }
        let below = |name: &str| match path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    add(&below(name), value, out);
                }
            }
            Value::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    add(&below(&index.to_string()), value, out);
                }
            }
            Value::String(text) => out.extend([path, "=", &shortened(&one_line(text), 60), " "]),
            other => out.extend([path, "=", &other.to_string(), " "]),
        }
    }
    let mut text = String::new();
    add("", data, &mut text);
    shortened(text.trim(), SUMMARY)
}

/// Follows an event, or leaves it where nobody would do anything with it.
pub(crate) fn follow<'o>(decisions: &mut Decisions<'o>, seen: &Seen) -> Vec<Report<'o>> {
    match &seen.event {
        Ok(event) if seen.replay.is_none() => decisions.follow(event.clone()),
        _ => Vec::new(),
    }
}

/// A page of events, the newest first: those before a number, or the newest; as JSON text.
pub(crate) async fn page(
    state: &Arc<State>,
    query: &Query,
    caller: &Caller,
) -> Result<String, Failure> {
    let with_values = caller.may(Right::Payload);
    let limit = query.number("limit")?.unwrap_or(USUAL).clamp(1, MOST);
    let before = query.number("before")?;
    let filter = Filter::of(query);
    let known = state.objects().await?;
    let asked = Arc::clone(state);
    apart(&state.questions, move || async move {
        let reached = asked.bus().await?;
        let history = &*reached.bus.history;
        let (first, last) = bounds(history, &reached.bus).await?;
        let objects = subjects(&known.loaded, asked.site.namespace.as_deref());
        let looked = Looked {
            history,
            objects: &objects,
            filter: &filter,
            with_values,
        };
        // A filter may leave few of those that are looked at.
        let chunk = if filter == Filter::default() {
            limit
        } else {
            CHUNK
        };
        let floor = first.unwrap_or_default();
        let mut end = before.unwrap_or_else(|| last.map_or(0, |last| last + 1));
        let lowest = end.saturating_sub(LOOKED_AT).max(floor);
        let mut found = Vec::new();
        while end > lowest && (found.len() as u64) < limit {
            let start = end.saturating_sub(chunk).max(lowest);
            found.extend(looked.chunk(start..end).await?.into_iter().rev());
            end = start;
        }
        let is_cut = found.len() as u64 > limit;
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        // Where a filter leaves nothing of what was looked at, the next page goes on behind it.
        let oldest = found.last().map(|event| event.number);
        let page = Page {
            events: found.into_iter().map(|event| event.json).collect(),
            first,
            last,
            next: oldest.filter(|_| is_cut).or((end > floor).then_some(end)),
        };
        let broken = |error: serde_json::Error| Failure::away(&error);
        serde_json::to_string(&page).map_err(broken)
    })
    .await
}

/// The numbers of the first and of the last event.
async fn bounds(
    history: &dyn tiphys_eventbus::History,
    bus: &tiphys_eventbus::EventBus,
) -> Result<(Option<u64>, Option<u64>), Failure> {
    let mut all = history.read(StartAt::First, Until::Now).await?;
    let first = all.next().await.transpose()?;
    let Some(first) = first else {
        return Ok((None, None));
    };
    let number = first.message.position.to_wire();
    let published = bus.overview.look().await?.published;
    Ok((Some(number), Some(published.max(number + first.left))))
}

/// What a page is made of.
struct Looked<'l> {
    history: &'l dyn tiphys_eventbus::History,
    objects: &'l Objects<'l>,
    filter: &'l Filter,
    with_values: bool,
}

impl Looked<'_> {
    /// The events of these numbers that are meant, the oldest first.
    async fn chunk(&self, numbers: Range<u64>) -> Result<Vec<Shown>, Failure> {
        let after = StartAt::After(Position::from_wire(numbers.start.saturating_sub(1)));
        let mut seen = events::read_from(self.history, after, Until::Now).await?;
        let mut decisions = Decisions::new(self.objects, Timestamp::now());
        let mut found = Vec::new();
        while let Some(next) = seen.next().await {
            let next = next?;
            if next.position.to_wire() >= numbers.end {
                break;
            }
            let reports = follow(&mut decisions, &next);
            found.extend(self.filter.shown(&next, &reports, self.with_values));
        }
        Ok(found)
    }
}

/// One event with all that became of it, decided by these objects.
pub(crate) async fn one(
    state: &Arc<State>,
    number: u64,
    known: Arc<Known>,
    caller: &Caller,
) -> Result<Value, Failure> {
    let asked = Arc::clone(state);
    let with_values = caller.may(Right::Payload);
    apart(&state.questions, move || async move {
        let objects = subjects(&known.loaded, asked.site.namespace.as_deref());
        of_number(&asked, number, &objects, with_values).await
    })
    .await
}

async fn of_number(
    state: &State,
    number: u64,
    objects: &Objects<'_>,
    with_values: bool,
) -> Result<Value, Failure> {
    let reached = state.bus().await?;
    let from = number.saturating_sub(BEFORE);
    let start = match from {
        0 => StartAt::First,
        from => StartAt::After(Position::from_wire(from)),
    };
    let mut seen = events::read_from(&*reached.bus.history, start, Until::Now).await?;
    let mut decisions = Decisions::new(objects, Timestamp::now());
    let (mut oldest, mut found) = (None, None);
    while let Some(next) = seen.next().await {
        let next = next?;
        let at = next.position.to_wire();
        oldest.get_or_insert(at);
        if at >= number {
            found = (at == number).then_some(next);
            break;
        }
        if let Ok(event) = &next.event
            && next.replay.is_none()
            && decisions.is_remembered(event)
        {
            decisions.follow(event.clone());
        }
    }
    let missing = || {
        let missing = Failure::missing(format!("the bus holds no event number {number}"));
        missing.hint("it keeps events for some time, and as many as it has room for")
    };
    let seen = found.ok_or_else(missing)?;
    let reports = follow(&mut decisions, &seen);
    let look = reached.bus.overview.look().await?;
    let decided = reports.iter().flat_map(Report::decisions);
    let mut secrets = Values::default();
    if let Ok(event) = &seen.event {
        secrets.add(event);
    }
    let hidden = |lines: Vec<String>| -> Vec<String> {
        let lines = lines.into_iter();
        lines
            .map(|line| secrets.hide(line.trim_end().to_owned()))
            .collect()
    };
    let mut all = json!({
        "event": shown(&seen, &reports, with_values),
        "data": null,
        "reports": [],
        "text": "",
        "conclusion": [],
        "progress": hidden(progress::of_event(&look, seen.position, decided)),
        "deadLetters": letters(&reached, &seen, with_values).await?,
        "commands": commands(state, &seen, with_values),
        "notes": notes(&seen, from > 0, with_values),
    });
    if with_values {
        let (mut text, mut parts) = (String::new(), Vec::new());
        for report in &reports {
            text += &report.print(Format::Text)?;
            let part = secrets.hide(report.print(Format::Json)?);
            parts.push(serde_json::from_str::<Value>(&part).unwrap_or_default());
        }
        all["data"] = seen.data(false);
        all["reports"] = parts.into();
        all["text"] = secrets.hide(text).into();
        all["conclusion"] = hidden(conclusion::lines(&reports)).into();
    }
    Ok(all)
}

/// The dead letters of an event.
async fn letters(
    reached: &tiphys_live::reach::Reached,
    seen: &Seen,
    with_values: bool,
) -> Result<Vec<Value>, Failure> {
    let Some(id) = seen.id() else {
        return Ok(Vec::new());
    };
    let letters = &*reached.bus.dead_letters;
    let found = dead_letters::of_event(letters, id, seen.stored_at).await?;
    let found = found.into_iter().map(|(position, letter)| {
        let letter = if with_values {
            letter
        } else {
            without_values(letter)
        };
        json!({
            "number": position.to_wire(),
            "at": letter.dead_lettered_at.to_string(),
            "line": dead_letters::line(position, &letter).trim_end(),
        })
    });
    Ok(found.collect())
}

/// What says the same on a terminal.
fn commands(state: &State, seen: &Seen, with_values: bool) -> Value {
    let Some(id) = seen.id() else {
        return json!({});
    };
    let quoted = id.replace('\'', r"'\''");
    let arguments = state.site.arguments.as_ref();
    let why = arguments.map(|arguments| format!("tiphys why '{quoted}' {arguments}"));
    if !with_values {
        return json!({ "why": why });
    }
    let event = seen.event.as_ref().ok().map(|event| {
        json!({
            "eventSourceName": event.context.source,
            "eventName": event.context.subject,
            "id": id,
            "time": event.context.time.map(|time| time.to_string()),
            "data": seen.data(false),
        })
    });
    let line = event.unwrap_or_default().to_string();
    let quoted = line.replace('\'', r"'\''");
    json!({
        "why": why,
        "simulate": format!("echo '{quoted}' | tiphys simulate -f MANIFESTS --event -"),
    })
}

/// What a decision that is computed again cannot know.
fn notes(seen: &Seen, is_cut: bool, with_values: bool) -> Vec<String> {
    let mut notes = vec![
        "decided again by the objects as they are now: when it came, they may have been others"
            .to_owned(),
        "what a target answered is only known where it became a dead letter".to_owned(),
    ];
    if !with_values {
        let why = "whoever asks may not see the values of events: reasons may hold some, too";
        notes.push(why.to_owned());
    }
    if is_cut {
        notes.push(format!(
            "of the events before it, the last {BEFORE} were followed: what triggers remember of earlier ones is \
             not known here"
        ));
    }
    if let Some(replay) = &seen.replay {
        notes.push(format!(
            "it is the event of dead letter {}, delivered again to one trigger alone",
            replay.letter
        ));
    }
    notes
}

/// The event of a number as it lies on the bus.
pub(crate) async fn find(state: &State, number: u64) -> Result<Seen, Failure> {
    let reached = state.bus().await?;
    let after = StartAt::After(Position::from_wire(number.saturating_sub(1)));
    let mut seen = events::read_from(&*reached.bus.history, after, Until::Now).await?;
    let found = seen.next().await.transpose()?;
    let found = found.filter(|seen| seen.position.to_wire() == number);
    found.ok_or_else(|| Failure::missing(format!("the bus holds no event number {number}")))
}

/// A file with a test of an event.
pub(crate) async fn test(state: &Arc<State>, number: u64) -> Result<Value, Failure> {
    let known = state.objects().await?;
    let seen = find(state, number).await?;
    let event = seen.shown_event(false);
    let event = event.ok_or_else(|| Failure::bad("it is no event that can be read"))?;
    let namespace = state.site.namespace.clone();
    apart(&state.questions, move || async move {
        let objects = subjects(&known.loaded, namespace.as_deref());
        Ok(json!({ "file": test_of_event(&event, None, &objects)? }))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_has_the_first_values() {
        let data = json!({"cargo": {"kind": "fleece"}, "crew": ["a", 2], "ship": "argo\nII"});
        assert_eq!(
            summary(&data),
            "cargo.kind=fleece crew.0=a crew.1=2 ship=argo II"
        );
        assert_eq!(summary(&json!({"a": "x".repeat(500)})).chars().count(), 63);
    }

    #[test]
    fn filters_are_about_one_decision() {
        let event = json!({
            "source": "ships",
            "summary": "ship=Argo",
            "decisions": [
                {"namespace": "a", "sensor": "gate", "trigger": "t", "outcome": "fired"},
                {"namespace": "a", "sensor": "dock", "trigger": "t", "outcome": "filtered"},
            ],
        });
        let wants = |question: &str| {
            let uri = format!("/api/events?{question}").parse().unwrap();
            Filter::of(&Query::of(&uri)).wants(&event)
        };
        assert!(wants(""));
        assert!(wants(
            "sensor=gate&outcome=fired&text=argo&source=ships&namespace=a"
        ));
        assert!(!wants("sensor=gate&outcome=filtered"));
        assert!(!wants("source=planes"));
        assert!(!wants("text=calypso"));
    }
}

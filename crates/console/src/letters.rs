//! Dead letters, as `tiphys dlq` shows them.

use serde_json::{Value, json};
use tiphys_eventbus::{DeadLetter, DeadLetterReason, Position};
use tiphys_live::access::Right;
use tiphys_live::dead_letters::{self, Query as Letters, without_values};

use crate::fail::Failure;
use crate::query::Query;
use crate::site::{Mode, State};
use crate::visitor::Caller;

/// What may hold a value of an event.
const WITH_VALUES: [&str; 3] = ["error", "action", "payload"];

/// Letters of a list at most.
const MOST: u64 = 200;

/// What they have in common.
pub(crate) async fn groups(
    state: &State,
    query: &Query,
    caller: &Caller,
) -> Result<Value, Failure> {
    let reached = state.bus().await?;
    let groups = meant(state, query, caller)?;
    let groups = groups.groups(&*reached.bus.dead_letters).await?;
    let total: usize = groups.iter().map(|group| group.count).sum();
    let groups = groups.iter().map(|group| shown(group.to_json(), caller));
    let groups = groups.filter(|group| wants(query, group));
    Ok(json!({ "groups": groups.collect::<Vec<_>>(), "total": total }))
}

/// Each of them, from a number on.
pub(crate) async fn list(state: &State, query: &Query, caller: &Caller) -> Result<Value, Failure> {
    let limit = query.number("limit")?.unwrap_or(MOST).clamp(1, MOST);
    let after = query.number("after")?.unwrap_or(0);
    let mut letters = Vec::new();
    let reached = state.bus().await?;
    let each = |position: Position, letter: DeadLetter| {
        if position.to_wire() > after && (letters.len() as u64) < limit {
            let letter = shown(dead_letters::to_json(position, &letter, false), caller);
            letters.extend(Some(letter).filter(|letter| wants(query, letter)));
        }
    };
    let meant = meant(state, query, caller)?;
    meant.each(&*reached.bus.dead_letters, each).await?;
    Ok(json!({ "letters": letters }))
}

/// One of them.
pub(crate) async fn one(state: &State, number: u64, caller: &Caller) -> Result<Value, Failure> {
    let (position, letter) = find(state, number).await?;
    let letter = seen_by(caller, letter);
    let mut json = shown(dead_letters::to_json(position, &letter, false), caller);
    json["text"] = if caller.may(Right::Payload) {
        dead_letters::to_text(position, &letter, true, false).into()
    } else {
        "".into()
    };
    Ok(json)
}

/// A letter as somebody may see it.
pub(crate) fn seen_by(caller: &Caller, letter: DeadLetter) -> DeadLetter {
    if caller.may(Right::Payload) {
        letter
    } else {
        without_values(letter)
    }
}

/// What is not shown is said to be so: it is not empty.
fn shown(mut json: Value, caller: &Caller) -> Value {
    if !caller.may(Right::Payload) {
        for name in WITH_VALUES {
            if let Some(value) = json.get_mut(name) {
                *value = Value::Null;
            }
        }
    }
    json
}

/// The letter of a number.
pub(crate) async fn find(state: &State, number: u64) -> Result<(Position, DeadLetter), Failure> {
    let reached = state.bus().await?;
    let position = Position::from_wire(number);
    let letter = dead_letters::find(&*reached.bus.dead_letters, position).await?;
    let letter = letter.filter(|letter| state.within(Some(&letter.namespace)).is_ok());
    let missing = || Failure::missing(format!("there is no dead letter {number}"));
    Ok((position, letter.ok_or_else(missing)?))
}

/// Which are meant by an address.
fn meant(state: &State, query: &Query, caller: &Caller) -> Result<Letters, Failure> {
    let reason = query.text("reason").map(reason).transpose()?;
    Ok(Letters {
        namespace: match state.site.mode {
            Mode::Cluster => state.site.namespace.clone(),
            Mode::Desk | Mode::Run => query.owned("namespace"),
        },
        sensor: query.owned("sensor"),
        trigger: query.owned("trigger"),
        reason,
        since: None,
        is_blind: !caller.may(Right::Payload),
    })
}

pub(crate) fn reason(text: &str) -> Result<DeadLetterReason, Failure> {
    let mut all = DeadLetterReason::ALL.into_iter();
    let found = all.find(|reason| reason.as_str() == text);
    found.ok_or_else(|| Failure::bad(format!("reason: {text:?} is none")))
}

fn wants(query: &Query, json: &Value) -> bool {
    let namespace = query.text("namespace");
    namespace.is_none_or(|wanted| json["namespace"] == *wanted)
        && query.text("text").is_none_or(|text| {
            let all = json.to_string().to_lowercase();
            all.contains(&text.to_lowercase())
        })
}

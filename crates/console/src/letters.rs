//! Dead letters, as `tiphys dlq` shows them.

use serde_json::{Value, json};
use tiphys_eventbus::{DeadLetter, DeadLetterReason, Position};
use tiphys_live::dead_letters::{self, Query as Letters};

use crate::fail::Failure;
use crate::query::Query;
use crate::site::State;

/// Letters of a list at most.
const MOST: u64 = 200;

/// What they have in common.
pub(crate) async fn groups(state: &State, query: &Query) -> Result<Value, Failure> {
    let reached = state.bus().await?;
    let groups = meant(query)?.groups(&*reached.bus.dead_letters).await?;
    let total: usize = groups.iter().map(|group| group.count).sum();
    let groups = groups.iter().map(dead_letters::Group::to_json);
    let groups = groups.filter(|group| wants(query, group));
    Ok(json!({ "groups": groups.collect::<Vec<_>>(), "total": total }))
}

/// Each of them, from a number on.
pub(crate) async fn list(state: &State, query: &Query) -> Result<Value, Failure> {
    let limit = query.number("limit")?.unwrap_or(MOST).clamp(1, MOST);
    let after = query.number("after")?.unwrap_or(0);
    let mut letters = Vec::new();
    let reached = state.bus().await?;
    let each = |position: Position, letter: DeadLetter| {
        if position.to_wire() > after && (letters.len() as u64) < limit {
            letters.push(dead_letters::to_json(position, &letter, false));
        }
    };
    meant(query)?.each(&*reached.bus.dead_letters, each).await?;
    letters.retain(|letter| wants(query, letter));
    Ok(json!({ "letters": letters }))
}

/// One of them.
pub(crate) async fn one(state: &State, number: u64) -> Result<Value, Failure> {
    let (position, letter) = find(state, number).await?;
    let mut json = dead_letters::to_json(position, &letter, false);
    json["text"] = dead_letters::to_text(position, &letter, true, false).into();
    Ok(json)
}

/// The letter of a number.
pub(crate) async fn find(state: &State, number: u64) -> Result<(Position, DeadLetter), Failure> {
    let reached = state.bus().await?;
    let position = Position::from_wire(number);
    let letter = dead_letters::find(&*reached.bus.dead_letters, position).await?;
    let missing = || Failure::missing(format!("there is no dead letter {number}"));
    Ok((position, letter.ok_or_else(missing)?))
}

/// Which are meant by an address.
pub(crate) fn meant(query: &Query) -> Result<Letters, Failure> {
    let reason = query.text("reason").map(reason).transpose()?;
    Ok(Letters {
        namespace: query.owned("namespace"),
        sensor: query.owned("sensor"),
        trigger: query.owned("trigger"),
        reason,
        since: None,
    })
}

pub(crate) fn reason(text: &str) -> Result<DeadLetterReason, Failure> {
    let mut all = DeadLetterReason::ALL.into_iter();
    let found = all.find(|reason| reason.as_str() == text);
    found.ok_or_else(|| Failure::bad(format!("reason: {text:?} is none")))
}

fn wants(query: &Query, json: &Value) -> bool {
    query.text("text").is_none_or(|text| {
        let all = json.to_string().to_lowercase();
        all.contains(&text.to_lowercase())
    })
}

//! Looks at a server's stream, consumers and dead letters, without reading a message.

use std::collections::HashMap;

use async_nats::jetstream::consumer::Info;
use serde::Deserialize;
use serde_json::json;

use super::connect::{ApiError, Connection};
use crate::name::{STREAM, read_token};
use crate::{ConsumerLook, DEAD_LETTERS, Durable, Letters, Look, Position, dead_letter};

/// A page of consumers.
#[derive(Deserialize)]
struct Consumers {
    total: usize,
    #[serde(default)]
    consumers: Option<Vec<Info>>,
}

/// A stream with how many messages each subject has.
#[derive(Deserialize)]
struct Counted {
    state: CountedState,
}

#[derive(Deserialize)]
struct CountedState {
    #[serde(default)]
    subjects: Option<HashMap<String, u64>>,
}

pub(super) async fn look(connection: &Connection) -> Result<Look, ApiError> {
    let info = match connection.stream_info(STREAM).await {
        Ok(info) => info,
        Err(error) if error.is_missing() => return Ok(Look::default()),
        Err(error) => return Err(error),
    };
    Ok(Look {
        published: info.state.last_sequence,
        stored: info.state.messages,
        consumers: consumers(connection).await?,
        dead_letters: dead_letters(connection).await?,
    })
}

async fn consumers(connection: &Connection) -> Result<Vec<ConsumerLook>, ApiError> {
    let mut looks = Vec::new();
    let mut read = 0;
    loop {
        let subject = format!("CONSUMER.LIST.{STREAM}");
        let page: Consumers = connection.api(subject, &json!({ "offset": read })).await?;
        let infos = page.consumers.unwrap_or_default();
        read += infos.len();
        let is_last = infos.is_empty() || read >= page.total;
        // One without a name is somebody who looks, and will be gone.
        let durable = infos
            .iter()
            .filter(|info| info.config.durable_name.is_some());
        looks.extend(durable.map(|info| ConsumerLook {
            durable: Durable::from_wire(&info.name),
            delivered: info.delivered.consumer_sequence,
            reached: Position::of_number(info.delivered.stream_sequence),
            done: Position::of_number(info.ack_floor.stream_sequence),
            lag: info.num_pending,
            in_hand: info.num_ack_pending as u64,
            repeated: info.num_redelivered as u64,
        }));
        if is_last {
            return Ok(looks);
        }
    }
}

async fn dead_letters(connection: &Connection) -> Result<Vec<(Letters, u64)>, ApiError> {
    let filter = json!({ "subjects_filter": format!("{DEAD_LETTERS}.>") });
    let subject = format!("STREAM.INFO.{}", dead_letter::STREAM);
    let counted: Counted = match connection.api(subject, &filter).await {
        Ok(counted) => counted,
        Err(error) if error.is_missing() => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let subjects = counted.state.subjects.unwrap_or_default().into_iter();
    let mut counts: Vec<(Letters, u64)> = subjects
        .filter_map(|(subject, count)| Some((letters(&subject)?, count)))
        .collect();
    counts.sort();
    Ok(counts)
}

/// Whose letters lie under a subject.
fn letters(subject: &str) -> Option<Letters> {
    let names = subject.strip_prefix(DEAD_LETTERS)?.strip_prefix('.')?;
    let mut names = names.split('.').map(read_token);
    Some(Letters {
        namespace: names.next()??,
        sensor: names.next()??,
        trigger: names.next()??,
    })
}

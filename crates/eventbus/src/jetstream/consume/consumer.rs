//! The durable consumer on the server: found, brought up to date, or made at the right place.

use std::time::Duration;

use async_nats::datetime::{DateTime, from_nanos};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, Info, PullConsumer, pull};
use async_nats::jetstream::{ErrorCode, stream};
use bytes::Bytes;
use jiff::Timestamp;

use super::{Consumption, locked};
use crate::jetstream::connect::{ApiError, Connection, timestamp};
use crate::jetstream::tracker::Place;
use crate::name::{STREAM, disjoint};
use crate::{ConsumerReport, Durable, Error, StartAt, Subject};

/// Give a message back to be delivered at once.
pub(super) const GIVE_BACK: Bytes = Bytes::from_static(b"-NAK");

/// At most so many messages of the stream are looked at for lost deliveries; lost ones before them
/// come after their ack wait.
pub(super) const MAX_RECLAIMED: u64 = 65_536;

/// How long to wait for the server to have taken lost deliveries back.
pub(super) const RECLAIM_WITHIN: Duration = Duration::from_secs(2);

/// The version of NATS from which on a consumer may have several filters.
const SEVERAL_FILTERS: (i64, i64, i64) = (2, 10, 0);

/// How long the server keeps a consumer that nobody asks for deliveries, such as one of a Sensor that was
/// deleted.
const KEPT_UNUSED: Duration = Duration::from_hours(30 * 24);

/// The stream that the consumer was on: one of the same name may have taken its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct KnownStream {
    created: Timestamp,
    /// How long it keeps messages; zero is for ever.
    max_age: Duration,
}

impl KnownStream {
    fn of(info: &stream::Info) -> Self {
        Self {
            created: timestamp(info.created),
            max_age: info.config.max_age,
        }
    }

    /// How long the server keeps an unused consumer; zero is for ever.
    ///
    /// Never less than messages are kept: then those before its position are gone with it, and whoever makes it
    /// again, from when its Sensor was made on, gets nothing twice.
    fn keeps_unused(&self) -> Duration {
        if self.max_age.is_zero() {
            Duration::ZERO
        } else {
            KEPT_UNUSED.max(self.max_age * 2)
        }
    }
}

/// The subject that acknowledges a message of a consumer.
pub(super) fn ack_subject(durable: &Durable, sequence: u64, delivery: u64) -> String {
    format!("$JS.ACK.{STREAM}.{durable}.1.{sequence}.{delivery}.0.0")
}

impl Consumption {
    pub(super) async fn consumer(&mut self) -> Result<PullConsumer, ApiError> {
        let context = &self.connection.context;
        let durable = self.config.durable.as_str();
        let existing = context
            .get_consumer_from_stream::<pull::Config, _, _>(durable, STREAM)
            .await;
        let existing = match existing.map_err(ApiError::from) {
            Ok(consumer) => consumer,
            Err(err)
                if err.has_code(&[
                    ErrorCode::CONSUMER_NOT_FOUND,
                    ErrorCode::CONSUMER_DOES_NOT_EXIST,
                ]) =>
            {
                return self.create().await;
            }
            Err(err) => return Err(err),
        };
        let known = if let Some(known) = self.stream {
            known
        } else {
            let info = self.connection.stream_info(STREAM).await?;
            *self.stream.insert(KnownStream::of(&info))
        };
        let mut config = existing.cached_info().config.clone();
        let before = config.clone();
        config.ack_wait = self.config.ack_wait;
        config.max_ack_pending = self.max_ack_pending();
        config.inactive_threshold = known.keeps_unused();
        if filters(&config.filter_subject, &config.filter_subjects) != self.filters() {
            (config.filter_subject, config.filter_subjects) = self.filter_settings();
        }
        if config == before {
            return Ok(existing);
        }
        // An update keeps the position.
        let updated = context.create_consumer_on_stream(config, STREAM).await?;
        drop(updated);
        Ok(context.get_consumer_from_stream(durable, STREAM).await?)
    }

    async fn create(&mut self) -> Result<PullConsumer, ApiError> {
        let info = self.connection.stream_info(STREAM).await?;
        let known = KnownStream::of(&info);
        let before = self.stream.map(|stream| stream.created);
        let is_same_stream = before == Some(known.created);
        let resume = locked(&self.tracker).resume();
        let start = match resume {
            Some(place) if is_same_stream && place.sequence <= info.state.last_sequence + 1 => {
                DeliverPolicy::ByStartSequence {
                    start_sequence: place.sequence.max(1),
                }
            }
            // Messages were lost, or the whole stream: numbers mean others by now, times do not.
            Some(Place {
                stored_at: Some(time),
                ..
            }) => by_time(time)?,
            _ => starting_at(self.config.start)?,
        };
        let (filter_subject, filter_subjects) = self.filter_settings();
        let config = pull::Config {
            durable_name: Some(self.config.durable.to_string()),
            deliver_policy: start,
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.config.ack_wait,
            max_ack_pending: self.max_ack_pending(),
            inactive_threshold: known.keeps_unused(),
            filter_subject,
            filter_subjects,
            ..pull::Config::default()
        };
        let consumer = self
            .connection
            .context
            .create_consumer_on_stream(config, STREAM)
            .await?;
        self.stream = Some(known);
        Ok(consumer)
    }

    fn max_ack_pending(&self) -> i64 {
        i64::try_from(self.config.max_in_flight.max(1)).unwrap_or(i64::MAX)
    }

    fn filters(&self) -> Vec<String> {
        let subjects = self.config.subjects.iter();
        let client = &self.connection.client;
        let (major, minor, patch) = SEVERAL_FILTERS;
        // An older server takes one filter at most, and without any it sends everything.
        let takes_several = client.is_server_compatible(major, minor, patch);
        let subjects = subjects.filter(|subject| takes_several || !subject.is_replay());
        let subjects: Vec<Subject> = subjects.cloned().collect();
        disjoint(&subjects)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// One filter and several have different fields.
    fn filter_settings(&self) -> (String, Vec<String>) {
        let mut filters = self.filters();
        match filters.len() {
            1 => (filters.swap_remove(0), Vec::new()),
            _ => (String::new(), filters),
        }
    }
}

fn filters(one: &str, several: &[String]) -> Vec<String> {
    let mut filters = several.to_vec();
    if !one.is_empty() {
        filters.push(one.to_owned());
    }
    filters.sort_unstable();
    filters
}

/// What a consumer on the server asks for.
pub(in crate::jetstream) async fn report(
    connection: &Connection,
    durable: &Durable,
) -> Result<Option<ConsumerReport>, Error> {
    let subject = format!("CONSUMER.INFO.{STREAM}.{durable}");
    let info: Result<Info, _> = connection.api(subject, &serde_json::json!({})).await;
    let info = match info {
        Ok(info) => info,
        Err(err) if err.is_missing() => return Ok(None),
        Err(err) => {
            return Err(Error::Consumer {
                durable: durable.clone(),
                source: err.into(),
            });
        }
    };
    let filters = filters(&info.config.filter_subject, &info.config.filter_subjects);
    Ok(Some(ConsumerReport {
        subjects: filters
            .iter()
            .map(|name| Subject::from_wire(name))
            .collect(),
        is_listening: info.num_waiting > 0,
    }))
}

/// Where a consumer on the server begins.
pub(in crate::jetstream) fn starting_at(start: StartAt) -> Result<DeliverPolicy, ApiError> {
    match start {
        StartAt::First => Ok(DeliverPolicy::All),
        StartAt::Time(time) => by_time(time),
        StartAt::After(position) => Ok(DeliverPolicy::ByStartSequence {
            start_sequence: position.to_wire() + 1,
        }),
    }
}

fn by_time(time: Timestamp) -> Result<DeliverPolicy, ApiError> {
    let start_time: DateTime = from_nanos(time.as_nanosecond())
        .map_err(|err| ApiError::Refused(ErrorCode::BAD_REQUEST, err))?;
    Ok(DeliverPolicy::ByStartTime { start_time })
}

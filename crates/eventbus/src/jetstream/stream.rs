//! Streams: made when they are missing, changed when their settings do, and made again if the
//! server lost them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType};
use tokio::time::Instant;

use super::connect::{ApiError, Connection};
use crate::name::STREAM;
use crate::settings::{Discard, Retention, StreamSettings};
use crate::{Error, StreamReport};

/// The subjects of all events of all event sources.
const SUBJECTS: &str = "default.*.*";

/// How many copies a stream has where nobody said, if the bus has the servers.
const REPLICAS: usize = 3;

/// Why a bus of one server has no further copies.
const ONE_SERVER: &str = "a bus of one server keeps one replica";

/// Settings that the server did not take, with what it says.
type Refused = Vec<(String, String)>;

/// How often at most a stream that seems to be lost is looked for.
const RESTORE_EVERY: Duration = Duration::from_secs(1);

/// Knows how a stream is to be, and makes it again if the server lost it.
pub(super) struct Keeper {
    connection: Arc<Connection>,
    stream: String,
    wanted: Mutex<Option<Config>>,
    looked_at: tokio::sync::Mutex<Option<Instant>>,
}

impl Keeper {
    pub(super) fn new(connection: Arc<Connection>, stream: &str) -> Self {
        Self {
            connection,
            stream: stream.to_owned(),
            wanted: Mutex::default(),
            looked_at: tokio::sync::Mutex::default(),
        }
    }

    /// Remembers how the stream is, to make it so again.
    pub(super) fn remember(&self, config: Config) {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = Some(config);
    }

    /// Makes the stream again if it was there and is gone, as after a server came back empty.
    pub(super) async fn restore(&self) {
        let mut looked_at = self.looked_at.lock().await;
        if looked_at.is_some_and(|at| at.elapsed() < RESTORE_EVERY) {
            return;
        }
        *looked_at = Some(Instant::now());
        let wanted = self
            .wanted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(wanted) = wanted else {
            return;
        };
        match self.connection.stream_info(&self.stream).await {
            Err(err) if err.is_missing() => {}
            _ => return,
        }
        tracing::warn!(
            stream = self.stream,
            "The stream is gone from the bus: making it again"
        );
        if let Err(error) = create(&self.connection, &wanted).await {
            let error = crate::Cause::from(error);
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "Could not make the stream"
            );
        }
    }
}

/// Creates a stream, or returns the one that another process created meanwhile.
pub(super) async fn create(connection: &Connection, config: &Config) -> Result<Info, ApiError> {
    match connection
        .api(format!("STREAM.CREATE.{}", config.name), config)
        .await
    {
        Err(err) if err.has_code(&[ErrorCode::STREAM_NAME_EXIST]) => {
            connection.stream_info(&config.name).await
        }
        result => result,
    }
}

pub(super) async fn update(connection: &Connection, config: &Config) -> Result<Info, ApiError> {
    connection
        .api(format!("STREAM.UPDATE.{}", config.name), config)
        .await
}

/// How many copies the stream of events has; what belongs to it has as many.
pub(super) async fn replicas(connection: &Connection) -> Result<usize, ApiError> {
    match connection.stream_info(STREAM).await {
        Ok(info) if is_clustered(&info) => Ok(info.config.num_replicas.max(1)),
        Ok(_) => Ok(1),
        Err(err) if err.is_missing() => Ok(1),
        Err(err) => Err(err),
    }
}

/// Makes sure that the stream of events is there and as `settings` say.
pub(super) async fn ensure(keeper: &Keeper, settings: Option<&str>) -> Result<StreamReport, Error> {
    let connection = &keeper.connection;
    let wanted = settings.map(StreamSettings::parse).transpose()?;
    let failed = |err: ApiError| Error::Stream {
        stream: STREAM.to_owned(),
        source: err.into(),
    };
    let existing = match connection.stream_info(STREAM).await {
        Ok(info) => info,
        Err(err) if err.is_missing() => {
            let settings = wanted.unwrap_or_else(StreamSettings::argo);
            let (info, refused) = create_events(connection, &settings).await?;
            keeper.remember(info.config);
            return Ok(StreamReport {
                created: true,
                refused,
                ..StreamReport::default()
            });
        }
        Err(err) => return Err(failed(err)),
    };
    let (config, report) = match wanted {
        Some(wanted) => reconcile(connection, existing, &wanted)
            .await
            .map_err(failed)?,
        None => (existing.config, StreamReport::default()),
    };
    keeper.remember(config);
    Ok(report)
}

/// Creates the stream of events; with what the server could not give it.
async fn create_events(
    connection: &Connection,
    settings: &StreamSettings,
) -> Result<(Info, Refused), Error> {
    let alone = &[ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED][..];
    let no_peers = &[ErrorCode::CLUSTER_NO_PEERS][..];
    let mut config = events(settings);
    config.num_replicas = settings.replicas.unwrap_or(REPLICAS);
    let error = match create(connection, &config).await {
        Ok(info) => return Ok((info, Refused::new())),
        Err(error) => error,
    };
    if error.has_code(no_peers) && settings.replicas.is_some() {
        return Err(Error::Replicas {
            stream: STREAM.to_owned(),
            replicas: config.num_replicas,
            source: error.into(),
        });
    }
    if !error.has_code(alone) && !error.has_code(no_peers) {
        return Err(refused(&config, error));
    }
    // A single server keeps one copy of everything, whatever is wanted.
    config.num_replicas = 1;
    let info = create(connection, &config)
        .await
        .map_err(|error| refused(&config, error))?;
    let is_asked_for = settings.replicas.is_some();
    let refused = is_asked_for.then(|| ("replicas".to_owned(), ONE_SERVER.to_owned()));
    Ok((info, refused.into_iter().collect()))
}

fn refused(config: &Config, err: ApiError) -> Error {
    Error::Stream {
        stream: config.name.clone(),
        source: err.into(),
    }
}

fn events(settings: &StreamSettings) -> Config {
    let mut config = Config {
        name: STREAM.to_owned(),
        subjects: vec![SUBJECTS.to_owned()],
        storage: StorageType::File,
        num_replicas: 1,
        ..Config::default()
    };
    for (_, apply) in changes(&config, settings) {
        apply(&mut config);
    }
    config
}

/// One setting to be changed: its name in `streamConfig`, and how.
type Change<'a> = (&'static str, Box<dyn Fn(&mut Config) + Send + Sync + 'a>);

fn changes<'a>(config: &Config, settings: &'a StreamSettings) -> Vec<Change<'a>> {
    let mut changes: Vec<Change<'a>> = Vec::new();
    if !config.subjects.iter().any(|subject| subject == SUBJECTS) {
        changes.push((
            "subjects",
            Box::new(|config| config.subjects.push(SUBJECTS.to_owned())),
        ));
    }
    if let Some(max) = settings
        .max_msgs
        .map(limit)
        .filter(|max| *max != limit(config.max_messages))
    {
        changes.push(("maxMsgs", Box::new(move |config| config.max_messages = max)));
    }
    if let Some(max) = settings
        .max_bytes
        .map(limit)
        .filter(|max| *max != limit(config.max_bytes))
    {
        changes.push(("maxBytes", Box::new(move |config| config.max_bytes = max)));
    }
    let max_age = settings.max_age.unwrap_or(config.max_age);
    if max_age != config.max_age {
        changes.push((
            "maxAge",
            Box::new(move |config| {
                config.max_age = max_age;
                config.duplicate_window = window(config.duplicate_window, max_age);
            }),
        ));
    }
    let duplicates = settings
        .duplicates
        .filter(|duplicates| !duplicates.is_zero());
    if let Some(duplicates) = duplicates.map(|duplicates| window(duplicates, max_age))
        && duplicates != config.duplicate_window
    {
        changes.push((
            "duplicates",
            Box::new(move |config| config.duplicate_window = duplicates),
        ));
    }
    if let Some(replicas) = settings
        .replicas
        .filter(|replicas| *replicas != config.num_replicas)
    {
        changes.push((
            "replicas",
            Box::new(move |config| config.num_replicas = replicas),
        ));
    }
    if let Some(retention) = settings.retention.map(retention_policy)
        && retention != config.retention
    {
        changes.push((
            "retention",
            Box::new(move |config| config.retention = retention),
        ));
    }
    if let Some(discard) = settings.discard.map(discard_policy)
        && discard != config.discard
    {
        changes.push(("discard", Box::new(move |config| config.discard = discard)));
    }
    changes
}

/// A limit as the server writes it: anything that is no limit is -1.
fn limit(limit: i64) -> i64 {
    if limit > 0 { limit } else { -1 }
}

/// The server refuses to remember ids for longer than messages.
fn window(duplicates: Duration, max_age: Duration) -> Duration {
    if max_age.is_zero() {
        duplicates
    } else {
        duplicates.min(max_age)
    }
}

fn retention_policy(retention: Retention) -> RetentionPolicy {
    match retention {
        Retention::Limits => RetentionPolicy::Limits,
        Retention::Interest => RetentionPolicy::Interest,
        Retention::WorkQueue => RetentionPolicy::WorkQueue,
    }
}

fn discard_policy(discard: Discard) -> DiscardPolicy {
    match discard {
        Discard::Old => DiscardPolicy::Old,
        Discard::New => DiscardPolicy::New,
    }
}

/// Whether the server that has a stream is one of several.
fn is_clustered(info: &Info) -> bool {
    let cluster = info
        .cluster
        .as_ref()
        .and_then(|cluster| cluster.name.as_ref());
    cluster.is_some_and(|name| !name.is_empty())
}

/// Changes all settings at once, or, if the server refuses that, each by itself.
async fn reconcile(
    connection: &Connection,
    existing: Info,
    settings: &StreamSettings,
) -> Result<(Config, StreamReport), ApiError> {
    let mut report = StreamReport::default();
    let is_clustered = is_clustered(&existing);
    let mut config = existing.config;
    let mut changes = changes(&config, settings);
    // A single server says yes to copies and keeps none.
    let copies = settings
        .replicas
        .filter(|replicas| *replicas > 1 && !is_clustered);
    if copies.is_some() {
        changes.retain(|(name, _)| *name != "replicas");
        report
            .refused
            .push(("replicas".to_owned(), ONE_SERVER.to_owned()));
    }
    if changes.is_empty() {
        return Ok((config, report));
    }
    let mut wanted = config.clone();
    for (_, apply) in &changes {
        apply(&mut wanted);
    }
    match update(connection, &wanted).await {
        Ok(info) => {
            report.changed = changes.iter().map(|(name, _)| (*name).to_owned()).collect();
            return Ok((info.config, report));
        }
        Err(err @ ApiError::Unavailable(_)) => return Err(err),
        Err(ApiError::Refused(..)) => {}
    }
    for (name, apply) in changes {
        let mut wanted = config.clone();
        apply(&mut wanted);
        match update(connection, &wanted).await {
            Ok(info) => {
                config = info.config;
                report.changed.push(name.to_owned());
            }
            Err(ApiError::Refused(_, why)) => {
                report.refused.push((name.to_owned(), why.to_string()));
            }
            Err(err) => return Err(err),
        }
    }
    Ok((config, report))
}

#[cfg(test)]
mod tests {
    use super::{changes, events};
    use crate::settings::StreamSettings;

    fn names(before: &str, after: &str) -> Vec<&'static str> {
        let config = events(&StreamSettings::parse(before).unwrap());
        let settings = StreamSettings::parse(after).unwrap();
        changes(&config, &settings)
            .iter()
            .map(|(name, _)| *name)
            .collect()
    }

    #[test]
    fn only_what_differs_is_changed() {
        let argo = "maxMsgs: 50000\nmaxAge: 168h\nmaxBytes: -1\nreplicas: 1\nduplicates: 300s\nretention: 0\ndiscard: 0";
        assert!(names(argo, argo).is_empty());
        assert!(names(argo, "").is_empty());
        assert_eq!(names(argo, "maxBytes: 0\nmaxMsgs: 10"), ["maxMsgs"]);
        assert_eq!(
            names(argo, "retention: 1\ndiscard: 1"),
            ["retention", "discard"]
        );
    }

    #[test]
    fn ids_are_not_remembered_for_longer_than_messages() {
        let settings = StreamSettings::parse("maxAge: 60s\nduplicates: 300s").unwrap();
        assert_eq!(events(&settings).duplicate_window.as_secs(), 60);
        let before = "maxAge: 1h\nduplicates: 300s";
        assert_eq!(
            names(before, "maxAge: 60s\nduplicates: 300s"),
            ["maxAge", "duplicates"]
        );
    }
}

//! The kinds of event sources: what a kind is, and the list of those that are run.
//!
//! A kind is one file, `source/<kind>.rs`, and one line in the list below. It compiles its part of the
//! spec (`SourceKind`), and then does what is particular to its upstream (`Source`): it reads what the
//! upstream says, hands it on as `Incoming`, and tells the upstream what
//! became of it. All else is around it, once for all kinds: ids, envelope, `filter.expression`, size,
//! publishing and its retries, dead letters, back-pressure, order, the lease, restarts, conditions,
//! metrics, logs. `docs/add-a-source.md` shows it step by step.

mod broker;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use jiff::Timestamp;
use tiphys_api::{EventConfig, Problem};

use crate::context::SourceContext;
use crate::error::SourceError;
use crate::event::{Draft, Input, SimulateError};
use crate::served::{Request, Response, Route, text};
use crate::status::Condition;

/// In which of the pods of an event source an event runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// In the one that holds the lease.
    LeaseHolder,
    /// In all: it is called, or its upstream shares the work out.
    AllPods,
}

/// A kind of event source: how its part of the spec is compiled.
pub(crate) trait SourceKind: Source + Sized + 'static {
    /// Its type in `tiphys_api`.
    type Spec;

    /// Compiles what stands at `path`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    fn compile(path: &str, spec: &Self::Spec) -> Result<Self, Vec<Problem>>;
}

/// A compiled event: what it does while it runs.
#[async_trait]
pub(crate) trait Source: fmt::Debug + Send + Sync {
    /// Where it runs.
    fn placement(&self) -> Placement;

    /// How long something may stay without a verdict before it is given back to the upstream; for ever,
    /// if the upstream only waits.
    fn hold_limit(&self) -> Option<Duration> {
        None
    }

    /// The paths it answers over HTTP.
    fn routes(&self) -> Vec<Route> {
        Vec::new()
    }

    /// Answers a request on one of its routes.
    async fn handle(&self, _request: Request, _context: &SourceContext) -> Response {
        text(StatusCode::NOT_FOUND, "not found")
    }

    /// Receives until the context's `shutdown`, then stops receiving and returns. What cannot go on is
    /// an error: the event is started again, however often, and its condition says why. What is only
    /// called has nothing else to do here.
    async fn run(&self, context: &SourceContext) -> Result<(), SourceError> {
        context.condition(Condition::Working);
        context.shutdown().cancelled().await;
        Ok(())
    }

    /// What `input` would make of an event, for `simulate`.
    ///
    /// # Errors
    /// If this kind has no use for such an input, or it cannot be read.
    fn draft(&self, input: &Input<'_>, now: Timestamp) -> Result<Draft, SimulateError>;
}

mod aws;
mod called;
mod files;
mod go_time;
mod hooks;
mod queue;
mod rest;

/// Lists the kinds: the module, the type in it, which is named as the kind is in `EventConfig`, and the
/// feature without which it is left out.
macro_rules! sources {
    ($($(#[$doc:meta])* $visibility:vis mod $module:ident :: $kind:ident $(if $feature:literal)?;)*) => {
        $($(#[$doc])* $(#[cfg(feature = $feature)])? $visibility mod $module;)*

        /// Compiles an event of any kind.
        ///
        /// # Errors
        /// What is wrong with it, or that this build does not have its kind.
        pub(crate) fn compile(
            path: &str,
            config: EventConfig<'_>,
        ) -> Result<Arc<dyn Source>, Vec<Problem>> {
            match config {
                $($(#[cfg(feature = $feature)])? EventConfig::$kind(spec) => {
                    let compiled = $module::$kind::compile(path, spec);
                    compiled.map(|source| Arc::new(source) as Arc<dyn Source>)
                })*
                $($(#[cfg(not(feature = $feature))] EventConfig::$kind(_) => {
                    Err(vec![left_out(path, config, $feature)])
                })?)*
            }
        }
    };
}

/// What a build without `feature` says of an event.
#[cfg(not(all(
    feature = "amqp",
    feature = "azure",
    feature = "gcp",
    feature = "grpc",
    feature = "hdfs",
    feature = "kafka",
    feature = "mqtt",
    feature = "pulsar",
    feature = "redis",
    feature = "sftp"
)))]
fn left_out(path: &str, config: EventConfig<'_>, feature: &str) -> Problem {
    let kind = config.kind().event_type();
    let message =
        format!("event sources of type {kind} are not in this build of tiphys (feature {feature})");
    Problem::error(path, message).with_code(tiphys_api::Code::NotRun)
}

sources! {
    mod amqp::Amqp if "amqp";
    mod azure_events_hub::AzureEventsHub if "azure";
    mod azure_queue_storage::AzureQueueStorage;
    mod azure_service_bus::AzureServiceBus if "azure";
    mod bitbucket::Bitbucket;
    mod bitbucket_server::BitbucketServer;
    mod calendar::Calendar;
    mod emitter::Emitter if "mqtt";
    mod file::File;
    mod generic::Generic if "grpc";
    mod gerrit::Gerrit;
    mod github::Github;
    mod gitlab::Gitlab;
    mod hdfs::Hdfs if "hdfs";
    mod kafka::Kafka if "kafka";
    mod minio::Minio;
    mod mns::Mns;
    mod mqtt::Mqtt if "mqtt";
    mod nats::Nats;
    mod nsq::Nsq;
    mod pulsar::Pulsar if "pulsar";
    mod pub_sub::PubSub if "gcp";
    mod redis::Redis if "redis";
    mod redis_stream::RedisStream if "redis";
    pub mod resource::Resource;
    mod sftp::Sftp if "sftp";
    mod slack::Slack;
    mod sns::Sns;
    mod sqs::Sqs;
    mod storage_grid::StorageGrid;
    mod stripe::Stripe;
    mod webhook::Webhook;
}

//! What is measured, one file a figure.

mod backlog;
mod bounds;
mod brokers;
mod cluster;
mod controller;
mod languages;
mod latency;
mod memory;
mod pods;
mod simulate;
mod stop;
mod storm;
mod webhook;

use std::fmt;

use clap::ValueEnum;

use crate::Bench;
use crate::report::Report;

/// A figure, or several that need the same servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Figure {
    /// From a Service to its Ingress: one at a time, and many at once
    Latency,
    /// A sensor that starts on a full stream
    Backlog,
    /// One process with the story, doing nothing
    Memory,
    /// A controller that finds a thousand objects, and then has nothing to do
    Controller,
    /// The process in a pod: edits, and another pod that takes over
    Pods,
    /// SIGTERM under load: how long it takes, and what gets lost
    Stop,
    /// Requests that become events: how many a second, and how long one waits
    Webhook,
    /// Messages at brokers that become events: how many a second, and what a pod takes
    Brokers,
    /// The small languages, per core
    Languages,
    /// Hostile input and endless programs: the slowest
    Bounds,
    /// Programs that run into their deadline with every event, and healthy triggers beside them
    Storm,
    /// `tiphys simulate`
    Simulate,
    /// The pods in a cluster with nodes: first trigger, edits, memory. Only if asked for
    Cluster,
}

impl Figure {
    /// Those that were asked for; if none was, all that need no cluster with nodes.
    pub(crate) fn wanted(only: &[Self]) -> impl Iterator<Item = Self> {
        let all = Self::value_variants().iter().copied();
        all.filter(move |figure| {
            let is_default = only.is_empty() && *figure != Self::Cluster;
            is_default || only.contains(figure)
        })
    }

    pub(crate) fn measure(self, bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
        match self {
            Self::Latency => latency::measure(bench, report),
            Self::Backlog => backlog::measure(bench, report),
            Self::Memory => memory::measure(bench, report),
            Self::Controller => controller::measure(bench, report),
            Self::Pods => pods::measure(bench, report),
            Self::Stop => stop::measure(bench, report),
            Self::Webhook => webhook::measure(bench, report),
            Self::Brokers => brokers::measure(bench, report),
            Self::Languages => languages::measure(bench, report),
            Self::Bounds => bounds::measure(bench, report),
            Self::Storm => storm::measure(bench, report),
            Self::Simulate => simulate::measure(bench, report),
            Self::Cluster => cluster::measure(bench, report),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.to_possible_value();
        f.write_str(name.as_ref().map_or("", |name| name.get_name()))
    }
}

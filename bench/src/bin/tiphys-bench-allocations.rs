//! Counts what one evaluation of a filter allocates, for an event of 2 KB and one of 20 KB.
//!
//! A program of its own, so that counting does not slow down what is timed.

use std::alloc::System;
use std::hint::black_box;
use std::io::Write as _;

use anyhow::Context as _;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tiphys_api::manifest::{self, Content};
use tiphys_lang::path::Path;
use tiphys_sensor::Compiled;

#[path = "../event.rs"]
mod event;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const FILTERS: &str = include_str!("../filters.yaml");

fn main() -> anyhow::Result<()> {
    let sensor = manifest::read("filters.yaml", FILTERS);
    let sensor = sensor
        .objects
        .iter()
        .find_map(|object| match &object.content {
            Content::Sensor(sensor) => Some(sensor),
            _ => None,
        });
    let sensor = Compiled::compile(sensor.context("the manifest has a Sensor")?)
        .map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let path = Path::compile("body.metadata.annotations.autodeploy-ingress-host")?;
    let events = [
        event::story(7, event::LARGE),
        event::story(7, event::LARGE * 10),
    ];
    let mut out = std::io::stdout().lock();
    let counts = events.each_ref().map(|event| {
        let data = event.data.as_deref().unwrap_or_default();
        allocations(|| path.get(data).exists())
    });
    writeln!(out, "path lookup: {} {}", counts[0], counts[1])?;
    for dependency in sensor.dependencies.iter() {
        let filters = dependency.filters().context("there is a filter")?;
        let counts = events
            .each_ref()
            .map(|event| allocations(|| filters.check(event).passes()));
        writeln!(
            out,
            "{} filter: {} {}",
            dependency.name(),
            counts[0],
            counts[1]
        )?;
    }
    Ok(())
}

/// What the second evaluation allocates: the first one may fill caches.
fn allocations(work: impl Fn() -> bool) -> usize {
    black_box(work());
    let region = Region::new(ALLOCATOR);
    black_box(work());
    region.change().allocations
}

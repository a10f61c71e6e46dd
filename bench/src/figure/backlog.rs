//! A sensor that starts on a full stream and drains it.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use futures::StreamExt as _;
use jiff::Timestamp;
use serde::Deserialize;
use tiphys_eventbus::jetstream::{Config, JetStream};
use tiphys_eventbus::{EventBus, Outgoing, Subject};
use tiphys_testbed::{Nats, NatsOptions, Scratch};
use tokio::runtime::Runtime;

use crate::report::{Report, Row};
use crate::tiphys::{Tiphys, cpu_time};
use crate::world::runtime;
use crate::{Bench, event};

/// The story's dependency, and a trigger that prints every event.
const SENSOR: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata:
  name: backlog
  namespace: playground
spec:
  dependencies:
  - name: service
    eventSourceName: ingress-es
    eventName: ingress
    transform:
      jq: '.operation = ({\"ADD\": \"create\", \"DELETE\": \"delete\"}[.type] // \"update\")'
  triggers:
  - template:
      name: log
      log: {}
";

/// Bytes of payload: a small service with what the API server adds to it.
const PAYLOAD: usize = 1_600;

/// How long the backlog may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// A NATS server, and a sensor whose durable consumer exists already: what is published from now on
/// is its backlog.
pub(super) struct Stage {
    pub(super) scratch: Scratch,
    pub(super) runtime: Runtime,
    nats: Nats,
    args: [String; 2],
}

/// What the sensor has printed.
pub(super) struct Printed {
    /// How often each event was printed.
    pub(super) times: HashMap<String, usize>,
    first: Timestamp,
    last: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    ts: Timestamp,
    event_context: Attributes,
}

#[derive(Deserialize)]
struct Attributes {
    id: String,
}

pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let count = bench.count(20_000, 2_000);
    let mut runs = Vec::new();
    for _ in 0..bench.count(3, 1) {
        runs.push(drain(bench, count)?);
    }
    runs.sort_by(|one, other| one.rate.total_cmp(&other.rate));
    let Run {
        rate,
        cpu_ms,
        floor_rate,
        floor_cpu_ms,
    } = &runs[runs.len() / 2];
    let floor = "fetch and acknowledge";
    let what = format!("backlog of {count} events, jq and log");
    report.add(
        Row::new(what.clone(), "events/s", *rate)
            .at_least(40_000.0)
            .floor(floor, *floor_rate),
    );
    report.add(
        Row::new(what, "CPU ms/event", *cpu_ms)
            .at_most(0.04)
            .floor(floor, *floor_cpu_ms),
    );
    Ok(())
}

struct Run {
    rate: f64,
    cpu_ms: f64,
    floor_rate: f64,
    floor_cpu_ms: f64,
}

#[expect(clippy::cast_precision_loss, reason = "counts of events are small")]
fn drain(bench: &Bench, count: usize) -> anyhow::Result<Run> {
    let stage = Stage::set(bench)?;
    stage.publish(count)?;
    let floor = stage.floor(count)?;
    let tiphys = stage.start(bench, "drain")?;
    await_lines(&tiphys, count)?;
    let cpu = tiphys.cpu_time()?;
    let printed = Printed::read(&[tiphys.output()])?;
    ensure!(
        printed.times.len() == count,
        "{} of {count} events",
        printed.times.len()
    );
    let seconds = printed.last.duration_since(printed.first).as_secs_f64();
    tiphys.stop()?;
    let count = count as f64;
    Ok(Run {
        rate: (count - 1.0) / seconds,
        cpu_ms: cpu.as_secs_f64() * 1000.0 / count,
        floor_rate: count / floor.0.as_secs_f64(),
        floor_cpu_ms: floor.1.as_secs_f64() * 1000.0 / count,
    })
}

impl Stage {
    pub(super) fn set(bench: &Bench) -> anyhow::Result<Self> {
        let scratch = Scratch::new("bench")?;
        let nats = Nats::start(&bench.programs, &NatsOptions::default())?;
        let manifest = scratch.write("sensor.yaml", SENSOR)?;
        let args = [
            format!("--file={}", manifest.display()),
            format!("--nats={}", nats.url()),
        ];
        let stage = Self {
            scratch,
            runtime: runtime()?,
            nats,
            args,
        };
        // A new consumer begins with what comes after its start: it has to be there first.
        let first = stage.start(bench, "first")?;
        stage.runtime.block_on(stage.await_consumer())?;
        first.stop()?;
        Ok(stage)
    }

    pub(super) fn start(&self, bench: &Bench, name: &str) -> anyhow::Result<Tiphys> {
        Tiphys::start(bench, &self.scratch, name, &self.args)
    }

    async fn await_consumer(&self) -> anyhow::Result<()> {
        let stream = self.stream().await?;
        let deadline = Instant::now() + PATIENCE;
        while stream.get_info().await?.state.consumer_count == 0 {
            ensure!(Instant::now() < deadline, "the sensor makes no consumer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn stream(&self) -> anyhow::Result<jetstream::stream::Stream> {
        let context = jetstream::new(async_nats::connect(self.nats.url()).await?);
        context
            .get_stream("default")
            .await
            .context("open the stream")
    }

    pub(super) fn publish(&self, count: usize) -> anyhow::Result<()> {
        self.runtime.block_on(async {
            let bus = EventBus::from(JetStream::connect(&Config::new(self.nats.url())).await?);
            let mut stored = Vec::with_capacity(count);
            for index in 0..count {
                let event = event::story(index, PAYLOAD);
                let message = Outgoing {
                    subject: Subject::event("ingress-es", "ingress"),
                    id: event.context.id.clone(),
                    payload: event.encode(),
                };
                stored.push(bus.events.publish(message).await?);
            }
            for stored in stored {
                stored.await?;
            }
            bus.events.close().await?;
            Ok(())
        })
    }

    /// The least that a consumer does: fetches in batches, acknowledges, looks at nothing.
    fn floor(&self, count: usize) -> anyhow::Result<(Duration, Duration)> {
        self.runtime.block_on(async {
            let stream = self.stream().await?;
            let config = pull::Config {
                ack_policy: AckPolicy::Explicit,
                ..Default::default()
            };
            let consumer = stream.create_consumer(config).await?;
            let (start, cpu) = (Instant::now(), cpu_time("self")?);
            let feed = consumer
                .stream()
                .max_messages_per_batch(256)
                .messages()
                .await?;
            let mut feed = feed.take(count);
            while let Some(message) = feed.next().await {
                message?.ack().await.map_err(anyhow::Error::from_boxed)?;
            }
            Ok((start.elapsed(), cpu_time("self")?.saturating_sub(cpu)))
        })
    }
}

/// Waits until so many events are printed.
pub(super) fn await_lines(tiphys: &Tiphys, count: usize) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut lines = Lines::open(tiphys.output())?;
    while lines.count()? < count {
        ensure!(
            Instant::now() < deadline,
            "{} of {count} events: {}",
            lines.seen,
            tiphys.report()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Counts the lines of a file that grows.
struct Lines {
    file: BufReader<fs::File>,
    buffer: Vec<u8>,
    seen: usize,
}

impl Lines {
    fn open(path: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            file: BufReader::with_capacity(1 << 20, fs::File::open(path)?),
            buffer: Vec::new(),
            seen: 0,
        })
    }

    fn count(&mut self) -> anyhow::Result<usize> {
        loop {
            self.buffer.clear();
            let available = self.file.fill_buf()?;
            if available.is_empty() {
                return Ok(self.seen);
            }
            // `split` has one part more than there are line ends.
            self.seen += available.split(|byte| *byte == b'\n').count() - 1;
            let length = available.len();
            self.file.consume(length);
        }
    }
}

impl Printed {
    /// Reads the output of one start after the other.
    pub(super) fn read(outputs: &[&Path]) -> anyhow::Result<Self> {
        let mut times = HashMap::new();
        let (mut first, mut last) = (Timestamp::MAX, Timestamp::MIN);
        for output in outputs {
            for line in fs::read_to_string(output)?.lines() {
                let line: Line = serde_json::from_str(line).context("read a log line")?;
                *times.entry(line.event_context.id).or_default() += 1;
                (first, last) = (first.min(line.ts), last.max(line.ts));
            }
        }
        Ok(Self { times, first, last })
    }
}

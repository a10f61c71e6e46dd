//! Programs that run into their deadline with every event, and what healthy triggers beside them take
//! meanwhile: one of the same Sensor, and one of another.

use std::collections::HashMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::Bytes;
use futures::future::try_join_all;
use jiff::Timestamp;
use serde::Deserialize;
use tiphys_eventbus::jetstream::{Config, JetStream};
use tiphys_eventbus::{Context, Event, EventBus, Outgoing, Subject};
use tiphys_testbed::{Nats, NatsOptions, PATIENCE, Scratch};
use tokio::runtime::Runtime;
use tokio::time::{MissedTickBehavior, interval};

use crate::Bench;
use crate::clock::Samples;
use crate::report::{Report, Row};
use crate::tiphys::{Tiphys, ask};
use crate::world::runtime;

/// The languages that a program of a Sensor can be endless in: its dependency, and its trigger. Expressions
/// have no loops, and end with their event.
const LANGUAGES: [(&str, &str, &str); 3] = [
    ("jq", "transform: {jq: 'last(range(1e12))'}", "log: {}"),
    ("Lua", "transform: {script: 'while true do end'}", "log: {}"),
    (
        "templates",
        "filters: {}",
        "http: {url: 'http://127.0.0.1:1', method: POST, payload: [{dest: x, src: {dependencyName: endless, \
         dataTemplate: '{{ $l := until 9999 }}{{ range $l }}{{ range $l }}{{ range $l }}{{ end }}{{ end }}{{ end }}'}}]}",
    ),
];

/// The healthy triggers, named as their dependencies: of the Sensor with the program, and of another one.
const HEALTHY: [&str; 2] = ["same", "other"];

/// Who publishes.
const SOURCE: &str = "load";

/// Its events: those for the healthy triggers, and those whose program never ends.
const CALM: &str = "calm";
const ENDLESS: &str = "endless";

/// How often an event comes for the healthy triggers.
const EVERY: Duration = Duration::from_millis(20);

/// How many wait for a program that never ends: more than run into their deadlines meanwhile.
const STORM: usize = 2_000;

/// What each of them takes of a core: a little less than its deadline, since ticks are counted.
const DEADLINE: Duration = Duration::from_millis(900);

/// How often it is asked whether the process is well.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// How often it is looked for what is printed.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What is dead-lettered, of all outcomes.
const OUTCOMES: &str = "tiphys_sensor_events";
const DEAD_LETTERED: &str = "outcome=\"dead_lettered\"";

/// How long events take to each healthy trigger.
type Latencies = [Samples; HEALTHY.len()];

/// A bus, and a process with both Sensors.
struct Stage {
    bus: EventBus,
    tiphys: Tiphys,
    runtime: Runtime,
    published: usize,
    _nats: Nats,
    _scratch: Scratch,
}

/// A printed event.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    ts: Timestamp,
    dependency_name: String,
    event_context: Attributes,
}

#[derive(Deserialize)]
struct Attributes {
    id: String,
}

pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    for (language, dependency, trigger) in LANGUAGES {
        let mut stage = Stage::set(bench, &sensors(dependency, trigger))?;
        let (quiet, storm, answered) = stage.measure(bench.count(500, 100))?;
        let what = format!("{language} in a storm");
        for ((quiet, storm), of) in quiet.iter().zip(&storm).zip(["the same", "another"]) {
            let what = format!("{what}, healthy trigger of {of} Sensor, p95");
            report.add(
                Row::new(what, "ms", storm.percentile_ms(95))
                    .floor("quiet", quiet.percentile_ms(95))
                    .within(3.0),
            );
        }
        let what = format!("{what}, /healthz, the slowest answer");
        report.add(Row::new(what, "s", answered.as_secs_f64()).at_most(1.0));
        stage.end()?;
    }
    Ok(())
}

fn sensors(dependency: &str, trigger: &str) -> String {
    format!(
        "
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {{name: storm, namespace: playground}}
spec:
  dependencies:
  - {{name: same, eventSourceName: {SOURCE}, eventName: {CALM}}}
  - name: endless
    eventSourceName: {SOURCE}
    eventName: {ENDLESS}
    {dependency}
  triggers:
  - template: {{name: same, conditions: same, log: {{}}}}
  - template:
      name: endless
      conditions: endless
      {trigger}
    atLeastOnce: true
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {{name: other, namespace: playground}}
spec:
  dependencies:
  - {{name: other, eventSourceName: {SOURCE}, eventName: {CALM}}}
  triggers:
  - template: {{name: other, log: {{}}}}
"
    )
}

impl Stage {
    /// Starts both, and waits until events come through.
    fn set(bench: &Bench, sensors: &str) -> anyhow::Result<Self> {
        let scratch = Scratch::new("bench")?;
        let nats = Nats::start(&bench.programs, &NatsOptions::default())?;
        let manifest = scratch.write("sensors.yaml", sensors)?;
        let args = [
            format!("--file={}", manifest.display()),
            format!("--nats={}", nats.url()),
        ];
        let mut tiphys = Tiphys::start(bench, &scratch, "storm", &args)?;
        tiphys.await_ready()?;
        let runtime = runtime()?;
        let bus = runtime.block_on(JetStream::connect(&Config::new(nats.url())))?;
        let mut stage = Self {
            bus: bus.into(),
            tiphys,
            runtime,
            published: 0,
            _nats: nats,
            _scratch: scratch,
        };
        // A new consumer begins with what comes after its start.
        let deadline = Instant::now() + PATIENCE;
        while !stage.are_heard()? {
            ensure!(Instant::now() < deadline, "{}", stage.tiphys.report());
            stage.publish(CALM, 1)?;
            thread::sleep(LOOK_EVERY);
        }
        Ok(stage)
    }

    /// How long `count` events take to each healthy trigger, quiet and in a storm; and how long the process took
    /// at most to say that it is well, in the storm.
    fn measure(&mut self, count: usize) -> anyhow::Result<(Latencies, Latencies, Duration)> {
        let quiet = self.latencies(count)?;
        let cpu = self.tiphys.cpu_time()?;
        self.publish(ENDLESS, STORM)?;
        self.await_storm()?;
        let address = self.tiphys.admin()?;
        let is_over = AtomicBool::new(false);
        let (storm, answered) = thread::scope(|scope| {
            let asking = scope.spawn(|| slowest(&address, &is_over));
            let storm = self.latencies(count);
            is_over.store(true, Ordering::Relaxed);
            (storm, asking.join())
        });
        let ended = u32::try_from(self.tiphys.count_of(OUTCOMES, DEAD_LETTERED)?)?;
        let cpu = self.tiphys.cpu_time()?.saturating_sub(cpu);
        ensure!(
            cpu > DEADLINE * ended,
            "{ended} programs have taken {cpu:?}: that is no storm"
        );
        let answered = answered.map_err(|_| anyhow::anyhow!("asking has panicked"))?;
        Ok((quiet, storm?, answered?))
    }

    /// Waits until a program has run into its deadline.
    fn await_storm(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.tiphys.count_of(OUTCOMES, DEAD_LETTERED)? == 0 {
            ensure!(
                Instant::now() < deadline,
                "no program runs into its deadline: {}",
                self.tiphys.report()
            );
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// How long each of `count` events takes to each healthy trigger, at an even pace.
    fn latencies(&mut self, count: usize) -> anyhow::Result<Latencies> {
        let first = self.published;
        self.published += count;
        let sent: HashMap<String, Timestamp> = self.runtime.block_on(async {
            let mut pace = interval(EVERY);
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut sent = HashMap::new();
            for number in first..self.published {
                pace.tick().await;
                let message = message(CALM, number);
                sent.insert(message.id.clone(), Timestamp::now());
                self.bus.events.publish(message).await?.await?;
            }
            anyhow::Ok(sent)
        })?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let printed = self.printed()?;
            let mut took = HEALTHY.map(|_| Vec::new());
            for (name, took) in HEALTHY.into_iter().zip(&mut took) {
                let printed = printed.iter().filter(|line| line.dependency_name == name);
                took.extend(printed.filter_map(|line| {
                    let sent = sent.get(&line.event_context.id)?;
                    Duration::try_from(line.ts.duration_since(*sent)).ok()
                }));
            }
            if took.iter().all(|took| took.len() >= count) {
                return Ok(took.map(Samples::from_iter));
            }
            let report = || self.tiphys.report();
            ensure!(
                Instant::now() < deadline,
                "healthy triggers do not run: {}",
                report()
            );
            thread::sleep(LOOK_EVERY);
        }
    }

    fn publish(&mut self, name: &str, count: usize) -> anyhow::Result<()> {
        let first = self.published;
        self.published += count;
        self.runtime.block_on(async {
            let mut stored = Vec::with_capacity(count);
            for number in first..self.published {
                let message = message(name, number);
                stored.push(self.bus.events.publish(message).await?);
            }
            try_join_all(stored).await?;
            Ok(())
        })
    }

    /// Whether each healthy trigger has printed something.
    fn are_heard(&self) -> anyhow::Result<bool> {
        let printed = self.printed()?;
        let is_heard = |name| printed.iter().any(|line| line.dependency_name == name);
        Ok(HEALTHY.into_iter().all(is_heard))
    }

    /// What the healthy triggers have printed.
    fn printed(&self) -> anyhow::Result<Vec<Line>> {
        let output = fs::read_to_string(self.tiphys.output())?;
        // The last line may not be there in full.
        let lines = output.lines();
        Ok(lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect())
    }

    fn end(self) -> anyhow::Result<()> {
        self.runtime.block_on(self.bus.events.close())?;
        self.tiphys.stop().map(drop)
    }
}

fn message(name: &str, number: usize) -> Outgoing {
    let context = Context {
        id: format!("{number:032x}"),
        source: SOURCE.to_owned(),
        specversion: "1.0".to_owned(),
        r#type: "webhook".to_owned(),
        datacontenttype: "application/json".to_owned(),
        subject: name.to_owned(),
        time: Some(Timestamp::now()),
    };
    let event = Event {
        context: context.into(),
        data: Some(Bytes::from_static(b"{}")),
    };
    Outgoing {
        subject: Subject::event(SOURCE, name),
        id: event.context.id.clone(),
        payload: event.encode(),
    }
}

/// How long the slowest answer of a process takes that is asked whether it is well.
fn slowest(address: &str, is_over: &AtomicBool) -> anyhow::Result<Duration> {
    let mut slowest = Duration::ZERO;
    while !is_over.load(Ordering::Relaxed) {
        let start = Instant::now();
        let answer = ask(address, "/healthz")?;
        slowest = slowest.max(start.elapsed());
        ensure!(answer.contains(" 200 "), "it is not well: {answer}");
        thread::sleep(ASK_EVERY);
    }
    Ok(slowest)
}

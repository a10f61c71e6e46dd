//! The end of a drill: whether every object is right, and the books balance.

mod bus;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tiphys_tests::harbour::names;
use tiphys_tests::{Tiphys, in_time, pause};

use crate::books::{Firing, imbalances};
use crate::findings::{Expected, Findings, Seen};
use crate::objects::{CALL, EXAMPLE_SENSOR, HOSTILE, LOG, PRINT, SENSOR, path_of};
use crate::receiver::Receiver;
use crate::schedule::Attack;
use crate::stage::{Stage, Victims};
use crate::victim::stop;
use bus::Bus;

/// Between two looks at everything: each of them reads the whole stream.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How many services come when all is over. They are all new, so each is one event.
const CALM: usize = 20;

/// Their ports.
const CALM_PORT: u16 = 80;

/// Everything there is to look at.
struct Look<'a> {
    stage: &'a Stage,
    victims: &'a Victims,
    away: &'a Receiver,
    bus: &'a Bus,
}

/// Waits until all is right, sees it through a while of calm, stops everything, and reads the books.
pub(crate) async fn verify(
    stage: &Stage,
    victims: &mut Victims,
    mut expected: Expected,
) -> Findings {
    victims.engine.ensure_running();
    victims.sources.ensure_running();
    victims.sensors.ensure_running();
    // What waits for it goes out at last.
    let away = Receiver::start_at(stage.away).await;
    let bus = Bus::of(&stage.nats).await;
    eprintln!("          waiting for all to be right");
    let look = Look {
        stage,
        victims,
        away: &away,
        bus: &bus,
    };
    let mut wrong = Vec::new();
    match look.until_right(&expected).await {
        Ok(()) => wrong.extend(look.calm(&mut expected).await),
        Err(lines) => wrong.extend(lines),
    }
    stop_all(stage, victims).await;
    let look = Look {
        stage,
        victims,
        away: &away,
        bus: &bus,
    };
    let mut findings = look.read_books(&expected).await;
    findings.wrong.extend(wrong);
    findings.wrong.extend(stage.notes.all_wrong());
    findings.wrong.sort();
    findings.wrong.dedup();
    findings
}

async fn stop_all(stage: &Stage, victims: &mut Victims) {
    stop("the engine", &mut victims.engine.tiphys, &stage.notes).await;
    for pods in [&mut victims.sources, &mut victims.sensors] {
        for (name, tiphys) in pods.names.iter().zip(&mut pods.running) {
            stop(name, tiphys, &stage.notes).await;
        }
    }
}

impl Look<'_> {
    /// Waits until nothing differs and nothing is left to do.
    async fn until_right(&self, expected: &Expected) -> Result<(), Vec<String>> {
        in_time(|| async {
            let differs = self.look(expected).await;
            if differs.is_empty() {
                return Ok(());
            }
            pause(LOOK_EVERY).await;
            Err(differs)
        })
        .await
    }

    /// What differs, or is left to do.
    async fn look(&self, expected: &Expected) -> Vec<String> {
        let mut lines = Vec::new();
        if let Err(differs) = self.stage.harbour.compare(&expected.services).await {
            lines.extend(differs.lines().map(str::to_owned));
        }
        lines.extend(self.bus.unfinished().await);
        for tiphys in self.processes() {
            match tiphys.get("/metrics").await {
                Some((200, metrics)) => lines.extend(imbalances(&metrics)),
                _ => lines.push("a process does not show its metrics".to_owned()),
            }
        }
        // Only then is it worth while to read everything. What is wrong in it stays wrong.
        if lines.is_empty() {
            match self.see().await {
                Ok(seen) => lines.extend(Findings::of(&seen, expected).lost),
                Err(error) => lines.push(error),
            }
        }
        lines
    }

    /// Sees that new services are one event and one firing each, by the newest edition of the sensor.
    async fn calm(&self, expected: &mut Expected) -> Vec<String> {
        eprintln!("          all is right; some services in calm weather");
        let (before, calls) = (self.received().await, self.stage.receiver.calls().len());
        let calm = names("calm", 0..CALM);
        self.stage.harbour.serve_all(calm.clone(), CALM_PORT).await;
        expected
            .services
            .extend(calm.into_iter().map(|name| (name, CALM_PORT)));
        if let Err(lines) = self.until_right(expected).await {
            return lines;
        }
        let mut lines = Vec::new();
        for (trigger, after) in self.received().await {
            let received = after.saturating_sub(before[trigger]);
            if received != CALM as u64 {
                lines.push(format!(
                    "{trigger} received {received} of {CALM} events in calm weather"
                ));
            }
        }
        let newest = path_of(self.victims.spec.edition);
        let calls = self.stage.receiver.calls().split_off(calls);
        let old = calls.iter().filter(|call| call.path != newest).count();
        if old > 0 {
            lines.push(format!(
                "{old} calls were not made by the newest edition, {newest}"
            ));
        }
        lines
    }

    /// How many events the triggers of the load have received.
    async fn received(&self) -> BTreeMap<&'static str, u64> {
        let mut received = BTreeMap::new();
        for (sensor, trigger) in [
            (EXAMPLE_SENSOR, "ingress"),
            (EXAMPLE_SENSOR, LOG),
            (SENSOR, PRINT),
            (SENSOR, CALL),
        ] {
            let labels = [
                format!("sensor_name=\"{sensor}\""),
                format!("trigger_name=\"{trigger}\""),
            ];
            let labels = labels.each_ref().map(String::as_str);
            let mut sum = 0;
            for tiphys in self.processes() {
                sum += tiphys.count("tiphys_sensor_events", &labels).await;
            }
            received.insert(trigger, sum);
        }
        received
    }

    fn processes(&self) -> impl Iterator<Item = &Tiphys> {
        let Victims {
            engine,
            sources,
            sensors,
            ..
        } = self.victims;
        let pods = sources.running.iter().chain(&sensors.running);
        std::iter::once(&engine.tiphys).chain(pods)
    }

    /// What was published, what became of it, and what is missing or too much.
    async fn read_books(&self, expected: &Expected) -> Findings {
        match self.see().await {
            Ok(seen) => Findings::of(&seen, expected),
            Err(error) => Findings {
                wrong: vec![error],
                ..Findings::default()
            },
        }
    }

    /// Reads all that was left behind.
    async fn see(&self) -> Result<Seen, String> {
        let (sensors, engine) = (&self.victims.sensors, &self.victims.engine);
        let mut firings = printed(&sensors.lines(), SENSOR, PRINT);
        let lines = engine.desk.lines();
        firings.extend(printed(&lines, EXAMPLE_SENSOR, LOG));
        firings.extend(printed(&lines, HOSTILE, Attack::Panic.name()));
        firings.extend(called(&self.stage.receiver, SENSOR, CALL));
        firings.extend(called(self.away, HOSTILE, Attack::Away.name()));
        let mut interruptions = self.stage.notes.interruptions();
        interruptions.extend(sensors.takeovers());
        Ok(Seen {
            events: self.bus.events().await?,
            letters: self.bus.dead_letters().await?,
            deliveries: self.bus.deliveries().await?,
            firings,
            interruptions,
        })
    }
}

/// What a `log` trigger has printed.
fn printed(lines: &[Value], sensor: &'static str, trigger: &'static str) -> Vec<Firing> {
    let printed = lines.iter().filter(|line| {
        line["triggerType"] == "Log"
            && line["sensorName"] == sensor
            && line["triggerName"] == trigger
    });
    let firing = |line: &Value| {
        Some(Firing {
            sensor,
            trigger,
            event: line["eventContext"]["id"].as_str()?.to_owned(),
            at: line["ts"].as_str()?.parse().ok()?,
        })
    };
    printed.filter_map(firing).collect()
}

/// What an `http` trigger has called.
fn called(receiver: &Receiver, sensor: &'static str, trigger: &'static str) -> Vec<Firing> {
    let calls = receiver.calls().into_iter();
    let calls = calls.map(|call| Firing {
        sensor,
        trigger,
        event: call.event,
        at: call.at,
    });
    calls.collect()
}

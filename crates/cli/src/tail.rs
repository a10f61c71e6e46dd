//! `tiphys tail`: events as they come, and what triggers make of them.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValue, TypedValueParser};
use futures::StreamExt as _;
use jiff::Timestamp;
use tiphys_eventbus::{DeadLetterFilter, Position, Until};
use tiphys_live::events::{self, Query, Seen};
use tiphys_live::moment::moment;
use tiphys_live::sighting::{Look, Sighting};
use tiphys_live::{dead_letters, reach};
use tiphys_runtime::process;
use tiphys_sensor::engine::Outcome;
use tiphys_simulate::Decisions;
use tokio::time::MissedTickBehavior;

use crate::args::{LogArgs, Output, one_of};
use crate::desk::{DeskArgs, write};

/// How often is looked for dead letters.
const LETTERS: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    #[command(flatten)]
    pub(crate) which: WhichArgs,
    /// Begin with events of so long ago, for example 10m or 2d, or with those since a moment; by default
    /// with those that come
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<Timestamp>,
    /// End with what is stored, instead of waiting for more
    #[arg(long)]
    pub(crate) no_follow: bool,
    #[command(flatten)]
    pub(crate) show: ShowArgs,
    #[command(flatten)]
    pub(crate) desk: DeskArgs,
}

/// Which events and decisions are meant.
#[derive(Debug, Clone, Args)]
pub(crate) struct WhichArgs {
    /// Only events of this EventSource
    #[arg(long, value_name = "NAME")]
    pub(crate) event_source: Option<String>,
    /// Only events of this name
    #[arg(long, value_name = "NAME")]
    pub(crate) event: Option<String>,
    /// Only decisions of this Sensor
    #[arg(long, value_name = "NAME")]
    pub(crate) sensor: Option<String>,
    /// Only decisions of this trigger
    #[arg(long, value_name = "NAME")]
    pub(crate) trigger: Option<String>,
    /// Only decisions with these outcomes; several are separated by commas
    #[arg(long, value_name = "OUTCOME", value_delimiter = ',', value_parser = outcomes())]
    pub(crate) outcome: Vec<Outcome>,
}

/// How it is shown.
#[derive(Debug, Clone, Args)]
pub(crate) struct ShowArgs {
    /// With the payloads of events
    #[arg(long)]
    pub(crate) data: bool,
    /// With the values of Secrets that are in them
    #[arg(long)]
    pub(crate) reveal: bool,
    /// How it is written
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: Output,
}

fn outcomes() -> impl TypedValueParser<Value = Outcome> {
    let all = [
        Outcome::Fired,
        Outcome::DeadLettered,
        Outcome::Waiting,
        Outcome::Filtered,
        Outcome::Deduplicated,
    ];
    one_of(all, |outcome| PossibleValue::new(outcome.name()))
}

impl WhichArgs {
    /// The events, and what of them is shown.
    pub(crate) fn wanted(self, show: &ShowArgs) -> (Query, Look) {
        let Self {
            event_source,
            event,
            sensor,
            trigger,
            outcome,
        } = self;
        let query = Query {
            event_source,
            event,
        };
        let look = Look {
            sensor,
            trigger,
            outcomes: outcome,
            with_data: show.data,
            is_revealed: show.reveal,
        };
        (query, look)
    }
}

impl ShowArgs {
    /// An event, in the format that is wanted.
    pub(crate) fn print(&self, sighting: &Sighting<'_>, look: &Look) -> String {
        match self.output {
            Output::Text => sighting.text(look),
            Output::Json => sighting.json(look),
        }
    }
}

pub(crate) fn main(args: TailArgs, log: &LogArgs) -> anyhow::Result<ExitCode> {
    process::start(log.settings_of_an_answer(), None, |_| tail(args))
}

async fn tail(args: TailArgs) -> anyhow::Result<ExitCode> {
    let TailArgs {
        which,
        since,
        no_follow,
        show,
        desk,
    } = args;
    let (query, look) = which.wanted(&show);
    let desk = desk.open().await?;
    let objects = desk.objects();
    if objects.is_none() {
        eprintln!("without `-f`, nothing is known of Sensors: only events are shown");
    }
    let now = Timestamp::now();
    let mut decisions = objects.as_ref().map(|objects| Decisions::new(objects, now));
    let bus = &desk.reached.bus;
    let mut letters = Letters::from_now(&desk.reached, &look).await?;
    let mut seen = match since {
        _ if no_follow => events::read(&*bus.history, since, Until::Now).await?,
        Some(_) => events::read(&*bus.history, since, Until::Closed).await?,
        None => events::coming(bus).await?,
    };
    let mut is_away = false;
    let mut tick = tokio::time::interval(LETTERS);
    // However long a look takes, events have their turn before the next one.
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let text = tokio::select! {
            next = seen.next() => match next {
                None => return Ok(ExitCode::SUCCESS),
                Some(Err(error)) if no_follow => return Err(error.into()),
                Some(Err(error)) => {
                    // It is tried again and again: said once.
                    if !std::mem::replace(&mut is_away, true) {
                        eprintln!("{}", desk.reached.explained(&error));
                    }
                    continue;
                }
                Some(Ok(next)) => {
                    is_away = false;
                    one(&next, decisions.as_mut(), &query, &look, &show)
                }
            },
            _ = tick.tick(), if !no_follow => letters.come(&look, show.output).await,
        };
        write(text.as_bytes())?;
    }
}

/// One event, with what becomes of it.
fn one(
    seen: &Seen,
    decisions: Option<&mut Decisions<'_>>,
    query: &Query,
    look: &Look,
    show: &ShowArgs,
) -> String {
    // What is not shown is followed as well: others may be decided by it.
    let reports = match (decisions, &seen.event) {
        (Some(decisions), Ok(event)) if seen.replay.is_none() => {
            Some(decisions.follow(event.clone()))
        }
        _ => None,
    };
    if !seen.event.as_ref().map_or(true, |event| query.wants(event)) {
        return String::new();
    }
    let sighting = Sighting {
        seen,
        reports: reports.as_deref(),
    };
    show.print(&sighting, look)
}

/// The dead letters that come: that a target refused is not computed.
struct Letters<'b> {
    reached: &'b reach::Reached,
    after: Option<Position>,
}

impl<'b> Letters<'b> {
    async fn from_now(reached: &'b reach::Reached, look: &Look) -> anyhow::Result<Self> {
        let is_wanted = look.outcomes.is_empty() || look.outcomes.contains(&Outcome::DeadLettered);
        let usage = reached.bus.dead_letters.usage().await?;
        let none = Position::from_wire(0);
        Ok(Self {
            reached,
            after: Some(usage.newest.unwrap_or(none)).filter(|_| is_wanted),
        })
    }

    /// Those that have come since the last call.
    async fn come(&mut self, look: &Look, output: Output) -> String {
        let Some(after) = self.after else {
            return String::new();
        };
        let filter = DeadLetterFilter {
            sensor: look.sensor.clone(),
            trigger: look.trigger.clone(),
            after: Some(after),
            ..DeadLetterFilter::default()
        };
        // While the bus is out of reach, that is said of its events.
        let letters = self.reached.bus.dead_letters.list(&filter).await;
        let mut text = String::new();
        for (position, letter) in letters.unwrap_or_default() {
            self.after = Some(position);
            match output {
                Output::Text => {
                    text.extend(["dead letter ", &dead_letters::line(position, &letter)]);
                }
                Output::Json => {
                    let letter = dead_letters::to_json(position, &letter, false);
                    let json = serde_json::json!({ "deadLetter": letter });
                    text.extend([&*json.to_string(), "\n"]);
                }
            }
        }
        text
    }
}

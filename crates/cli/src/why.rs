//! `tiphys why`: why something happened, or did not.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{ArgGroup, Args};
use jiff::Timestamp;
use tiphys_api::ResourceEventType;
use tiphys_live::events::Seen;
use tiphys_live::mask::Values;
use tiphys_live::moment::moment;
use tiphys_live::object::{self, Named};
use tiphys_live::sighting::Sighting;
use tiphys_live::{conclusion, dead_letters, progress};
use tiphys_runtime::process;
use tiphys_simulate::{Decisions, File, Objects, Report, Simulation, What};

use crate::args::{LogArgs, Output};
use crate::desk::{Desk, DeskArgs, write};
use crate::files::read;
use crate::tail::{ShowArgs, WhichArgs};

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("of").required(true).args(["id", "object", "sensor"])))]
pub(crate) struct WhyArgs {
    /// The id of an event: what became of it
    #[arg(value_name = "EVENT-ID")]
    pub(crate) id: Option<String>,
    /// A Kubernetes object, as KIND/NAME, or a file with it: what becomes of it, and of its events
    #[arg(long, value_name = "KIND/NAME|FILE")]
    pub(crate) object: Option<String>,
    /// A Sensor: what it makes of each event
    #[arg(long, value_name = "NAME")]
    pub(crate) sensor: Option<String>,
    /// Only events of so long ago at most, for example 10m or 2d, or since a moment; by default all that the
    /// bus holds
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<Timestamp>,
    #[command(flatten)]
    pub(crate) show: ShowArgs,
    #[command(flatten)]
    pub(crate) desk: DeskArgs,
}

pub(crate) fn main(args: WhyArgs, log: &LogArgs) -> anyhow::Result<ExitCode> {
    process::start(log.settings_of_an_answer(), None, |_| async {
        let WhyArgs {
            id,
            object,
            sensor,
            since,
            show,
            desk,
        } = args;
        let desk = desk.open().await?;
        let objects = desk.needed()?;
        match (id, object, sensor) {
            (Some(id), ..) => of_event(&desk, &objects, &id, since, &show).await,
            (_, Some(object), _) => of_object(&desk, &objects, &object, since, &show).await,
            (.., sensor) => of_sensor(&desk, &objects, sensor, since, &show).await,
        }
    })
}

/// Every stage of reports, and what it comes to. The values of Secrets are hidden, those of the events and
/// `secrets`, unless that is not wanted.
fn print(reports: &[Report<'_>], mut secrets: Values, show: &ShowArgs) -> anyhow::Result<String> {
    let mut text = String::new();
    let output = show.output;
    for report in reports {
        if let (Some(event), false) = (report.event(), show.reveal) {
            secrets.add(event);
        }
        text += &report.print(output.format())?;
    }
    if output == Output::Text {
        text.extend(conclusion::lines(reports));
    }
    Ok(secrets.hide(text))
}

async fn of_event(
    desk: &Desk,
    objects: &Objects<'_>,
    id: &str,
    since: Option<Timestamp>,
    show: &ShowArgs,
) -> anyhow::Result<ExitCode> {
    let mut decisions = Decisions::new(objects, Timestamp::now());
    let look = desk.reached.bus.overview.look().await?;
    let (mut found, mut oldest) = (None, None);
    let all = desk
        .each(since, |seen| {
            oldest.get_or_insert(seen.stored_at);
            let Ok(event) = &seen.event else {
                return Ok(());
            };
            if event.context.id != id {
                if decisions.is_remembered(event) {
                    decisions.follow(event.clone());
                }
                return Ok(());
            }
            found.get_or_insert(seen.stored_at);
            let reports = decisions.follow(event.clone());
            let mut text = head(seen, show.output) + &print(&reports, Values::default(), show)?;
            if show.output == Output::Text {
                let decided = reports.iter().flat_map(Report::decisions);
                text.extend(progress::of_event(&look, seen.position, decided));
            }
            write(text.as_bytes())
        })
        .await?;
    let Some(stored_at) = found else {
        let oldest = oldest.map_or("the bus holds none".to_owned(), |oldest| {
            format!("of {all} events, the oldest is of {oldest}")
        });
        bail!("there is no event {id} on the bus: {oldest}");
    };
    if show.output == Output::Text {
        let letters = &*desk.reached.bus.dead_letters;
        for (position, letter) in dead_letters::of_event(letters, id, stored_at).await? {
            let line = dead_letters::line(position, &letter);
            write(format!("dead letter {line}").as_bytes())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn of_object(
    desk: &Desk,
    objects: &Objects<'_>,
    object: &str,
    since: Option<Timestamp>,
    show: &ShowArgs,
) -> anyhow::Result<ExitCode> {
    let path = Path::new(object);
    let text = if path.is_file() {
        read(path)?
    } else {
        let client = desk.client.as_ref();
        let client = client.with_context(|| {
            format!("there is no file {object}, and with --nats no cluster that has such an object")
        })?;
        let named = Named::read(object)?;
        object::get(client, desk.namespace.as_deref(), &named).await?
    };
    let identity = object::Identity::of(&text);
    let mut secrets = Values::default();
    if !show.reveal {
        secrets.add_manifests(&text);
    }
    let what = What::Objects {
        files: vec![File {
            name: object.to_owned(),
            text,
        }],
        event_type: ResourceEventType::Add,
        old: None,
    };
    let reports = Simulation::new(&what, objects, Timestamp::now())?;
    let reports: Vec<Report<'_>> = reports.collect();
    if show.output == Output::Text {
        write(b"as it is now, if it were added:\n")?;
    }
    write(print(&reports, secrets, show)?.as_bytes())?;
    if let Some(identity) = identity {
        events_about(desk, objects, &identity, since, show).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What became of the events about an object.
async fn events_about(
    desk: &Desk,
    objects: &Objects<'_>,
    identity: &object::Identity,
    since: Option<Timestamp>,
    show: &ShowArgs,
) -> anyhow::Result<()> {
    let mut decisions = Decisions::new(objects, Timestamp::now());
    let mut about = 0_u32;
    desk.each(since, |seen| {
        let Ok(event) = &seen.event else {
            return Ok(());
        };
        if !identity.is_of(event) {
            if decisions.is_remembered(event) {
                decisions.follow(event.clone());
            }
            return Ok(());
        }
        about += 1;
        let reports = decisions.follow(event.clone());
        write((head(seen, show.output) + &print(&reports, Values::default(), show)?).as_bytes())
    })
    .await?;
    if show.output == Output::Text {
        let s = if about == 1 { "" } else { "s" };
        eprintln!("{about} event{s} about it on the bus");
    }
    Ok(())
}

/// Where an event lies, for people.
fn head(seen: &Seen, output: Output) -> String {
    let (number, at) = (seen.position, seen.stored_at);
    match output {
        Output::Text => format!("number {number} on the bus, stored {at}\n"),
        Output::Json => String::new(),
    }
}

async fn of_sensor(
    desk: &Desk,
    objects: &Objects<'_>,
    sensor: Option<String>,
    since: Option<Timestamp>,
    show: &ShowArgs,
) -> anyhow::Result<ExitCode> {
    let name = sensor.unwrap_or_default();
    let of = |object: &tiphys_api::Sensor| object.metadata.name.as_deref() == Some(&name);
    if !objects.sensors.iter().any(|sensor| of(sensor.object)) {
        bail!("there is no sensor {name} among these objects");
    }
    let which = WhichArgs {
        event_source: None,
        event: None,
        sensor: Some(name.clone()),
        trigger: None,
        outcome: Vec::new(),
    };
    let (_, look) = which.wanted(show);
    let mut decisions = Decisions::new(objects, Timestamp::now());
    let mut counts: BTreeMap<(String, &'static str), u64> = BTreeMap::new();
    let mut near: BTreeMap<String, u64> = BTreeMap::new();
    let all = desk
        .each(since, |seen| {
            let Ok(event) = &seen.event else {
                return Ok(());
            };
            let reports = decisions.follow(event.clone());
            let sighting = Sighting {
                seen,
                reports: Some(&reports),
            };
            for decision in sighting.decisions(&look) {
                let key = (decision.trigger().to_owned(), decision.outcome().name());
                *counts.entry(key).or_default() += 1;
            }
            for why in reports.iter().filter_map(|report| report.why_not(&name)) {
                *near.entry(why.to_owned()).or_default() += 1;
            }
            write(show.print(&sighting, &look).as_bytes())
        })
        .await?;
    if show.output == Output::Text {
        let mut lines = vec![format!("of {all} events:\n")];
        let counts = counts.iter();
        lines.extend(counts.map(|((trigger, outcome), count)| {
            format!("  {count} × trigger {trigger}: {outcome}\n")
        }));
        let near = near.iter();
        lines.extend(near.map(|(why, count)| format!("  {count} × not for it: {why}\n")));
        if lines.len() == 1 {
            lines.push(format!("  none is for sensor {name}\n"));
        }
        let look = desk.reached.bus.overview.look().await?;
        let namespace = desk.namespace.as_deref();
        let consumers = progress::of_sensor(&look, namespace, &name);
        if !consumers.is_empty() {
            lines.push("its consumers on the bus:\n".to_owned());
        }
        lines.extend(consumers);
        write(lines.concat().as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

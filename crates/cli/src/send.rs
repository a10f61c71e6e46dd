//! `tiphys send`: an event by hand.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::Args;
use jiff::Timestamp;
use tiphys_api::EventSourceKind;
use tiphys_eventbus::{Context as Attributes, Event, Outgoing, Subject};
use tiphys_runtime::process;

use crate::args::LogArgs;
use crate::bus::BusArgs;
use crate::desk::{Desk, write};
use crate::files::read;

#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// The name of the EventSource that it comes from
    #[arg(long, value_name = "NAME")]
    pub(crate) event_source: String,
    /// The name of the event
    #[arg(long, value_name = "NAME")]
    pub(crate) event: String,
    /// The payload: JSON, a file with JSON, or `-` for standard input
    #[arg(long, value_name = "JSON|FILE", default_value = "{}")]
    pub(crate) data: String,
    /// The id; the bus keeps one event of an id for some time. By default one that no other has
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// What kind of event source it is as if from, for example github
    #[arg(long, value_name = "KIND", default_value = "webhook", value_parser = kind)]
    pub(crate) r#type: EventSourceKind,
    /// Only print the event
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) bus: BusArgs,
}

fn kind(text: &str) -> Result<EventSourceKind, String> {
    EventSourceKind::from_field(text).ok_or_else(|| {
        let known = EventSourceKind::ALL.iter().map(|kind| kind.field());
        match tiphys_api::suggestion(text, known) {
            Some(nearest) => format!("did you mean {nearest}?"),
            None => "it is no kind of event source".to_owned(),
        }
    })
}

pub(crate) fn main(args: SendArgs, log: &LogArgs) -> anyhow::Result<ExitCode> {
    process::start(log.settings_of_an_answer(), None, |_| send(args))
}

async fn send(args: SendArgs) -> anyhow::Result<ExitCode> {
    let SendArgs {
        event_source,
        event,
        data,
        id,
        r#type,
        dry_run,
        bus,
    } = args;
    let event = Event {
        context: Attributes {
            id: id.unwrap_or_else(Event::new_id),
            subject: event,
            source: event_source,
            specversion: "1.0".to_owned(),
            r#type: r#type.event_type().to_owned(),
            datacontenttype: "application/json".to_owned(),
            time: Some(Timestamp::now()),
        }
        .into(),
        data: Some(payload(&data)?),
    };
    let context = &event.context;
    let subject = Subject::event(&context.source, &context.subject);
    if dry_run {
        let text = format!("{}\n", event.to_json());
        write(text.as_bytes())?;
        eprintln!("it would be published on {}", subject.as_str());
        return Ok(ExitCode::SUCCESS);
    }
    let desk = Desk::of_bus(bus).await?;
    let outgoing = Outgoing {
        subject: subject.clone(),
        id: context.id.clone(),
        payload: event.encode(),
    };
    let ack = desk.reached.bus.events.publish(outgoing).await?.await?;
    let id = &context.id;
    if ack.duplicate {
        bail!("the bus has had an event {id} a short time ago, and has dropped this one");
    }
    let (subject, number) = (subject.as_str(), ack.position);
    write(format!("event {id} published on {subject}, number {number}\n").as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// JSON as it is written, or of a file.
fn payload(data: &str) -> anyhow::Result<Bytes> {
    let is_json = data.starts_with(['{', '[', '"']);
    let text = if is_json {
        data.to_owned()
    } else {
        read(&PathBuf::from(data))?
    };
    let value = serde_json::from_str::<&serde_json::value::RawValue>(text.trim());
    let value = value.context("--data is no JSON")?;
    Ok(value.get().to_owned().into())
}

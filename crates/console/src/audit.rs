//! What was done, and by whom: a line in the log, and a Kubernetes Event at each object that it was done to.

use kube::Resource as _;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, ResourceExt as _};
use tiphys_api::manifest::Content;
use tiphys_api::message::{shortened, with_causes};
use tracing::{info, warn};

use crate::objects::key;
use crate::site::{Key, State};
use crate::visitor::Caller;

/// Who records, as `kubectl describe` shows it.
const REPORTER: &str = "tiphys-console";

/// The longest note, in characters: the API server takes 1024 bytes.
const LONGEST: usize = 250;

/// Records at objects of a cluster.
pub(crate) fn recorder(client: Client) -> Recorder {
    let reporter = Reporter {
        controller: REPORTER.to_owned(),
        instance: None,
    };
    Recorder::new(client, reporter)
}

/// A line in the log.
pub(crate) fn log(caller: &Caller, act: &str, what: &str) {
    info!(act, user = name(caller), "Acted by the console: {what}");
}

/// A Kubernetes Event at an object, if it is one of a cluster that is there.
pub(crate) async fn record(
    state: &State,
    caller: &Caller,
    (reason, object): (&str, &Key),
    what: &str,
) {
    let Some(recorder) = &state.recorder else {
        return;
    };
    let Ok(known) = state.objects().await else {
        return;
    };
    let mut all = known.loaded.ours();
    let found = all.find(|loadable| key(state, &loadable.object) == *object);
    let reference = match found.map(|loadable| &loadable.object.content) {
        Some(Content::Sensor(sensor)) if sensor.uid().is_some() => sensor.object_ref(&()),
        Some(Content::EventSource(source)) if source.uid().is_some() => source.object_ref(&()),
        _ => return,
    };
    let note = format!("{} by the console: {what}", name(caller));
    let event = Event {
        type_: EventType::Normal,
        reason: reason.to_owned(),
        note: Some(shortened(&note, LONGEST)),
        action: reason.to_owned(),
        secondary: None,
    };
    if let Err(error) = recorder.publish(&event, &reference).await {
        let error = with_causes(&error);
        warn!(error, "An act could not be recorded as a Kubernetes Event");
    }
}

fn name(caller: &Caller) -> &str {
    caller.name.as_deref().unwrap_or("whoever started it")
}

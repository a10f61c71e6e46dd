//! Hooks at those who call: made, found over all pages, mended when they differ, checked again and
//! again, and removed when nobody wants them any more; all that by the pod that holds the lease.
//!
//! A hook is known by the URL that it calls. What a host does not show of it, its secret, is
//! remembered on the bus as a digest, so that a rotated one gets there. Receiving needs none of this:
//! a host that cannot be asked keeps no event away.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use kube::Api;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tiphys_api::{EventSource, SecretKeySelector, WebhookContext};
use tiphys_base::Backoff;
use tokio::time::{sleep, timeout};

use super::called::Caller;
use crate::context::SourceContext;
use crate::cursor::Cursor;
use crate::error::{Reason, SourceError};
use crate::status::{Condition, chain};

/// How often hooks are checked, if the spec does not say it.
const EVERY: Duration = Duration::from_mins(5);

/// Waits before what failed is tried again.
const RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(5));

/// How often it is looked whether the secret is still the same.
const LOOK: Duration = Duration::from_secs(10);

/// How many places are looked at side by side.
const AT_A_TIME: usize = 4;

/// How long the removal may take at the end of the process.
const REMOVE_WITHIN: Duration = Duration::from_secs(3);

/// What is kept at a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Managed {
    /// Whom hooks call.
    pub(crate) url: String,
    /// How often they are checked.
    pub(crate) every: Duration,
    /// Whether they go with the event.
    pub(crate) go_with_it: bool,
}

impl Managed {
    /// Hooks that call `webhook`, if it has a URL.
    pub(crate) fn of(webhook: Option<&WebhookContext>, go_with_it: bool) -> Option<Self> {
        let webhook = webhook.filter(|webhook| !webhook.url.is_empty())?;
        let base = webhook.url.trim_end_matches('/');
        let slash = if webhook.endpoint.starts_with('/') {
            ""
        } else {
            "/"
        };
        Some(Self {
            url: format!("{base}{slash}{}", &*webhook.endpoint),
            every: EVERY,
            go_with_it,
        })
    }
}

/// A hook at a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hook {
    /// What the host knows it by.
    pub(crate) id: String,
    /// Whom it calls.
    pub(crate) url: String,
    /// Whether all that the host shows of it is as it should be.
    pub(crate) is_current: bool,
}

/// A host, asked by somebody who may keep hooks there.
#[async_trait]
pub(crate) trait Hooks: Send + Sync {
    /// The secret that hooks sign with; empty if there is none.
    fn secret(&self) -> &[u8];

    /// Where there has to be a hook, such as `repos/owner/name`.
    async fn places(&self) -> Result<Vec<String>, SourceError>;

    /// All hooks of a place, over all pages.
    async fn list(&self, place: &str) -> Result<Vec<Hook>, SourceError>;

    /// What a hook signs with that was made: some hosts choose it, and show it then and never again.
    fn shown(&self) -> Option<String> {
        None
    }

    /// Makes the hook.
    async fn create(&self, place: &str) -> Result<(), SourceError>;

    /// Brings a hook up to date.
    async fn update(&self, place: &str, id: &str) -> Result<(), SourceError>;

    /// Removes a hook. One that is gone already is no failure.
    async fn delete(&self, place: &str, id: &str) -> Result<(), SourceError>;
}

/// No hooks are kept at a host of this kind.
pub(crate) fn none(kind: &str) -> Result<Box<dyn Hooks>, SourceError> {
    let act = format!("keep hooks for event sources of type {kind}");
    Err(SourceError::new(Reason::Unsupported, act))
}

/// What has to be done at a place.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan<'a> {
    create: bool,
    update: Option<&'a str>,
    delete: Vec<&'a str>,
}

/// One hook with the URL stays: the first. `is_news`: its secret is not known to be the right one.
fn plan<'a>(found: &'a [Hook], url: &str, is_news: bool) -> Plan<'a> {
    let mut ours = found.iter().filter(|hook| hook.url == url);
    let Some(first) = ours.next() else {
        return Plan {
            create: true,
            ..Plan::default()
        };
    };
    Plan {
        create: false,
        update: (is_news || !first.is_current).then_some(&*first.id),
        delete: ours.map(|hook| &*hook.id).collect(),
    }
}

/// What was brought about, as it is kept on the bus.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    /// Whom the hooks call.
    url: String,
    /// A digest of the secret that the hook of each place has.
    places: BTreeMap<String, String>,
    /// What the host has chosen to sign with. Whoever may read it here may publish events as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shown: Option<String>,
}

impl Known {
    async fn load(cursor: &Cursor) -> Result<Self, SourceError> {
        let stored = cursor.load().await?;
        // What another version wrote is found out anew.
        let known = stored.map(|stored| serde_json::from_slice(&stored).unwrap_or_default());
        Ok(known.unwrap_or_default())
    }

    async fn store(&self, cursor: &Cursor) -> Result<(), SourceError> {
        // Texts under texts can be written as JSON.
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        cursor.store(bytes.into()).await
    }
}

/// Keeps the hooks of an event until its end.
pub(crate) async fn keep<C: Caller>(caller: &C, managed: &Managed, context: &SourceContext) {
    context.condition(Condition::Working);
    tokio::select! {
        biased;
        () = keep_up(caller, managed, context) => {}
        () = look(caller.secret(), context) => {}
    }
    if managed.go_with_it && context.leads().now() {
        let removed = timeout(REMOVE_WITHIN, end(caller, managed, context)).await;
        if let Ok(Err(error)) = removed {
            tell_left(context, &chain(&error));
        } else if removed.is_err() {
            tell_left(context, "the host does not answer in time");
        }
    }
}

/// Looks whether the secret that hooks sign with is still the same, by every pod: calls signed with the one
/// before count for a while.
async fn look(key: Option<&SecretKeySelector>, context: &SourceContext) {
    loop {
        // Whoever needs it says that it is missing.
        if let Some(key) = key
            && let Ok(secret) = context.secret(key).await
        {
            context.rotation.note(&secret);
        }
        sleep(LOOK).await;
    }
}

/// Checks the hooks again and again while it holds the lease, until the context's `shutdown`.
async fn keep_up<C: Caller>(caller: &C, managed: &Managed, context: &SourceContext) {
    let mut leads = context.leads();
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    while !context.shutdown().is_cancelled() {
        tokio::select! {
            () = context.shutdown().cancelled() => break,
            () = leads.become_equal(true) => {}
        }
        let checked = tokio::select! {
            () = context.shutdown().cancelled() => break,
            checked = check(caller, managed, context) => checked,
        };
        let wait = match checked {
            Ok(()) => {
                context.condition(Condition::Working);
                backoff.reset();
                managed.every
            }
            Err(error) => {
                context.condition(Condition::Impaired {
                    reason: error.reason(),
                    message: chain(&error),
                    hint: error.hint().to_owned(),
                });
                backoff.wait()
            }
        };
        tokio::select! {
            () = context.shutdown().cancelled() => break,
            () = leads.become_equal(false) => {
                // Another pod keeps them now.
                context.condition(Condition::Working);
            }
            () = context.rotation.changed() => {}
            () = sleep(wait) => {}
        }
    }
}

fn tell_left(context: &SourceContext, error: &str) {
    tracing::warn!(
        namespace = %context.event().namespace,
        eventSourceName = %context.event().source,
        eventName = %context.event().name,
        error,
        "Left the hooks where they are"
    );
}

/// Brings all hooks up to date once.
async fn check<C: Caller>(
    caller: &C,
    managed: &Managed,
    context: &SourceContext,
) -> Result<(), SourceError> {
    let cursor = context.cursor().await?;
    let before = Known::load(&cursor).await?;
    let hooks = &*caller.hooks(context).await?;
    let digest = digest(hooks.secret());
    let places = hooks.places().await?;
    let before_of = |place: &String| {
        let known = before.places.get(place);
        known.filter(|known| **known == digest && before.url == managed.url)
    };
    let work = places.iter().map(|place| {
        let is_news = before_of(place).is_none();
        async move {
            let ensured = ensure(hooks, place, managed, is_news, context).await;
            (place, ensured)
        }
    });
    let mut done = stream::iter(work.collect::<Vec<_>>()).buffer_unordered(AT_A_TIME);
    let mut after = Known {
        url: managed.url.clone(),
        places: BTreeMap::new(),
        shown: None,
    };
    let mut failures = Failures::default();
    while let Some((place, result)) = done.next().await {
        match result {
            Ok(()) => {
                after.places.insert(place.clone(), digest.clone());
            }
            Err(error) => failures.add(error),
        }
    }
    drop(done);
    let kept = before.shown.clone().filter(|_| before.url == managed.url);
    after.shown = hooks.shown().or(kept);
    // Who is no longer called, or from elsewhere, is not left behind.
    for (place, digest) in &before.places {
        let is_stale = !places.contains(place) || before.url != managed.url;
        if is_stale && managed.go_with_it {
            match remove(hooks, place, &before.url).await {
                Ok(()) => {}
                Err(error) => {
                    if before.url == managed.url {
                        after.places.insert(place.clone(), digest.clone());
                    }
                    failures.add(error);
                }
            }
        }
    }
    if after != before {
        after.store(&cursor).await?;
    }
    failures.into_result()
}

/// Removes all hooks, if the event is not wanted any more.
async fn end<C: Caller>(
    caller: &C,
    managed: &Managed,
    context: &SourceContext,
) -> Result<(), SourceError> {
    if !is_unwanted(context).await? {
        return Ok(());
    }
    let hooks = &*caller.hooks(context).await?;
    let mut failures = Failures::default();
    let places = hooks.places().await?;
    let work = places
        .iter()
        .map(|place| remove(hooks, place, &managed.url));
    let mut removed = stream::iter(work.collect::<Vec<_>>()).buffer_unordered(AT_A_TIME);
    while let Some(removed) = removed.next().await {
        if let Err(error) = removed {
            failures.add(error);
        }
    }
    failures.into_result()
}

/// Whether the event source was deleted, or has this event no longer. Where there is no object in a
/// cluster, the end of the process is its end.
pub(super) async fn is_unwanted(context: &SourceContext) -> Result<bool, SourceError> {
    let event = context.event();
    if event.uid.is_empty() {
        return Ok(true);
    }
    let client = context.cluster()?.client.clone();
    let objects: Api<EventSource> = Api::namespaced(client, &event.namespace);
    let object = objects.get_opt(&event.source).await.map_err(|error| {
        let act = format!("find out whether event source {} was deleted", event.source);
        SourceError::new(Reason::Forbidden, act)
            .because(error)
            .with_hint("its service account needs the verb get for eventsources")
    })?;
    let Some(object) = object else {
        return Ok(true);
    };
    let is_another = object.metadata.uid.as_deref() != Some(&*event.uid);
    let is_going = object.metadata.deletion_timestamp.is_some();
    let mut events = object.spec.events();
    let has_it = events.any(|other| other.kind == event.kind && other.name == &*event.name);
    Ok(is_another || is_going || !has_it)
}

/// Whether a cluster says that the event source is not wanted any more. Who may not ask goes on as before.
async fn is_going(context: &SourceContext) -> bool {
    !context.event().uid.is_empty() && matches!(is_unwanted(context).await, Ok(true))
}

/// What the host has chosen to sign with when its hook for `url` was made, as long as that is known.
pub(crate) async fn shown(
    url: &str,
    context: &SourceContext,
) -> Result<Option<String>, SourceError> {
    let known = Known::load(&context.cursor().await?).await?;
    Ok(known.shown.filter(|_| known.url == url))
}

/// Makes the one hook of a place as it should be.
async fn ensure(
    hooks: &dyn Hooks,
    place: &str,
    managed: &Managed,
    is_news: bool,
    context: &SourceContext,
) -> Result<(), SourceError> {
    let url = &*managed.url;
    let found = hooks.list(place).await?;
    let plan = plan(&found, url, is_news);
    // Pods of an object that is deleted do not end at the same moment: the last one to hold the lease would make
    // again what the one before has removed.
    if plan.create && !(managed.go_with_it && is_going(context).await) {
        hooks.create(place).await?;
        tracing::info!(place, url, "Made a hook");
    }
    if let Some(id) = plan.update {
        hooks.update(place, id).await?;
        tracing::info!(place, url, id, "Updated a hook");
    }
    for id in plan.delete {
        hooks.delete(place, id).await?;
        tracing::info!(place, url, id, "Removed a second hook with the same URL");
    }
    Ok(())
}

async fn remove(hooks: &dyn Hooks, place: &str, url: &str) -> Result<(), SourceError> {
    for hook in hooks.list(place).await? {
        if hook.url == url {
            hooks.delete(place, &hook.id).await?;
            tracing::info!(place, url, id = hook.id, "Removed a hook");
        }
    }
    Ok(())
}

/// A digest that tells one secret from another, and is too short to tell what it is.
fn digest(secret: &[u8]) -> String {
    let digest = Sha256::digest(secret);
    data_encoding::HEXLOWER.encode(&digest[..4])
}

/// What went wrong at some of many places: the first, and how many more.
#[derive(Default)]
struct Failures {
    first: Option<SourceError>,
    more: usize,
}

impl Failures {
    fn add(&mut self, error: SourceError) {
        if self.first.is_none() {
            self.first = Some(error);
        } else {
            self.more += 1;
        }
    }

    fn into_result(self) -> Result<(), SourceError> {
        let Some(error) = self.first else {
            return Ok(());
        };
        if self.more == 0 {
            return Err(error);
        }
        let act = format!("{error} (and {} more)", self.more);
        Err(error.with_act(act))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(id: &str, url: &str, is_current: bool) -> Hook {
        Hook {
            id: id.to_owned(),
            url: url.to_owned(),
            is_current,
        }
    }

    #[test]
    fn one_hook_stays_and_is_as_it_should_be() {
        let others = [hook("1", "https://else", false)];
        let made = plan(&others, "https://us", true);
        assert!(made.create && made.update.is_none() && made.delete.is_empty());

        let right = [
            hook("1", "https://us", true),
            hook("2", "https://else", true),
        ];
        assert_eq!(plan(&right, "https://us", false), Plan::default());
        assert_eq!(plan(&right, "https://us", true).update, Some("1"));

        let copies = [
            hook("1", "https://us", false),
            hook("2", "https://us", true),
            hook("3", "https://us", true),
        ];
        let mended = plan(&copies, "https://us", false);
        assert_eq!((mended.create, mended.update), (false, Some("1")));
        assert_eq!(mended.delete, ["2", "3"]);
    }

    #[test]
    fn a_url_is_made_of_its_two_parts() {
        let of = |url: &str, endpoint: &str| {
            let context = serde_json::json!({"url": url, "endpoint": endpoint});
            let context: WebhookContext = serde_json::from_value(context).unwrap();
            Managed::of(Some(&context), false).map(|managed| managed.url)
        };
        assert_eq!(of("https://h/", "/push").unwrap(), "https://h/push");
        assert_eq!(of("https://h", "push").unwrap(), "https://h/push");
        assert_eq!(of("", "/push"), None);
    }
}

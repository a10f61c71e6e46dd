//! Runs one resource event: reads the watch, asks the ledger, hands on to the publisher.

mod condition;
mod restore;
mod shell;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tiphys_base::Backoff;
use tokio::time::Instant;

use self::condition::WatchCondition;
use self::shell::{Shell, Wake};
use super::envelope::{Fit, fit};
use super::error::Error;
use super::ledger::{Change, Ledger, Listing, Publication, RecordOp, Step};
use super::object::{Object, Version};
use super::publish::{About, Entry, Message, Target};
use super::record::{Keys, Record};
use super::watch::{From, Line, Lines, Watcher};
use super::{Evaluation, Resource};
use crate::compile::CompiledEvent;
use crate::context::{Cluster, SourceContext};
use crate::cursor;
use crate::error::{Reason, SourceError};
use crate::id::event_id;
use crate::metrics::{InHandGuard, Outcome};
use crate::outlet::{Fault, FilterResult};

/// Waits between attempts to list and watch: those of Kubernetes' informers.
const RETRY: (Duration, Duration) = (Duration::from_millis(800), Duration::from_secs(30));

/// A watch that was open for so long was a good one.
const HEALTHY_AFTER: Duration = Duration::from_secs(5);

/// How long a streamed list may stop in the middle before pages are tried instead.
const LIST_WITHIN: Duration = Duration::from_secs(30);

/// Runs until the context's shutdown, then finishes what is on its way and stores the position.
///
/// # Errors
/// If there is no cluster, or what was published before cannot be read. Everything else is tried again here.
///
/// # Cancellation
/// What was not yet recorded is published again by the next run, under the same ids.
pub(super) async fn run(resource: &Resource, context: &SourceContext) -> Result<(), SourceError> {
    let Cluster { client, identity } = context.cluster()?.clone();
    let outlet = context.outlet.clone();
    let event = outlet.event.clone();
    let shutdown = context.shutdown().clone();
    let state_failed = |error| {
        let act = format!("read the position of event {}", event.name);
        SourceError::new(Reason::State, act).because(error)
    };
    let state = tokio::select! {
        biased;
        () = shutdown.cancelled() => return Ok(()),
        state = cursor::state(&outlet.bus, &event) => state.map_err(state_failed)?,
    };
    let target = Arc::new(Target {
        keys: Keys::new(&event.name),
        outlet,
        state,
    });
    let restored = tokio::select! {
        biased;
        () = shutdown.cancelled() => return Ok(()),
        restored = restore::restore(&target, resource) => restored.map_err(state_failed)?,
    };
    let watcher = Watcher::new(client, resource.endpoint.clone(), resource.labels.as_str());
    let mut worker = Worker {
        resource,
        event: &event,
        shell: Shell::new(
            target.clone(),
            restored.position.clone(),
            restored.tombstones,
            shutdown,
        ),
        target: &target,
        watcher,
        ledger: restored.ledger,
        cursor: restored.cursor,
        listed_at: None,
        started_at: restored.position.started_at,
        condition: WatchCondition::new(&target.outlet, identity),
    };
    for step in restored.adopted {
        if worker.perform(step, None, Instant::now()).await == Flow::Stop {
            break;
        }
    }
    worker.work().await;
    worker.shell.drain(&mut worker.ledger).await;
    Ok(())
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Go,
    Stop,
}

struct Worker<'a> {
    resource: &'a Resource,
    event: &'a CompiledEvent,
    target: &'a Target,
    shell: Shell,
    watcher: Watcher,
    ledger: Ledger,
    /// What was said up to here has been read; all of it has to be read if there is none.
    cursor: Option<Version>,
    /// When the last list was complete.
    listed_at: Option<Instant>,
    started_at: Timestamp,
    condition: WatchCondition,
}

impl Worker<'_> {
    /// Lists and watches until the end.
    async fn work(&mut self) {
        let mut backoff = Backoff::new(RETRY.0, RETRY.1);
        loop {
            let began = Instant::now();
            let ended = self.session().await;
            self.condition.interrupted();
            if began.elapsed() > HEALTHY_AFTER {
                backoff.reset();
            }
            match ended {
                Ok(Flow::Stop) => return,
                // The server ends each watch after some minutes; that is no reason to wait.
                Ok(Flow::Go) if began.elapsed() > HEALTHY_AFTER => continue,
                Ok(Flow::Go) => {}
                Err(error) if error.is_gone() && self.cursor.is_some() => {
                    tracing::info!(
                        namespace = %self.event.namespace,
                        eventSourceName = %self.event.source,
                        eventName = %self.event.name,
                        "The API server has forgotten the last position: relisting"
                    );
                    self.cursor = None;
                    // Once; a server that forgets at once must not be asked for lists in a circle.
                    if self.listed_at.is_none_or(|at| at.elapsed() > HEALTHY_AFTER) {
                        continue;
                    }
                }
                Err(error) => {
                    self.condition.failed(&error, self.watcher.endpoint());
                    if error.code() == Some(404) && self.is_without_namespaces().await {
                        continue;
                    }
                }
            }
            let pause = tokio::time::sleep(backoff.wait());
            if self.shell.drive(&mut self.ledger, pause).await.is_none() {
                return;
            }
        }
    }

    /// One watch, after a list if there is nothing to resume.
    async fn session(&mut self) -> Result<Flow, Error> {
        if self.cursor.is_none() {
            if self.watcher.streams() {
                return self.streamed().await;
            }
            if self.paged().await? == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        let Some(cursor) = self.cursor.clone() else {
            return Ok(Flow::Go);
        };
        let opening = self.watcher.watch(From::Version(&cursor));
        match self.shell.drive(&mut self.ledger, opening).await {
            None => Ok(Flow::Stop),
            Some(lines) => self.follow(lines?).await,
        }
    }

    /// A list as the beginning of a watch. What the server refuses is tried in pages.
    async fn streamed(&mut self) -> Result<Flow, Error> {
        let opening = self.watcher.watch(From::List);
        let mut lines = match self.shell.drive(&mut self.ledger, opening).await {
            None => return Ok(Flow::Stop),
            Some(Ok(lines)) => lines,
            Some(Err(error)) if matches!(error.code(), Some(400 | 405 | 422)) => {
                self.watcher.do_not_stream();
                return Ok(Flow::Go);
            }
            Some(Err(error)) => return Err(error),
        };
        let mut listing = Listing::default();
        loop {
            let next = tokio::time::timeout(LIST_WITHIN, lines.next());
            let line = match self.shell.drive(&mut self.ledger, next).await {
                None => return Ok(Flow::Stop),
                Some(Ok(line)) => line?,
                Some(Err(_)) => {
                    self.watcher.do_not_stream();
                    return Err(self.silent("list"));
                }
            };
            match line {
                Some(Line::Added(object) | Line::Modified(object)) => {
                    listing.add(object, &self.ledger);
                }
                Some(Line::Bookmark {
                    version,
                    ends_list: true,
                }) => {
                    if self.listed(listing, version).await == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                    lines.reset_deadline();
                    return self.follow(lines).await;
                }
                Some(Line::Error {
                    code,
                    reason,
                    message,
                }) => {
                    if matches!(code, 400 | 422) {
                        self.watcher.do_not_stream();
                    }
                    return Err(self.ended(code, reason, message));
                }
                Some(Line::Deleted(_) | Line::Bookmark { .. } | Line::Unknown) => {}
                None => return Err(self.silent("list")),
            }
        }
    }

    /// A list in pages.
    async fn paged(&mut self) -> Result<Flow, Error> {
        let mut listing = Listing::default();
        let mut token = None;
        loop {
            let reading = self.watcher.page(token.as_deref());
            let page = match self.shell.drive(&mut self.ledger, reading).await {
                None => return Ok(Flow::Stop),
                Some(page) => page?,
            };
            for object in page.objects {
                listing.add(object, &self.ledger);
            }
            token = page.next;
            if token.is_none() {
                return Ok(self.listed(listing, page.version).await);
            }
        }
    }

    /// Publishes what a finished list says anew.
    async fn listed(&mut self, listing: Listing, version: Version) -> Flow {
        for todo in listing.finish(&mut self.ledger) {
            let evaluation = evaluation(self.resource, self.started_at, self.target);
            for step in self.ledger.settle(todo, &version, &evaluation) {
                if self.perform(step, None, Instant::now()).await == Flow::Stop {
                    return Flow::Stop;
                }
            }
        }
        self.shell.publisher.pass(version.clone());
        self.shell.publisher.store_position();
        self.cursor = Some(version);
        self.listed_at = Some(Instant::now());
        Flow::Go
    }

    /// Reads a watch until it ends.
    async fn follow(&mut self, mut lines: Lines) -> Result<Flow, Error> {
        self.condition
            .synced(self.watcher.target(), self.ledger.len());
        loop {
            match self.shell.wake(&mut lines).await {
                Wake::Stop => return Ok(Flow::Stop),
                Wake::Done(done) => {
                    self.shell.on_done(done, &mut self.ledger);
                    lines.reset_deadline();
                }
                Wake::Tick => self.shell.publisher.store_position(),
                Wake::Silent => return Err(self.silent("watch")),
                Wake::Line(line) => match line? {
                    None => return Ok(Flow::Go),
                    Some(line) => {
                        if self.read(line).await? == Flow::Stop {
                            return Ok(Flow::Stop);
                        }
                    }
                },
            }
        }
    }

    /// Publishes what a line says.
    async fn read(&mut self, line: Line) -> Result<Flow, Error> {
        let received = Instant::now();
        let (change, version) = match line {
            Line::Added(object) => versioned(object, Change::Added),
            Line::Modified(object) => versioned(object, Change::Modified),
            Line::Deleted(object) => versioned(object, Change::Deleted),
            Line::Bookmark { version, .. } => {
                self.shell.publisher.pass(version.clone());
                self.cursor = Some(version);
                return Ok(Flow::Go);
            }
            Line::Error {
                code,
                reason,
                message,
            } => return Err(self.ended(code, reason, message)),
            Line::Unknown => return Ok(Flow::Go),
        };
        let evaluation = evaluation(self.resource, self.started_at, self.target);
        let mut steps = self.ledger.observe(change, &evaluation);
        let last = steps.pop();
        for step in steps {
            if self.perform(step, None, received).await == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        self.cursor = Some(version.clone());
        if let Some(step) = last {
            return Ok(self.perform(step, Some(version), received).await);
        }
        self.shell.publisher.pass(version);
        Ok(Flow::Go)
    }

    /// Publishes and records; the position moves to `version` after that.
    async fn perform(&mut self, step: Step, version: Option<Version>, received: Instant) -> Flow {
        let Step {
            uid,
            name,
            publication,
            record,
        } = step;
        let books = self.target.outlet.metrics.receive();
        if self.shell.make_room(&uid, &name, &mut self.ledger).await == Flow::Stop {
            return Flow::Stop;
        }
        let change = self.shell.publisher.begin(version);
        let mut message = None;
        if let Some(publication) = publication {
            match self.message(&uid, &publication, received, books) {
                Ok(ready) => {
                    let mut offered = None;
                    if ready.fault.is_none() {
                        let offering = self.shell.publisher.offer(&ready);
                        offered = self.shell.drive(&mut self.ledger, offering).await;
                        if offered.is_none() {
                            return Flow::Stop;
                        }
                    }
                    message = Some((ready, offered));
                }
                Err(books) => {
                    self.target.outlet.filtered();
                    books.settle(Outcome::Filtered);
                }
            }
        } else {
            self.target.outlet.metrics.filtered();
            books.settle(Outcome::Filtered);
        }
        // Only now, so that packing does not delay the event.
        let sealed = self.ledger.seal(&uid);
        let entry = match record {
            RecordOp::Keep => None,
            RecordOp::Put => sealed.map(Entry::Put),
            RecordOp::Tombstone(version) => Some(Entry::Put(Record::Gone(version))),
        };
        let about = About {
            uid,
            name: Some(name),
        };
        self.shell.publisher.carry(change, about, message, entry);
        Flow::Go
    }

    /// What is to be sent; the books are given back if the expression rejects it.
    fn message(
        &self,
        uid: &str,
        publication: &Publication,
        received: Instant,
        books: InHandGuard,
    ) -> Result<Message, InHandGuard> {
        let outlet = &self.target.outlet;
        let identity = self
            .resource
            .identity(uid, publication.version.as_str(), publication.kind);
        let id = event_id(self.event, &identity);
        let payload = &self.resource.payload;
        let whole = payload.write(
            publication.kind,
            &publication.body,
            publication.old.as_deref(),
        );
        let mut fault = match self.event.evaluate(&whole) {
            FilterResult::Passes => None,
            FilterResult::Rejected => return Err(books),
            FilterResult::Failed(error) => Some(Fault::filter_failed(error)),
        };
        let envelope = self.event.envelope(id.clone(), outlet.clock.now());
        let limit = outlet.bus.events.max_payload();
        let message = match fit(envelope, publication, payload, &whole, limit) {
            Fit::Whole(message) => message,
            Fit::Cut { message, left_out } => {
                tracing::warn!(
                    namespace = %self.event.namespace,
                    eventSourceName = %self.event.source,
                    eventName = %self.event.name,
                    eventID = %id,
                    left_out,
                    limit,
                    "An event is too large for the bus and was cut: raise max_payload of the bus"
                );
                message
            }
            Fit::TooLarge(message) => {
                fault.get_or_insert_with(|| Fault::too_large("larger than what the bus takes"));
                message
            }
        };
        Ok(Message {
            outgoing: outlet.outgoing(id, message),
            received,
            fault,
            books,
        })
    }

    /// Finds out whether the namespace is what is not found: objects of some types have none.
    async fn is_without_namespaces(&mut self) -> bool {
        if self.watcher.endpoint().namespace.is_none() {
            return false;
        }
        let asking = self.watcher.is_namespaced();
        let Some(Ok(Some(false))) = self.shell.drive(&mut self.ledger, asking).await else {
            return false;
        };
        tracing::warn!(
            namespace = %self.event.namespace,
            eventSourceName = %self.event.source,
            eventName = %self.event.name,
            resource = %self.watcher.endpoint().kubectl_name(),
            "Objects of this type have no namespace: the event source's `namespace` is ignored"
        );
        self.watcher.ignore_namespace();
        true
    }

    fn silent(&self, verb: &'static str) -> Error {
        Error::Silent {
            verb,
            target: self.watcher.target().clone(),
        }
    }

    fn ended(&self, code: u16, reason: String, message: String) -> Error {
        Error::Ended {
            target: self.watcher.target().clone(),
            code,
            reason,
            message,
        }
    }
}

fn evaluation<'a>(
    resource: &'a Resource,
    started_at: Timestamp,
    target: &Target,
) -> Evaluation<'a> {
    Evaluation {
        resource,
        started_at,
        now: target.outlet.clock.now(),
    }
}

fn versioned(object: Object, change: fn(Object) -> Change) -> (Change, Version) {
    let version = object.version.clone();
    (change(object), version)
}

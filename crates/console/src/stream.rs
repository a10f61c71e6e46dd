//! What a tab is shown as it happens: events with what becomes of them, rates, and whether the bus is there.
//!
//! A tab reads the bus by itself, from where it was: a tab that comes back misses nothing and sees nothing
//! twice. One that is far behind skips events, and the stream says which.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use jiff::Timestamp;
use serde_json::{Value, json};
use tiphys_check::Loaded;
use tiphys_eventbus::{Position, StartAt, Until};
use tiphys_http::header::{CONTENT_TYPE, HeaderValue};
use tiphys_http::{Body, Response, StatusCode};
use tiphys_live::access::Right;
use tiphys_live::events::{self, Seen};
use tiphys_live::objects::subjects;
use tiphys_live::reach::Reached;
use tiphys_simulate::Decisions;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_stream::wrappers::ReceiverStream;

use crate::events::{Filter, Shown, follow};
use crate::fail::Failure;
use crate::objects::rate;
use crate::query::Query;
use crate::site::{RATES, State};
use crate::visitor::{Caller, RECENT, Visitor};

/// Events of a message at most, and how far apart messages with events are.
const BATCH: usize = 100;
const PACE: Duration = Duration::from_millis(100);

/// Who is so far behind skips.
const BEHIND: u64 = 2000;

/// How often objects are asked for, and a silent connection is found to be there.
const OBJECTS: Duration = Duration::from_secs(3);
const ALIVE: Duration = Duration::from_secs(15);

/// How long is waited for a bus that is away.
const AWAY: Duration = Duration::from_secs(1);

/// Messages that may wait for a slow tab: then reading waits.
const WAITING: usize = 16;

/// Opens a stream.
///
/// # Errors
/// If there are too many tabs.
pub(crate) fn open(
    state: &Arc<State>,
    query: &Query,
    after: Option<u64>,
    visitor: Visitor,
) -> Result<Response, Failure> {
    let place = |tabs: &Arc<Semaphore>| {
        Arc::clone(tabs).try_acquire_owned().map_err(|_| {
            let full = "too many tabs look at this console";
            Failure::new(StatusCode::SERVICE_UNAVAILABLE, full)
        })
    };
    let places = [Some(&state.tabs), visitor.tabs()];
    let places = places.into_iter().flatten().map(place);
    let places = places.collect::<Result<Vec<_>, _>>()?;
    let (sender, messages) = mpsc::channel(WAITING);
    let tab = Tab {
        state: Arc::clone(state),
        visitor,
        filter: Filter::of(query),
        messages: sender,
        last: after,
        counts: HashMap::new(),
        version: None,
        is_there: None,
        _places: places,
    };
    // It works as long as somebody reads: a tab that is closed takes its reader of the bus with it.
    let work = stream::once(tab.run()).filter_map(|()| async { None });
    let messages = stream::select(ReceiverStream::new(messages), work);
    let mut response = Response::new(Body::stream(messages));
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

/// A tab, as long as its stream is read.
struct Tab {
    state: Arc<State>,
    visitor: Visitor,
    filter: Filter,
    messages: mpsc::Sender<Bytes>,
    /// The number of the last event that was sent or skipped.
    last: Option<u64>,
    /// Events by source and name: all of them, and those since the last rates.
    counts: HashMap<(String, String), (u64, u64)>,
    version: Option<u64>,
    /// Whether the bus was there, as it was said last.
    is_there: Option<bool>,
    /// Among all tabs, and among those of whoever looks.
    _places: Vec<OwnedSemaphorePermit>,
}

/// The tab is closed.
struct Closed;

impl Tab {
    async fn run(mut self) {
        loop {
            if self.caller().await.is_err() {
                return;
            }
            let ended = match self.connect().await {
                Ok((reached, seen)) => {
                    let ended = self.follow(seen).await;
                    self.state.forget(&reached).await;
                    ended
                }
                Err(failure) => self.says_bus(false, Some(failure.error())).await,
            };
            if ended.is_err() {
                return;
            }
            tokio::select! {
                () = self.messages.closed() => return,
                () = sleep(AWAY) => {}
            }
        }
    }

    async fn connect(
        &mut self,
    ) -> Result<
        (
            Arc<Reached>,
            BoxStream<'static, Result<Seen, tiphys_eventbus::Error>>,
        ),
        Failure,
    > {
        let reached = self.state.bus().await?;
        let last = match self.last {
            Some(last) => last,
            None => events::newest(&reached.bus).await?.to_wire(),
        };
        // Also a tab that has seen none goes on there when the bus was away.
        self.last = Some(last);
        let start = StartAt::After(Position::from_wire(last));
        let seen = events::read_from(&*reached.bus.history, start, Until::Closed).await?;
        Ok((reached, seen))
    }

    /// Until the bus closes, or an error that is not said to heal.
    async fn follow(
        &mut self,
        seen: BoxStream<'static, Result<Seen, tiphys_eventbus::Error>>,
    ) -> Result<(), Closed> {
        let known = self.state.objects().await;
        let loaded = known
            .map(|known| Arc::clone(&known.loaded))
            .unwrap_or_default();
        let mut decider = Decider::start(&self.state, loaded, self.filter.clone());
        self.says_bus(true, None).await?;
        let mut batches = seen.ready_chunks(BATCH);
        let mut rates = interval(RATES);
        let mut objects = interval(OBJECTS);
        let mut alive = interval(ALIVE);
        for tick in [&mut rates, &mut objects, &mut alive] {
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        let messages = self.messages.clone();
        loop {
            tokio::select! {
                () = messages.closed() => return Err(Closed),
                batch = batches.next() => match batch {
                    None => return Ok(()),
                    Some(batch) => self.events(batch, &mut decider).await?,
                },
                _ = rates.tick() => self.rates().await?,
                _ = objects.tick() => {
                    self.caller().await?;
                    self.objects(&decider).await?;
                }
                _ = alive.tick() => self.send(": alive\n\n".to_owned()).await?,
            }
        }
    }

    async fn events(
        &mut self,
        batch: Vec<Result<Seen, tiphys_eventbus::Error>>,
        decider: &mut Decider,
    ) -> Result<(), Closed> {
        let mut seen = Vec::with_capacity(batch.len());
        for next in batch {
            match next {
                Ok(next) => seen.push(next),
                Err(error) => {
                    let failure = Failure::away(&error);
                    self.says_bus(false, Some(failure.error())).await?;
                }
            }
        }
        let (Some(first), Some(last)) = (seen.first(), seen.last()) else {
            return Ok(());
        };
        let (from, to, left) = (first.position.to_wire(), last.position.to_wire(), last.left);
        self.says_bus(true, None).await?;
        self.last = Some(to);
        for event in seen.iter().filter_map(|seen| seen.event.as_ref().ok()) {
            let name = (event.context.source.clone(), event.context.subject.clone());
            let (all, new) = self.counts.entry(name).or_default();
            *all += 1;
            *new += 1;
        }
        if left > BEHIND {
            let skipped = json!({"count": seen.len(), "from": from, "to": to});
            return self.message("skipped", Some(to), &skipped).await;
        }
        let with_values = self.caller().await?.may(Right::Payload);
        let events = decider.decide(seen, with_values).await;
        if !events.is_empty() {
            let events: Vec<&str> = events.iter().map(|event| event.json.get()).collect();
            let events = format!("[{}]", events.join(","));
            self.message("events", Some(to), &events).await?;
        }
        sleep(PACE).await;
        Ok(())
    }

    /// Whoever looks. Without the right to look, or the session, the stream ends: the next one is refused with the reason.
    async fn caller(&self) -> Result<Arc<Caller>, Closed> {
        let caller = self.visitor.caller(RECENT).await.map_err(|_| Closed)?;
        caller.needs(Right::Look).map_err(|_| Closed)?;
        Ok(caller)
    }

    async fn rates(&mut self) -> Result<(), Closed> {
        // Whether it answers is known sooner than by its reader, who waits for events.
        let page = match self.state.rates().await {
            Ok(page) => page,
            Err(failure) => return self.says_bus(false, Some(failure.error())).await,
        };
        self.says_bus(true, None).await?;
        let seconds = RATES.as_secs_f64();
        let events = self.counts.iter_mut().map(|((source, name), (all, new))| {
            #[expect(clippy::cast_precision_loss, reason = "a rate is rounded anyway")]
            let rate = std::mem::take(new) as f64 / seconds;
            json!({"source": source, "name": name, "rate": rate, "count": all})
        });
        let events: Vec<Value> = events.collect();
        let rates = json!({
            "published": page.published,
            "stored": page.stored,
            "rows": page.rows.iter().map(rate).collect::<Vec<_>>(),
            "events": events,
        });
        self.message("rates", None, &rates).await
    }

    async fn objects(&mut self, decider: &Decider) -> Result<(), Closed> {
        let Ok(known) = self.state.objects().await else {
            return Ok(());
        };
        let before = self.version.replace(known.version);
        if before == Some(known.version) {
            return Ok(());
        }
        decider.change(&known.loaded).await;
        let version = json!({ "version": known.version });
        self.message("objects", None, &version).await
    }

    /// Says whether the bus is there, if that is news.
    async fn says_bus(&mut self, is_there: bool, why: Option<&str>) -> Result<(), Closed> {
        if self.is_there.replace(is_there) == Some(is_there) {
            return Ok(());
        }
        let said = json!({"ok": is_there, "message": why});
        self.message("bus", None, &said).await
    }

    async fn message(
        &self,
        name: &str,
        id: Option<u64>,
        data: &impl Display,
    ) -> Result<(), Closed> {
        let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
        // JSON as `serde_json` writes it is one line.
        self.send(format!("event: {name}\n{id}data: {data}\n\n"))
            .await
    }

    async fn send(&self, text: String) -> Result<(), Closed> {
        let sent = self.messages.send(text.into()).await;
        sent.map_err(|_| Closed)
    }
}

/// Decides about events on a thread of its own: a program may take its time, and what was decided is remembered.
struct Decider {
    work: mpsc::Sender<Work>,
    decided: mpsc::Receiver<Vec<Shown>>,
}

enum Work {
    /// And whether the values of them are shown.
    Events(Vec<Seen>, bool),
    Objects(Arc<Loaded>),
}

impl Decider {
    fn start(state: &Arc<State>, loaded: Arc<Loaded>, filter: Filter) -> Self {
        let (work, todo) = mpsc::channel(1);
        let (done, decided) = mpsc::channel(1);
        let namespace = state.site.namespace.clone();
        tokio::task::spawn_blocking(move || {
            decide(loaded, (namespace.as_deref(), &filter), todo, &done);
        });
        Self { work, decided }
    }

    async fn decide(&mut self, seen: Vec<Seen>, with_values: bool) -> Vec<Shown> {
        // A thread that is gone has panicked: its events are read again by whoever opens the page anew.
        let work = Work::Events(seen, with_values);
        if self.work.send(work).await.is_err() {
            return Vec::new();
        }
        self.decided.recv().await.unwrap_or_default()
    }

    async fn change(&self, loaded: &Arc<Loaded>) {
        let change = Work::Objects(Arc::clone(loaded));
        self.work.send(change).await.unwrap_or_default();
    }
}

fn decide(
    first: Arc<Loaded>,
    (namespace, filter): (Option<&str>, &Filter),
    mut work: mpsc::Receiver<Work>,
    done: &mpsc::Sender<Vec<Shown>>,
) {
    let mut loaded = first;
    loop {
        let objects = subjects(&loaded, namespace);
        let mut decisions = Decisions::new(&objects, Timestamp::now());
        let next = loop {
            match work.blocking_recv() {
                None => return,
                Some(Work::Objects(next)) if Arc::ptr_eq(&next, &loaded) => {}
                Some(Work::Objects(next)) => break next,
                Some(Work::Events(seen, with_values)) => {
                    let events = seen.iter().filter_map(|seen| {
                        let reports = follow(&mut decisions, seen);
                        filter.shown(seen, &reports, with_values)
                    });
                    if done.blocking_send(events.collect()).is_err() {
                        return;
                    }
                }
            }
        };
        drop(decisions);
        drop(objects);
        loaded = next;
    }
}

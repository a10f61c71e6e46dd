//! What a console looks at, and what it remembers of it for a moment.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kube::Client;
use kube::runtime::events::Recorder;
use serde_json::Value;
use tiphys_check::Loaded;
use tiphys_live::reach::{Place, Reached};
use tiphys_live::top::Page;
use tiphys_live::top::metrics::Durations;
use tiphys_live::top::pods;
use tokio::sync::{Mutex, Semaphore};
use tokio_util::task::TaskTracker;

use crate::audit;
use crate::fail::Failure;

/// How long objects count as they were read.
const OBJECTS: Duration = Duration::from_secs(3);

/// How far apart two looks at the bus are: rates are between them.
pub(crate) const RATES: Duration = Duration::from_secs(2);

/// How long the pods' own figures count: asking them is more work than all the rest.
const POD_FIGURES: Duration = Duration::from_secs(10);

/// Tabs at a time.
const TABS: usize = 64;

/// Events that are decided about at a time; and what somebody types, which may take long.
const QUESTIONS: usize = 2;
const TRIALS: usize = 1;

/// Where objects come from.
#[async_trait]
pub trait Manifests: Send + Sync {
    /// Reads, checks and compiles all of them, as far as they have changed; with the status of each object that has one, by kind, namespace
    /// and name.
    ///
    /// # Errors
    /// If they cannot be read, in a sentence.
    async fn read(&self) -> Result<(Arc<Loaded>, HashMap<Key, Value>), String>;
}

/// The kind, the namespace and the name of an object.
pub type Key = (String, String, String);

/// What a console looks at.
pub struct Site {
    /// Where the bus is.
    pub place: Place,
    /// The same for people.
    pub place_in_words: String,
    /// What a command needs to look at the same: `-n playground --bus jetstream-eb`; `None` if no other process
    /// reaches it.
    pub arguments: Option<String>,
    /// The namespace of objects that name none; all are meant if there is none.
    pub namespace: Option<String>,
    /// The name of the bus, if it is a cluster's.
    pub bus: Option<String>,
    /// The cluster, if there is one.
    pub client: Option<Client>,
    /// Where the console is.
    pub mode: Mode,
    /// The objects.
    pub manifests: Box<dyn Manifests>,
}

/// Where a console is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// On a desk, for who started it.
    Desk,
    /// In the process that runs the objects.
    Run,
    /// In a cluster, for who logs in.
    Cluster,
}

impl Mode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Desk => "desk",
            Self::Run => "run",
            Self::Cluster => "cluster",
        }
    }
}

/// The objects as they were read.
pub(crate) struct Known {
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) statuses: HashMap<Key, Value>,
    /// Another one whenever anything about them is another.
    pub(crate) version: u64,
}

/// What is remembered between requests.
pub(crate) struct State {
    pub(crate) site: Site,
    pub(crate) recorder: Option<Recorder>,
    bus: Mutex<Option<Arc<Reached>>>,
    known: Mutex<Option<(Instant, Arc<Known>)>>,
    looked: Mutex<Looked>,
    pub(crate) tabs: Arc<Semaphore>,
    pub(crate) questions: Arc<Semaphore>,
    pub(crate) trials: Arc<Semaphore>,
    /// What is being done: it goes on when whoever asked for it goes away, and leaves its traces.
    pub(crate) acts: TaskTracker,
}

#[derive(Default)]
struct Looked {
    last: Option<(Instant, tiphys_eventbus::Look)>,
    page: Option<Arc<Page>>,
    durations: Option<(Instant, Durations)>,
}

impl State {
    pub(crate) fn new(site: Site) -> Self {
        Self {
            recorder: site.client.clone().map(audit::recorder),
            site,
            bus: Mutex::default(),
            known: Mutex::default(),
            looked: Mutex::default(),
            tabs: Arc::new(Semaphore::new(TABS)),
            questions: Arc::new(Semaphore::new(QUESTIONS)),
            trials: Arc::new(Semaphore::new(TRIALS)),
            acts: TaskTracker::new(),
        }
    }

    /// The namespace that letters and objects have to be of, of those that are asked for. In a cluster, rights are
    /// asked for where the console looks: nobody sees or does anything elsewhere by it.
    ///
    /// # Errors
    /// If another one is asked for.
    pub(crate) fn within(&self, asked: Option<&str>) -> Result<Option<String>, Failure> {
        match (self.site.mode, &self.site.namespace) {
            (Mode::Cluster, Some(ours)) => {
                if let Some(asked) = asked.filter(|asked| asked != ours) {
                    let why = format!("this console is not for namespace {asked:?}");
                    return Err(Failure::forbidden(why));
                }
                Ok(Some(ours.clone()))
            }
            _ => Ok(asked.map(str::to_owned)),
        }
    }

    /// The bus, which is connected to when somebody wants something of it.
    pub(crate) async fn bus(&self) -> Result<Arc<Reached>, Failure> {
        if let Place::Process(_) = &self.site.place {
            // Whoever runs it may have opened it anew.
            return Ok(Arc::new(self.site.place.clone().open().await?));
        }
        let mut bus = self.bus.lock().await;
        if let Some(reached) = &*bus {
            return Ok(Arc::clone(reached));
        }
        let reached = Arc::new(self.site.place.clone().open().await?);
        *bus = Some(Arc::clone(&reached));
        Ok(reached)
    }

    /// Forgets a connection that has failed: the next one is made anew.
    pub(crate) async fn forget(&self, failed: &Arc<Reached>) {
        let mut bus = self.bus.lock().await;
        if bus
            .as_ref()
            .is_some_and(|reached| Arc::ptr_eq(reached, failed))
        {
            *bus = None;
        }
    }

    /// The objects, read again if that was not a moment ago.
    pub(crate) async fn objects(&self) -> Result<Arc<Known>, Failure> {
        let mut known = self.known.lock().await;
        if let Some((at, known)) = &*known
            && at.elapsed() < OBJECTS
        {
            return Ok(Arc::clone(known));
        }
        let read = self.site.manifests.read().await;
        let (loaded, statuses) =
            read.map_err(|error| Failure::new(tiphys_http::StatusCode::BAD_GATEWAY, error))?;
        let before = known.take().map(|(_, known)| known);
        let now = match before {
            Some(before) if before.loaded.texts == loaded.texts => Known {
                version: before.version + u64::from(before.statuses != statuses),
                loaded: Arc::clone(&before.loaded),
                statuses,
            },
            before => Known {
                version: before.map_or(1, |before| before.version + 1),
                loaded,
                statuses,
            },
        };
        let now = Arc::new(now);
        *known = Some((Instant::now(), Arc::clone(&now)));
        Ok(now)
    }

    /// What triggers do, between two looks that everybody shares.
    pub(crate) async fn rates(&self) -> Result<Arc<Page>, Failure> {
        let mut looked = self.looked.lock().await;
        if let (Some((at, _)), Some(page)) = (&looked.last, &looked.page)
            && at.elapsed() < RATES.mul_f64(0.9)
        {
            return Ok(Arc::clone(page));
        }
        let reached = self.bus().await?;
        let now = reached.bus.overview.look().await?;
        self.figures(&mut looked).await;
        let at = Instant::now();
        let (before, passed) = match looked.last.take() {
            // After a while without a look, rates would be those of the whole while.
            Some((before_at, before)) if before_at.elapsed() < RATES * 3 => {
                (before, at.duration_since(before_at))
            }
            _ => (now.clone(), RATES),
        };
        let none = Durations::default();
        let durations = looked.durations.as_ref().map_or(&none, |(_, found)| found);
        let filter = tiphys_live::top::Filter::default();
        let page = Arc::new(Page::between(&before, &now, passed, durations, &filter));
        looked.last = Some((at, now));
        looked.page = Some(Arc::clone(&page));
        Ok(page)
    }

    /// How long actions take, as far as pods say it.
    async fn figures(&self, looked: &mut Looked) {
        let (Some(client), Some(namespace)) = (&self.site.client, &self.site.namespace) else {
            return;
        };
        let known = looked.durations.as_ref();
        if known.is_none_or(|(at, _)| at.elapsed() >= POD_FIGURES) {
            // Who may not ask pods sees all the rest.
            let found = pods::durations(client, namespace).await;
            let durations = found.map(|(durations, _)| durations).unwrap_or_default();
            looked.durations = Some((Instant::now(), durations));
        }
    }
}

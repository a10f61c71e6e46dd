//! Leader election: of several processes with one task, the one that holds the Lease works.
//!
//! The rules are those of Kubernetes' client-go. A candidate goes by the changes of the lease
//! that it sees itself, never by the times in it, so clocks may differ. The holder stops before
//! anybody may take its place: what it has not renewed for `renew_deadline` it no longer holds, and
//! the others wait for `duration`, which is longer.

mod record;

use std::pin::Pin;
use std::time::Duration;

use futures::stream::{Stream, StreamExt as _};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{PostParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use record::Known;

/// How long one answer of the API server may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How long giving the lease back may take: whoever stops has little time.
const RELEASE_WITHIN: Duration = Duration::from_secs(1);

/// When a missing permission is asked for again.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// How long the API server keeps a watch open.
const WATCH_SECONDS: u32 = 290;

/// Who wants a lease, and which.
pub struct Elector {
    /// What it asks with.
    pub client: Client,
    /// The namespace of the lease.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Who holds it then: the name of the pod.
    pub identity: String,
    /// With what the lease goes; `None` if it is to stay.
    pub owner: Option<OwnerReference>,
    /// How long what takes.
    pub timing: Timing,
}

/// How long a lease counts, and how it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long others wait for its holder.
    pub duration: Duration,
    /// How long its holder tries to renew it before it stops. Shorter than `duration`: the rest is
    /// the time to stop in.
    pub renew_deadline: Duration,
    /// The wait between attempts.
    pub retry_period: Duration,
}

/// The state of a candidate in the election.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ElectionState {
    /// It is not known: why, as far as that is known.
    Waiting(String),
    /// It holds the lease.
    Leader,
    /// Somebody else does.
    Standby {
        /// Who.
        holder: String,
    },
    /// It may not use leases: what is missing, and who has to have it.
    Forbidden(String),
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }
}

impl Timing {
    /// Reads `LEADER_ELECTION_LEASE_DURATION`, `_RENEW_DEADLINE` and `_RETRY_PERIOD`, as Argo Events
    /// does: Go durations; one that is none counts as not set.
    pub fn from_env() -> Self {
        let default = Self::default();
        let read = |name: &str, default| {
            let name = format!("LEADER_ELECTION_{name}");
            let Ok(text) = std::env::var(&name) else {
                return default;
            };
            let read = tiphys_api::parse_duration(&text).ok();
            let read = read.and_then(|time| Duration::try_from(time).ok());
            read.filter(|time| !time.is_zero()).unwrap_or_else(|| {
                warn!(name, value = text, "Not a duration: the default counts");
                default
            })
        };
        let timing = Self {
            duration: read("LEASE_DURATION", default.duration),
            renew_deadline: read("RENEW_DEADLINE", default.renew_deadline),
            retry_period: read("RETRY_PERIOD", default.retry_period),
        };
        if timing.is_sound() {
            return timing;
        }
        warn!(
            "LEADER_ELECTION_LEASE_DURATION has to be longer than _RENEW_DEADLINE, and that longer \
             than _RETRY_PERIOD: the defaults count"
        );
        default
    }

    fn is_sound(&self) -> bool {
        self.duration > self.renew_deadline && self.renew_deadline > self.retry_period
    }

    /// How long work may go on after the lease was lost, such that it has ended before anybody else
    /// begins.
    pub fn time_to_stop(&self) -> Duration {
        self.duration.saturating_sub(self.renew_deadline) * 9 / 10
    }

    /// How often the lease is renewed: often enough for several attempts within the deadline.
    fn renew_every(&self) -> Duration {
        self.retry_period.max(self.renew_deadline / 2)
    }
}

/// How an attempt to take the lease ended.
enum Attempt {
    Taken(Box<Lease>),
    /// The lease is not what it was thought to be.
    Outdated,
}

/// The changes of the lease, while they are watched.
type Changes = Pin<Box<dyn Stream<Item = kube::Result<WatchEvent<Lease>>> + Send>>;

impl Elector {
    /// Is a candidate until `shutdown`, and reports its state in `state`. A lease that it holds
    /// is released then, so that somebody else begins at once: cancel `shutdown` after the work
    /// has ended.
    ///
    /// # Cancellation
    /// A lease that is held is not released.
    pub async fn run(self, state: watch::Sender<ElectionState>, shutdown: CancellationToken) {
        loop {
            let mut lease = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                lease = self.acquire(&state) => lease,
            };
            info!(
                lease = self.name,
                identity = self.identity,
                "Holding the lease"
            );
            state.send_replace(ElectionState::Leader);
            let lost = tokio::select! {
                biased;
                () = shutdown.cancelled() => return self.release(lease).await,
                lost = self.keep(&mut lease) => lost,
            };
            warn!(lease = self.name, reason = lost, "Lost the lease");
            state.send_replace(ElectionState::Waiting(lost));
        }
    }

    /// Waits until the lease is ours.
    async fn acquire(&self, state: &watch::Sender<ElectionState>) -> Lease {
        let mut known: Option<Known> = None;
        let mut changes = None;
        loop {
            let attempt = match &known {
                None => self.create().await,
                Some(known) if known.is_free(&self.identity, Instant::now()) => {
                    self.take(&known.lease).await
                }
                Some(held) => {
                    let holder = held.holder().to_owned();
                    report(state, ElectionState::Standby { holder });
                    let free = sleep_until(held.free_at());
                    let version = held.version().to_owned();
                    let change = tokio::select! {
                        () = free => continue,
                        change = self.change(&mut changes, &version) => change,
                    };
                    match change {
                        Ok(lease) => known = Known::seen(known, lease, Instant::now()),
                        Err(error) => self.fail(&error, state).await,
                    }
                    continue;
                }
            };
            let outdated = match attempt {
                Ok(Attempt::Taken(lease)) => return *lease,
                Ok(Attempt::Outdated) => self.look().await,
                Err(error) => Err(error),
            };
            match outdated {
                Ok(lease) => known = Known::seen(known, lease, Instant::now()),
                Err(error) => self.fail(&error, state).await,
            }
        }
    }

    /// The next change of a lease that somebody else holds; `None` if it is gone.
    async fn change(
        &self,
        changes: &mut Option<Changes>,
        version: &str,
    ) -> Result<Option<Lease>, kube::Error> {
        if changes.is_none() {
            let parameters = WatchParams::default()
                .fields(&format!("metadata.name={}", self.name))
                .timeout(WATCH_SECONDS);
            match self.api().watch(&parameters, version).await {
                Ok(opened) => *changes = Some(Box::pin(opened)),
                // Watching is a right of its own, and only makes the change-over faster.
                Err(error) => debug!(%error, "The lease is not watched"),
            }
        }
        while let Some(open) = changes {
            match open.next().await {
                Some(Ok(WatchEvent::Added(lease) | WatchEvent::Modified(lease))) => {
                    return Ok(Some(lease));
                }
                Some(Ok(WatchEvent::Deleted(_))) => return Ok(None),
                Some(Ok(WatchEvent::Bookmark(_))) => {}
                Some(Ok(WatchEvent::Error(_)) | Err(_)) | None => *changes = None,
            }
        }
        sleep(self.timing.retry_period).await;
        self.look().await
    }

    /// Reports why there is no lease, and waits a little.
    async fn fail(&self, error: &kube::Error, state: &watch::Sender<ElectionState>) {
        let (now, wait) = match error {
            kube::Error::Api(status) if status.code == 403 => {
                let message = format!(
                    "{}; grant create, get, update and watch of leases.coordination.k8s.io in \
                     namespace {}",
                    status.message, self.namespace
                );
                (ElectionState::Forbidden(message), ASK_AGAIN)
            }
            error => {
                let message = format!("the lease {} cannot be had: {error}", self.name);
                (ElectionState::Waiting(message), self.timing.retry_period)
            }
        };
        if report(state, now.clone()) {
            match now {
                ElectionState::Forbidden(error) => warn!(error, "The lease cannot be used"),
                ElectionState::Waiting(error) => warn!(error, "Waiting for the lease"),
                ElectionState::Leader | ElectionState::Standby { .. } => {}
            }
        }
        sleep(wait).await;
    }

    /// Renews the lease until that fails for too long, or it is somebody else's; says which.
    async fn keep(&self, lease: &mut Lease) -> String {
        let mut renewed = Instant::now();
        loop {
            sleep_until(renewed + self.timing.renew_every()).await;
            let deadline = renewed + self.timing.renew_deadline;
            let renewing = async {
                loop {
                    // What the server writes after this moment is younger than it.
                    let began = Instant::now();
                    let error = match self.write(lease, record::renewed).await {
                        Ok(true) => return Ok(began),
                        Ok(false) => return Err("somebody else holds it".to_owned()),
                        Err(error) => error,
                    };
                    warn!(lease = self.name, %error, "Could not renew the lease");
                    sleep(self.timing.retry_period).await;
                }
            };
            renewed = match timeout_at(deadline, renewing).await {
                Ok(Ok(began)) => began,
                Ok(Err(lost)) => return lost,
                Err(_) => return "it could not be renewed in time".to_owned(),
            };
        }
    }

    /// Gives the lease back.
    async fn release(&self, mut lease: Lease) {
        match timeout(RELEASE_WITHIN, self.write(&mut lease, record::released)).await {
            Ok(Ok(_)) => info!(lease = self.name, "Gave the lease back"),
            Ok(Err(error)) => warn!(lease = self.name, %error, "Could not give the lease back"),
            Err(_) => warn!(lease = self.name, "Could not give the lease back in time"),
        }
    }

    async fn create(&self) -> kube::Result<Attempt> {
        let Self {
            namespace,
            name,
            identity,
            ..
        } = self;
        let mut lease = record::new(
            namespace,
            name,
            identity,
            self.timing.duration,
            Timestamp::now(),
        );
        record::own(&mut lease, self.owner.as_ref());
        let created =
            self.within(async { self.api().create(&PostParams::default(), &lease).await });
        attempt(created.await)
    }

    async fn take(&self, lease: &Lease) -> kube::Result<Attempt> {
        let mut taken = record::taken(
            lease,
            &self.identity,
            self.timing.duration,
            Timestamp::now(),
        );
        record::own(&mut taken, self.owner.as_ref());
        attempt(self.replace(&taken).await)
    }

    /// Changes a lease that is ours; false if it no longer is.
    async fn write(
        &self,
        lease: &mut Lease,
        change: fn(&Lease, Timestamp) -> Lease,
    ) -> kube::Result<bool> {
        loop {
            match attempt(self.replace(&change(lease, Timestamp::now())).await)? {
                Attempt::Taken(written) => {
                    *lease = *written;
                    return Ok(true);
                }
                Attempt::Outdated => match self.look().await? {
                    Some(found) if record::holder(&found) == self.identity => *lease = found,
                    _ => return Ok(false),
                },
            }
        }
    }

    async fn replace(&self, lease: &Lease) -> kube::Result<Lease> {
        let parameters = PostParams::default();
        self.within(async { self.api().replace(&self.name, &parameters, lease).await })
            .await
    }

    async fn look(&self) -> kube::Result<Option<Lease>> {
        self.within(async { self.api().get_opt(&self.name).await })
            .await
    }

    async fn within<T>(&self, asking: impl Future<Output = kube::Result<T>>) -> kube::Result<T> {
        let answered = timeout(ANSWER_WITHIN.min(self.timing.renew_deadline), asking).await;
        answered.unwrap_or_else(|_| {
            let error: Box<dyn std::error::Error + Send + Sync> = "no answer in time".into();
            Err(kube::Error::Service(error))
        })
    }

    fn api(&self) -> Api<Lease> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}

fn attempt(answer: kube::Result<Lease>) -> kube::Result<Attempt> {
    match answer {
        Ok(lease) => Ok(Attempt::Taken(Box::new(lease))),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(Attempt::Outdated),
        Err(error) => Err(error),
    }
}

/// True if it was not reported yet.
fn report(state: &watch::Sender<ElectionState>, now: ElectionState) -> bool {
    state.send_if_modified(|reported| {
        let is_new = *reported != now;
        *reported = now;
        is_new
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_has_stopped_before_somebody_else_may_begin() {
        let timing = Timing::default();
        assert!(timing.is_sound());
        assert_eq!(timing.time_to_stop(), Duration::from_millis(4_500));
        assert_eq!(timing.renew_every(), Duration::from_secs(5));
        let equal = Timing {
            renew_deadline: timing.duration,
            ..timing
        };
        assert!(!equal.is_sound());
    }
}

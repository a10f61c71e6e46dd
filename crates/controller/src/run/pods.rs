//! Follows the pods: what is seen of them is kept, what they report is read, and both wake the object
//! that they are for.

mod origin;
mod report;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::{Stream, StreamExt};
use kube::runtime::watcher::Event;
use tokio::task::{AbortHandle, JoinSet};

use crate::Context;
use crate::index::children::{Key, controller};
use crate::index::pods::{Pod, STATEFUL_SET, SeenPod, owner_of};
use crate::wakes::Wakes;

/// Follows the pods until their watch ends.
pub(super) async fn run(
    context: Arc<Context>,
    wakes: Wakes,
    events: impl Stream<Item = Event<SeenPod>> + Send,
) {
    let mut events = std::pin::pin!(events);
    let mut follower = Follower {
        context,
        wakes,
        tasks: JoinSet::new(),
        readers: HashMap::new(),
    };
    let mut listed: BTreeMap<Key, Vec<String>> = BTreeMap::new();
    loop {
        let event = tokio::select! {
            Some(event) = events.next() => event,
            Some(_) = follower.tasks.join_next() => continue,
            else => return,
        };
        let mut woken = Vec::new();
        match event {
            Event::Init => listed.clear(),
            Event::InitApply(seen) | Event::Apply(seen) => {
                if let Some(owner) = owner_of(&seen.metadata) {
                    let name = seen.metadata.name.clone().unwrap_or_default();
                    listed.entry(owner.clone()).or_default().push(name);
                    follower.seen(&owner, seen);
                    woken.push(owner);
                }
            }
            Event::InitDone => {
                let names = std::mem::take(&mut listed);
                woken.extend(follower.listed_only(&names));
            }
            Event::Delete(seen) => {
                if let Some(owner) = owner_of(&seen.metadata) {
                    let name = seen.metadata.name.unwrap_or_default();
                    follower.gone(&owner, &name);
                    woken.push(owner);
                }
            }
        }
        for owner in woken {
            wake(&follower.context, &follower.wakes, &owner).await;
        }
    }
}

/// Wakes the reconciler of the object that a Deployment or StatefulSet is for.
async fn wake(context: &Context, wakes: &Wakes, owner: &Key) {
    let child = context.children.get(owner);
    if let Some(object) = child.as_ref().and_then(|child| child.owner.as_ref()) {
        wakes
            .wake(&object.kind, &owner.namespace, &object.name)
            .await;
    }
}

/// Keeps what is seen, and one reader of reports for each pod that has an address.
struct Follower {
    context: Arc<Context>,
    wakes: Wakes,
    tasks: JoinSet<()>,
    readers: HashMap<(Key, String), Reading>,
}

/// A task that reads the reports of a pod.
struct Reading {
    uid: String,
    ip: String,
    task: AbortHandle,
}

impl Follower {
    fn seen(&mut self, owner: &Key, seen: SeenPod) {
        let replica_set = controller(seen.metadata.owner_references.clone().unwrap_or_default());
        let pod = Pod::new(seen);
        let (uid, ip) = (pod.uid.clone(), pod.ip.clone().filter(|_| !pod.is_ending));
        let name = (owner.clone(), pod.name.clone());
        self.context.pods.seen(owner, pod);
        if let Some(reading) = self.readers.get(&name) {
            if reading.uid == uid && Some(&reading.ip) == ip.as_ref() {
                return;
            }
            self.stop(&name);
        }
        let ip = ip.filter(|_| owner.kind != STATEFUL_SET);
        let (Some(ip), Some(replica_set)) = (ip, replica_set) else {
            return;
        };
        let reader = report::Reader {
            context: Arc::clone(&self.context),
            wakes: self.wakes.clone(),
            deployment: owner.clone(),
            replica_set,
            uid: uid.clone(),
            address: ip.clone(),
        };
        let task = self.tasks.spawn(reader.run());
        self.readers.insert(name, Reading { uid, ip, task });
    }

    fn gone(&mut self, owner: &Key, name: &str) {
        self.context.pods.gone(owner, name);
        self.stop(&(owner.clone(), name.to_owned()));
    }

    /// Forgets the pods that were not listed; returns their Deployments.
    fn listed_only(&mut self, listed: &BTreeMap<Key, Vec<String>>) -> Vec<Key> {
        let gone = self.context.pods.listed_only(listed);
        for name in &gone {
            self.stop(name);
        }
        gone.into_iter().map(|(owner, _)| owner).collect()
    }

    fn stop(&mut self, name: &(Key, String)) {
        if let Some(reading) = self.readers.remove(name) {
            reading.task.abort();
        }
    }
}

//! Tracks the last published version of every object and decides which event to publish next.
//!
//! Pure: what the API server says goes in, what to publish and to record comes out. Lists and watches
//! give the same answers: after a list everything is published as if the watch had never broken, except
//! that of several changes of one object only the last is known.

mod listing;
mod step;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tiphys_api::ResourceEventType;

use self::listing::Listed;
pub use self::listing::{Listing, Todo};
pub use self::step::{Publication, RecordOp, Step};
use super::object::{Name, Object, Uid, Version};
use super::packed::{Packed, Packer};
use super::record::{KnownRecord, Record};

/// Decides what is published.
pub trait EventFilter {
    /// Whether events of this type are published at all.
    fn wants(&self, kind: ResourceEventType) -> bool;

    /// Whether an event about `object` passes the filter.
    fn passes(&self, object: &[u8], kind: ResourceEventType) -> bool;
}

/// What a watch says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The object came, or is selected from now on.
    Added(Object),
    /// The object changed.
    Modified(Object),
    /// The object went, or is no longer selected.
    Deleted(Object),
}

/// What is known of all objects.
#[derive(Debug)]
pub struct Ledger {
    objects: HashMap<Uid, Known>,
    names: HashMap<Name, Uid>,
    tombstones: HashMap<Uid, Version>,
    keeps_bodies: bool,
    reevaluates: bool,
    packer: Packer,
}

#[derive(Debug)]
struct Known {
    namespace: Arc<str>,
    name: Arc<str>,
    version: Version,
    /// Its deletion is to be published.
    passes: bool,
    /// It has a record.
    is_recorded: bool,
    body: Body,
}

#[derive(Debug)]
enum Body {
    /// Not needed, or lost.
    None,
    /// As it came, until there is time to pack it.
    Raw(Bytes),
    Packed(Packed),
}

impl Ledger {
    /// An empty ledger. Objects are kept only if somebody will ask what they were.
    pub fn new(filter: &impl EventFilter) -> Self {
        Self {
            objects: HashMap::new(),
            names: HashMap::new(),
            tombstones: HashMap::new(),
            keeps_bodies: follows(filter),
            reevaluates: false,
            packer: Packer::new(),
        }
    }

    /// Takes over a record from the bus.
    pub fn restore(&mut self, uid: Uid, record: Record) {
        match record {
            Record::Gone(version) => {
                self.tombstones.insert(uid, version);
            }
            Record::Known(KnownRecord {
                version,
                namespace,
                name,
                passes,
                body,
            }) => {
                let body = body
                    .filter(|_| self.keeps_bodies)
                    .map_or(Body::None, Body::Packed);
                let (namespace, name) = (namespace.into(), name.into());
                self.insert(
                    uid,
                    Known {
                        namespace,
                        name,
                        version,
                        passes,
                        is_recorded: true,
                        body,
                    },
                );
            }
        }
    }

    /// Lets the next list be evaluated in full, what has not changed included: the filter is another one.
    pub fn reevaluate(&mut self) {
        self.reevaluates = true;
    }

    /// What a watch's change means.
    pub fn observe(&mut self, change: Change, filter: &impl EventFilter) -> Vec<Step> {
        match change {
            Change::Added(object) => self.appeared(object, ResourceEventType::Add, filter),
            Change::Modified(object) => self.appeared(object, ResourceEventType::Update, filter),
            Change::Deleted(object) => self.disappeared(object, filter).into_iter().collect(),
        }
    }

    /// What one entry of a finished list means.
    pub fn settle(
        &mut self,
        todo: Todo,
        list_version: &Version,
        filter: &impl EventFilter,
    ) -> Vec<Step> {
        match todo {
            Todo::Gone(uid) => self.gone(&uid, list_version, filter).into_iter().collect(),
            Todo::Listed(listed) => self.listed(listed, filter),
        }
    }

    /// Takes note of what was published although there is no record of it: the process ended between
    /// the two.
    pub fn adopt(&mut self, kind: ResourceEventType, object: Object) -> Option<Step> {
        let uid = object.uid.clone();
        let full_name = (object.namespace.clone(), object.name.clone());
        let known = self.objects.get(&uid).map(|known| &known.version);
        let is_published = match kind {
            ResourceEventType::Delete => known.is_none_or(|known| known.is_after(&object.version)),
            _ => {
                known.is_some_and(|known| !object.version.is_after(known))
                    || self
                        .tombstones
                        .get(&uid)
                        .is_some_and(|tombstone| !object.version.is_after(tombstone))
            }
        };
        if is_published {
            return None;
        }
        let record = if kind == ResourceEventType::Delete {
            self.remove(&uid);
            self.tombstones.insert(uid.clone(), object.version.clone());
            RecordOp::Tombstone(object.version)
        } else {
            let body = if self.keeps_bodies {
                Body::Raw(object.raw)
            } else {
                Body::None
            };
            let Object {
                namespace,
                name,
                version,
                ..
            } = object;
            self.insert(
                uid.clone(),
                Known {
                    namespace,
                    name,
                    version,
                    passes: true,
                    is_recorded: true,
                    body,
                },
            );
            RecordOp::Put
        };
        Some(Step {
            uid,
            name: full_name,
            publication: None,
            record,
        })
    }

    /// Packs what is known of an object; the record of it, if it has one.
    pub fn seal(&mut self, uid: &str) -> Option<Record> {
        let known = self.objects.get_mut(uid)?;
        if let Body::Raw(raw) = &known.body {
            known.body = self.packer.pack(raw).map_or(Body::None, Body::Packed);
        }
        if !known.is_recorded {
            return None;
        }
        let body = match &known.body {
            Body::Packed(packed) if known.passes => Some(packed.clone()),
            _ => None,
        };
        Some(Record::Known(KnownRecord {
            version: known.version.clone(),
            namespace: known.namespace.to_string(),
            name: known.name.to_string(),
            passes: known.passes,
            body,
        }))
    }

    /// Forgets that an object went: nothing will say so again.
    pub fn forget_tombstone(&mut self, uid: &str) {
        self.tombstones.remove(uid);
    }

    /// How many objects are known.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// True if no object is known.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    fn appeared(
        &mut self,
        object: Object,
        kind: ResourceEventType,
        filter: &impl EventFilter,
    ) -> Vec<Step> {
        if self
            .tombstones
            .get(&object.uid)
            .is_some_and(|tombstone| !object.version.is_after(tombstone))
        {
            return Vec::new();
        }
        if let Some(known) = self.objects.get(&object.uid) {
            if !object.version.is_after(&known.version) {
                return Vec::new();
            }
            let body = Body::Raw(object.raw.clone());
            return vec![self.replace(object, body, ResourceEventType::Update, filter)];
        }
        let namesake = self.namesake(&object.namespace, &object.name);
        let kind = if namesake.is_some() {
            ResourceEventType::Add
        } else {
            kind
        };
        let mut steps = Vec::with_capacity(2);
        steps.extend(namesake.and_then(|uid| self.gone(&uid, &object.version, filter)));
        let body = Body::Raw(object.raw.clone());
        steps.push(self.replace(object, body, kind, filter));
        steps
    }

    fn disappeared(&mut self, object: Object, filter: &impl EventFilter) -> Option<Step> {
        let Object {
            uid,
            namespace,
            name,
            version,
            raw,
        } = object;
        if self
            .tombstones
            .get(&uid)
            .is_some_and(|tombstone| !version.is_after(tombstone))
        {
            return None;
        }
        let known = self.objects.get(&uid);
        if known.is_some_and(|known| known.version.is_after(&version)) {
            return None;
        }
        let known = self.remove(&uid);
        let kind = ResourceEventType::Delete;
        let is_published = filter.wants(kind) && filter.passes(&raw, kind);
        let published_version = known
            .as_ref()
            .map_or(&version, |known| &known.version)
            .clone();
        let has_record = known.is_some_and(|known| known.is_recorded);
        let publication = is_published.then_some(Publication {
            kind,
            body: raw,
            old: None,
            version: published_version,
        });
        let record = self.tombstone(&uid, version, has_record || publication.is_some());
        Some(Step {
            uid,
            name: (namespace, name),
            publication,
            record,
        })
    }

    /// The object is not there any more, and nobody saw it go.
    fn gone(&mut self, uid: &Uid, version: &Version, filter: &impl EventFilter) -> Option<Step> {
        let known = self.remove(uid)?;
        let kind = ResourceEventType::Delete;
        let body = self
            .unpack(&known.body)
            .filter(|_| known.passes && filter.wants(kind));
        let publication = body.map(|body| Publication {
            kind,
            body,
            old: None,
            version: known.version,
        });
        let record = self.tombstone(
            uid,
            version.clone(),
            known.is_recorded || publication.is_some(),
        );
        Some(Step {
            uid: uid.clone(),
            name: (known.namespace, known.name),
            publication,
            record,
        })
    }

    fn listed(&mut self, listed: Listed, filter: &impl EventFilter) -> Vec<Step> {
        let Listed {
            uid,
            namespace,
            name,
            version,
            body,
        } = listed;
        // It is there: a tombstone of its uid is out of date.
        self.tombstones.remove(&uid);
        let Some(raw) = self.packer.unpack(&body) else {
            return Vec::new();
        };
        let object = Object {
            uid,
            namespace,
            name,
            version,
            raw,
        };
        let mut steps = Vec::with_capacity(2);
        let kind = match self.objects.get(&object.uid) {
            Some(known) if known.version == object.version => {
                return self.reevaluated(&object, filter).into_iter().collect();
            }
            Some(_) => ResourceEventType::Update,
            None => {
                let namesake = self.namesake(&object.namespace, &object.name);
                steps.extend(namesake.and_then(|uid| self.gone(&uid, &object.version, filter)));
                ResourceEventType::Add
            }
        };
        steps.push(self.replace(object, Body::Packed(body), kind, filter));
        steps
    }

    /// The same object under another filter: it may leave, but what is not new is not published.
    fn reevaluated(&mut self, object: &Object, filter: &impl EventFilter) -> Option<Step> {
        let passes = filter.passes(&object.raw, ResourceEventType::Delete);
        let known = self.objects.get_mut(&object.uid)?;
        if known.passes == passes {
            return None;
        }
        known.passes = passes;
        let record = if known.is_recorded {
            RecordOp::Put
        } else {
            RecordOp::Keep
        };
        Some(Step {
            uid: object.uid.clone(),
            name: (object.namespace.clone(), object.name.clone()),
            publication: None,
            record,
        })
    }

    /// Puts an object in the place of what was known under its uid.
    fn replace(
        &mut self,
        object: Object,
        body: Body,
        kind: ResourceEventType,
        filter: &impl EventFilter,
    ) -> Step {
        let Object {
            uid,
            namespace,
            name,
            version,
            raw,
        } = object;
        let was = self.remove(&uid);
        let is_published = filter.wants(kind) && filter.passes(&raw, kind);
        let passes = is_published || filter.passes(&raw, ResourceEventType::Delete);
        let was_recorded = was.as_ref().is_some_and(|was| was.is_recorded);
        let was_passing = was.as_ref().is_some_and(|was| was.passes);
        let is_news = if passes {
            !was_recorded || !was_passing || follows(filter)
        } else {
            was_recorded && was_passing
        };
        let publication = is_published.then(|| {
            let is_update = kind == ResourceEventType::Update;
            let old = was
                .filter(|_| is_update)
                .and_then(|was| self.unpack(&was.body));
            Publication {
                kind,
                body: raw,
                old,
                version: version.clone(),
            }
        });
        // Of what does not pass, only an update asks what it was.
        let keeps_body = self.keeps_bodies && (passes || filter.wants(ResourceEventType::Update));
        let full_name = (namespace.clone(), name.clone());
        let known = Known {
            namespace,
            name,
            version,
            passes,
            is_recorded: was_recorded || is_news,
            body: if keeps_body { body } else { Body::None },
        };
        self.insert(uid.clone(), known);
        let record = if is_news {
            RecordOp::Put
        } else {
            RecordOp::Keep
        };
        Step {
            uid,
            name: full_name,
            publication,
            record,
        }
    }

    fn tombstone(&mut self, uid: &Uid, version: Version, has_record: bool) -> RecordOp {
        if !has_record {
            return RecordOp::Keep;
        }
        self.tombstones.insert(uid.clone(), version.clone());
        RecordOp::Tombstone(version)
    }

    fn namesake(&self, namespace: &Arc<str>, name: &Arc<str>) -> Option<Uid> {
        self.names.get(&(namespace.clone(), name.clone())).cloned()
    }

    fn insert(&mut self, uid: Uid, known: Known) {
        self.tombstones.remove(&uid);
        self.names
            .insert((known.namespace.clone(), known.name.clone()), uid.clone());
        self.objects.insert(uid, known);
    }

    fn remove(&mut self, uid: &str) -> Option<Known> {
        let known = self.objects.remove(uid)?;
        let name = (known.namespace.clone(), known.name.clone());
        if self.names.get(&name).is_some_and(|named| &**named == uid) {
            self.names.remove(&name);
        }
        Some(known)
    }

    fn unpack(&mut self, body: &Body) -> Option<Bytes> {
        match body {
            Body::None => None,
            Body::Raw(raw) => Some(raw.clone()),
            Body::Packed(packed) => self.packer.unpack(packed),
        }
    }
}

/// Somebody will ask what an object was.
fn follows(filter: &impl EventFilter) -> bool {
    filter.wants(ResourceEventType::Update) || filter.wants(ResourceEventType::Delete)
}

//! Who publishes what somebody waits for, as far as the objects at hand tell.
//!
//! Files rarely hold everything that is in a cluster: nothing is said about a name that nobody has and
//! that is like none. An `EventSource` that is at hand has the events, the bus and the namespace that it
//! has.

use std::collections::BTreeMap;
use std::fmt;

use tiphys_api::{Code, EventSourceSpec, Problem, suggestion};

/// What a publisher and a listener have to share: a bus, which is an object of one namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'o> {
    /// The namespace; empty if the object names none, and is wherever it is applied.
    pub namespace: &'o str,
    /// The bus.
    pub bus: &'o str,
}

impl Place<'_> {
    /// Whether both may be in one namespace.
    pub fn is_near(self, other: Place<'_>) -> bool {
        self.namespace.is_empty() || other.namespace.is_empty() || self.namespace == other.namespace
    }

    /// Whether events pass from one to the other.
    pub fn meets(self, other: Place<'_>) -> bool {
        self.bus == other.bus && self.is_near(other)
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&full_name(self.namespace, self.bus))
    }
}

fn full_name(namespace: &str, name: &str) -> String {
    if namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}/{name}")
    }
}

/// An event source at hand.
#[derive(Debug, Clone, Copy)]
pub struct Publisher<'o> {
    /// Where it publishes.
    pub place: Place<'o>,
    /// Its name.
    pub name: &'o str,
    /// Its spec.
    pub spec: &'o EventSourceSpec,
}

impl<'o> Publisher<'o> {
    /// An event source in `namespace`, which is empty if it names none.
    pub fn new(namespace: &'o str, name: &'o str, spec: &'o EventSourceSpec) -> Self {
        let place = Place {
            namespace,
            bus: spec.bus_name(),
        };
        Self { place, name, spec }
    }

    /// Whether it has an event of this name.
    pub fn has(&self, event: &str) -> bool {
        self.spec.events().any(|found| found.name == event)
    }

    /// Why it does not publish an event of this name.
    pub fn lacks(self, event: &str) -> Gap<'o> {
        let names: Vec<&str> = self.spec.events().map(|event| event.name).collect();
        Gap {
            missing: Missing::Event,
            source: self,
            message: format!("event source {self} has no event {event}"),
            hint: match suggestion(event, names.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None if names.is_empty() => "it has none".to_owned(),
                None => format!("it has {}", names.join(", ")),
            },
        }
    }
}

impl fmt::Display for Publisher<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&full_name(self.place.namespace, self.name))
    }
}

/// What a listener waits for in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The event source has no such event.
    Event,
    /// There is no event source of this name, but one of nearly the same.
    Source,
    /// The event source is in another namespace or on another bus.
    Place,
}

/// Why what somebody waits for never comes.
#[derive(Debug, Clone)]
pub struct Gap<'o> {
    /// What is missing.
    pub missing: Missing,
    /// The event source that is there, or was probably meant.
    pub source: Publisher<'o>,
    message: String,
    hint: String,
}

impl<'o> Gap<'o> {
    /// Events of a source that do not come to a listener.
    pub fn between(listener: Place<'_>, source: Publisher<'o>) -> Self {
        let place = source.place;
        let hint = if listener.is_near(place) {
            "give both one eventBusName"
        } else {
            "a bus serves its own namespace: put both into one"
        };
        Self {
            missing: Missing::Place,
            source,
            message: format!(
                "listens on bus {listener}, event source {source} publishes on {place}"
            ),
            hint: hint.to_owned(),
        }
    }

    /// The warning about the dependency at `path`.
    pub fn problem(&self, path: &str) -> Problem {
        let Self {
            missing,
            message,
            hint,
            source: _,
        } = self;
        let field = match missing {
            Missing::Event => "eventName",
            Missing::Source | Missing::Place => "eventSourceName",
        };
        let message = match missing {
            Missing::Place => format!("never comes: this sensor {message}"),
            Missing::Event | Missing::Source => format!("never comes: {message}"),
        };
        Problem::warning(format!("{path}.{field}"), message)
            .with_code(Code::NeverComes)
            .with_hint(hint)
    }
}

impl fmt::Display for Gap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, hint, .. } = self;
        match self.missing {
            // The places say it all.
            Missing::Place => f.write_str(message),
            Missing::Event | Missing::Source => write!(f, "{message} ({hint})"),
        }
    }
}

/// The event sources at hand, by name.
#[derive(Debug, Default)]
pub struct Publishers<'o>(BTreeMap<&'o str, Vec<Publisher<'o>>>);

impl<'o> FromIterator<Publisher<'o>> for Publishers<'o> {
    fn from_iter<T: IntoIterator<Item = Publisher<'o>>>(publishers: T) -> Self {
        let mut all = Self::default();
        for publisher in publishers {
            if !publisher.name.is_empty() {
                all.0.entry(publisher.name).or_default().push(publisher);
            }
        }
        all
    }
}

impl<'o> Publishers<'o> {
    /// The event sources of a name.
    pub fn named(&self, name: &str) -> &[Publisher<'o>] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Why nothing comes to who waits for an event of a source at a place; `None`: it comes, or nobody
    /// can tell.
    pub fn gap(&self, listener: Place<'_>, source: &str, event: &str) -> Option<Gap<'o>> {
        // What has no name, or a pattern in it, is another rule's to refuse.
        let is_name = |text: &str| !text.is_empty() && !text.contains(['*', '>']);
        if !is_name(source) {
            return None;
        }
        let named = self.named(source);
        if named.is_empty() {
            return self.near(listener, source, event);
        }
        let near = || named.iter().filter(|source| listener.is_near(source.place));
        let mut met = near().filter(|source| listener.meets(source.place));
        if let Some(first) = met.next() {
            let is_there =
                !is_name(event) || first.has(event) || met.any(|source| source.has(event));
            return (!is_there).then(|| first.lacks(event));
        }
        // Another namespace may have an event source of this name that is not at hand; it hardly has the
        // same events.
        let elsewhere = || named.iter().find(|source| source.has(event));
        let other = near().next().or_else(elsewhere)?;
        Some(Gap::between(listener, *other))
    }

    /// The event source that was probably meant: its name is nearly the same, and so is the event's.
    fn near(&self, listener: Place<'_>, name: &str, event: &str) -> Option<Gap<'o>> {
        let has_it = |source: &&Publisher<'o>| {
            let names = source.spec.events().map(|event| event.name);
            source.has(event) || suggestion(event, names).is_some()
        };
        let candidates = self.0.values().flatten();
        let candidates = candidates.filter(|source| listener.is_near(source.place));
        let candidates: Vec<&Publisher<'o>> = candidates.filter(has_it).collect();
        let meant = suggestion(name, candidates.iter().map(|source| source.name))?;
        let source = **candidates.iter().find(|source| source.name == meant)?;
        Some(Gap {
            missing: Missing::Source,
            source,
            message: format!("there is no event source {name} in these files"),
            hint: format!("did you mean `{meant}`?"),
        })
    }
}

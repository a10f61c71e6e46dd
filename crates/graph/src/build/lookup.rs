//! Which events a dependency listens to: `*` in a name stands for any text.

use std::collections::{BTreeMap, HashMap};

use super::Place;

/// Bytes of names that are compared with wildcards at most: without a bound, wildcards times events
/// grow with the square.
const MAX_WILDCARD_BYTES: usize = 20_000_000;

/// The events that are published, and by whom.
#[derive(Debug, Default)]
pub(super) struct Events<'a> {
    places: HashMap<Place<'a>, BTreeMap<&'a str, Source<'a>>>,
    /// A bus that each event source publishes to, by namespace and name.
    buses: HashMap<(&'a str, &'a str), &'a str>,
    compared: usize,
}

#[derive(Debug, Default)]
struct Source<'a> {
    id: String,
    events: BTreeMap<&'a str, String>,
}

impl<'a> Events<'a> {
    pub(super) fn add_source(&mut self, place: Place<'a>, name: &'a str, id: &str) {
        let source = self
            .places
            .entry(place)
            .or_default()
            .entry(name)
            .or_default();
        id.clone_into(&mut source.id);
        self.buses.insert((place.namespace, name), place.bus);
    }

    pub(super) fn add(&mut self, place: Place<'a>, source: &'a str, event: &'a str, id: &str) {
        let source = self
            .places
            .entry(place)
            .or_default()
            .entry(source)
            .or_default();
        source.events.insert(event, id.to_owned());
    }

    /// The id of an event source on a bus.
    pub(super) fn source_id(&self, place: Place<'a>, name: &str) -> Option<&str> {
        self.places
            .get(&place)?
            .get(name)
            .map(|source| source.id.as_str())
    }

    /// The bus that an event source publishes to if it is not this one.
    pub(super) fn other_bus(&self, place: Place<'a>, source: &'a str) -> Option<&'a str> {
        let bus = *self.buses.get(&(place.namespace, source))?;
        (bus != place.bus).then_some(bus)
    }

    /// The ids of the events that a dependency listens to.
    pub(super) fn matching(&mut self, place: Place<'a>, source: &str, event: &str) -> Vec<String> {
        let Some(sources) = self.places.get(&place) else {
            return Vec::new();
        };
        let mut ids = Vec::new();
        let compared = &mut self.compared;
        for (_, found) in candidates(sources, source, compared) {
            let events = candidates(&found.events, event, compared);
            ids.extend(events.into_iter().map(|(_, id)| id.clone()));
        }
        ids
    }
}

/// The entries whose names match a pattern, in the order of their names.
fn candidates<'m, 'a, T>(
    entries: &'m BTreeMap<&'a str, T>,
    pattern: &str,
    compared: &mut usize,
) -> Vec<(&'a str, &'m T)> {
    if !pattern.contains('*') {
        return entries
            .get_key_value(pattern)
            .map(|(name, entry)| (*name, entry))
            .into_iter()
            .collect();
    }
    let mut matching = Vec::new();
    for (name, entry) in entries {
        *compared += name.len() + pattern.len();
        if *compared > MAX_WILDCARD_BYTES {
            break;
        }
        if glob(pattern, name) {
            matching.push((*name, entry));
        }
    }
    matching
}

fn glob(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut left) = name.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else {
            return false;
        };
        left = &left[at + part.len()..];
    }
    left.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*", "anything", true),
            ("web*", "webhook", true),
            ("*hook", "webhook", true),
            ("w*h*k", "webhook", true),
            ("w*h*x", "webhook", false),
            ("webhook*hook", "webhook", false),
            ("a**b", "ab", true),
        ] {
            assert_eq!(glob(pattern, name), expected, "{pattern} {name}");
        }
    }
}

//! The fields that a Sensor's `loggingFields` adds to its lines.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

/// Members of every line, which nobody may name again.
const TAKEN: [&str; 5] = ["level", "ts", "logger", "caller", "msg"];

/// A field and its text.
type Field = (String, String);

/// The fields of the sensors of a namespace, by their names.
type Named = HashMap<String, Arc<[Field]>>;

/// The fields of each sensor, by its namespace and name. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct LoggingFields(Arc<RwLock<HashMap<String, Named>>>);

impl LoggingFields {
    /// Sets the fields of the sensor with this namespace and name.
    pub fn set(&self, (namespace, name): (&str, &str), fields: &BTreeMap<String, String>) {
        let fields: Arc<[Field]> = fields
            .iter()
            .filter(|(name, _)| !TAKEN.contains(&name.as_str()))
            .map(|(name, text)| (name.clone(), text.clone()))
            .collect();
        let mut sensors = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if !fields.is_empty() {
            let named = sensors.entry(namespace.to_owned()).or_default();
            named.insert(name.to_owned(), fields);
        } else if let Some(named) = sensors.get_mut(namespace) {
            named.remove(name);
            sensors.retain(|_, named| !named.is_empty());
        }
    }

    /// The fields of the sensor with this namespace and name.
    pub(super) fn of(&self, (namespace, name): (&str, &str)) -> Option<Arc<[Field]>> {
        let sensors = self.0.read().unwrap_or_else(PoisonError::into_inner);
        sensors.get(namespace)?.get(name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_every_line_has_are_left_alone() {
        let fields = LoggingFields::default();
        let wanted = |texts: &[(&str, &str)]| {
            let texts = texts
                .iter()
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
            texts.collect::<BTreeMap<_, _>>()
        };
        fields.set(("ns", "s"), &wanted(&[("team", "a"), ("msg", "b")]));
        assert_eq!(
            fields.of(("ns", "s")).unwrap()[..],
            [("team".to_owned(), "a".to_owned())]
        );
        assert!(fields.of(("ns", "t")).is_none());
        assert!(fields.of(("other", "s")).is_none());
        fields.set(("ns", "s"), &wanted(&[]));
        assert!(fields.of(("ns", "s")).is_none());
    }
}

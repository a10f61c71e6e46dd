//! The fields that a Sensor's `loggingFields` adds to its lines.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

/// Members of every line, which nobody may name again.
const TAKEN: [&str; 5] = ["level", "ts", "logger", "caller", "msg"];

/// A field and its text.
type Field = (String, String);

/// The fields of each sensor, by its name. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct LoggingFields(Arc<RwLock<HashMap<String, Arc<[Field]>>>>);

impl LoggingFields {
    /// Sets the fields of a sensor.
    pub fn set(&self, sensor: &str, fields: &BTreeMap<String, String>) {
        let fields: Arc<[Field]> = fields
            .iter()
            .filter(|(name, _)| !TAKEN.contains(&name.as_str()))
            .map(|(name, text)| (name.clone(), text.clone()))
            .collect();
        let mut sensors = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if fields.is_empty() {
            sensors.remove(sensor);
        } else {
            sensors.insert(sensor.to_owned(), fields);
        }
    }

    /// The fields of a sensor.
    pub(super) fn of(&self, sensor: &str) -> Option<Arc<[Field]>> {
        let sensors = self.0.read().unwrap_or_else(PoisonError::into_inner);
        sensors.get(sensor).cloned()
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
        fields.set("s", &wanted(&[("team", "a"), ("msg", "b")]));
        assert_eq!(
            fields.of("s").unwrap()[..],
            [("team".to_owned(), "a".to_owned())]
        );
        assert!(fields.of("t").is_none());
        fields.set("s", &wanted(&[]));
        assert!(fields.of("s").is_none());
    }
}

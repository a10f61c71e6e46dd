//! Parameters: values out of events, written into an object.

use crate::given::{Given, object};

object! {
    /// Takes a value out of an event and writes it into an object.
    pub struct TriggerParameter {
        /// Where the value comes from.
        src: Option<TriggerParameterSource>,
        /// Path the value is written to, for example `metadata.labels.app\.kubernetes\.io/name`,
        /// `spec.rules.0.host`, or `args.-1` to append to a list.
        dest: Given<String>,
        /// `overwrite` (the default), `append` or `prepend` to the text that is there.
        operation: Given<String>,
    }
}

object! {
    /// Where the value of a parameter comes from: templates go before keys, `value` steps in if
    /// nothing is found.
    pub struct TriggerParameterSource {
        /// Name of the dependency whose event is read.
        dependency_name: Given<String>,
        /// Path into the event's context, for example `subject`.
        context_key: Given<String>,
        /// Go template over the event's context, which is `.Input`.
        context_template: Given<String>,
        /// Path into the event's data, for example `body.metadata.name`. Goes before the context.
        data_key: Given<String>,
        /// Go template over the event's data, which is `.Input`. Goes before the context.
        data_template: Given<String>,
        /// Text to use if there is no event or nothing is found. Without it, that is an error.
        value: Option<String>,
        /// Numbers, booleans, lists and objects are written as such instead of as text. Default: false.
        use_raw_data: Given<bool>,
    }
}

/// What a parameter does to the text that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ParameterOperation {
    /// Replaces it.
    #[default]
    Overwrite,
    /// Writes behind it.
    Append,
    /// Writes before it.
    Prepend,
}

impl ParameterOperation {
    /// The texts that name an operation.
    pub const NAMES: [&'static str; 3] = ["overwrite", "append", "prepend"];

    /// Reads `operation`; empty is `overwrite`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "" | "overwrite" => Some(Self::Overwrite),
            "append" => Some(Self::Append),
            "prepend" => Some(Self::Prepend),
            _ => None,
        }
    }
}

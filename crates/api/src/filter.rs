//! Filters of a dependency: which events count.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::given::{Given, object};
use crate::schema;

object! {
    /// Which events of a dependency count. All are looked at after the transform.
    pub struct EventDependencyFilter {
        /// Time of the day at which events count.
        time: Option<TimeFilter>,
        /// Attributes that events must have.
        context: Option<EventContext>,
        /// Values that the data must have.
        data: Option<Vec<DataFilter>>,
        /// Expressions over values of the data.
        exprs: Option<Vec<ExprFilter>>,
        /// How the entries of `data` are combined: `and` (the default) or `or`.
        data_logical_operator: Given<String>,
        /// How the entries of `exprs` are combined: `and` (the default) or `or`.
        expr_logical_operator: Given<String>,
        /// Lua program over `event` (the data) that returns true for events that count.
        script: Given<String>,
    }
}

object! {
    /// A time of the day. If `stop` is before `start`, it spans midnight.
    pub struct TimeFilter {
        /// First moment, `HH:MM:SS`.
        start: Given<String>,
        /// First moment after, `HH:MM:SS`.
        stop: Given<String>,
        /// IANA name of the time zone. Default: `UTC`.
        timezone: Given<String>,
    }
}

object! {
    /// Attributes of an event; empty ones match anything.
    pub struct EventContext {
        /// Id of the event. Not compared.
        id: Given<String>,
        /// Name of the event source.
        source: Given<String>,
        /// CloudEvents version. Not compared.
        specversion: Given<String>,
        /// Type of the event source, for example `webhook`.
        r#type: Given<String>,
        /// Content type of the data.
        datacontenttype: Given<String>,
        /// Name of the event.
        subject: Given<String>,
        /// Time of the event. Not compared.
        #[schemars(schema_with = "schema::kubernetes::<Time>")]
        time: Option<Time>,
    }
}

object! {
    /// A value that the data must have at a path.
    pub struct DataFilter {
        /// Path into the data, for example `body.status.phase`. If it is missing, the event does not count.
        path: Given<String>,
        /// How values are compared: `bool`, `number` or `string`.
        r#type: Given<String>,
        /// Values, one of which must match. For strings these are regular expressions that match
        /// anywhere in the text.
        value: Given<Vec<String>>,
        /// `=` (the default), `!=`, `>`, `>=`, `<` or `<=`.
        comparator: Given<String>,
        /// Go template that turns the value, which is `.Input`, into the one to compare.
        template: Given<String>,
    }
}

object! {
    /// An expression over values of the data.
    pub struct ExprFilter {
        /// The expression, for example `a == "b" || c > 10`.
        expr: Given<String>,
        /// The values it speaks of.
        fields: Given<Vec<PayloadField>>,
    }
}

object! {
    /// A name for a value of the data.
    pub struct PayloadField {
        /// Path into the data. If it is missing, the event does not count.
        path: Given<String>,
        /// Name in the expression.
        name: Given<String>,
    }
}

/// How several filters are combined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogicalOperator {
    /// All have to pass.
    #[default]
    And,
    /// One has to pass.
    Or,
}

impl LogicalOperator {
    /// The texts that name an operator.
    pub const NAMES: [&'static str; 2] = ["and", "or"];

    /// Reads an operator; empty is `and`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "" | "and" => Some(Self::And),
            "or" => Some(Self::Or),
            _ => None,
        }
    }
}

/// How the value of a data filter is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Comparator {
    /// `=`
    #[default]
    Equal,
    /// `!=`
    NotEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
}

impl Comparator {
    /// The texts that name a comparator.
    pub const NAMES: [&'static str; 6] = ["=", "!=", ">", ">=", "<", "<="];

    /// The text that names it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
        }
    }

    /// Reads a comparator; empty is `=`.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "" | "=" => Self::Equal,
            "!=" => Self::NotEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            _ => return None,
        })
    }
}

/// What the values of a data filter are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataType {
    /// `bool`
    Bool,
    /// `number`
    Number,
    /// `string`
    String,
}

impl DataType {
    /// The texts that name a type.
    pub const NAMES: [&'static str; 3] = ["bool", "number", "string"];

    /// Reads a type.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "bool" => Some(Self::Bool),
            "number" => Some(Self::Number),
            "string" => Some(Self::String),
            _ => None,
        }
    }
}

//! `filter.expression` of an event: which payloads are published, whatever the kind.

use tiphys_api::{Event, Problem};
use tiphys_lang::Refused as _;
use tiphys_lang::expr::filter::{Error, Filter};

use crate::event::Check;

/// The expression of an event, if it has one.
#[derive(Debug, Clone, Default)]
pub struct Expression(Option<Filter>);

impl Expression {
    /// Compiles the expression of an event. It does not matter whether its kind is run.
    ///
    /// # Errors
    /// If it is none.
    pub fn compile(event: &Event<'_>) -> Result<Self, Problem> {
        let text = event.config.expression().unwrap_or_default();
        if text.trim().is_empty() {
            return Ok(Self(None));
        }
        let filter = Filter::compile(text).map_err(|error| {
            let field = format!("{}.filter.expression", event.field_path());
            Problem::program(field, error.to_string(), error.place())
        })?;
        Ok(Self(Some(filter)))
    }

    /// Whether a payload is published; without an expression each one is.
    pub(crate) fn passes(&self, payload: &[u8]) -> Result<bool, Error> {
        self.0
            .as_ref()
            .map_or(Ok(true), |filter| filter.passes(payload))
    }

    /// What it says of a payload, for people; nothing without an expression.
    pub fn check(&self, payload: &[u8]) -> Option<Check> {
        let filter = self.0.as_ref()?;
        let text = filter.text();
        let condition = format!("filter.expression {text}");
        let is_met = match filter.passes(payload) {
            Ok(is_met) => is_met,
            Err(error) => {
                let why = format!("{text} cannot be run: {error}");
                return Some(Check::new(condition, false, why).with_saw(error.to_string()));
            }
        };
        let seen = filter.explain(payload);
        // What can never be so says more than that it is not so.
        let never = seen.iter().find(|seen| seen.is_never);
        let why = never.map_or_else(|| format!("{text} is false"), ToString::to_string);
        let seen: Vec<String> = seen.iter().map(ToString::to_string).collect();
        Some(Check::new(condition, is_met, why).with_saw(seen.join("; ")))
    }
}

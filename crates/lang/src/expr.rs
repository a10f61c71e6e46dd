//! The expression languages of sensors and event sources.
//!
//! | module | where users meet it |
//! |---|---|
//! | [`govaluate`] | `exprs` of a dependency's filters |
//! | [`conditions`] | `conditions` of a trigger |
//! | [`filter`] | `filter.expression` of an event source |

pub mod conditions;
pub mod filter;
pub mod govaluate;

//! A bus that runs, looked at from a desk: how it is reached, and its dead letters.
//!
//! | module | question |
//! |---|---|
//! | [`reach`] | how the bus is reached: a URL, or the `EventBus` of a cluster through its API server |
//! | [`dead_letters`] | what could not be processed, why, and how often |
//! | [`mask`] | which values are not for everybody who may look |
//!
//! Nothing is changed here but by functions that say so in their names.

pub mod dead_letters;
pub mod mask;
pub mod reach;

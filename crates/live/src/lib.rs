//! What runs, looked at from a desk: how its bus is reached, what it holds, its dead letters, and what is paused.
//!
//! | module | question |
//! |---|---|
//! | [`reach`] | how the bus is reached: a URL, or the `EventBus` of a cluster through its API server |
//! | [`events`] | what it holds, or gets |
//! | [`objects`] | which event sources and sensors its namespace has |
//! | [`object`] | what an object is that is named as `kubectl` takes it |
//! | [`origin`] | who made an object |
//! | [`sighting`] | what becomes of an event, in short |
//! | [`comparison`] | what becomes of events by two specs |
//! | [`conclusion`] | what a report comes to |
//! | [`progress`] | how far the consumers of triggers are |
//! | [`dead_letters`] | what could not be processed, why, and how often |
//! | [`top`] | how many events triggers take, how far they are behind, how long they need |
//! | [`pause`] | which event sources and sensors do not run for now |
//! | [`flow`] | how events go through the objects |
//! | [`access`] | who somebody is to a cluster, and what he may do |
//! | [`moment`] | when something was that people write as a time ago |
//! | [`mask`] | which values are not for everybody who may look |
//!
//! Nothing is changed here but by functions that say so in their names.

pub mod access;
pub mod comparison;
pub mod conclusion;
pub mod dead_letters;
pub mod events;
pub mod flow;
pub mod mask;
pub mod moment;
pub mod object;
pub mod objects;
pub mod origin;
pub mod pause;
pub mod progress;
pub mod reach;
pub mod sighting;
pub mod top;

//! The kinds of event sources that are run.

pub mod resource;

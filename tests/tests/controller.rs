//! The controller against a real API server: what it makes of event sources and sensors, and what it
//! says about them.
//!
//! There are no nodes and no other controllers: nothing makes pods of a Deployment, and nothing
//! collects what a deleted object leaves. Where a story needs them, it plays them.

#![cfg(test)]

#[path = "controller/broken.rs"]
mod broken;
#[path = "controller/edits.rs"]
mod edits;
#[path = "controller/leftovers.rs"]
mod leftovers;
#[path = "controller/life.rs"]
mod life;
#[path = "controller/many.rs"]
mod many;
#[path = "controller/names.rs"]
mod names;
#[path = "controller/pause.rs"]
mod pause;
#[path = "controller/pods.rs"]
mod pods;
#[path = "controller/stage.rs"]
mod stage;

//! The harness of the stories: each gets a [`World`] with a namespace and a NATS server of its own,
//! in a control plane that all stories of a test binary share. Stories that need pods get a [`Story`]: a
//! namespace of a [`Cluster`] whose nodes run them.
//!
//! The servers come from `tiphys-testbed`. Deadlines and waiting are here (`wait.rs`) and nowhere else.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a story whose world does not come up has failed, and says so in its own words"
)]

pub mod ask;
pub mod aws;
pub mod azure;
mod cluster;
pub mod google;
pub mod grpc;
mod hanging;
pub mod harbour;
pub mod host;
pub mod mail;
mod moments;
pub mod nsq;
pub mod page;
mod pod;
mod proxy;
pub mod pulsar;
mod servers;
mod tiphys;
mod tunnel;
mod wait;
pub mod web;
mod world;

pub use cluster::{Cluster, Story, Told};
pub use hanging::Hanging;
pub use moments::Moments;
pub use pod::{Pod, stored_object};
pub use proxy::Proxy;
pub use servers::{client, control_plane, programs};
pub use tiphys::{Desk, Reported, Tiphys, binary, command, tiphys};
pub use tunnel::Tunnel;
pub use wait::{
    PATIENCE, eventually, eventually_ok, in_silence, in_time, kubectl_patience, pause, until,
    within,
};
pub use world::World;

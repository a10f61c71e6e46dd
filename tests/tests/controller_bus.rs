//! The controller and its buses, against a real API server: what it makes, mends, refuses and
//! deletes; and real NATS servers that run what it makes. There is no kubelet: the stories say
//! themselves how pods are.

#![cfg(test)]

#[path = "controller_bus/changes.rs"]
mod changes;
#[path = "controller_bus/deletion.rs"]
mod deletion;
#[path = "controller_bus/making.rs"]
mod making;
#[path = "controller_bus/servers.rs"]
mod servers;
#[path = "controller_bus/stage.rs"]
mod stage;

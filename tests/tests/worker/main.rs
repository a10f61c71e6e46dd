//! What the processes in the pods of an `EventSource` and a `Sensor` promise: the real program in
//! folders as the kubelet mounts them, a real API server, real NATS servers; and what many objects in one
//! process promise each other.

#![cfg(test)]

mod edit;
mod lease;
mod neighbours;
mod report;
mod stage;
mod start;

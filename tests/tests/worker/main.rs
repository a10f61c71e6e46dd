//! What the processes in the pods of an `EventSource` and a `Sensor` promise: the real program in
//! folders as the kubelet mounts them, a real API server, real NATS servers.

#![cfg(test)]

mod edit;
mod lease;
mod report;
mod stage;
mod start;

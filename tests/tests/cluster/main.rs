//! What the product promises in a cluster, as its users live it: with `kubectl` only, on nodes that run
//! pods.

#![cfg(test)]

mod broken;
mod bus;
mod console;
mod crash;
mod deletion;
mod desk;
mod documentation;
mod edit;
mod events;
mod fault;
mod harbour;
mod hooks;
mod image;
mod pipeline;
mod replicas;
mod upgrade;

//! What the product promises in a cluster, as its users live it: with `kubectl` only, on nodes that run
//! pods.

#![cfg(test)]

mod image;

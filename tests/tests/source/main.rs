//! What event sources do, against real servers: one file a kind.

#![cfg(test)]

mod caller;
mod stored;
mod webhook;

//! What event sources do, against real servers: one file a kind.

#![cfg(test)]

mod brokers;
mod caller;
mod hosts;
mod sns;
mod stored;
mod webhook;

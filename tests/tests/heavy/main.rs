//! Stories on servers that are large to get and to start: `cargo xtask test` runs them when what they test has
//! changed, and `cargo xtask test --all-kinds` always.

#![cfg(test)]

#[path = "../source/brokers/kind.rs"]
mod kind;
#[path = "../source/brokers/promises.rs"]
mod promises;
mod pulsar;
mod pulsar_trigger;
#[path = "../triggers/running.rs"]
mod running;
#[path = "../source/brokers/stage.rs"]
mod stage;
#[path = "../source/stored.rs"]
mod stored;

use self::kind::{Kind, Wanted, body};

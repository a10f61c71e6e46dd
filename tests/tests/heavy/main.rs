//! Stories on servers that are large to get and to start: `cargo xtask test` runs them when what they test has
//! changed, and `cargo xtask test --all-kinds` always.

#![cfg(test)]

mod hdfs;
#[expect(dead_code, reason = "other brokers need more of it")]
#[path = "../source/brokers/kind.rs"]
mod kind;
#[path = "../source/brokers/promises.rs"]
mod promises;
mod pulsar;
mod pulsar_trigger;
#[expect(dead_code, reason = "other triggers need more of it")]
#[path = "../triggers/running.rs"]
mod running;
#[expect(dead_code, reason = "other brokers need more of it")]
#[path = "../source/brokers/stage.rs"]
mod stage;
#[expect(dead_code, reason = "other stories look at more of it")]
#[path = "../source/stored.rs"]
mod stored;

use self::kind::{Kind, Wanted, body};

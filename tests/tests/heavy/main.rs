//! Stories on servers that are large to get and to start, and of kinds that a usual build has not.

#![cfg(test)]

mod hdfs;
#[expect(dead_code, reason = "other stories look at more of it")]
#[path = "../source/stored.rs"]
mod stored;

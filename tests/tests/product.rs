//! What the product promises, as its users live it: the real `tiphys` program, a real API server,
//! real NATS servers.

#![cfg(test)]

#[path = "product/answers.rs"]
mod answers;
#[path = "product/bad_input.rs"]
mod bad_input;
#[path = "product/conditions.rs"]
mod conditions;
#[path = "product/console.rs"]
mod console;
#[path = "product/console_pages.rs"]
mod console_pages;
#[path = "product/crash.rs"]
mod crash;
#[path = "product/dead_letters.rs"]
mod dead_letters;
#[path = "product/documentation.rs"]
mod documentation;
#[path = "product/k8s.rs"]
mod k8s;
#[path = "product/library.rs"]
mod library;
#[path = "product/login.rs"]
mod login;
#[path = "product/offline.rs"]
mod offline;
#[path = "product/outage.rs"]
mod outage;
#[path = "product/pause.rs"]
mod pause;
#[path = "product/pipeline.rs"]
mod pipeline;
#[path = "product/poison.rs"]
mod poison;
#[path = "product/refusals.rs"]
mod refusals;
#[path = "product/replay.rs"]
mod replay;
#[path = "product/rounds.rs"]
mod rounds;
#[path = "product/signals.rs"]
mod signals;
#[path = "product/start.rs"]
mod start;
#[path = "product/telemetry.rs"]
mod telemetry;
#[path = "product/wire.rs"]
mod wire;

use tiphys_tests::harbour;

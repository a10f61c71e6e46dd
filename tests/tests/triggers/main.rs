//! What triggers do, against real servers: web, NATS, Kafka, S3, git and a control plane.

#![cfg(test)]

mod artifacts;
mod azure;
mod custom;
mod email;
mod http;
mod kafka;
mod lambda;
mod nats;
mod open_whisk;
mod outside;
mod policies;
mod pulsar;
mod running;
mod slack;
mod targets;
mod values;
mod workflows;

use tiphys_tests::web;

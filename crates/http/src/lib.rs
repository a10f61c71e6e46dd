//! The HTTP server that every port of tiphys has: metrics and health, admission, webhooks.
//!
//! A [`Server`] serves one port. What it answers are the routes of its [`Router`], which may change
//! while it runs: a path and a method, and a [`Handler`]. [`Ports`] opens and closes ports of its own
//! as routes come and go.
//!
//! # Guarantees
//! Whatever clients do, everything is bounded by [`Limits`]: connections, requests at a time, the
//! size and the time of headers and bodies, the memory of bodies that are still coming. Who is slow or
//! idle gives way to who has a request: a port that is full of silent connections still answers.
//! A request that a handler has begun to answer is never cut off by other clients.

mod body;
mod certificate;
mod connection;
mod limits;
mod ports;
mod request;
mod response;
mod route;
mod seat;
mod server;

pub use certificate::{Certificate, CertificateError};
pub use http::{HeaderMap, Method, StatusCode, Uri, header};
pub use limits::Limits;
pub use ports::{Open, OpenError, Ports, Serving};
pub use request::{Head, Refusal, Request};
pub use response::{Body, Response, json, text, with_retry_after};
pub use route::{Admission, Handler, Route, Router, Taken};
pub use rustls::sign::CertifiedKey;
pub use server::{Server, listen};

//! Pictures of the event flow: which events reach which triggers, and what those make.
//!
//! [`Graph::from_objects`] turns the objects of a flow into nodes and edges; a [`Graph`] draws itself
//! as SVG, Mermaid, DOT or JSON. Everything is a pure function of the objects: the same objects give
//! the same bytes, in whatever order they come. Names are untrusted: they cannot break out of a
//! label, nor out of a card. [`Graph::mark_sensor`] and [`Graph::mark_source`] show what is wrong where it is, and a
//! [`Focus`] leaves out what nobody looks at.

mod build;
mod dot;
mod fault;
mod focus;
mod layout;
mod mermaid;
mod model;
mod svg;
mod text;

pub use fault::Fault;
pub use focus::{Focus, Objects};
pub use model::{Edge, EdgeKind, Graph, Node, NodeKind, Route};
pub use svg::STYLE;

#[cfg(test)]
mod tests;

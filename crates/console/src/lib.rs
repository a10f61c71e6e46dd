//! The event flow in a browser: what runs, what became of events, and what to do about it.
//!
//! ```text
//!  browser ──▶ door ──▶ pages      the built pages, as they are
//!                  ├──▶ logins     in a cluster: who shows a token, and what his roles allow
//!                  ├──▶ read       objects, events, dead letters, the picture: asked when somebody looks
//!                  ├──▶ stream     one for each tab: events with what becomes of them, rates, health
//!                  ├──▶ question   other objects with real events: explain, try, compare
//!                  └──▶ act        replay, drop, send again, pause: each says first what it would do
//! ```
//!
//! One code, three faces: the picture is `tiphys graph`'s, decisions are `tiphys why`'s, dead letters are
//! `tiphys dlq`'s. Decisions are computed again from what the bus holds; nothing is recorded for it, and a console
//! that nobody looks at asks nobody anything.
//!
//! Everything that comes from events and objects leaves as JSON text, or as the text of a picture: never as
//! markup. The values of Secrets are hidden in all of it.

mod act;
mod audit;
mod door;
mod events;
mod fail;
mod flow;
mod handler;
mod letters;
mod logins;
mod objects;
mod pages;
mod query;
mod question;
mod site;
mod stream;
mod visitor;
mod work;

pub use door::{Address, Door};
pub use handler::Console;
pub use logins::{Clients, Logins};
pub use site::{Key, Manifests, Mode, Site};
pub use visitor::Caller;

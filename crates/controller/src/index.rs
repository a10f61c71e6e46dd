//! What is known at this moment: pure state, kept from watches and answers.
//!
//! Nothing here knows a client, a task or a reconciler; all of those know the index. Each part has a
//! lock of its own, which is held for a look or a change and never while anybody waits.

pub(crate) mod children;
mod failures;
mod memory;
pub(crate) mod pods;

pub(crate) use children::Children;
pub(crate) use failures::Failures;
pub(crate) use memory::Memory;
pub(crate) use pods::Pods;

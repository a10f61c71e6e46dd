//! Files on their way into events: what is to be told, what has no verdict yet, and what is kept of it.

use std::collections::{HashMap, VecDeque};
use std::ffi::{OsStr, OsString};

use futures::FutureExt as _;

use super::kept::Kept;
use super::snapshot::{Change, Entry, Snapshot, difference};
use super::{Operation, Rules};
use crate::context::SourceContext;
use crate::error::SourceError;
use crate::incoming::Verdict;
use crate::pump::{InHand, Permit};

/// Tells what happens to files.
pub(in crate::source) struct Telling<'a> {
    rules: &'a Rules,
    context: &'a SourceContext,
    seen: Snapshot,
    kept: Option<Kept>,
    /// What happened and was not handed on yet.
    due: VecDeque<Change>,
    in_hand: InHand<OsString>,
    /// How many events about a file have no verdict yet, if that has to be known.
    pending: HashMap<OsString, usize>,
}

impl<'a> Telling<'a> {
    /// Tells what happens after these files were seen. Nothing is kept.
    pub(in crate::source) fn new(
        rules: &'a Rules,
        context: &'a SourceContext,
        seen: Snapshot,
    ) -> Self {
        Self {
            rules,
            context,
            seen,
            kept: None,
            due: VecDeque::new(),
            in_hand: context.publisher().in_hand(),
            pending: HashMap::new(),
        }
    }

    /// Tells what happened since what is kept, and keeps what is told from now on. If nothing is kept of these
    /// files, everything that is there is known already.
    ///
    /// # Errors
    /// If the bus cannot be asked.
    pub(in crate::source) async fn catch_up(&mut self) -> Result<(), SourceError> {
        let kept = Kept::open(self.context).await?;
        let whose = self.rules.directory.to_string();
        let (before, told) = kept.load().await?;
        if before.as_ref() != Some(&whose) {
            kept.begin(&whose, &told, &self.seen).await?;
            self.kept = Some(kept);
            return Ok(());
        }
        self.kept = Some(kept);
        let changes = difference(&told, &self.seen);
        self.note(changes).await
    }

    /// Nothing waits for being handed on.
    pub(in crate::source) fn is_idle(&self) -> bool {
        self.due.is_empty()
    }

    /// Tells what is different from before.
    ///
    /// # Errors
    /// If the bus cannot be asked.
    pub(in crate::source) async fn compare(&mut self, now: Snapshot) -> Result<(), SourceError> {
        let changes = difference(&self.seen, &now);
        self.seen = now;
        self.note(changes).await
    }

    /// Tells what happened to one file, which is so now.
    ///
    /// # Errors
    /// If the bus cannot be asked.
    pub(in crate::source) async fn hear(
        &mut self,
        operation: Operation,
        name: OsString,
        entry: Option<Entry>,
    ) -> Result<(), SourceError> {
        let before = match entry {
            Some(entry) => self.seen.insert(name.clone(), entry),
            None => self.seen.remove(&name),
        };
        // What went is known by what it was.
        let is_gone = matches!(operation, Operation::Remove | Operation::Rename);
        let entry = if is_gone { before } else { entry.or(before) };
        let change = Change {
            operation,
            name,
            entry,
        };
        self.note(vec![change]).await
    }

    /// Hands on what is to be told next.
    pub(in crate::source) fn hand_on(&mut self, permit: Permit) {
        if let Some(change) = self.due.pop_front() {
            let incoming = self.rules.incoming(&change);
            self.in_hand.hand_on(permit, incoming, change.name);
        }
    }

    /// What became of something that was handed on; never, if nothing is.
    ///
    /// # Cancellation
    /// Nothing is lost.
    pub(in crate::source) async fn settled(&mut self) -> (OsString, Verdict) {
        self.in_hand.settled().await
    }

    /// Keeps what is settled, however much it is, at once.
    ///
    /// # Errors
    /// If the bus cannot be asked.
    pub(in crate::source) async fn settle(
        &mut self,
        first: (OsString, Verdict),
    ) -> Result<(), SourceError> {
        let mut done = Vec::new();
        let mut next = Some(first);
        while let Some((name, verdict)) = next {
            if let (Some(pending), false) = (
                self.pending.get_mut(&name),
                matches!(verdict, Verdict::GivenBack(_)),
            ) {
                *pending -= 1;
                if *pending == 0 {
                    self.pending.remove(&name);
                }
                done.push(name);
            }
            next = self.in_hand.settled().now_or_never();
        }
        self.keep(done).await
    }

    /// Waits for what was handed on, and keeps it.
    ///
    /// # Errors
    /// If the bus cannot be asked.
    pub(in crate::source) async fn finish(mut self) -> Result<(), SourceError> {
        while !self.in_hand.is_empty() {
            let settled = self.in_hand.settled().await;
            self.settle(settled).await?;
        }
        Ok(())
    }

    /// Puts down what is to be told, and keeps the rest.
    async fn note(&mut self, changes: Vec<Change>) -> Result<(), SourceError> {
        let mut silent = Vec::new();
        for change in changes {
            let Some(operation) = self.rules.told(change.operation) else {
                silent.push(change.name);
                continue;
            };
            if self.kept.is_some() {
                *self.pending.entry(change.name.clone()).or_default() += 1;
            }
            self.due.push_back(Change {
                operation,
                ..change
            });
        }
        self.keep(silent).await
    }

    /// Keeps how these files are, except those about which there is more to tell.
    async fn keep(&self, mut names: Vec<OsString>) -> Result<(), SourceError> {
        let Some(kept) = &self.kept else {
            return Ok(());
        };
        names.retain(|name| !self.pending.contains_key(name));
        names.sort();
        names.dedup();
        let entries = names
            .iter()
            .map(|name| -> (&OsStr, _) { (name, self.seen.get(name)) });
        kept.store(entries).await
    }
}

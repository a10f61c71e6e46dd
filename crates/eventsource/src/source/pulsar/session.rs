//! What is done with the messages of one topic, or of one partition: they are handed on, and acknowledged.

use std::collections::{HashMap, VecDeque};

use futures::FutureExt as _;
use tiphys_clients::pulsar::{Consumer, Entry, EntryId, Message, Unreadable};
use tokio::sync::watch;

use super::Pulsar;
use super::server::lost;
use crate::context::SourceContext;
use crate::error::SourceError;
use crate::incoming::{Incoming, Verdict};
use crate::pump::{InHand, Permit};
use crate::source::broker::Appetite;

/// The messages of one topic or partition.
pub(super) struct Session<'a> {
    source: &'a Pulsar,
    context: &'a SourceContext,
    consumer: Consumer,
    topic: String,
    /// How many sessions there are.
    sharing: watch::Receiver<usize>,
    appetite: Appetite,
    /// How many messages the broker may still send.
    permitted: usize,
    /// What came and was not handed on yet.
    ready: VecDeque<(EntryId, Content)>,
    in_hand: InHand<EntryId>,
    entries: Entries,
}

/// What came under the id of an entry.
enum Content {
    Message(Message),
    /// All of it.
    Unreadable(Unreadable),
}

/// Entries that are not acknowledged, each with how many of its messages are not done.
#[derive(Debug, Default)]
struct Entries {
    open: HashMap<EntryId, usize>,
    /// How many messages they have together.
    messages: usize,
    /// What is to be acknowledged.
    done: Vec<EntryId>,
}

impl Entries {
    fn open(&mut self, id: EntryId, messages: usize) {
        if messages == 0 {
            self.done.push(id);
            return;
        }
        self.open.insert(id, messages);
        self.messages += messages;
    }

    /// A message is done: an entry is when all of its messages are.
    fn settle(&mut self, id: EntryId, verdict: Verdict) {
        self.messages = self.messages.saturating_sub(1);
        match verdict {
            Verdict::Stored | Verdict::Filtered | Verdict::DeadLettered => {}
            // Without an acknowledgement it comes again.
            Verdict::GivenBack(_) => drop(self.open.remove(&id)),
        }
        if let Some(left) = self.open.get_mut(&id) {
            *left -= 1;
            if *left == 0 {
                self.open.remove(&id);
                self.done.push(id);
            }
        }
    }
}

impl<'a> Session<'a> {
    pub(super) fn new(
        source: &'a Pulsar,
        context: &'a SourceContext,
        consumer: Consumer,
        sharing: watch::Receiver<usize>,
    ) -> Self {
        Self {
            source,
            context,
            topic: consumer.topic().to_owned(),
            consumer,
            sharing,
            appetite: Appetite::new(usize::MAX),
            permitted: 0,
            ready: VecDeque::new(),
            in_hand: context.publisher().in_hand(),
            entries: Entries::default(),
        }
    }

    /// Runs until the context's `shutdown`, or until the subscription is lost.
    pub(super) async fn run(mut self) -> Result<(), SourceError> {
        loop {
            self.ask();
            self.flush().await?;
            tokio::select! {
                biased;
                () = self.context.shutdown().cancelled() => break,
                settled = self.in_hand.settled() => self.settle(settled),
                permit = self.context.publisher().permit(), if !self.ready.is_empty() => {
                    self.hand_on(permit);
                }
                entry = self.consumer.next() => {
                    if let Some(entry) = entry.map_err(|error| lost(&self.topic, error))? {
                        self.received(entry);
                    }
                }
                Ok(()) = self.sharing.changed() => {}
            }
        }
        self.finish().await
    }

    /// Lets the broker send more before there is nothing left.
    fn ask(&mut self) {
        let wanted = self.appetite.messages(*self.sharing.borrow_and_update());
        let here = self.permitted + self.entries.messages;
        if here <= wanted / 2 {
            self.consumer
                .permit(u32::try_from(wanted - here).unwrap_or(u32::MAX));
            self.permitted += wanted - here;
        }
    }

    fn received(&mut self, entry: Entry) {
        let Entry {
            id,
            messages,
            permits,
        } = entry;
        self.permitted = self.permitted.saturating_sub(permits);
        let contents: Vec<Content> = match messages {
            Ok(messages) => messages.into_iter().map(Content::Message).collect(),
            Err(unreadable) => vec![Content::Unreadable(unreadable)],
        };
        self.entries.open(id, contents.len());
        for content in contents {
            self.appetite.saw(content.size());
            self.ready.push_back((id, content));
        }
    }

    fn hand_on(&mut self, permit: Permit) {
        let Some((id, content)) = self.ready.pop_front() else {
            return;
        };
        let incoming = match content {
            Content::Message(message) => self.source.incoming(&self.topic, id, &message),
            Content::Unreadable(Unreadable { raw, why }) => {
                let incoming = Incoming::unreadable(raw, why);
                self.source.known(incoming, &self.topic, id, -1)
            }
        };
        self.in_hand.hand_on(permit, incoming, id);
    }

    /// Notes what has a verdict, all of it.
    fn settle(&mut self, first: (EntryId, Verdict)) {
        let mut next = Some(first);
        while let Some((id, verdict)) = next {
            self.entries.settle(id, verdict);
            next = self.in_hand.settled().now_or_never();
        }
    }

    /// Tells the broker what became of what is here. What was not handed on comes again.
    async fn finish(mut self) -> Result<(), SourceError> {
        while !self.in_hand.is_empty() {
            let settled = self.in_hand.settled().await;
            self.settle(settled);
            self.flush().await?;
        }
        let Self {
            consumer, topic, ..
        } = self;
        let closed = consumer.close().await;
        closed.map_err(|error| lost(&topic, error))
    }

    async fn flush(&mut self) -> Result<(), SourceError> {
        self.consumer.acknowledge(self.entries.done.drain(..));
        let flushed = self.consumer.flush().await;
        flushed.map_err(|error| lost(&self.topic, error))
    }
}

impl Content {
    fn size(&self) -> usize {
        match self {
            Self::Message(message) => message.body.len(),
            Self::Unreadable(unreadable) => unreadable.raw.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incoming::GiveBack;

    #[test]
    fn an_entry_is_done_when_all_of_its_messages_are() {
        let id = |entry| EntryId { ledger: 1, entry };
        let mut entries = Entries::default();
        entries.open(id(1), 2);
        entries.open(id(2), 1);
        entries.open(id(3), 0);
        assert_eq!((&entries.done[..], entries.messages), (&[id(3)][..], 3));
        entries.settle(id(1), Verdict::Stored);
        entries.settle(id(2), Verdict::DeadLettered);
        assert_eq!(
            (&entries.done[..], entries.messages),
            (&[id(3), id(2)][..], 1)
        );
        entries.settle(id(1), Verdict::Filtered);
        assert_eq!((entries.done.last(), entries.messages), (Some(&id(1)), 0));
    }

    #[test]
    fn an_entry_of_which_something_is_given_back_comes_again() {
        let id = EntryId {
            ledger: 1,
            entry: 1,
        };
        let mut entries = Entries::default();
        entries.open(id, 3);
        for verdict in [
            Verdict::Stored,
            Verdict::GivenBack(GiveBack::Stopping),
            Verdict::Stored,
        ] {
            entries.settle(id, verdict);
        }
        assert_eq!((entries.done.len(), entries.messages), (0, 0));
        assert!(entries.open.is_empty());
    }
}

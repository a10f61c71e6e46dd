//! Entries of a topic, or of one partition of it, and what they are acknowledged by.

use std::time::Duration;

use tokio::time::timeout;

use super::link::Link;
use super::proto::{Ack, CloseConsumer, Command, Flow, MessageId, Subscribe};
use super::{Config, Entry, EntryId, Error, Kind, lookup};

/// The number of the one consumer on its connection.
const ID: u64 = 0;

/// How long a broker may take at the end to hear the last acknowledgements.
const CLOSE_WITHIN: Duration = Duration::from_millis(800);

/// How a topic is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its name: the broker keeps under it what was not acknowledged.
    pub name: String,
    /// Others may read it, too, and get messages that this one does not get.
    pub is_shared: bool,
    /// What the broker shows this consumer as.
    pub consumer: String,
}

/// Reads a topic.
#[derive(Debug)]
pub struct Consumer {
    link: Link,
    topic: String,
}

impl Consumer {
    /// Subscribes to one of the [`parts`](super::parts) of a topic.
    ///
    /// A new subscription begins with what is sent next.
    ///
    /// # Errors
    /// If no broker can be reached, or it refuses.
    pub async fn subscribe(
        config: &Config,
        topic: &str,
        subscription: &Subscription,
    ) -> Result<Self, Error> {
        let mut link = lookup::find(config, topic).await?;
        let question = |request_id| Subscribe {
            topic: topic.to_owned(),
            subscription: subscription.name.clone(),
            kind: i32::from(subscription.is_shared),
            consumer_id: ID,
            request_id,
            consumer_name: Some(subscription.consumer.clone()),
        };
        match link.ask(question).await? {
            Command::Success(_) => Ok(Self {
                link,
                topic: topic.to_owned(),
            }),
            other => Err(link.strange(&other)),
        }
    }

    /// The whole name of what is read.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Lets the broker send so many more messages, with the next [`Self::flush`].
    pub fn permit(&mut self, messages: u32) {
        self.link.say(Flow {
            consumer_id: ID,
            permits: messages,
        });
    }

    /// Says that entries are done with, with the next [`Self::flush`].
    pub fn acknowledge(&mut self, entries: impl IntoIterator<Item = EntryId>) {
        let ids: Vec<_> = entries.into_iter().map(MessageId::from).collect();
        if !ids.is_empty() {
            self.link.say(Ack {
                consumer_id: ID,
                kind: 0,
                ids,
            });
        }
    }

    /// Sends what was said.
    ///
    /// # Errors
    /// If the connection is lost.
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.link.flush().await
    }

    /// The next entry; nothing, if there may be something to flush before one comes.
    ///
    /// # Errors
    /// If the connection is lost, or the topic goes to another broker.
    ///
    /// # Cancellation
    /// Nothing is lost.
    pub async fn next(&mut self) -> Result<Option<Entry>, Error> {
        let Some(frame) = self.link.next().await? else {
            return Ok(None);
        };
        match frame.command {
            Some(Command::Message(delivery)) => Ok(Some(Entry::read(&delivery, frame.rest))),
            Some(Command::CloseConsumer(_)) => {
                let why = "the broker ends the subscription: the topic is unloaded or deleted";
                Err(self.link.failed(Kind::Moved, why))
            }
            Some(Command::Error(refusal)) => Err(Error::said(refusal.error, &refusal.message)),
            _ => Ok(None),
        }
    }

    /// Ends it, after the broker has heard all that was said. What is not acknowledged comes again, here or
    /// elsewhere.
    ///
    /// # Errors
    /// If the connection is lost.
    pub async fn close(mut self) -> Result<(), Error> {
        let question = |request_id| CloseConsumer {
            consumer_id: ID,
            request_id,
        };
        // A broker that is slow has it all the same.
        if let Ok(answered) = timeout(CLOSE_WITHIN, self.link.ask(question)).await {
            answered?;
        }
        self.link.close().await
    }
}

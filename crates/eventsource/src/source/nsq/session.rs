//! What is done on a connection to an nsqd: messages are handed on, and nsqd hears what became of them.

use std::collections::VecDeque;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use super::connection::{Connection, HEARTBEAT_SAID, Lost};
use super::frame::{Command, Frame, Message, MessageId};
use super::{HOLD_LIMIT, Nsq};
use crate::context::SourceContext;
use crate::error::{Reason, SourceError};
use crate::incoming::{GiveBack, Verdict};
use crate::pump::InHand;
use crate::source::broker::Appetite;

/// When a message comes again that was given back because the bus took none, in milliseconds.
const AGAIN_IN: u64 = 10_000;

/// How long nsqd may take at the end to send no more.
const QUIET_WITHIN: Duration = Duration::from_millis(500);

/// What nsqd says when it sends no more.
const CLOSED_SAID: &[u8] = b"CLOSE_WAIT";

/// What nsqd says when a message is no longer this client's: it comes again, here or elsewhere.
const TOO_LATE: [&str; 3] = ["E_FIN_FAILED", "E_REQ_FAILED", "E_TOUCH_FAILED"];

/// The messages of one nsqd.
pub(super) struct Session<'a> {
    source: &'a Nsq,
    context: &'a SourceContext,
    connection: Connection,
    /// How many connections there are.
    sharing: watch::Receiver<usize>,
    appetite: Appetite,
    /// How many messages nsqd was told that it may send.
    told: usize,
    /// What came and was not handed on yet, and when it came.
    ready: VecDeque<(Message, Instant)>,
    in_hand: InHand<MessageId>,
    /// No more messages are wanted.
    is_ending: bool,
    /// nsqd knows that, and sends none.
    is_quiet: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        source: &'a Nsq,
        context: &'a SourceContext,
        connection: Connection,
        sharing: watch::Receiver<usize>,
    ) -> Self {
        let appetite = Appetite::new(connection.terms().max_rdy_count);
        Self {
            source,
            context,
            connection,
            sharing,
            appetite,
            told: 0,
            ready: VecDeque::new(),
            in_hand: context.publisher().in_hand(),
            is_ending: false,
            is_quiet: false,
        }
    }

    /// Runs until the context's `shutdown`, or until the connection is lost.
    pub(super) async fn run(mut self) -> Result<(), SourceError> {
        let every = self.connection.terms().touch_every();
        let mut touch = interval_at(Instant::now() + every, every);
        touch.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.ask();
            self.flush().await?;
            tokio::select! {
                biased;
                () = self.context.shutdown().cancelled() => break,
                settled = self.in_hand.settled() => self.settle(settled),
                permit = self.context.publisher().permit(), if !self.ready.is_empty() => {
                    if let Some((message, _)) = self.ready.pop_front() {
                        let incoming = self.source.incoming(&message, self.connection.address());
                        self.in_hand.hand_on(permit, incoming, message.id);
                    }
                }
                frame = self.connection.next() => self.received(frame)?,
                _ = touch.tick() => self.touch(),
                Ok(()) = self.sharing.changed() => {}
            }
        }
        self.finish().await
    }

    /// Tells nsqd how many messages it may send, if that has changed.
    fn ask(&mut self) {
        let wanted = self.appetite.messages(*self.sharing.borrow_and_update());
        if wanted != self.told {
            self.connection.say(Command::Ready(wanted));
            self.told = wanted;
        }
    }

    fn received(&mut self, frame: Result<Frame, Lost>) -> Result<(), SourceError> {
        match frame.map_err(|error| self.lost(error))? {
            Frame::Response(said) if said == HEARTBEAT_SAID => {
                self.connection.say(Command::Nop);
            }
            Frame::Response(said) => self.is_quiet |= said == CLOSED_SAID,
            Frame::Error(said) if TOO_LATE.iter().any(|late| said.starts_with(late)) => {
                tracing::debug!(nsqd = self.connection.address(), "A message is sent again");
            }
            Frame::Error(said) => {
                let act = format!("receive from {}", self.connection.address());
                return Err(SourceError::new(Reason::Refused, act).because(said));
            }
            Frame::Message(message) if self.is_ending => {
                self.connection.say(Command::Requeue(&message.id, 0));
            }
            Frame::Message(message) => {
                self.appetite.saw(message.body.len());
                self.ready.push_back((message, Instant::now()));
            }
        }
        Ok(())
    }

    /// Tells nsqd what became of what has a verdict.
    fn settle(&mut self, first: (MessageId, Verdict)) {
        let mut next = Some(first);
        while let Some((id, verdict)) = next {
            self.connection.say(match verdict {
                Verdict::Stored | Verdict::Filtered | Verdict::DeadLettered => Command::Finish(&id),
                Verdict::GivenBack(GiveBack::BusUnavailable) => Command::Requeue(&id, AGAIN_IN),
                Verdict::GivenBack(GiveBack::Stopping) => Command::Requeue(&id, 0),
            });
            next = self.in_hand.settled().now_or_never();
        }
    }

    /// Says that what is here takes longer, and gives back what has waited too long.
    fn touch(&mut self) {
        while let Some((message, came)) = self.ready.front()
            && came.elapsed() >= HOLD_LIMIT
        {
            self.connection.say(Command::Requeue(&message.id, AGAIN_IN));
            self.ready.pop_front();
        }
        let waiting = self.ready.iter().map(|(message, _)| &message.id);
        for id in self.in_hand.upstreams().chain(waiting) {
            self.connection.say(Command::Touch(id));
        }
    }

    /// Asks for no more, gives back what was not handed on, and tells what becomes of the rest.
    async fn finish(mut self) -> Result<(), SourceError> {
        self.is_ending = true;
        self.connection.say(Command::Close);
        for (message, _) in std::mem::take(&mut self.ready) {
            self.connection.say(Command::Requeue(&message.id, 0));
        }
        self.flush().await?;
        let mut patience = std::pin::pin!(sleep(QUIET_WITHIN));
        while !(self.is_quiet && self.in_hand.is_empty()) {
            tokio::select! {
                biased;
                settled = self.in_hand.settled() => self.settle(settled),
                frame = self.connection.next() => self.received(frame)?,
                () = &mut patience, if self.in_hand.is_empty() => break,
            }
            self.flush().await?;
        }
        let act = receive(self.connection.address());
        let closed = self.connection.close().await;
        closed.map_err(|error| SourceError::new(Reason::Disconnected, act).because(error))
    }

    async fn flush(&mut self) -> Result<(), SourceError> {
        self.connection
            .flush()
            .await
            .map_err(|error| self.lost(error))
    }

    fn lost(&self, error: Lost) -> SourceError {
        let reason = match error {
            Lost::Malformed(_) => Reason::Malformed,
            _ => Reason::Disconnected,
        };
        SourceError::new(reason, receive(self.connection.address())).because(error)
    }
}

fn receive(address: &str) -> String {
    format!("receive from nsqd {address}")
}

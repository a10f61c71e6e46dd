//! One client's connection: its sessions, and what its links are for.

mod requests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use fe2o3_amqp::acceptor::{
    ConnectionAcceptor, LinkAcceptor, LinkEndpoint, ListenerSessionHandle, SaslAnonymousMechanism,
    SessionAcceptor,
};
use fe2o3_amqp::link::{Receiver, Sender};
use fe2o3_amqp::types::definitions::{AmqpError, Error, LinkError};
use fe2o3_amqp::types::messaging::{
    Body, DeliveryAnnotations, Message, Outcome, annotations::OwnedKey,
};
use fe2o3_amqp::types::primitives::{Timestamp as Moment, Uuid, Value};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use jiff::{SignedDuration, Timestamp};
use tokio::io::DuplexStream;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use super::entity::{Entity, Kept};
use super::queue::Queue;
use super::{LARGEST, LOCKED_FOR, Shared};

/// What Azure says to who has shown no claim.
const UNAUTHORIZED: &str = "Unauthorized access. 'Listen' or 'Send' claim(s) are required to perform this \
                            operation. TrackingId:1";

/// A link that answers go out by.
type Answers = UnboundedSender<Message<Body<Value>>>;

/// A client.
#[derive(Clone)]
struct Client {
    shared: Arc<Shared>,
    /// The resources that it has shown claims to.
    claims: Arc<Mutex<Vec<String>>>,
    /// Where answers go, by the name of their link.
    answers: Arc<Mutex<BTreeMap<String, Answers>>>,
}

/// A message of a queue that a link has.
struct Reserved<'a> {
    client: &'a Client,
    path: &'a str,
    sequence: i64,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let sequence = self.sequence;
        self.client
            .queue(self.path, |queue| queue.lock(sequence, None));
    }
}

/// Serves a client until it goes.
pub(super) async fn serve(stream: DuplexStream, shared: Arc<Shared>) {
    let client = Client {
        shared,
        claims: Arc::default(),
        answers: Arc::default(),
    };
    let acceptor = ConnectionAcceptor::builder()
        .container_id("azure")
        .sasl_acceptor(SaslAnonymousMechanism {})
        .build();
    let Ok(mut connection) = acceptor.accept(stream).await else {
        return;
    };
    let mut sessions = JoinSet::new();
    while let Ok(session) = SessionAcceptor::new().accept(&mut connection).await {
        sessions.spawn(client.clone().serve_session(session));
    }
}

impl Client {
    async fn serve_session(self, mut session: ListenerSessionHandle) {
        let acceptor = LinkAcceptor::builder().max_message_size(LARGEST).build();
        let mut links = JoinSet::new();
        loop {
            match acceptor.accept(&mut session).await {
                Ok(LinkEndpoint::Sender(sender)) => {
                    links.spawn(self.clone().serve_receiver(sender));
                }
                Ok(LinkEndpoint::Receiver(receiver)) => {
                    links.spawn(self.clone().serve_sender(receiver));
                }
                Err(_) if session.is_ended() => return,
                Err(error) => {
                    if matches!(
                        error,
                        fe2o3_amqp::acceptor::error::AcceptorAttachError::SessionStopped(_)
                    ) {
                        return;
                    }
                }
            }
        }
    }

    /// Whether the client has shown a claim to an entity.
    fn may(&self, path: &str) -> bool {
        let claims = self.claims.lock().expect("nobody panics");
        claims.iter().any(|claim| {
            let claim = claim.strip_prefix("sb://localhost/");
            claim.is_some_and(|claim| path == claim || path.starts_with(&format!("{claim}/")))
        })
    }

    /// Serves a client that receives.
    async fn serve_receiver(self, sender: Sender) {
        let address = sender
            .source()
            .as_ref()
            .and_then(|source| source.address.clone());
        let address = address.unwrap_or_default();
        if address == "$cbs" || address.ends_with("$management") {
            return self.answer(sender).await;
        }
        let hub = address.split_once("/ConsumerGroups/$Default/Partitions/");
        let path = hub.map_or(address.as_str(), |(hub, _)| hub);
        let refused = if self.may(path) {
            match self.shared.entities().get(path) {
                None => Some(Error::new(AmqpError::NotFound, not_found(path), None)),
                Some(Entity::Queue(Queue {
                    requires_sessions: true,
                    ..
                })) => {
                    let why = "It is not possible for an entity that requires sessions to create a \
                               non-sessionful message receiver. TrackingId:1";
                    Some(Error::new(AmqpError::NotAllowed, why.to_owned(), None))
                }
                Some(_) => None,
            }
        } else {
            let why = UNAUTHORIZED.to_owned();
            Some(Error::new(AmqpError::UnauthorizedAccess, why, None))
        };
        match (refused, hub) {
            (Some(error), _) => drop(sender.close_with_error(error).await),
            (None, None) => self.hand_out(sender, path).await,
            (None, Some((hub, partition))) => self.read_out(sender, hub, partition).await,
        }
    }

    /// Hands out the messages of a queue.
    async fn hand_out(&self, mut sender: Sender, path: &str) {
        let shared = &self.shared;
        let mut changes = shared.changes.subscribe();
        let mut outcomes = FuturesUnordered::new();
        loop {
            changes.borrow_and_update();
            let (reserved, end) = {
                let mut entities = shared.entities();
                let Some(Entity::Queue(queue)) = entities.get_mut(path) else {
                    return;
                };
                (queue.reserve(), queue.next_end())
            };
            let Some(kept) = reserved else {
                let ended = async {
                    match end {
                        Some(end) => sleep_until(end).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    _ = sender.on_detach() => return,
                    Some((lock, outcome)) = outcomes.next() => self.settle(path, lock, outcome),
                    _ = changes.changed() => {}
                    () = ended => {}
                }
                continue;
            };
            // Whatever becomes of this link, others may have it.
            let reserved = Reserved {
                client: self,
                path,
                sequence: kept.sequence,
            };
            let lock: [u8; 16] = fastrand::u128(..).to_le_bytes();
            let sending = sender.send_batchable(locked(&kept, lock));
            let mut sending = std::pin::pin!(sending);
            let sent = loop {
                tokio::select! {
                    sent = &mut sending => break sent,
                    Some((lock, outcome)) = outcomes.next() => self.settle(path, lock, outcome),
                }
            };
            match sent {
                Ok(outcome) => {
                    self.queue(path, |queue| queue.lock(kept.sequence, Some(lock)));
                    outcomes.push(async move { (lock, outcome.await.ok()) });
                }
                Err(_) => return,
            }
            drop(reserved);
        }
    }

    fn queue<T>(&self, path: &str, change: impl FnOnce(&mut Queue) -> T) -> Option<T> {
        let changed = self.shared.change(path, |entity| match entity {
            Entity::Queue(queue) => Some(change(queue)),
            Entity::Hub(_) => None,
        });
        changed.flatten()
    }

    fn settle(&self, path: &str, lock: [u8; 16], outcome: Option<Outcome>) {
        if let Some(outcome) = outcome {
            let is_done = matches!(outcome, Outcome::Accepted(_) | Outcome::Rejected(_));
            self.queue(path, |queue| queue.settle(lock, is_done));
        }
    }

    /// Reads out a partition, from where the client asks for.
    async fn read_out(&self, mut sender: Sender, hub: &str, partition: &str) {
        let count = || match self.shared.entities().get(hub) {
            Some(Entity::Hub(hub)) => hub.partition(partition).map_or(0, Vec::len),
            _ => 0,
        };
        let mut next = selected(&sender).unwrap_or_else(count);
        let mut changes = self.shared.changes.subscribe();
        let mut outcomes = FuturesUnordered::new();
        loop {
            changes.borrow_and_update();
            let kept = match self.shared.entities().get(hub) {
                Some(Entity::Hub(hub)) => {
                    let events = hub.partition(partition);
                    events.and_then(|events| events.get(next).cloned())
                }
                _ => None,
            };
            let Some(kept) = kept else {
                tokio::select! {
                    _ = sender.on_detach() => return,
                    Some(()) = outcomes.next() => {}
                    _ = changes.changed() => {}
                }
                continue;
            };
            match sender.send_batchable(kept.annotated(&[])).await {
                Ok(outcome) => outcomes.push(async move { drop(outcome.await) }),
                Err(_) => return,
            }
            next += 1;
        }
    }

    /// Serves a client that sends.
    async fn serve_sender(self, mut receiver: Receiver) {
        let address = receiver
            .target()
            .as_ref()
            .and_then(|target| target.address.clone());
        let path = address.unwrap_or_default();
        if path == "$cbs" || path.ends_with("$management") {
            return self.listen(receiver, &path).await;
        }
        if !self.may(&path) {
            let error = Error::new(AmqpError::UnauthorizedAccess, UNAUTHORIZED.to_owned(), None);
            return drop(receiver.close_with_error(error).await);
        }
        if !self.shared.entities().contains_key(&path) {
            let error = Error::new(AmqpError::NotFound, not_found(&path), None);
            return drop(receiver.close_with_error(error).await);
        }
        while let Ok(delivery) = receiver.recv::<Body<Value>>().await {
            let kept = Kept::received(delivery.message().clone());
            self.shared.change(&path, |entity| entity.take(kept, None));
            if receiver.accept(&delivery).await.is_err() {
                return;
            }
        }
        let error = Error::new(LinkError::DetachForced, None, None);
        drop(receiver.close_with_error(error).await);
    }
}

fn not_found(path: &str) -> String {
    format!("The messaging entity 'sb://localhost/{path}' could not be found. TrackingId:1")
}

/// A message as it goes out, under a lock.
fn locked(kept: &Kept, lock: [u8; 16]) -> Message<Body<Value>> {
    let lasts = SignedDuration::try_from(LOCKED_FOR).expect("it is short");
    let until = Moment::from_milliseconds((Timestamp::now() + lasts).as_millisecond());
    let mut annotations = DeliveryAnnotations::default();
    let name = OwnedKey::from("x-opt-lock-token");
    annotations.0.insert(name, Value::Uuid(Uuid::from(lock)));
    Message {
        delivery_annotations: Some(annotations),
        ..kept.annotated(&[("x-opt-locked-until", Value::Timestamp(until))])
    }
}

/// The number of the event that the client wants first. `None`: that which comes next.
fn selected(sender: &Sender) -> Option<usize> {
    let filters = sender.source().as_ref()?.filter.as_ref()?;
    let selectors = filters.values().filter_map(|filter| match filter {
        Value::Described(described) => match &described.value {
            Value::String(selector) => Some(selector),
            _ => None,
        },
        _ => None,
    });
    let mut number = selectors.filter_map(|selector| {
        let number = selector.strip_prefix("amqp.annotation.x-opt-sequence-number > '")?;
        number.strip_suffix('\'')?.parse::<i64>().ok()
    });
    // After -1 comes the first.
    let next = number.next()? + 1;
    usize::try_from(next).ok()
}

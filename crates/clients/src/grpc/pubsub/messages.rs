//! What Pub/Sub and its clients say to each other, as far as it is needed.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

/// A subscription.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Subscription {
    /// Its whole name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The whole name of its topic.
    #[prost(string, tag = "2")]
    pub topic: String,
}

/// A topic.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Topic {
    /// Its whole name.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// A subscription that something is asked of.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SubscriptionRequest {
    /// Its whole name.
    #[prost(string, tag = "1")]
    pub subscription: String,
}

/// Messages that are done with.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AcknowledgeRequest {
    /// The whole name of the subscription.
    #[prost(string, tag = "1")]
    pub subscription: String,
    /// What they are known by.
    #[prost(string, repeated, tag = "2")]
    pub ack_ids: Vec<String>,
}

/// Messages that nobody else is to get for a while.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ModifyAckDeadlineRequest {
    /// The whole name of the subscription.
    #[prost(string, tag = "1")]
    pub subscription: String,
    /// For how long from now on.
    #[prost(int32, tag = "3")]
    pub ack_deadline_seconds: i32,
    /// What they are known by.
    #[prost(string, repeated, tag = "4")]
    pub ack_ids: Vec<String>,
}

/// The first request of a stream; the fields of all others stay as they are by default.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StreamingPullRequest {
    /// The whole name of the subscription.
    #[prost(string, tag = "1")]
    pub subscription: String,
    /// For how long nobody else gets a message.
    #[prost(int32, tag = "5")]
    pub stream_ack_deadline_seconds: i32,
    /// Whose streams follow each other.
    #[prost(string, tag = "6")]
    pub client_id: String,
    /// How many messages may be on their way without an acknowledgement.
    #[prost(int64, tag = "7")]
    pub max_outstanding_messages: i64,
    /// How many bytes of them.
    #[prost(int64, tag = "8")]
    pub max_outstanding_bytes: i64,
    /// The version of the protocol.
    #[prost(int64, tag = "10")]
    pub protocol_version: i64,
}

/// What comes on a stream.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StreamingPullResponse {
    /// Messages; none, if it is the answer to a ping.
    #[prost(message, repeated, tag = "1")]
    pub received_messages: Vec<ReceivedMessage>,
}

/// A message, on its way.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ReceivedMessage {
    /// What this delivery is known by.
    #[prost(string, tag = "1")]
    pub ack_id: String,
    /// The message.
    #[prost(message, optional, tag = "2")]
    pub message: Option<PubsubMessage>,
}

/// A message.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PubsubMessage {
    /// The body.
    #[prost(bytes = "bytes", tag = "1")]
    pub data: Bytes,
    /// What its sender says of it.
    #[prost(btree_map = "string, string", tag = "2")]
    pub attributes: BTreeMap<String, String>,
    /// What it is known by in its topic.
    #[prost(string, tag = "3")]
    pub message_id: String,
    /// When the server has got it.
    #[prost(message, optional, tag = "4")]
    pub publish_time: Option<Time>,
    /// What it has in common with those that it is in order with; may be empty.
    #[prost(string, tag = "5")]
    pub ordering_key: String,
}

/// A time.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Time {
    /// Seconds since 1970.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Parts of a second.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// Rights that somebody may have, and those that they have.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct TestRightsRequest {
    #[prost(string, tag = "1")]
    pub(super) resource: String,
    #[prost(string, repeated, tag = "2")]
    pub(super) permissions: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct TestRightsResponse {
    #[prost(string, repeated, tag = "1")]
    pub(super) permissions: Vec<String>,
}

/// An answer that says nothing.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct Empty {}

/// What a status says beyond its code: `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Details {
    #[prost(message, repeated, tag = "3")]
    pub(super) details: Vec<Any>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct Any {
    #[prost(string, tag = "1")]
    pub(super) type_url: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) value: Bytes,
}

/// `google.rpc.ErrorInfo`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ErrorInfo {
    #[prost(map = "string, string", tag = "3")]
    pub(super) metadata: HashMap<String, String>,
}

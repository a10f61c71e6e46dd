//! The commands of the protocol, with the numbers of their fields. What nobody here reads or sets is left out.

use bytes::Bytes;
use prost::{Message, Oneof};

/// A command: its kind, and what it says under a field of the same number.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Envelope {
    #[prost(int32, required, tag = "1")]
    pub(super) kind: i32,
    #[prost(
        oneof = "Command",
        tags = "2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 19, 21, 22, 23, 24, 36, 37"
    )]
    pub(super) command: Option<Command>,
}

macro_rules! commands {
    ($($number:literal $name:ident($message:ident),)*) => {
        /// What one side says to the other.
        #[derive(Clone, PartialEq, Oneof)]
        pub(super) enum Command {
            $(#[prost(message, tag = $number)] $name($message),)*
        }

        impl Command {
            /// The number of its kind.
            fn kind(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $number,)*
                }
            }

            /// Its name, for errors.
            pub(super) fn name(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => stringify!($name),)*
                }
            }
        }

        $(impl From<$message> for Command {
            fn from(message: $message) -> Self {
                Self::$name(message)
            }
        })*
    };
}

commands! {
    "2" Connect(Connect),
    "3" Connected(Connected),
    "4" Subscribe(Subscribe),
    "5" Producer(NewProducer),
    "6" Send(Send),
    "7" SendReceipt(SendReceipt),
    "8" SendError(SendError),
    "9" Message(Delivery),
    "10" Ack(Ack),
    "11" Flow(Flow),
    "13" Success(Success),
    "14" Error(Refusal),
    "15" CloseProducer(CloseProducer),
    "16" CloseConsumer(CloseConsumer),
    "17" ProducerSuccess(ProducerSuccess),
    "18" Ping(Ping),
    "19" Pong(Pong),
    "21" PartitionedMetadata(PartitionedMetadata),
    "22" PartitionedMetadataResponse(PartitionedMetadataResponse),
    "23" Lookup(Lookup),
    "24" LookupResponse(LookupResponse),
    "36" AuthChallenge(AuthChallenge),
    "37" AuthResponse(AuthResponse),
}

impl From<Command> for Envelope {
    fn from(command: Command) -> Self {
        Self {
            // They are numbers.
            kind: command.kind().parse().unwrap_or_default(),
            command: Some(command),
        }
    }
}

macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = ($($attribute:tt)*),)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Message)]
        pub(super) struct $name {
            $($(#[$field_doc])* #[prost($($attribute)*)] pub(super) $field: $type,)*
        }
    )*};
}

messages! {
    /// The first thing that a client says.
    Connect {
        client_version: String = (string, required, tag = "1"),
        auth_data: Option<Bytes> = (bytes = "bytes", optional, tag = "3"),
        protocol_version: Option<i32> = (int32, optional, tag = "4"),
        auth_method_name: Option<String> = (string, optional, tag = "5"),
        /// Host and port of the broker that a proxy is to connect to.
        proxy_to_broker_url: Option<String> = (string, optional, tag = "6"),
    }

    /// The client is known.
    Connected {
        server_version: String = (string, required, tag = "1"),
        max_message_size: Option<i32> = (int32, optional, tag = "3"),
    }

    /// The client is to say again who it is.
    AuthChallenge {}

    /// Who the client is.
    AuthResponse {
        client_version: Option<String> = (string, optional, tag = "1"),
        response: Option<AuthData> = (message, optional, tag = "2"),
        protocol_version: Option<i32> = (int32, optional, tag = "3"),
    }

    /// A login.
    AuthData {
        auth_method_name: Option<String> = (string, optional, tag = "1"),
        auth_data: Option<Bytes> = (bytes = "bytes", optional, tag = "2"),
    }

    /// A consumer is wanted.
    Subscribe {
        topic: String = (string, required, tag = "1"),
        subscription: String = (string, required, tag = "2"),
        /// 0: exclusive, 1: shared.
        kind: i32 = (int32, required, tag = "3"),
        consumer_id: u64 = (uint64, required, tag = "4"),
        request_id: u64 = (uint64, required, tag = "5"),
        consumer_name: Option<String> = (string, optional, tag = "6"),
    }

    /// The consumer takes so many more messages.
    Flow {
        consumer_id: u64 = (uint64, required, tag = "1"),
        permits: u32 = (uint32, required, tag = "2"),
    }

    /// Where an entry stands.
    MessageId {
        ledger: u64 = (uint64, required, tag = "1"),
        entry: u64 = (uint64, required, tag = "2"),
    }

    /// An entry for a consumer: metadata and payload follow the command.
    Delivery {
        consumer_id: u64 = (uint64, required, tag = "1"),
        id: MessageId = (message, required, tag = "2"),
        /// Bits of the messages that are not acknowledged yet; empty if none is.
        ack_set: Vec<i64> = (int64, repeated, packed = "false", tag = "4"),
    }

    /// Entries are done with.
    Ack {
        consumer_id: u64 = (uint64, required, tag = "1"),
        /// 0: these alone, 1: all up to this one.
        kind: i32 = (int32, required, tag = "2"),
        ids: Vec<MessageId> = (message, repeated, tag = "3"),
    }

    /// A consumer ends. A broker says it when the topic goes to another one.
    CloseConsumer {
        consumer_id: u64 = (uint64, required, tag = "1"),
        request_id: u64 = (uint64, required, tag = "2"),
    }

    /// A producer ends. A broker says it when the topic goes to another one.
    CloseProducer {
        producer_id: u64 = (uint64, required, tag = "1"),
        request_id: u64 = (uint64, required, tag = "2"),
    }

    /// What was asked for is done.
    Success {
        request_id: u64 = (uint64, required, tag = "1"),
    }

    /// What was asked for is refused.
    Refusal {
        request_id: u64 = (uint64, required, tag = "1"),
        error: i32 = (int32, required, tag = "2"),
        message: String = (string, required, tag = "3"),
    }

    /// A producer is wanted.
    NewProducer {
        topic: String = (string, required, tag = "1"),
        producer_id: u64 = (uint64, required, tag = "2"),
        request_id: u64 = (uint64, required, tag = "3"),
    }

    /// There is a producer, and it may send unless it has to wait for its turn.
    ProducerSuccess {
        request_id: u64 = (uint64, required, tag = "1"),
        producer_name: String = (string, required, tag = "2"),
    }

    /// An entry: metadata and payload follow the command.
    Send {
        producer_id: u64 = (uint64, required, tag = "1"),
        sequence_id: u64 = (uint64, required, tag = "2"),
        num_messages: Option<i32> = (int32, optional, tag = "3"),
    }

    /// An entry is stored.
    SendReceipt {
        producer_id: u64 = (uint64, required, tag = "1"),
        sequence_id: u64 = (uint64, required, tag = "2"),
    }

    /// An entry is refused.
    SendError {
        producer_id: u64 = (uint64, required, tag = "1"),
        sequence_id: u64 = (uint64, required, tag = "2"),
        error: i32 = (int32, required, tag = "3"),
        message: String = (string, required, tag = "4"),
    }

    /// Is anybody there?
    Ping {}

    /// Yes.
    Pong {}

    /// How many partitions has a topic?
    PartitionedMetadata {
        topic: String = (string, required, tag = "1"),
        request_id: u64 = (uint64, required, tag = "2"),
    }

    /// So many; 0 if it is not divided.
    PartitionedMetadataResponse {
        partitions: Option<u32> = (uint32, optional, tag = "1"),
        request_id: u64 = (uint64, required, tag = "2"),
        /// 0: success, 1: failed.
        response: Option<i32> = (int32, optional, tag = "3"),
        error: Option<i32> = (int32, optional, tag = "4"),
        message: Option<String> = (string, optional, tag = "5"),
    }

    /// Which broker has a topic?
    Lookup {
        topic: String = (string, required, tag = "1"),
        request_id: u64 = (uint64, required, tag = "2"),
        /// Somebody has said that this broker knows.
        is_authoritative: Option<bool> = (bool, optional, tag = "3"),
    }

    /// This one.
    LookupResponse {
        url: Option<String> = (string, optional, tag = "1"),
        url_tls: Option<String> = (string, optional, tag = "2"),
        /// 0: ask there, 1: connect there, 2: failed.
        response: Option<i32> = (int32, optional, tag = "3"),
        request_id: u64 = (uint64, required, tag = "4"),
        is_authoritative: Option<bool> = (bool, optional, tag = "5"),
        error: Option<i32> = (int32, optional, tag = "6"),
        message: Option<String> = (string, optional, tag = "7"),
        /// It is reached through the place that was asked.
        is_behind_proxy: Option<bool> = (bool, optional, tag = "8"),
    }

    /// What is said of an entry.
    Metadata {
        producer_name: String = (string, required, tag = "1"),
        sequence_id: u64 = (uint64, required, tag = "2"),
        /// In milliseconds.
        publish_time: u64 = (uint64, required, tag = "3"),
        properties: Vec<KeyValue> = (message, repeated, tag = "4"),
        key: Option<String> = (string, optional, tag = "6"),
        compression: Option<i32> = (int32, optional, tag = "8"),
        uncompressed_size: Option<u32> = (uint32, optional, tag = "9"),
        /// Set if the payload is a batch, also of one.
        num_messages_in_batch: Option<i32> = (int32, optional, tag = "11"),
        encryption_keys: Vec<KeyValue> = (message, repeated, tag = "13"),
        /// Set if brokers and not users speak to each other.
        marker_type: Option<i32> = (int32, optional, tag = "20"),
        num_chunks: Option<i32> = (int32, optional, tag = "27"),
    }

    /// What is said of a message in a batch.
    SingleMetadata {
        key: Option<String> = (string, optional, tag = "2"),
        payload_size: i32 = (int32, required, tag = "3"),
        /// A newer message with its key has taken its place.
        is_compacted_out: Option<bool> = (bool, optional, tag = "4"),
    }

    /// A property.
    KeyValue {
        key: String = (string, required, tag = "1"),
        value: Bytes = (bytes = "bytes", required, tag = "2"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_has_the_numbers_of_the_protocol() {
        let ping = Envelope::from(Command::from(Ping {}));
        assert_eq!(ping.encode_to_vec(), b"\x08\x12\x92\x01\x00");
        let flow = Flow {
            consumer_id: 0,
            permits: 300,
        };
        let flow = Envelope::from(Command::from(flow));
        assert_eq!(
            flow.encode_to_vec(),
            b"\x08\x0b\x5a\x05\x08\x00\x10\xac\x02"
        );
        let response = AuthResponse {
            client_version: None,
            response: Some(AuthData {
                auth_method_name: Some("token".to_owned()),
                auth_data: Some(Bytes::from_static(b"t")),
            }),
            protocol_version: None,
        };
        let response = Envelope::from(Command::from(response));
        assert_eq!(
            response.encode_to_vec(),
            b"\x08\x25\xaa\x02\x0c\x12\x0a\x0a\x05token\x12\x01t"
        );
    }

    #[test]
    fn a_command_that_is_not_known_has_no_content() {
        let change = Envelope::decode(&b"\x08\x1f\xfa\x01\x04\x08\x00\x10\x01"[..]).unwrap();
        assert_eq!((change.kind, change.command), (31, None));
    }
}

//! The kinds, each with what it promises beyond what all do.

use super::generic::Server;
use super::minio::Bucket;
use super::mns::Queue as MnsQueue;
use super::nats::{Core, JetStream};
use super::nsq::Topic;
use super::promises::{
    broker_killed, bus_killed, contract, encrypted, once_and_in_order, pod_killed, pod_stopped,
    promised, two_pods, unfit, wrong_password,
};
use super::rabbitmq::Queue;
use super::redis::{Channel, Stream};
use super::sqs::Queue as Messages;
use super::{azurite, event_hubs, kafka, mosquitto, pubsub, service_bus};

contract! {
    amqp: Queue<true>, encrypts, keeps, shares;
    azure_events_hub: event_hubs::Hub, keeps;
    azure_queue_storage: azurite::Queue, keeps, shares;
    azure_service_bus: service_bus::Queue<false>, encrypts, keeps, shares;
    azure_service_bus_topic: service_bus::Queue<true>, keeps, shares;
    emitter: mosquitto::Channel, encrypts;
    generic: Server,;
    kafka_group: kafka::Topic<true>, encrypts, keeps, shares;
    kafka_partition: kafka::Topic<false>, encrypts, keeps;
    minio: Bucket,;
    mns: MnsQueue, keeps, shares;
    mqtt: mosquitto::Topic, encrypts, keeps;
    nats: Core<false>, encrypts;
    nats_jetstream: JetStream, encrypts, keeps, shares;
    nats_queue: Core<true>, encrypts, shares;
    nsq: Topic, encrypts, keeps, shares;
    pub_sub: pubsub::Subscription<false>, keeps, shares;
    pub_sub_ordered: pubsub::Subscription<true>, keeps, shares;
    redis: Channel, encrypts;
    redis_stream: Stream, encrypts, keeps, shares;
    sqs: Messages<false>, keeps, shares;
    sqs_fifo: Messages<true>, keeps, shares;
}

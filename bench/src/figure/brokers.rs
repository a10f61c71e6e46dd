//! Messages that wait at a broker become events on a bus beside it: how many a second, and what a pod
//! takes before any comes and while they do.

use std::fs;
use std::iter::repeat_n;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use amqprs::channel::{BasicPublishArguments, QueueDeclareArguments};
use amqprs::connection::{Connection, OpenConnectionArguments};
use amqprs::{BasicProperties, DELIVERY_MODE_PERSISTENT};
use anyhow::{Context as _, bail, ensure};
use async_nats::jetstream;
use futures::future::try_join_all;
use krafka::{Kafka, Record};
use rumqttc::{AsyncClient, Event, Incoming, MqttOptions, PublishOptions, QoS};
use serde_json::{Value, json};
use tiphys_testbed::{Broker, BrokerOptions, BrokerServer, Nats, NatsOptions, Scratch};
use tiphys_tests::nsq::{NsqOptions, Nsqd};
use tokio::runtime::Runtime;

use crate::Bench;
use crate::report::{Report, Row};
use crate::tiphys::Tiphys;
use crate::world::runtime;

/// Bytes of a message.
const BODY: usize = 1_024;

/// How many messages are sent before the broker's answers are waited for.
const AT_ONCE: usize = 500;

/// How long a pod does nothing before its memory is looked at.
const REST: Duration = Duration::from_secs(3);

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_mins(5);

/// The counter of what is published.
const SENT: &str = "argo_events_events_sent_total";

/// What is listened to.
#[derive(Debug, Clone, Copy)]
enum Kind {
    JetStream,
    RedisStream,
    Amqp,
    Kafka,
    Mqtt,
    /// No build of nsqd can be had: what serves is the one of the stories, in this process.
    Nsq,
}

/// What serves it.
enum Server {
    Nats(Nats),
    Nsq(Nsqd),
    Other(BrokerServer),
}

/// A pod's folders.
struct Pod<'b> {
    bench: &'b Bench,
    scratch: Scratch,
}

pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let kinds = [
        Kind::JetStream,
        Kind::RedisStream,
        Kind::Amqp,
        Kind::Kafka,
        Kind::Mqtt,
        Kind::Nsq,
    ];
    for kind in kinds {
        kind.measure(bench, report)
            .with_context(|| format!("measure {}", kind.name()))?;
    }
    Ok(())
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::JetStream => "nats with jetstream",
            Self::RedisStream => "redisStream",
            Self::Amqp => "amqp",
            Self::Kafka => "kafka",
            Self::Mqtt => "mqtt",
            Self::Nsq => "nsq from the nsqd of the stories",
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of messages are small")]
    fn measure(self, bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
        let count = bench.count(30_000, 1_000);
        let runtime = runtime()?;
        let server = self.start(bench, &runtime)?;
        let bus = Nats::start(&bench.programs, &NatsOptions::default())?;
        if let Self::JetStream = self {
            runtime.block_on(make_stream(&server.address()))?;
        }
        let pod = Pod {
            bench,
            scratch: Scratch::new("bench")?,
        };
        pod.write(&bus.url(), &self.spec(&server.address()))?;
        // What is listened to is there from now on, and keeps what comes.
        let mut tiphys = pod.start("pod-0")?;
        tiphys.await_ready()?;
        std::thread::sleep(REST);
        let resident = tiphys.memory()?.resident;
        tiphys.stop()?;
        runtime.block_on(self.send(&server, count))?;
        let tiphys = pod.start("pod-1")?;
        let (start, cpu) = (Instant::now(), tiphys.cpu_time()?);
        let wanted = u64::try_from(count)?;
        while tiphys.count(SENT)? < wanted {
            ensure!(start.elapsed() < PATIENCE, "{}", tiphys.report());
            std::thread::sleep(Duration::from_millis(5));
        }
        let (took, cpu) = (start.elapsed(), tiphys.cpu_time()?.saturating_sub(cpu));
        let most = tiphys.most_memory()?;
        let name = self.name();
        report.add(
            Row::new(
                format!("{name}, 1 KB, {count} that wait"),
                "events/s",
                count as f64 / took.as_secs_f64(),
            )
            .at_least(5_000.0),
        );
        report.add(Row::new(
            format!("{name}, the same"),
            "CPU ms/event",
            cpu.as_secs_f64() * 1000.0 / count as f64,
        ));
        let most = Row::new(format!("{name}, the same, resident at most"), "MiB", most);
        report.add(match self {
            Self::Kafka => most.at_most(40.0),
            _ => most,
        });
        report.add(Row::new(format!("{name}, idle, resident"), "MiB", resident).at_most(30.0));
        tiphys.stop()?;
        Ok(())
    }

    fn start(self, bench: &Bench, runtime: &Runtime) -> anyhow::Result<Server> {
        let broker = match self {
            Self::JetStream => {
                let nats = Nats::start(&bench.programs, &NatsOptions::default())?;
                return Ok(Server::Nats(nats));
            }
            Self::Nsq => {
                let nsqd = Nsqd::start(NsqOptions::default(), &["load"]);
                return Ok(Server::Nsq(runtime.block_on(nsqd)));
            }
            Self::RedisStream => Broker::Redis,
            Self::Amqp => Broker::Rabbitmq,
            Self::Kafka => Broker::Kafka,
            Self::Mqtt => Broker::Mosquitto,
        };
        BrokerServer::start(broker, &BrokerOptions::default()).map(Server::Other)
    }

    fn spec(self, address: &str) -> Value {
        match self {
            Self::JetStream => json!({"nats": {"load": {
                "url": address, "subject": "load", "jsonBody": true,
                "jetstream": {"stream": "LOAD", "durable": "tiphys"},
            }}}),
            Self::RedisStream => json!({"redisStream": {"load": {
                "hostAddress": address, "streams": ["load"], "maxMsgCountPerRead": 256,
            }}}),
            Self::Amqp => json!({"amqp": {"load": {
                "url": format!("amqp://{address}"), "exchangeName": "load",
                "exchangeType": "fanout", "routingKey": "load", "jsonBody": true,
                "queueDeclare": {"name": "load", "durable": true},
            }}}),
            Self::Kafka => json!({"kafka": {"load": {
                "url": address, "topic": "load", "jsonBody": true,
                "consumerGroup": {"groupName": "load"},
            }}}),
            Self::Mqtt => json!({"mqtt": {"load": {
                "url": format!("tcp://{address}"), "topic": "load", "clientId": "tiphys",
                "jsonBody": true,
            }}}),
            Self::Nsq => json!({"nsq": {"load": {
                "hostAddress": address, "topic": "load", "channel": "tiphys", "jsonBody": true,
            }}}),
        }
    }

    /// Sends messages, and returns when the broker has them.
    async fn send(self, server: &Server, count: usize) -> anyhow::Result<()> {
        let body = format!("{{\"fill\":\"{}\"}}", "x".repeat(BODY - 11)).into_bytes();
        let address = &server.address();
        match self {
            Self::JetStream => send_to_stream(address, &body, count).await,
            Self::RedisStream => add(address, &body, count).await,
            Self::Amqp => publish(address, &body, count).await,
            Self::Kafka => produce(address, &body, count).await,
            Self::Mqtt => tell(address, &body, count).await,
            Self::Nsq => server.queue(body, count),
        }
    }
}

impl Server {
    fn address(&self) -> String {
        match self {
            Self::Nats(nats) => nats.url(),
            Self::Nsq(nsqd) => nsqd.lookupd(),
            Self::Other(broker) => broker.address(),
        }
    }

    /// Has messages without being sent them: the one that runs here.
    fn queue(&self, body: Vec<u8>, count: usize) -> anyhow::Result<()> {
        let Self::Nsq(nsqd) = self else {
            bail!("only the nsqd of the stories has messages that nobody sends");
        };
        nsqd.publish("load", repeat_n(body, count));
        Ok(())
    }
}

impl Pod<'_> {
    /// Writes what the pod mounts.
    fn write(&self, nats: &str, spec: &Value) -> anyhow::Result<()> {
        let source = json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "EventSource",
            "metadata": {
                "name": "load", "namespace": "playground", "generation": 1,
                "uid": "0b7e2a5c-0000-4000-8000-000000000001",
                "creationTimestamp": "2026-01-02T03:04:05Z",
            },
            "spec": spec,
        });
        let bus = json!({"jetstream": {"url": nats}});
        let folder = self.folder("spec");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("object.json"), source.to_string())?;
        fs::write(folder.join("eventbus.json"), bus.to_string())?;
        Ok(())
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.scratch.path().join("volumes").join(name)
    }

    fn start(&self, name: &str) -> anyhow::Result<Tiphys> {
        let (spec, auth, values) = (
            self.folder("spec"),
            self.folder("auth"),
            self.folder("values"),
        );
        let variables = [
            ("POD_NAMESPACE", Path::new("playground")),
            ("POD_NAME", Path::new(name)),
            ("TIPHYS_SPEC", &spec),
            ("TIPHYS_BUS_AUTH", &auth),
            ("TIPHYS_VALUES", &values),
        ];
        let args = ["eventsource"];
        Tiphys::spawn(
            self.bench,
            &self.scratch,
            name,
            &args,
            &variables,
            "Running",
        )
    }
}

async fn make_stream(url: &str) -> anyhow::Result<()> {
    let context = jetstream::new(async_nats::connect(url).await?);
    let config = jetstream::stream::Config {
        name: "LOAD".to_owned(),
        subjects: vec!["load".to_owned()],
        ..jetstream::stream::Config::default()
    };
    context.create_stream(config).await?;
    Ok(())
}

async fn send_to_stream(url: &str, body: &[u8], count: usize) -> anyhow::Result<()> {
    let context = jetstream::new(async_nats::connect(url).await?);
    for sent in (0..count).step_by(AT_ONCE) {
        let mut acks = Vec::new();
        for _ in sent..count.min(sent + AT_ONCE) {
            let ack = context.publish("load", body.to_vec().into()).await?;
            acks.push(async { ack.await });
        }
        try_join_all(acks).await?;
    }
    Ok(())
}

async fn add(address: &str, body: &[u8], count: usize) -> anyhow::Result<()> {
    let client = redis::Client::open(format!("redis://{address}"))?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    for sent in (0..count).step_by(AT_ONCE) {
        let mut pipe = redis::pipe();
        for _ in sent..count.min(sent + AT_ONCE) {
            pipe.cmd("XADD").arg("load").arg("*").arg("fill").arg(body);
        }
        pipe.query_async::<()>(&mut connection).await?;
    }
    Ok(())
}

async fn publish(address: &str, body: &[u8], count: usize) -> anyhow::Result<()> {
    let (host, port) = address.rsplit_once(':').context("an address has a port")?;
    let arguments = OpenConnectionArguments::new(host, port.parse()?, "guest", "guest");
    let connection = Connection::open(&arguments).await?;
    let channel = connection.open_channel(None).await?;
    for _ in 0..count {
        let properties = BasicProperties::default()
            .with_delivery_mode(DELIVERY_MODE_PERSISTENT)
            .finish();
        let to = BasicPublishArguments::new("load", "load");
        channel.basic_publish(properties, body.to_vec(), to).await?;
    }
    // Its answer comes behind all that was published before.
    let queue = QueueDeclareArguments::new("load").passive(true).finish();
    channel.queue_declare(queue).await?;
    channel.close().await?;
    connection.close().await?;
    Ok(())
}

async fn produce(address: &str, body: &[u8], count: usize) -> anyhow::Result<()> {
    let producer = Kafka::builder(address).connect().await?.producer();
    let producer = producer.build().await?;
    for sent in (0..count).step_by(AT_ONCE) {
        let mut acks = Vec::new();
        for _ in sent..count.min(sent + AT_ONCE) {
            acks.push(producer.enqueue(Record::new("load", body.to_vec())).await?);
        }
        try_join_all(acks).await?;
    }
    producer.close().await?;
    Ok(())
}

async fn tell(address: &str, body: &[u8], count: usize) -> anyhow::Result<()> {
    let (host, port) = address.rsplit_once(':').context("an address has a port")?;
    let options = MqttOptions::new("sender", (host, port.parse()?));
    let (client, mut events) = AsyncClient::builder(options).unbounded().build();
    for _ in 0..count {
        let once = PublishOptions::new(QoS::AtLeastOnce);
        client.publish("load", body.to_vec(), once).await?;
    }
    let mut left = count;
    while left > 0 {
        if let Event::Incoming(Incoming::PubAck(_)) = events.poll().await? {
            left -= 1;
        }
    }
    client.disconnect().await?;
    while events.poll().await.is_ok() {}
    Ok(())
}

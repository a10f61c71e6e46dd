//! Requests on kept connections become events on a bus beside it: how many a second, and how long one
//! waits at half of that.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use tiphys_eventbus::jetstream::{Config, JetStream};
use tiphys_eventbus::{Bus as _, Outgoing, Subject};
use tiphys_testbed::{Nats, NatsOptions, Scratch, free_port};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::clock::Samples;
use crate::report::{Report, Row};
use crate::tiphys::Tiphys;
use crate::world::runtime;
use crate::{Bench, event};

/// Bytes of a request's body.
const BODY: usize = 1_024;

/// How many clients call at a time, each on a connection of its own.
const CLIENTS: usize = 128;

/// How many messages are with the bus at a time where it is called by hand: as many as the source's.
const IN_FLIGHT: usize = 256;

/// How long the port may take to open.
const PATIENCE: Duration = Duration::from_secs(30);

/// Servers, and an event source that is called.
struct Stage {
    // Programs end before their folder goes.
    tiphys: Tiphys,
    nats: Nats,
    _scratch: Scratch,
    runtime: Runtime,
    port: u16,
}

pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let stage = Stage::set(bench)?;
    let time = Duration::from_secs(if bench.quick { 1 } else { 6 });
    // Connections, caches and buffers come to their size.
    stage.accepted(time)?;
    let before = stage.tiphys.memory()?.private;
    let cpu = stage.tiphys.cpu_time()?;
    let accepted = stage.accepted(time)?;
    let cpu = stage.tiphys.cpu_time()?.saturating_sub(cpu);
    let rate = accepted / time.as_secs_f64();
    let floor = stage.floor(time)?;
    report.add(
        Row::new("webhook, 1 KB, kept connections", "accepted/s", rate)
            .at_least(20_000.0)
            .floor("publish the same", floor),
    );
    report.add(Row::new(
        "webhook, 1 KB, kept connections",
        "CPU ms/event",
        cpu.as_secs_f64() * 1000.0 / accepted,
    ));
    let waits = stage.paced(rate / 2.0, time)?;
    for percent in [50, 99] {
        let what = format!("webhook at half of that, p{percent}");
        let mut row = Row::new(what, "ms", waits.percentile_ms(percent));
        if percent == 99 {
            row = row.at_most(10.0);
        }
        report.add(row);
    }
    let grown = stage.tiphys.memory()?.private - before;
    report.add(Row::new("memory grown meanwhile, private", "MiB", grown).at_most(8.0));
    stage.tiphys.stop()?;
    Ok(())
}

impl Stage {
    fn set(bench: &Bench) -> anyhow::Result<Self> {
        let scratch = Scratch::new("bench")?;
        let nats = Nats::start(&bench.programs, &NatsOptions::default())?;
        let port = free_port()?;
        let manifest = format!(
            "apiVersion: argoproj.io/v1alpha1\n\
             kind: EventSource\n\
             metadata: {{name: called, namespace: playground}}\n\
             spec: {{webhook: {{load: {{port: '{port}', endpoint: /load, method: POST}}}}}}\n"
        );
        let manifest = scratch.write("source.yaml", &manifest)?;
        let args = [
            format!("--file={}", manifest.display()),
            format!("--nats={}", nats.url()),
        ];
        let stage = Self {
            tiphys: Tiphys::start(bench, &scratch, "called", &args)?,
            nats,
            _scratch: scratch,
            runtime: runtime()?,
            port,
        };
        stage.runtime.block_on(stage.opened())?;
        Ok(stage)
    }

    /// Waits until the port is open and the bus takes events.
    async fn opened(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(mut client) = Client::connect(self.port).await
                && client.call().await.is_ok()
            {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{}", self.tiphys.report());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How many requests are accepted if all clients call again at once.
    #[expect(clippy::cast_precision_loss, reason = "counts of requests are small")]
    fn accepted(&self, time: Duration) -> anyhow::Result<f64> {
        let until = Instant::now() + time;
        let counts = self.clients(move |mut client, _| async move {
            let mut accepted = 0_u64;
            while Instant::now() < until {
                client.call().await?;
                accepted += 1;
            }
            Ok(accepted)
        })?;
        Ok(counts.into_iter().sum::<u64>() as f64)
    }

    /// How long requests wait that come at a rate, whatever becomes of those before them.
    #[expect(
        clippy::cast_precision_loss,
        reason = "there are a hundred clients, not 2^53"
    )]
    fn paced(&self, rate: f64, time: Duration) -> anyhow::Result<Samples> {
        let pause = Duration::from_secs_f64(CLIENTS as f64 / rate);
        let start = Instant::now();
        let waits = self.clients(move |mut client, number| async move {
            let mut waits = Vec::new();
            let mut due = start + pause.mul_f64(number as f64 / CLIENTS as f64);
            while due < start + time {
                tokio::time::sleep_until(due.into()).await;
                client.call().await?;
                waits.push(due.elapsed());
                due += pause;
            }
            Ok(waits)
        })?;
        Ok(waits.into_iter().flatten().collect())
    }

    fn clients<T, F>(&self, work: impl Fn(Client, usize) -> F) -> anyhow::Result<Vec<T>>
    where
        T: Send + 'static,
        F: Future<Output = anyhow::Result<T>> + Send + 'static,
    {
        self.runtime.block_on(async {
            let mut clients = JoinSet::new();
            for number in 0..CLIENTS {
                clients.spawn(work(Client::connect(self.port).await?, number));
            }
            let mut ended = Vec::new();
            while let Some(client) = clients.join_next().await {
                ended.push(client??);
            }
            Ok(ended)
        })
    }

    /// How many messages of that size the bus stores a second.
    #[expect(clippy::cast_precision_loss, reason = "counts of messages are small")]
    fn floor(&self, time: Duration) -> anyhow::Result<f64> {
        self.runtime.block_on(async {
            let bus = JetStream::connect(&Config::new(self.nats.url())).await?;
            let payload = event::story(0, BODY).encode();
            let (mut stored, start) = (0_usize, Instant::now());
            while start.elapsed() < time {
                let mut acks = Vec::with_capacity(IN_FLIGHT);
                for number in 0..IN_FLIGHT {
                    let message = Outgoing {
                        subject: Subject::event("called", "floor"),
                        id: format!("floor-{stored}-{number}"),
                        payload: payload.clone(),
                    };
                    acks.push(bus.publish(message).await?);
                }
                for ack in acks {
                    ack.await?;
                    stored += 1;
                }
            }
            let rate = stored as f64 / start.elapsed().as_secs_f64();
            bus.close().await?;
            Ok(rate)
        })
    }
}

/// A connection that is kept, and the request that it sends again and again.
struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Client {
    async fn connect(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let body = format!("{{\"fill\":\"{}\"}}", "x".repeat(BODY - 11));
        let request = format!(
            "POST /load HTTP/1.1\r\nHost: called\r\nContent-Type: application/json\r\n\
             User-Agent: tiphys-bench\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Ok(Self {
            stream,
            request: request.into_bytes(),
            answer: Vec::with_capacity(1_024),
        })
    }

    /// One request; an answer that is no 200 is an error.
    async fn call(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(&self.request).await?;
        self.answer.clear();
        // The body is the last thing that comes, and always the same.
        while !self.answer.ends_with(b"success") {
            let read = self.stream.read_buf(&mut self.answer).await?;
            let answer = String::from_utf8_lossy(&self.answer);
            if read == 0 || !answer.starts_with("HTTP/1.1 200") {
                bail!("the answer is {answer:?}");
            }
        }
        Ok(())
    }
}

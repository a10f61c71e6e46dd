//! How Kafka is started: one node, which is a broker and its own controller.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::Context as _;

use super::{BrokerServer, answer};

/// The id of the cluster, in the form that Kafka wants.
const CLUSTER: &str = "dGlwaHlzLXRlc3RiZWRfMQ";

/// Asks which requests are known, and how its answer goes on after four bytes of length.
const VERSIONS: &[u8] = b"\0\0\0\x0a\0\x12\0\0\0\0\0\x07\xff\xff";
const ANSWER: [u8; 6] = [0, 0, 0, 7, 0, 0];

/// Where it keeps what it has.
const DATA: &str = "data";

pub(super) fn prepare(server: &BrokerServer, command: &mut Command) -> anyhow::Result<()> {
    let scratch = &server.scratch;
    scratch.write("server.properties", &properties(server)?)?;
    if server.options.tls {
        let read = |name: &str| {
            let path = scratch.path().join(name);
            fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
        };
        let pair = format!("{}{}", read("server.key")?, read("server.pem")?);
        scratch.write("server-pair.pem", &pair)?;
    }
    if !scratch.path().join(DATA).join("meta.properties").exists() {
        format(server)?;
    }
    command.args(["kafka.Kafka", "server.properties"]);
    Ok(())
}

pub(super) fn serves(port: u16) -> bool {
    answer(port, VERSIONS).is_some_and(|said: [u8; 10]| said[4..] == ANSWER)
}

/// Makes the folder that it keeps its data in, with the users that log in by SCRAM.
fn format(server: &BrokerServer) -> anyhow::Result<()> {
    let mut format = Command::new(&server.program);
    format
        .current_dir(server.scratch.path())
        .args(["kafka.tools.StorageTool", "format"])
        .args(["--cluster-id", CLUSTER, "--config", "server.properties"]);
    let mut with_users = Command::new(&server.program);
    with_users
        .current_dir(server.scratch.path())
        .args(format.get_args());
    if let Some(password) = &server.options.password {
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            let user = format!("{mechanism}=[name=tiphys,password={password}]");
            with_users.args(["--add-scram", &user]);
        }
    }
    // The first versions know of no such users.
    run(&mut with_users).or_else(|_| run(&mut format))
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().context("run Kafka's storage tool")?;
    anyhow::ensure!(
        output.status.success(),
        "Kafka's storage tool: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

fn properties(server: &BrokerServer) -> Result<String, std::fmt::Error> {
    let BrokerServer {
        port,
        tls_port,
        cluster_port,
        inner_port,
        options,
        ..
    } = server;
    let (client, encrypted) = match options.password {
        Some(_) => ("SASL_PLAINTEXT", "SASL_SSL"),
        None => ("PLAINTEXT", "SSL"),
    };
    let mut listeners = format!("CLIENT://127.0.0.1:{port},INNER://127.0.0.1:{inner_port}");
    if options.tls {
        write!(listeners, ",TLS://127.0.0.1:{tls_port}")?;
    }
    let mut text = format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{cluster_port}\n\
         controller.listener.names=CONTROLLER\n\
         inter.broker.listener.name=INNER\n\
         listeners={listeners},CONTROLLER://127.0.0.1:{cluster_port}\n\
         advertised.listeners={listeners}\n\
         listener.security.protocol.map=CLIENT:{client},INNER:PLAINTEXT,TLS:{encrypted},\
         CONTROLLER:PLAINTEXT\n\
         log.dirs={DATA}\n\
         offsets.topic.num.partitions=1\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.num.partitions=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n"
    );
    if let Some(password) = &options.password {
        text.push_str("sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER\n");
        let package = "org.apache.kafka.common.security";
        for listener in ["client", "tls"] {
            let name = format!("listener.name.{listener}");
            writeln!(
                text,
                "{name}.plain.sasl.jaas.config={package}.plain.PlainLoginModule required \
                 user_tiphys=\"{password}\";"
            )?;
            writeln!(
                text,
                "{name}.oauthbearer.sasl.jaas.config={package}.oauthbearer.OAuthBearerLoginModule \
                 required unsecuredLoginStringClaim_sub=\"tiphys\";"
            )?;
            for mechanism in ["scram-sha-256", "scram-sha-512"] {
                writeln!(
                    text,
                    "{name}.{mechanism}.sasl.jaas.config={package}.scram.ScramLoginModule required;"
                )?;
            }
        }
    }
    if options.tls {
        text.push_str(
            "ssl.keystore.type=PEM\n\
             ssl.keystore.location=server-pair.pem\n\
             ssl.truststore.type=PEM\n\
             ssl.truststore.location=ca.pem\n\
             ssl.client.auth=required\n",
        );
    }
    Ok(text)
}

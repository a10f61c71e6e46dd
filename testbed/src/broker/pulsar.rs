//! How Pulsar is started: one process that is a broker, its bookie and where both keep what they know.

use std::fmt::Write as _;
use std::process::Command;

use super::{BrokerServer, answer};

/// What tokens are signed with, in Base64.
const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// The token of the user `tiphys`, who may do everything, signed with it.
pub const TOKEN: &str =
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ0aXBoeXMifQ.Qg4CCr-LSfiSy8awyTVqDx_dQCrjmx769lV5uLDTt5I";

pub(super) fn prepare(server: &BrokerServer, command: &mut Command) -> anyhow::Result<()> {
    server.scratch.write("standalone.conf", &config(server)?)?;
    command
        .args(["org.apache.pulsar.PulsarStandaloneStarter"])
        .args(["--config", "standalone.conf"])
        .args(["--no-functions-worker", "--no-stream-storage"])
        .args(["--bookkeeper-dir", "data/bookkeeper"])
        .args(["--metadata-dir", "data/metadata"]);
    Ok(())
}

/// The namespace of all topics is there last.
pub(super) fn serves(web_port: u16) -> bool {
    let request = format!(
        "GET /admin/v2/namespaces/public/default HTTP/1.1\r\nHost: localhost\r\n\
         Authorization: Bearer {TOKEN}\r\n\r\n"
    );
    answer(web_port, request.as_bytes()) == Some(*b"HTTP/1.1 200")
}

fn config(server: &BrokerServer) -> Result<String, std::fmt::Error> {
    let BrokerServer {
        port,
        tls_port,
        cluster_port,
        options,
        ..
    } = server;
    let mut text = format!(
        "clusterName=standalone\n\
         bindAddress=127.0.0.1\n\
         advertisedAddress=127.0.0.1\n\
         brokerServicePort={port}\n\
         webServicePort={cluster_port}\n\
         webSocketServiceEnabled=false\n\
         loadBalancerEnabled=false\n\
         allowAutoTopicCreationType=non-partitioned\n\
         managedLedgerDefaultEnsembleSize=1\n\
         managedLedgerDefaultWriteQuorum=1\n\
         managedLedgerDefaultAckQuorum=1\n\
         journalMaxSizeMB=16\n\
         maxMessageSize=200000\n"
    );
    if options.password.is_some() {
        write!(
            text,
            "authenticationEnabled=true\n\
             authorizationEnabled=true\n\
             superUserRoles=tiphys\n\
             authenticationProviders=\
             org.apache.pulsar.broker.authentication.AuthenticationProviderToken\n\
             tokenSecretKey=data:;base64,{KEY}\n\
             brokerClientAuthenticationPlugin=\
             org.apache.pulsar.client.impl.auth.AuthenticationToken\n\
             brokerClientAuthenticationParameters=token:{TOKEN}\n"
        )?;
    }
    if options.tls {
        write!(
            text,
            "brokerServicePortTls={tls_port}\n\
             tlsCertificateFilePath=server.pem\n\
             tlsKeyFilePath=server.key\n\
             tlsTrustCertsFilePath=ca.pem\n\
             tlsRequireTrustedClientCertOnConnect=true\n"
        )?;
    }
    Ok(text)
}

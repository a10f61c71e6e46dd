//! How ElasticMQ is started.

use std::process::Command;

use super::{BrokerServer, speaks_http};

pub(super) fn prepare(server: &BrokerServer, command: &mut Command) -> anyhow::Result<()> {
    server
        .scratch
        .write("elasticmq.conf", &configuration(server))?;
    command.args(["-Xmx256m", "-Dconfig.file=elasticmq.conf"]);
    Ok(())
}

pub(super) fn serves(port: u16) -> bool {
    speaks_http(port)
}

/// Queues and their messages survive a crash, also those of the last moment.
fn configuration(server: &BrokerServer) -> String {
    let port = server.port;
    format!(
        "include classpath(\"application.conf\")\n\
         node-address {{ protocol = http, host = \"127.0.0.1\", port = {port}, context-path = \"\" }}\n\
         rest-sqs {{ enabled = true, bind-hostname = \"127.0.0.1\", bind-port = {port}, sqs-limits = strict }}\n\
         rest-stats {{ enabled = false }}\n\
         queues-storage {{ enabled = true, path = \"queues.conf\" }}\n\
         messages-storage {{ enabled = true, uri = \"jdbc:h2:./messages;WRITE_DELAY=0\" }}\n"
    )
}

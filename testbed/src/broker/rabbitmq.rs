//! How RabbitMQ is started.

use std::fmt::Write as _;
use std::process::Command;

use super::{BrokerServer, answer};

/// A node of its own name: the daemon that tells nodes where their kin is, and stays behind them, is
/// not used.
const NODE: &str = "rabbit@localhost";

/// What a client says first.
const PROTOCOL: &[u8] = b"AMQP\x00\x00\x09\x01";

pub(super) fn prepare(server: &BrokerServer, command: &mut Command) -> anyhow::Result<()> {
    let scratch = &server.scratch;
    scratch.write("rabbitmq.conf", &configuration(server)?)?;
    scratch.write("plugins", "[].")?;
    let port = server.cluster_port;
    let distribution = format!("-sname {NODE} -start_epmd false -erl_epmd_port {port}");
    let folder = scratch.path();
    command
        .env("HOME", folder)
        .env("RABBITMQ_NODENAME", NODE)
        .env("RABBITMQ_DIST_PORT", port.to_string())
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", distribution)
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq.conf"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("plugins"))
        .env("RABBITMQ_MNESIA_BASE", folder.join("data"))
        .env("RABBITMQ_LOG_BASE", folder)
        .env("RABBITMQ_LOGS", "-");
    Ok(())
}

pub(super) fn serves(port: u16) -> bool {
    // A method on the first channel.
    answer(port, PROTOCOL) == Some([1, 0, 0])
}

fn configuration(server: &BrokerServer) -> Result<String, std::fmt::Error> {
    let mut text = format!(
        "listeners.tcp.default = 127.0.0.1:{}\n\
         log.console = true\n\
         disk_free_limit.absolute = 10MB\n",
        server.port
    );
    if let Some(password) = &server.options.password {
        writeln!(text, "default_user = tiphys\ndefault_pass = {password}")?;
    }
    if server.options.tls {
        writeln!(
            text,
            "listeners.ssl.default = 127.0.0.1:{}\n\
             ssl_options.cacertfile = ca.pem\n\
             ssl_options.certfile = server.pem\n\
             ssl_options.keyfile = server.key\n\
             ssl_options.verify = verify_peer\n\
             ssl_options.fail_if_no_peer_cert = true",
            server.tls_port
        )?;
    }
    Ok(text)
}

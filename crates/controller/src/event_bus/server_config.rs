//! The configuration of the NATS servers, as Argo Events writes it.

use std::fmt::Write as _;

use super::names::Names;

/// What the configuration is made of.
#[derive(Clone, Debug)]
pub(super) struct ServerConfig<'a> {
    /// The names of the bus' objects.
    pub(super) names: &'a Names,
    /// The name of the bus, which is the cluster's.
    pub(super) bus: &'a str,
    /// How many servers there are.
    pub(super) servers: i32,
    /// The largest message.
    pub(super) max_payload: &'a str,
    /// Lines of the `jetstream` block that the user wrote.
    pub(super) settings: Option<&'a str>,
    /// Lines of the `jetstream` block for what the user did not write.
    pub(super) default_settings: &'a str,
}

impl ServerConfig<'_> {
    /// The text of the file.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let max_payload = self.max_payload;
        let settings = indented(&with_defaults(self.settings, self.default_settings));
        // Without quotes around `$JS_KEY`: NATS replaces no variables between quotes.
        let parts = format!(
            r#"max_payload: {max_payload}
port: 4222
pid_file: "/var/run/nats/nats.pid"
http: 8222
server_name: $POD_NAME
jetstream {{
  key: $JS_KEY
  store_dir: "/data/jetstream/store"
{settings}}}
"#
        );
        text.push_str(&parts);
        if self.servers > 1 {
            text.push_str(&self.cluster());
        }
        text.push_str("lame_duck_duration: 30s\ninclude ./auth.conf\n");
        text
    }

    /// The other servers are not advertised to clients: by their addresses, certificates cannot be
    /// verified. All servers share one host name, which clients have.
    fn cluster(&self) -> String {
        let (bus, host) = (self.bus, self.names.host());
        let stateful_set = &self.names.stateful_set;
        let mut routes = String::new();
        for ordinal in 0..self.servers {
            // Writing to a text cannot fail.
            writeln!(routes, "    nats://{stateful_set}-{ordinal}.{host}:6222").unwrap_or_default();
        }
        format!(
            r#"cluster {{
  port: 6222
  name: "{bus}"
  routes: [
{routes}  ]
  cluster_advertise: $CLUSTER_ADVERTISE
  no_advertise: true
  connect_retries: 120
  tls {{
    cert_file: "/etc/nats-config/cluster-server-cert.pem"
    key_file: "/etc/nats-config/cluster-server-key.pem"
    ca_file: "/etc/nats-config/cluster-ca-cert.pem"
  }}
}}
"#
        )
    }
}

/// The user's lines, and those defaults that they say nothing of.
fn with_defaults(own: Option<&str>, defaults: &str) -> String {
    let own = own.unwrap_or_default().trim_end();
    let said: Vec<String> = keys(own).collect();
    let mut text = String::new();
    for line in defaults.lines() {
        let is_said = keys(line).any(|key| said.contains(&key));
        if !is_said && !line.trim().is_empty() {
            text.push_str(line);
            text.push('\n');
        }
    }
    for line in own.lines() {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// The settings of some lines, under one name each.
fn keys(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter_map(|line| {
        let line = line.trim_start();
        let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
        let key = line[..end].to_lowercase();
        Some(match key.as_str() {
            "max_memory_store" | "max_mem_store" | "max_mem" => "max_memory_store".to_owned(),
            "max_file_store" | "max_file" => "max_file_store".to_owned(),
            _ => key,
        })
    })
}

fn indented(text: &str) -> String {
    text.lines().flat_map(|line| ["  ", line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::ServerConfig;
    use crate::event_bus::names::Names;

    const DEFAULTS: &str = "max_memory_store: -1\nmax_file_store: 1TB\n";

    #[test]
    fn three_servers_are_a_cluster() {
        let config = ServerConfig {
            names: &Names::of("eb", "ns"),
            bus: "eb",
            servers: 3,
            max_payload: "1MB",
            settings: None,
            default_settings: DEFAULTS,
        };
        let expected = r#"max_payload: 1MB
port: 4222
pid_file: "/var/run/nats/nats.pid"
http: 8222
server_name: $POD_NAME
jetstream {
  key: $JS_KEY
  store_dir: "/data/jetstream/store"
  max_memory_store: -1
  max_file_store: 1TB
}
cluster {
  port: 6222
  name: "eb"
  routes: [
    nats://eventbus-eb-js-0.eventbus-eb-js-svc.ns.svc:6222
    nats://eventbus-eb-js-1.eventbus-eb-js-svc.ns.svc:6222
    nats://eventbus-eb-js-2.eventbus-eb-js-svc.ns.svc:6222
  ]
  cluster_advertise: $CLUSTER_ADVERTISE
  no_advertise: true
  connect_retries: 120
  tls {
    cert_file: "/etc/nats-config/cluster-server-cert.pem"
    key_file: "/etc/nats-config/cluster-server-key.pem"
    ca_file: "/etc/nats-config/cluster-ca-cert.pem"
  }
}
lame_duck_duration: 30s
include ./auth.conf
"#;
        assert_eq!(config.text(), expected);
    }

    #[test]
    fn one_server_is_none_and_keeps_the_settings_of_its_user() {
        let config = ServerConfig {
            names: &Names::of("eb", "ns"),
            bus: "eb",
            servers: 1,
            max_payload: "8MB",
            settings: Some("max_file: 5GB\nsync_interval: 1s\n"),
            default_settings: DEFAULTS,
        };
        let expected = r#"max_payload: 8MB
port: 4222
pid_file: "/var/run/nats/nats.pid"
http: 8222
server_name: $POD_NAME
jetstream {
  key: $JS_KEY
  store_dir: "/data/jetstream/store"
  max_memory_store: -1
  max_file: 5GB
  sync_interval: 1s
}
lame_duck_duration: 30s
include ./auth.conf
"#;
        assert_eq!(config.text(), expected);
    }
}

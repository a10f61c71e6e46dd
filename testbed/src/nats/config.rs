//! The configuration file of one NATS server.

use std::path::Path;

use serde_json::json;

use super::{Auth, NatsOptions, Tls};

/// The ports of one server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub(super) client: u16,
    pub(super) monitor: u16,
    pub(super) route: u16,
}

/// What one server has of its own.
#[derive(Debug)]
pub(super) struct MemberConfig<'a> {
    pub(super) name: &'a str,
    pub(super) ports: Ports,
    /// The route ports of all members; a single server has no routes.
    pub(super) routes: &'a [u16],
    pub(super) store: &'a Path,
}

impl MemberConfig<'_> {
    /// The file's text. Certificates are looked for in `folder`.
    pub(super) fn render(&self, options: &NatsOptions, folder: &Path) -> String {
        let Self {
            name, ports, store, ..
        } = self;
        let NatsOptions { auth, tls, config } = options;
        let (client, monitor, store) = (ports.client, ports.monitor, quoted(store));
        [
            format!("server_name: {name}"),
            format!("listen: 127.0.0.1:{client}"),
            format!("http: 127.0.0.1:{monitor}"),
            // By default a share of the machine's memory and free disk, which differs from one
            // machine to the next. Nothing of it is taken before it is used.
            format!("jetstream {{ store_dir: {store}, max_mem: 1GB, max_file: 20GB }}"),
            authorization(auth),
            encryption(*tls, folder),
            self.cluster(),
            config.clone(),
        ]
        .join("\n")
    }

    fn cluster(&self) -> String {
        if self.routes.len() < 2 {
            return String::new();
        }
        let own = self.ports.route;
        let routes: Vec<String> = self
            .routes
            .iter()
            .map(|port| format!("nats://127.0.0.1:{port}"))
            .collect();
        format!(
            "cluster {{ name: testbed, listen: 127.0.0.1:{own}, routes: {} }}",
            json!(routes)
        )
    }
}

fn authorization(auth: &Auth) -> String {
    match auth {
        Auth::Anyone => String::new(),
        Auth::Password { user, password } => {
            format!(
                "authorization {{ user: {}, password: {} }}",
                json!(user),
                json!(password)
            )
        }
        Auth::Token(token) => format!("authorization {{ token: {} }}", json!(token)),
        Auth::NKey(key) => format!("authorization {{ users: [ {{ nkey: {key} }} ] }}"),
    }
}

fn encryption(tls: Tls, folder: &Path) -> String {
    if tls == Tls::Off {
        return String::new();
    }
    format!(
        "tls {{ cert_file: {}, key_file: {}, ca_file: {}, verify: {} }}",
        quoted(&folder.join("server.pem")),
        quoted(&folder.join("server.key")),
        quoted(&folder.join("ca.pem")),
        tls == Tls::Mutual,
    )
}

fn quoted(path: &Path) -> String {
    json!(path.to_string_lossy()).to_string()
}

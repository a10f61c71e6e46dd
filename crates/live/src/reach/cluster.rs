//! What a cluster says about its bus.

use std::collections::HashMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Secret, Service};
use kube::{Api, Client};
use tiphys_api::message::with_causes;
use tiphys_api::{EventBus, KeyRef, KeyRefs as _, SecretKeySelector, asks_for_tls};
use tiphys_eventbus::{BoxError, BusConfig, Secrets, Server};
use tokio::time::timeout;

use super::forward::{Forward, Target};
use super::{CLIENT, Error};

/// How long an answer of the API server may take: one that is busy answers late.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Reads an `EventBus` and the Secrets that its status names.
pub(super) async fn config(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<BusConfig, Error> {
    let buses: Api<EventBus> = Api::namespaced(client.clone(), namespace);
    let act = format!("read EventBus {namespace}/{name}");
    let bus = answered(act, ("get eventbus", namespace), buses.get(name)).await?;
    let nowhere = |why: String| Error::Config(format!("{namespace}/{name}"), why);
    let Some(status) = bus.status else {
        let why = "it has no status yet: does a controller run?";
        return Err(nowhere(why.to_owned()));
    };
    let config = &*status.config;
    let mut known = Known::default();
    for reference in config.key_refs() {
        // A bus has no use for a ConfigMap.
        if let KeyRef::Secret(selector) = reference {
            let value = secret(client, namespace, selector).await?;
            known.0.insert(key(selector), value);
        }
    }
    BusConfig::read(config, &mut known, CLIENT).map_err(|error| nowhere(with_causes(&error)))
}

/// Lets the API server forward to the pods of the bus, if its address is one of this cluster; the
/// configuration leads through it then.
pub(super) async fn forward(
    client: &Client,
    config: &mut BusConfig,
) -> Result<Option<Forward>, Error> {
    let Server::JetStream(server) = &mut config.server else {
        return Ok(None);
    };
    let Some((name, namespace, port)) = service(&server.url) else {
        return Ok(None);
    };
    if asks_for_tls(&server.url) {
        server.tls.get_or_insert_default();
    }
    if let Some(tls) = &mut server.tls {
        tls.server_name = Some(format!("{name}.{namespace}.svc"));
    }
    let services: Api<Service> = Api::namespaced(client.clone(), &namespace);
    let act = format!("read Service {namespace}/{name}");
    let service = answered(act, ("get services", &*namespace), services.get(&name)).await?;
    let selector = service.spec.and_then(|spec| spec.selector);
    let Some(selector) = selector.filter(|selector| !selector.is_empty()) else {
        return Err(Error::Cluster {
            act: format!("forward to Service {namespace}/{name}"),
            reason: "it selects no pods".to_owned(),
            hint: None,
        });
    };
    let labels = selector.iter().map(|(key, value)| format!("{key}={value}"));
    let target = Target {
        pods: Api::namespaced(client.clone(), &namespace),
        labels: labels.collect::<Vec<_>>().join(","),
        namespace,
        port,
    };
    let forward = Forward::open(target).await?;
    server.url = format!("nats://{}", forward.address());
    Ok(Some(forward))
}

/// The Service that a URL of a cluster names, its namespace, and the port.
fn service(url: &str) -> Option<(String, String, u16)> {
    let first = url.split(',').next()?.trim();
    let address = first.split_once("://").map_or(first, |(_, rest)| rest);
    let address = address.rsplit_once('@').map_or(address, |(_, rest)| rest);
    let address = address.trim_end_matches('/');
    let (host, port) = address.split_once(':').unwrap_or((address, "4222"));
    let mut parts = host.split('.');
    let (name, namespace, kind) = (parts.next()?, parts.next()?, parts.next()?);
    (kind == "svc").then_some((name.to_owned(), namespace.to_owned(), port.parse().ok()?))
}

/// The values of Secrets, by name and key.
#[derive(Default)]
struct Known(HashMap<(String, String), String>);

impl Secrets for Known {
    fn access(&mut self, selector: &SecretKeySelector) -> Result<String, BoxError> {
        self.secret(selector)
    }

    fn secret(&mut self, selector: &SecretKeySelector) -> Result<String, BoxError> {
        let value = self.0.get(&key(selector)).cloned();
        value.ok_or_else(|| "it was not read".into())
    }
}

fn key(selector: &SecretKeySelector) -> (String, String) {
    (selector.name.to_string(), selector.key.to_string())
}

async fn secret(
    client: &Client,
    namespace: &str,
    selector: &SecretKeySelector,
) -> Result<String, Error> {
    let (name, key) = key(selector);
    let act = format!("read the bus' credentials in Secret {namespace}/{name}");
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let right = ("get secrets", namespace);
    let secret = answered(act.clone(), right, secrets.get(&name)).await?;
    let value = secret.data.and_then(|mut data| data.remove(&key));
    let value = value.and_then(|value| String::from_utf8(value.0).ok());
    value.ok_or_else(|| Error::Cluster {
        act,
        reason: format!("it has no text under the key {key}"),
        hint: None,
    })
}

/// What the API server answers, who gives no answer for as long as it likes. `right` is what one has to be
/// allowed, and in which namespace.
pub(crate) async fn answered<T>(
    act: String,
    (right, namespace): (&str, &str),
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, Error> {
    match timeout(ANSWER_WITHIN, call).await {
        Ok(answer) => answer.map_err(|error| refused(act, right, namespace, &error)),
        Err(_) => Err(Error::Cluster {
            act,
            reason: format!("no answer in {} s", ANSWER_WITHIN.as_secs()),
            hint: None,
        }),
    }
}

/// Why the API server did not do what it was asked.
pub(crate) fn refused(act: String, right: &str, namespace: &str, error: &kube::Error) -> Error {
    let (reason, hint) = match error {
        kube::Error::Api(status) if status.code == 403 => (
            "forbidden".to_owned(),
            Some(format!(
                "`kubectl auth can-i {right} -n {namespace}` checks the right"
            )),
        ),
        kube::Error::Api(status) if status.code == 404 => (
            "it is not there".to_owned(),
            Some("-n names its namespace, --bus its name".to_owned()),
        ),
        kube::Error::Api(status) => (status.message.clone(), None),
        error => (with_causes(error), None),
    };
    Error::Cluster { act, reason, hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_a_cluster_name_a_service() {
        for (url, expected) in [
            (
                "nats://eventbus-default-js-svc.harbour.svc:4222",
                Some(("eventbus-default-js-svc", "harbour", 4222)),
            ),
            (
                "tls://u:p@bus.dock.svc.cluster.local:4333/",
                Some(("bus", "dock", 4333)),
            ),
            ("nats://bus.dock.svc", Some(("bus", "dock", 4222))),
            ("nats://10.0.0.7:4222", None),
            ("nats.example.com:4222", None),
            ("", None),
        ] {
            let found = service(url);
            let found = found
                .as_ref()
                .map(|(name, space, port)| (&**name, &**space, *port));
            assert_eq!(found, expected, "{url}");
        }
    }
}

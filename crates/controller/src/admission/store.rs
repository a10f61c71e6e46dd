//! The Secret that holds the webhook's certificate, for all its replicas.
//!
//! Whoever finds it missing or old makes a new one. Of several who do, the API server lets one win,
//! and the others take what it wrote.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Api;
use kube::api::PostParams;

use super::certificate::{self, Material, Wanted};
use crate::Error;

/// Keys of the Secret: Argo Events' three, and the key of the authority, which it discards.
const KEY: &str = "server-key.pem";
const CERTIFICATE: &str = "server-cert.pem";
const AUTHORITIES: &str = "ca-cert.pem";
const AUTHORITY_KEY: &str = "ca-key.pem";

/// Annotations of the Secret: when certificate and authority are to be renewed.
const RENEW: &str = "events.argoproj.io/renew-after";
const RENEW_AUTHORITY: &str = "events.argoproj.io/renew-authority-after";

/// How often a write that another replica has overtaken is followed by another look.
const ATTEMPTS: usize = 5;

/// Where the certificate is kept.
#[derive(Clone, Debug)]
pub struct Store {
    /// The Secrets of the webhook's namespace.
    pub api: Api<Secret>,
    /// The name of the Secret.
    pub name: String,
    /// What the Secret goes with, if there is something.
    pub owner: Option<OwnerReference>,
}

impl Store {
    /// The certificate of all replicas; made or renewed first if need be.
    ///
    /// # Errors
    /// If the API server says no, or nothing.
    pub async fn ensure(&self, wanted: &Wanted, now: Timestamp) -> Result<Material, Error> {
        let mut attempts = 1..=ATTEMPTS;
        loop {
            let secret = self.api.get_opt(&self.name).await;
            let secret = secret.map_err(|error| self.error("get", error))?;
            let found = secret.as_ref().map(read);
            let fresh = found
                .clone()
                .filter(|found| found.is_fresh(now) && found.certified_key().is_ok());
            if let Some(fresh) = fresh {
                return Ok(fresh);
            }
            let made = certificate::issue(found.as_ref(), wanted, now)?;
            match self.write(secret, &made).await {
                Ok(()) => return Ok(made),
                Err(kube::Error::Api(status))
                    if matches!(status.code, 404 | 409) && attempts.next().is_some() => {}
                Err(error) => return Err(self.error("write", error)),
            }
        }
    }

    async fn write(&self, secret: Option<Secret>, material: &Material) -> Result<(), kube::Error> {
        let exists = secret.is_some();
        let mut secret = secret.unwrap_or_default();
        secret.metadata.name = Some(self.name.clone());
        if let (false, Some(owner)) = (exists, &self.owner) {
            secret.metadata.owner_references = Some(vec![owner.clone()]);
        }
        write(&mut secret, material);
        // Its resourceVersion is that of the read: what another replica has written is kept.
        let parameters = PostParams::default();
        if exists {
            self.api.replace(&self.name, &parameters, &secret).await?;
        } else {
            self.api.create(&parameters, &secret).await?;
        }
        Ok(())
    }

    fn error(&self, verb: &'static str, source: kube::Error) -> Error {
        Error::request(verb, "Secret", &self.name, source)
    }
}

/// What a Secret holds. What is missing is empty, and due.
fn read(secret: &Secret) -> Material {
    let text = |key: &str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(key));
        bytes.map_or_else(String::new, |bytes| {
            String::from_utf8_lossy(&bytes.0).into_owned()
        })
    };
    let annotations = secret.metadata.annotations.as_ref();
    let time = |key: &str| {
        let text = annotations.and_then(|annotations| annotations.get(key));
        text.and_then(|text| text.parse().ok())
            .unwrap_or(Timestamp::UNIX_EPOCH)
    };
    Material {
        certificate: text(CERTIFICATE),
        key: text(KEY),
        authorities: text(AUTHORITIES),
        authority_key: text(AUTHORITY_KEY),
        renew: time(RENEW),
        renew_authority: time(RENEW_AUTHORITY),
    }
}

fn write(secret: &mut Secret, material: &Material) {
    let data = [
        (KEY, &material.key),
        (CERTIFICATE, &material.certificate),
        (AUTHORITIES, &material.authorities),
        (AUTHORITY_KEY, &material.authority_key),
    ];
    let data = data.map(|(key, text)| (key.to_owned(), ByteString(text.clone().into_bytes())));
    secret.data.get_or_insert_with(BTreeMap::new).extend(data);
    let times = [
        (RENEW, material.renew),
        (RENEW_AUTHORITY, material.renew_authority),
    ];
    let times = times.map(|(key, time)| (key.to_owned(), time.to_string()));
    let annotations = &mut secret.metadata.annotations;
    annotations.get_or_insert_with(BTreeMap::new).extend(times);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_read_as_it_is_written() {
        let wanted = Wanted {
            hosts: vec!["localhost".to_owned()],
            life: certificate::LIFE,
        };
        let now = Timestamp::from_second(1_780_000_000).unwrap();
        let material = certificate::issue(None, &wanted, now).unwrap();
        let mut secret = Secret::default();
        write(&mut secret, &material);
        assert_eq!(read(&secret), material);
        assert!(!read(&Secret::default()).is_fresh(now));
    }
}

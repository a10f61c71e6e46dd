//! Keeps the two Secrets of a bus as they should be.
//!
//! They are read by name, so that no right to list Secrets is needed. Two controllers at a time
//! cannot both write: a Secret is created once, and changed only in the version that was read.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};

use super::credentials::Data;
use super::names::Names;
use super::secrets::Secrets;
use crate::index::children::controller;
use crate::{Context, Error, FIELD_MANAGER};

/// The Secrets as they are, and as they should be.
pub(super) struct Kept {
    /// What they should hold.
    pub(super) secrets: Secrets,
    server: Option<Secret>,
    client: Option<Secret>,
}

/// Looks at the Secrets. Nothing is written, and what was made up is lost unless [`Kept::write`]
/// follows.
///
/// # Errors
/// If the API server refuses, or a Secret of the name belongs to somebody else.
pub(super) async fn look(
    context: &Context,
    names: &Names,
    owner: &OwnerReference,
) -> Result<Kept, Error> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &names.namespace);
    let server = read(&api, &names.server_secret, names, owner).await?;
    let client = read(&api, &names.client_secret, names, owner).await?;
    let secrets = Secrets::wanted(
        server.as_ref().map(text).as_ref(),
        client.as_ref().map(text).as_ref(),
        names,
        (context.now)(),
        &mut |bytes| getrandom::fill(bytes),
    )?;
    Ok(Kept {
        secrets,
        server,
        client,
    })
}

impl Kept {
    /// Makes the Secrets right.
    ///
    /// # Errors
    /// If the API server refuses.
    pub(super) async fn write(
        self,
        context: &Context,
        names: &Names,
        owner: &OwnerReference,
    ) -> Result<(), Error> {
        let api: Api<Secret> = Api::namespaced(context.client.clone(), &names.namespace);
        let Self {
            secrets,
            server,
            client,
        } = self;
        // The servers' first: what it holds can be lost least.
        for (name, live, data) in [
            (&names.server_secret, server, &secrets.server),
            (&names.client_secret, client, &secrets.client),
        ] {
            let wanted = Secret {
                metadata: ObjectMeta {
                    name: Some(name.clone()),
                    namespace: Some(names.namespace.clone()),
                    labels: Some(names.labels.clone()),
                    owner_references: Some(vec![owner.clone()]),
                    ..ObjectMeta::default()
                },
                type_: Some("Opaque".to_owned()),
                data: Some(bytes(data)),
                ..Secret::default()
            };
            write(context, &api, wanted, live).await?;
        }
        Ok(())
    }
}

async fn read(
    api: &Api<Secret>,
    name: &str,
    names: &Names,
    owner: &OwnerReference,
) -> Result<Option<Secret>, Error> {
    let live = api
        .get_opt(name)
        .await
        .map_err(|source| Error::request("get", "Secret", name, source))?;
    match live {
        Some(live) if !is_ours(&live, names, owner) => Err(Error::Foreign {
            kind: "Secret".to_owned(),
            name: name.to_owned(),
        }),
        live => Ok(live),
    }
}

/// Ours is what the bus controls (or one of its name did), and what nobody controls and bears our
/// labels: a copy that somebody has brought back.
fn is_ours(live: &Secret, names: &Names, owner: &OwnerReference) -> bool {
    match controller(live.owner_references().to_vec()) {
        Some(live) => live.kind == owner.kind && live.name == owner.name,
        None => names
            .labels
            .iter()
            .all(|(key, value)| live.labels().get(key) == Some(value)),
    }
}

async fn write(
    context: &Context,
    api: &Api<Secret>,
    mut wanted: Secret,
    live: Option<Secret>,
) -> Result<(), Error> {
    let name = wanted.name_any();
    let failed =
        |verb: &'static str| move |source| Error::request(verb, "Secret", name.clone(), source);
    let Some(live) = live else {
        context.metrics.wrote("Secret", "create");
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        return match api.create(&params, &wanted).await {
            Ok(_) => Ok(()),
            Err(source) => Err(failed("create")(source)),
        };
    };
    if is_as(&live, &wanted) {
        return Ok(());
    }
    wanted.metadata.resource_version = live.metadata.resource_version;
    let params = PatchParams::apply(FIELD_MANAGER).force();
    context.metrics.wrote("Secret", "apply");
    match api
        .patch(&wanted.name_any(), &params, &Patch::Apply(&wanted))
        .await
    {
        Ok(_) => Ok(()),
        Err(source) => Err(failed("apply")(source)),
    }
}

/// True if everything that is wanted is there; what others have added may stay.
fn is_as(live: &Secret, wanted: &Secret) -> bool {
    let uid = |secret: &Secret| {
        controller(secret.owner_references().to_vec()).map(|controller| controller.uid)
    };
    uid(live) == uid(wanted)
        && contains(live.labels(), wanted.labels())
        && contains(
            live.data.as_ref().unwrap_or(&BTreeMap::new()),
            wanted.data.as_ref().unwrap_or(&BTreeMap::new()),
        )
}

fn contains<V: PartialEq>(live: &BTreeMap<String, V>, wanted: &BTreeMap<String, V>) -> bool {
    wanted
        .iter()
        .all(|(key, value)| live.get(key) == Some(value))
}

fn text(secret: &Secret) -> Data {
    let data = secret.data.iter().flatten();
    data.filter_map(|(key, ByteString(value))| {
        Some((key.clone(), String::from_utf8(value.clone()).ok()?))
    })
    .collect()
}

fn bytes(data: &Data) -> BTreeMap<String, ByteString> {
    let data = data.iter();
    data.map(|(key, value)| (key.clone(), ByteString(value.clone().into_bytes())))
        .collect()
}

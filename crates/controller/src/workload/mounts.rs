//! The files of a pod: what the user mounts, what the program reads, and what the object refers to.
//!
//! Names of volumes and paths of mounts have to be unique in a pod. The user's volumes come first;
//! a path that the program depends on is ours, any other one that the user mounts is the user's.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    ConfigMapProjection, ConfigMapVolumeSource, EmptyDirVolumeSource, KeyToPath,
    ProjectedVolumeSource, SecretProjection, SecretVolumeSource, Volume, VolumeMount,
    VolumeProjection,
};
use tiphys_api::worker::{BUS_AUTH_FILE, BUS_AUTH_FOLDER, SPEC_FOLDER, VALUES_FOLDER, hides_spec};
use tiphys_api::{BusConfig, KeyRef, KeyRefs, SecretKeySelector, Template};

use crate::name;

/// Volumes and the mounts of the main container, both in the order of the pod.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    pub(super) volumes: Vec<Volume>,
    pub(super) mounts: Vec<VolumeMount>,
}

/// Where a key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
}

/// The keys of one Secret or ConfigMap: for each, whether it may be missing.
type Keys = BTreeMap<String, bool>;

impl Mounts {
    /// `config_map` is the one with the spec.
    pub(super) fn new(
        template: Option<&Template>,
        config_map: &str,
        bus: &BusConfig,
        refs: &[KeyRef<'_>],
    ) -> Self {
        let mut mounts = Self::default();
        mounts.add_users(template);
        let spec = Volume {
            config_map: Some(ConfigMapVolumeSource {
                name: config_map.to_owned(),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        };
        mounts.add("spec", SPEC_FOLDER, true, spec);
        if let Some(access) = access_secret(bus) {
            let volume = Volume {
                secret: Some(SecretVolumeSource {
                    secret_name: Some(access.name.to_string()),
                    items: Some(vec![item(&access.key, BUS_AUTH_FILE)]),
                    ..SecretVolumeSource::default()
                }),
                ..Volume::default()
            };
            mounts.add("auth-volume", BUS_AUTH_FOLDER, true, volume);
        }
        for ((origin, name), keys) in wanted(bus, refs) {
            mounts.add_keys(origin, &name, &keys);
        }
        let tmp = Volume {
            empty_dir: Some(EmptyDirVolumeSource::default()),
            ..Volume::default()
        };
        mounts.add("tmp", "/tmp", false, tmp);
        mounts
    }

    /// The user's volumes and mounts. Of two with one name or path the later one counts, and none may
    /// hide what the program reads.
    fn add_users(&mut self, template: Option<&Template>) {
        let Some(template) = template else { return };
        for volume in template.volumes.iter() {
            self.volumes.retain(|other| other.name != volume.name);
            self.volumes.push(volume.clone());
        }
        let container = template.container.as_ref();
        for mount in container
            .iter()
            .flat_map(|container| container.volume_mounts.iter())
        {
            let path = plain(&mount.mount_path);
            if !hides_spec(path) {
                self.mounts.retain(|other| plain(&other.mount_path) != path);
                self.mounts.push(mount.clone());
            }
        }
    }

    fn add_keys(&mut self, origin: Origin, name: &str, keys: &Keys) {
        let (kind, folder) = match origin {
            Origin::Secret => ("secret", "secrets"),
            Origin::ConfigMap => ("cm", "config"),
        };
        let volume_name = name::volume(kind, name);
        self.add(
            &volume_name,
            &format!("{VALUES_FOLDER}/{folder}/{name}"),
            true,
            volume(origin, name, keys),
        );
    }

    /// Adds a volume and its mount, unless the user mounts something there.
    fn add(&mut self, volume: &str, path: &str, read_only: bool, mut source: Volume) {
        if self
            .mounts
            .iter()
            .any(|mount| plain(&mount.mount_path) == path)
        {
            return;
        }
        let is_taken = self.volumes.iter().any(|other| other.name == volume);
        source.name = if is_taken {
            name::volume("tiphys", volume)
        } else {
            volume.to_owned()
        };
        self.mounts.push(VolumeMount {
            name: source.name.clone(),
            mount_path: path.to_owned(),
            read_only: read_only.then_some(true),
            ..VolumeMount::default()
        });
        self.volumes.push(source);
    }
}

/// The Secrets and ConfigMaps without which a pod does not start, and the keys that they need.
pub(super) fn needed(bus: &BusConfig, refs: &[KeyRef<'_>]) -> Vec<(Origin, String, Vec<String>)> {
    let login = access_secret(bus).map(|access| {
        let keys = vec![access.key.to_string()];
        (Origin::Secret, access.name.to_string(), keys)
    });
    let read = wanted(bus, refs)
        .into_iter()
        .filter_map(|((origin, name), keys)| {
            let keys = keys.into_iter().filter(|(_, optional)| !optional);
            let keys: Vec<String> = keys.map(|(key, _)| key).collect();
            (!keys.is_empty()).then_some((origin, name, keys))
        });
    login.into_iter().chain(read).collect()
}

/// The Secret with the login of the bus.
fn access_secret(bus: &BusConfig) -> Option<&SecretKeySelector> {
    let jet_stream = bus.jet_stream.as_ref();
    let access = jet_stream.and_then(|bus| bus.access_secret.as_ref());
    access.filter(|access| !access.name.is_empty() && !access.key.is_empty())
}

/// All keys that are read, by Secret and ConfigMap. One that is needed somewhere is needed.
fn wanted(bus: &BusConfig, refs: &[KeyRef<'_>]) -> BTreeMap<(Origin, String), Keys> {
    let mut wanted: BTreeMap<(Origin, String), Keys> = BTreeMap::new();
    let mut want = |reference: KeyRef<'_>| {
        let (origin, name, key, optional) = match reference {
            KeyRef::Secret(secret) => (Origin::Secret, &secret.name, &secret.key, secret.optional),
            KeyRef::ConfigMap(map) => (Origin::ConfigMap, &map.name, &map.key, map.optional),
        };
        if name.is_empty() || key.is_empty() {
            return;
        }
        let keys = wanted.entry((origin, name.to_string())).or_default();
        let optional = optional == Some(true);
        keys.entry(key.to_string())
            .and_modify(|known| *known &= optional)
            .or_insert(optional);
    };
    let tls = bus.jet_stream.as_ref().and_then(|bus| bus.tls.as_ref());
    if let Some(tls) = tls {
        tls.visit_key_refs(&mut want);
    }
    for reference in refs {
        want(*reference);
    }
    wanted
}

fn volume(origin: Origin, name: &str, keys: &Keys) -> Volume {
    let optionals: BTreeSet<bool> = keys.values().copied().collect();
    if optionals.len() > 1 {
        let sources = [false, true].map(|optional| projection(origin, name, keys, optional));
        return Volume {
            projected: Some(ProjectedVolumeSource {
                sources: Some(sources.into()),
                ..ProjectedVolumeSource::default()
            }),
            ..Volume::default()
        };
    }
    let items = Some(keys.keys().map(|key| item(key, key)).collect());
    let optional = optionals.contains(&true).then_some(true);
    match origin {
        Origin::Secret => Volume {
            secret: Some(SecretVolumeSource {
                secret_name: Some(name.to_owned()),
                items,
                optional,
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        },
        Origin::ConfigMap => Volume {
            config_map: Some(ConfigMapVolumeSource {
                name: name.to_owned(),
                items,
                optional,
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        },
    }
}

/// The keys that may be missing, or those that may not: a volume has one answer for all its keys.
fn projection(origin: Origin, name: &str, keys: &Keys, optional: bool) -> VolumeProjection {
    let here = keys.iter().filter(|(_, may_miss)| **may_miss == optional);
    let items = Some(here.map(|(key, _)| item(key, key)).collect());
    let optional = optional.then_some(true);
    match origin {
        Origin::Secret => VolumeProjection {
            secret: Some(SecretProjection {
                name: name.to_owned(),
                items,
                optional,
            }),
            ..VolumeProjection::default()
        },
        Origin::ConfigMap => VolumeProjection {
            config_map: Some(ConfigMapProjection {
                name: name.to_owned(),
                items,
                optional,
            }),
            ..VolumeProjection::default()
        },
    }
}

fn item(key: &str, path: &str) -> KeyToPath {
    KeyToPath {
        key: key.to_owned(),
        path: path.to_owned(),
        mode: None,
    }
}

/// A path without the slash at its end.
fn plain(path: &str) -> &str {
    path.trim_end_matches('/')
}

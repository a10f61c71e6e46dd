//! An image as an OCI archive: the OCI image layout, version 1.0.0, in a tar file.
//!
//! The same content gives the same bytes: entries are sorted, times are the epoch, everything belongs
//! to root.

use std::collections::BTreeMap;
use std::io::Write as _;

use anyhow::Context as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The time of everything in the image.
const EPOCH: &str = "1970-01-01T00:00:00Z";

/// Files by their path, without the first slash.
pub(super) type Layer = BTreeMap<String, Entry>;

/// What an image consists of.
pub(super) struct Image {
    /// The lowest first.
    pub(super) layers: Vec<Layer>,
    /// How a container of it is run, in the words of the OCI image specification.
    pub(super) config: Value,
}

/// Something in a file system.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Entry {
    Folder { mode: u32 },
    File { mode: u32, content: Vec<u8> },
}

/// The files of an OCI image layout.
#[derive(Default)]
struct Layout {
    files: Layer,
}

/// Packs `image` under a name such as `tiphys:0.1.0`.
pub(super) fn pack(image: &Image, reference: &str) -> anyhow::Result<Vec<u8>> {
    let mut layout = Layout::default();
    let mut layers = Vec::new();
    let mut diff_ids = Vec::new();
    for layer in &image.layers {
        let tar = tar(layer)?;
        diff_ids.push(format!("sha256:{}", sha256(&tar)));
        layers.push(layout.blob(LAYER, gzip(&tar)?));
    }
    let history = vec![json!({"created": EPOCH}); diff_ids.len()];
    let config = json!({
        "architecture": architecture(),
        "os": "linux",
        "created": EPOCH,
        "config": image.config,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": history,
    });
    let config = layout.blob(CONFIG, config.to_string().into_bytes());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers,
    });
    let mut manifest = layout.blob(MANIFEST, manifest.to_string().into_bytes());
    manifest["annotations"] = annotations(reference);
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest]});
    layout.insert("index.json", index.to_string().into_bytes());
    layout.insert("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec());
    tar(&layout.files)
}

impl Image {
    /// What its files hold together, unpacked.
    pub(super) fn bytes(&self) -> usize {
        self.layers.iter().map(bytes).sum()
    }
}

/// What the files of a layer hold together, unpacked.
pub(super) fn bytes(layer: &Layer) -> usize {
    let sizes = layer.values().map(|entry| match entry {
        Entry::Folder { .. } => 0,
        Entry::File { content, .. } => content.len(),
    });
    sizes.sum()
}

impl Layout {
    /// Adds a blob and returns what refers to it.
    fn blob(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let digest = sha256(&bytes);
        let size = bytes.len();
        self.insert(&format!("blobs/sha256/{digest}"), bytes);
        json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": size})
    }

    fn insert(&mut self, path: &str, content: Vec<u8>) {
        let mode = 0o644;
        self.files
            .insert(path.to_owned(), Entry::File { mode, content });
    }
}

/// containerd takes the name from its own annotation, others from the one of the specification.
fn annotations(reference: &str) -> Value {
    let (_, tag) = reference.split_once(':').unwrap_or((reference, "latest"));
    json!({
        "io.containerd.image.name": format!("docker.io/library/{reference}"),
        "org.opencontainers.image.ref.name": tag,
    })
}

fn tar(entries: &Layer) -> anyhow::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, entry) in entries {
        let mut header = tar::Header::new_ustar();
        let content: &[u8] = match entry {
            Entry::Folder { mode } => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_mode(*mode);
                &[]
            }
            Entry::File { mode, content } => {
                header.set_entry_type(tar::EntryType::Regular);
                header.set_mode(*mode);
                content
            }
        };
        header.set_size(content.len() as u64);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        builder
            .append_data(&mut header, path, content)
            .with_context(|| format!("pack {path}"))?;
    }
    builder.into_inner().context("end the archive")
}

fn gzip(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).context("compress a layer")?;
    encoder.finish().context("compress a layer")
}

fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// The processor, as images call it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    fn image() -> Image {
        let folder = Entry::Folder { mode: 0o1777 };
        let file = Entry::File {
            mode: 0o755,
            content: b"hello".to_vec(),
        };
        Image {
            layers: vec![
                Layer::from([("tmp".to_owned(), folder)]),
                Layer::from([("tiphys".to_owned(), file)]),
            ],
            config: json!({"Entrypoint": ["/tiphys"]}),
        }
    }

    /// Path, mode, time and content of each entry.
    fn entries(archive: &[u8]) -> Vec<(String, u32, u64, Vec<u8>)> {
        let mut archive = tar::Archive::new(archive);
        let read = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_str().unwrap().to_owned();
            let (mode, time) = (entry.header().mode(), entry.header().mtime());
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (path, mode.unwrap(), time.unwrap(), content)
        });
        read.collect()
    }

    /// What a descriptor refers to.
    fn follow(archive: &[u8], descriptor: &Value) -> Vec<u8> {
        let digest = descriptor["digest"].as_str().unwrap();
        let path = format!("blobs/{}", digest.replace(':', "/"));
        let found = entries(archive).into_iter().find(|entry| entry.0 == path);
        let content = found.unwrap().3;
        assert_eq!(descriptor["size"], content.len());
        assert_eq!(digest, format!("sha256:{}", sha256(&content)));
        content
    }

    fn unpacked(layer: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        GzDecoder::new(layer).read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn an_archive_leads_from_its_index_to_its_files() {
        let archive = pack(&image(), "tiphys:1.2.3").unwrap();
        let files = entries(&archive);
        let read = |name: &str| &files.iter().find(|entry| entry.0 == name).unwrap().3;
        assert_eq!(read("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#);

        let index: Value = serde_json::from_slice(read("index.json")).unwrap();
        let descriptor = &index["manifests"][0];
        let name = &descriptor["annotations"]["io.containerd.image.name"];
        assert_eq!(name, "docker.io/library/tiphys:1.2.3");

        let manifest: Value = serde_json::from_slice(&follow(&archive, descriptor)).unwrap();
        let config: Value = serde_json::from_slice(&follow(&archive, &manifest["config"])).unwrap();
        assert_eq!(config["config"]["Entrypoint"], json!(["/tiphys"]));

        let layers = [0, 1].map(|at| unpacked(&follow(&archive, &manifest["layers"][at])));
        let hashes = layers
            .each_ref()
            .map(|layer| format!("sha256:{}", sha256(layer)));
        assert_eq!(config["rootfs"]["diff_ids"], json!(hashes));
        assert_eq!(
            layers.map(|layer| entries(&layer)),
            [
                vec![("tmp".to_owned(), 0o1777, 0, Vec::new())],
                vec![("tiphys".to_owned(), 0o755, 0, b"hello".to_vec())],
            ]
        );
    }

    #[test]
    fn the_same_content_gives_the_same_bytes() {
        let [one, other] = [(); 2].map(|()| pack(&image(), "tiphys:1.2.3").unwrap());
        assert_eq!(one, other);
    }

    #[test]
    fn the_size_is_that_of_the_unpacked_files() {
        assert_eq!(image().bytes(), 5);
    }
}

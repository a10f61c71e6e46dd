//! `cargo xtask image`: the container image, packed without docker, and loaded where pods find it.
//!
//! It holds the program, the shared libraries it needs, certificates of the public authorities, and
//! the few files that a C library looks for: no shell, no package manager, no root.

mod archive;
mod content;
mod git;
mod load;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde_json::json;

use crate::command::{Profile, build_binary, workspace};
use archive::{Image, Layer};

pub(crate) use load::{Target, load};

/// The name of the image, without its tag.
pub(crate) const NAME: &str = "tiphys";

/// A release must stay quick to pull on a small node. The goal is 60 MB: what is above is the price of a
/// release that is built in half the time.
const MAX_RELEASE_BYTES: usize = 85_000_000;

/// The user `nonroot` of distroless images, which policies of clusters know.
pub(crate) const USER: u32 = 65532;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How the program is built
    #[arg(long, value_enum, default_value = "release")]
    profile: Profile,
    /// The image's tag; by default the version of the workspace
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Add git and ssh, for objects from git repositories
    #[arg(long)]
    git: bool,
    /// Where the OCI archive is written; by default target/image/tiphys-TAG.tar or -dev.tar
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Load it into a containerd, or into the nodes of a kind cluster
    #[arg(long, value_enum, value_name = "WHERE")]
    load: Option<Loader>,
    /// The socket of the containerd; by default that of `cargo xtask node`, or else the system's
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// The name of the kind cluster
    #[arg(long, value_name = "NAME", default_value = "kind")]
    kind_cluster: String,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Loader {
    Containerd,
    Kind,
}

/// An image in a file.
#[derive(Debug)]
pub(crate) struct Packed {
    /// Where the OCI archive is.
    pub(crate) file: PathBuf,
    /// What pods name: `tiphys:0.1.0`.
    pub(crate) reference: String,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let Args {
        profile,
        tag,
        git,
        output,
        load: loader,
        socket,
        kind_cluster,
    } = args;
    let version = default_tag();
    let tag = tag.unwrap_or(if git {
        format!("{version}-git")
    } else {
        version
    });
    let extra = if git { Some(git::layer()?) } else { None };
    let packed = pack_with(extra, &build_binary(profile)?, profile, &tag, output)?;
    match loader {
        None => Ok(()),
        Some(Loader::Containerd) => {
            let socket = socket.map_or_else(load::default_socket, Ok)?;
            load(&packed, &Target::Containerd(socket))
        }
        Some(Loader::Kind) => load(&packed, &Target::Kind(kind_cluster)),
    }
}

/// The version of the workspace.
pub(crate) fn default_tag() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// Builds the program and packs it into `output`.
pub(crate) fn build(
    profile: Profile,
    tag: &str,
    output: Option<PathBuf>,
) -> anyhow::Result<Packed> {
    let binary = build_binary(profile)?;
    pack(&binary, profile, tag, output)
}

/// Packs a program that is built into `output`.
pub(crate) fn pack(
    binary: &Path,
    profile: Profile,
    tag: &str,
    output: Option<PathBuf>,
) -> anyhow::Result<Packed> {
    pack_with(None, binary, profile, tag, output)
}

/// Packs it with a layer of other programs.
fn pack_with(
    extra: Option<Layer>,
    binary: &Path,
    profile: Profile,
    tag: &str,
    output: Option<PathBuf>,
) -> anyhow::Result<Packed> {
    ensure!(
        cfg!(target_os = "linux"),
        "the image holds a program for Linux, and is built there"
    );
    let started = Instant::now();
    let extra_bytes = extra.as_ref().map_or(0, archive::bytes);
    let image = image(binary, extra)?;
    let bytes = image.bytes();
    let reference = format!("{NAME}:{tag}");
    let file = output.unwrap_or_else(|| default_file(profile, tag));
    let archive = archive::pack(&image, &reference)?;
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
    fs::write(&file, &archive).with_context(|| format!("write {}", file.display()))?;
    eprintln!(
        "── {reference}: {:.1} MB, packed {:.1} MB in {:.1} s: {}",
        megabytes(bytes),
        megabytes(archive.len()),
        started.elapsed().as_secs_f32(),
        file.display()
    );
    ensure!(
        profile != Profile::Release || bytes - extra_bytes <= MAX_RELEASE_BYTES,
        "the image has {bytes} bytes; {MAX_RELEASE_BYTES} are allowed"
    );
    Ok(Packed { file, reference })
}

/// A debug build does not replace the file of a release.
fn default_file(profile: Profile, tag: &str) -> PathBuf {
    let suffix = match profile {
        Profile::Release => "",
        Profile::Dev => "-dev",
    };
    let folder = workspace().join("target/image");
    folder.join(format!("{NAME}-{tag}{suffix}.tar"))
}

fn image(binary: &Path, extra: Option<Layer>) -> anyhow::Result<Image> {
    let base = content::base(binary)?;
    let program = content::program(&stripped(binary)?);
    let config = json!({
        "User": format!("{USER}:{USER}"),
        "Env": ["PATH=/:/usr/bin"],
        "Entrypoint": [format!("/{NAME}")],
        "WorkingDir": "/",
        "Labels": {
            "org.opencontainers.image.title": NAME,
            "org.opencontainers.image.description":
                "Runs EventSource, EventBus and Sensor objects of Argo Events",
            "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
            "org.opencontainers.image.licenses": "Apache-2.0",
        },
    });
    // The program changes with every build and the rest hardly ever: a layer each.
    Ok(Image {
        layers: [Some(base), extra, Some(program)]
            .into_iter()
            .flatten()
            .collect(),
        config,
    })
}

/// The program without symbols, which are most of a debug build.
fn stripped(binary: &Path) -> anyhow::Result<Vec<u8>> {
    let folder = workspace().join("target/image");
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let output = folder.join(format!("{NAME}-{}.stripped", std::process::id()));
    let mut strip = Command::new("strip");
    strip.arg("--strip-all").arg("-o").arg(&output).arg(binary);
    let status = strip.status().context("run `strip` (of binutils)")?;
    ensure!(status.success(), "`strip` failed ({status})");
    let bytes = fs::read(&output).context("read the stripped program");
    fs::remove_file(&output).context("remove the stripped program")?;
    bytes
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a size of some megabytes, shown with one decimal"
)]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

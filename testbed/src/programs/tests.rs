//! How programs are found, with folders of small shell scripts instead of the real ones.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::program::GO_MODULE;
use super::*;

/// Nothing named, an empty cache, an empty `PATH`, no way out and no Go module.
fn bare(folder: &TempDir) -> Settings {
    let missing = "http://127.0.0.1:9".to_owned();
    Settings {
        named: std::collections::BTreeMap::new(),
        cache: folder.path().join("cache"),
        path: Vec::new(),
        offline: true,
        envtest_releases: missing.clone(),
        envtest_index: missing.clone(),
        nats_releases: missing,
        kafka_version: "4.1.1".to_owned(),
        go_module: folder.path().join("no-module"),
    }
}

fn script(path: &Path, output: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/sh\necho '{output}'\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn locate_nats(settings: &Settings) -> anyhow::Result<PathBuf> {
    let [path] = locate([Program::NatsServer], settings, Progress::Hidden)?;
    Ok(path)
}

#[test]
fn versions_come_from_the_go_module() {
    assert_eq!(Program::KubeApiserver.version().unwrap(), "v1.35.4");
    assert_eq!(Program::Etcd.version().unwrap(), "v3.6.8");
    assert_eq!(Program::NatsServer.version().unwrap(), "v2.12.8");
}

#[test]
fn every_program_is_a_tool_or_a_folder_of_the_go_module() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/servers");
    for program in Program::NODE {
        let package = program.package();
        let is_tool = GO_MODULE.lines().any(|line| line.trim() == package);
        assert!(
            is_tool || folder.join(package).join("main.go").is_file(),
            "{package}"
        );
    }
}

#[test]
fn go_names_a_program_by_its_package() {
    let names = [
        Program::Etcd,
        Program::NatsServer,
        Program::KubeApiserver,
        Program::Coredns,
    ];
    let names = names.map(Program::built_name);
    assert_eq!(names, ["server", "nats-server", "kube-apiserver", "dns"]);
}

#[test]
fn a_program_of_our_own_is_as_old_as_its_source() {
    let [dns, pause] = [Program::Coredns, Program::Pause].map(|each| each.version().unwrap());
    assert_ne!(dns, pause);
    assert_eq!(dns.len(), 12);
}

#[test]
fn a_node_does_not_use_what_the_path_has() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = bare(&folder);
    settings.path = vec![folder.path().join("bin")];
    script(&folder.path().join("bin/kubelet"), "Kubernetes v1.35.4");
    let error = locate([Program::Kubelet], &settings, Progress::Hidden).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("kubelet is missing: not in "), "{error}");
    assert!(!error.contains("PATH"), "{error}");
}

#[test]
fn reported_versions_are_read() {
    assert_eq!(parse_version("nats-server: v2.12.8\n"), Some((2, 12)));
    assert_eq!(
        parse_version("etcd Version: 3.6.8\nGit SHA: Not provided\n"),
        Some((3, 6))
    );
    assert_eq!(parse_version("Kubernetes v1.35.4\n"), Some((1, 35)));
    assert_eq!(parse_version("no version here"), None);
}

#[test]
fn the_environment_comes_before_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = bare(&folder);
    script(
        &settings
            .cache
            .join(Program::NatsServer.cached_name("v2.12.8")),
        "cached",
    );
    let named = folder.path().join("mine");
    script(&named, "mine");
    settings.named.insert("NATS_SERVER", named.clone().into());
    assert_eq!(locate_nats(&settings).unwrap(), named);
}

#[test]
fn kubebuilder_assets_name_the_folder_of_the_control_plane() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = bare(&folder);
    let etcd = folder.path().join("assets/etcd");
    script(&etcd, "etcd");
    settings
        .named
        .insert("KUBEBUILDER_ASSETS", folder.path().join("assets").into());
    let [located] = locate([Program::Etcd], &settings, Progress::Hidden).unwrap();
    assert_eq!(located, etcd);
}

#[test]
fn a_named_program_that_is_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = bare(&folder);
    settings
        .named
        .insert("NATS_SERVER", "/nowhere/nats-server".into());
    let error = locate_nats(&settings).unwrap_err().to_string();
    assert_eq!(
        error,
        "NATS_SERVER is set, but /nowhere/nats-server is not there"
    );
}

#[test]
fn the_cache_comes_before_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = bare(&folder);
    let cached = settings
        .cache
        .join(Program::NatsServer.cached_name("v2.12.8"));
    script(&cached, "cached");
    settings.path.push(folder.path().join("bin"));
    script(
        &folder.path().join("bin/nats-server"),
        "nats-server: v2.12.8",
    );
    assert_eq!(locate_nats(&settings).unwrap(), cached);
}

#[test]
fn a_program_on_the_path_must_be_new_enough() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = bare(&folder);
    settings.path = vec![folder.path().join("old"), folder.path().join("good")];
    script(
        &folder.path().join("old/nats-server"),
        "nats-server: v2.9.25",
    );
    script(
        &folder.path().join("good/nats-server"),
        "nats-server: v2.10.0",
    );
    assert_eq!(
        locate_nats(&settings).unwrap(),
        folder.path().join("good/nats-server")
    );
}

#[test]
fn a_program_that_cannot_be_got_is_reported_with_the_line_that_installs_it() {
    let folder = tempfile::tempdir().unwrap();
    let error = locate_nats(&bare(&folder)).unwrap_err().to_string();
    for part in [
        "nats-server is missing",
        "not on PATH in version 2.10 or newer",
        "not downloaded: TIPHYS_OFFLINE is set",
        "go install github.com/nats-io/nats-server/v2@v2.12.8",
    ] {
        assert!(error.contains(part), "{part:?} in {error:?}");
    }
}

#[test]
fn all_programs_that_cannot_be_got_are_reported_together() {
    let folder = tempfile::tempdir().unwrap();
    let error = Programs::locate_with(&bare(&folder), Progress::Hidden).unwrap_err();
    let error = error.to_string();
    for part in ["etcd is", "kube-apiserver is", "nats-server is"] {
        assert!(error.contains(&format!("{part} missing")), "{error}");
    }
}

#[test]
fn a_release_page_that_cannot_be_reached_falls_through() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        offline: false,
        ..bare(&folder)
    };
    let error = locate_nats(&settings).unwrap_err().to_string();
    assert!(
        error.contains("not downloaded: fetch http://127.0.0.1:9/v2.12.8/SHA256SUMS"),
        "{error}"
    );
}

#[test]
fn a_second_run_waits_for_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let settings = bare(&folder);
    let held = lock(&settings, Progress::Hidden).unwrap();
    let cached = settings
        .cache
        .join(Program::NatsServer.cached_name("v2.12.8"));
    std::thread::scope(|scope| {
        let second = scope.spawn(|| locate_nats(&settings).unwrap());
        script(&cached, "built by the first");
        drop(held);
        assert_eq!(second.join().unwrap(), cached);
    });
}

#[test]
fn a_broker_is_named_cached_or_installed() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = bare(&folder);
    let locate = |settings: &Settings| Broker::Redis.locate_with(settings, Progress::Hidden);
    let installed = folder.path().join("bin/redis-server");
    script(&installed, "installed");
    settings.path.push(folder.path().join("bin"));
    assert_eq!(locate(&settings).unwrap(), installed);
    let named = folder.path().join("mine");
    settings
        .named
        .insert("TIPHYS_REDIS_SERVER", named.clone().into());
    assert_eq!(
        locate(&settings).unwrap_err().to_string(),
        format!(
            "TIPHYS_REDIS_SERVER is set, but {} is not there",
            named.display()
        )
    );
    script(&named, "mine");
    assert_eq!(locate(&settings).unwrap(), named);
}

#[test]
fn a_package_of_a_language_has_its_version_and_a_remedy_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = bare(&folder);
    script(&folder.path().join("bin/moto_server"), "of another version");
    settings.path.push(folder.path().join("bin"));
    let error = Broker::Moto.locate_with(&settings, Progress::Hidden);
    let error = format!("{:#}", error.unwrap_err());
    for part in [
        "moto_server is missing: not in ",
        "install python3 with venv (`apt-get install python3-venv`), or set TIPHYS_MOTO_SERVER",
    ] {
        assert!(error.contains(part), "{part:?} in {error:?}");
    }
}

#[test]
fn a_broker_that_cannot_be_got_is_reported_with_the_line_that_installs_it() {
    let folder = tempfile::tempdir().unwrap();
    let error = Broker::Redis.locate_with(&bare(&folder), Progress::Hidden);
    let error = format!("{:#}", error.unwrap_err());
    for part in [
        "redis-server is missing: not in ",
        "`apt-get install redis-server`",
        "or set TIPHYS_REDIS_SERVER",
        "TIPHYS_OFFLINE is set",
    ] {
        assert!(error.contains(part), "{part:?} in {error:?}");
    }
}

//! Servers in Java, from Maven's repository: their jars are put into the cache, and started by the `java` that
//! is on `PATH`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use super::broker::{put_script, run};
use super::settings::Settings;
use crate::Progress;

/// What Kafka writes its log lines with: without one it writes none.
const LOGGER: &str = "1.7.36";

/// How much memory a server may take.
const HEAP: &str = "-Xmx256m";

/// Downloads Kafka, and puts a program at `target` that runs one of its classes.
pub(super) fn kafka(target: &Path, settings: &Settings, progress: Progress) -> anyhow::Result<()> {
    let java = run(Command::new("java").arg("-version"));
    java.context("Kafka is run by Java")?;
    let version = &settings.kafka_version;
    // What is half downloaded must not look like a program.
    let folder = tempfile::tempdir_in(&settings.cache).context("make a folder")?;
    fs::write(folder.path().join("pom.xml"), project(version)).context("write a file")?;
    let mut download = Command::new("mvn");
    download
        .args(["--quiet", "--batch-mode", "dependency:copy-dependencies"])
        .args(["-DincludeScope=runtime", "-DoutputDirectory=jars"])
        .current_dir(folder.path());
    let title = format!("downloading Kafka {version} with mvn");
    progress.during(&title, || run(&mut download))?;
    let kept = target.with_file_name(format!("kafka-{version}.jars"));
    if kept.exists() {
        fs::remove_dir_all(&kept).context("remove what is half done")?;
    }
    fs::rename(folder.path().join("jars"), &kept).context("move it into the cache")?;
    let script = format!(
        "#!/bin/sh\nexec java {HEAP} -cp '{}/*' \"$@\"\n",
        kept.display()
    );
    put_script(&script, target, folder.path())
}

/// What depends on Kafka, for Maven.
fn project(version: &str) -> String {
    let dependency = |group: &str, name: &str, version: &str| {
        format!(
            "<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId>\
             <version>{version}</version></dependency>"
        )
    };
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\
         <groupId>tiphys</groupId><artifactId>kafka</artifactId><version>1</version>\
         <dependencies>{}{}</dependencies></project>",
        dependency("org.apache.kafka", "kafka_2.13", version),
        dependency("org.slf4j", "slf4j-simple", LOGGER),
    )
}

//! Packages of languages, got by the tool that each has for it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use super::run;

/// A package of Python with those that it needs, in an environment of its own at `root`.
pub(super) fn python(package: &str, root: &Path) -> anyhow::Result<()> {
    run(Command::new("python3").args(["-m", "venv"]).arg(root))?;
    run(Command::new(root.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet", "--no-input"])
        .args(["--disable-pip-version-check", package]))
}

/// The archives of a program in Java with those that they need, at `root`.
pub(super) fn java(
    artifacts: &[(&str, &str, &str)],
    folder: &Path,
    root: &Path,
) -> anyhow::Result<()> {
    run(Command::new("java").arg("-version"))?;
    let dependency = |(group, artifact, version): &(&str, &str, &str)| {
        format!(
            "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
             <version>{version}</version></dependency>"
        )
    };
    let dependencies: String = artifacts.iter().map(dependency).collect();
    let project = format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\
         <modelVersion>4.0.0</modelVersion>\
         <groupId>tiphys</groupId><artifactId>servers</artifactId><version>1</version>\
         <dependencies>{dependencies}</dependencies></project>"
    );
    fs::write(folder.join("pom.xml"), project).context("write a project")?;
    run(Command::new("mvn")
        .current_dir(folder)
        .args(["--quiet", "--batch-mode", "dependency:copy-dependencies"])
        .args(["-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", root.display())))
}

/// A package of Node with those that it needs, at `root`.
pub(super) fn node(package: &str, root: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(root).context("make a folder")?;
    run(Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"])
        .arg(root)
        .arg(package))
}

/// A program that Go builds from a module, at `root`.
pub(super) fn go(module: &Path, root: &Path, name: &str) -> anyhow::Result<()> {
    fs::create_dir_all(root).context("make a folder")?;
    run(Command::new("go")
        .arg("build")
        .arg("-C")
        .arg(module)
        .args(["-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o"])
        .arg(root.join(name))
        .arg(".")
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off"))
}

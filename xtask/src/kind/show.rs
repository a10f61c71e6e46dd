//! Installs tiphys into a cluster that has its image, and shows the story of `examples/auto-ingress`
//! by `kubectl` alone.

#![expect(clippy::print_stdout, reason = "what is shown is the output")]

use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use tiphys_testbed::{PATIENCE, wait_for};

use crate::install::{Kubectl, READY, install};

/// The namespace of the example.
const NAMESPACE: &str = "playground";

/// Installs `deploy/kind` and shows the story.
///
/// # Errors
/// If something of it is not seen in time.
pub(crate) fn install_and_show(kubectl: &Kubectl) -> anyhow::Result<()> {
    install(kubectl)?;
    let outcome = show(kubectl);
    if outcome.is_err() {
        // What a person would look at; that it can be shown changes nothing of the outcome.
        for question in [
            "-n argo-events logs deployment/controller-manager --tail=40",
            "-n playground get eventbus,eventsources,sensors,pods -o wide",
            "-n playground get events --sort-by=.lastTimestamp",
        ] {
            kubectl.run(question).unwrap_or_default();
        }
    }
    outcome
}

fn show(kubectl: &Kubectl) -> anyhow::Result<()> {
    let started = Instant::now();
    for file in ["rbac", "eventbus", "ingress-es", "ingress-sn"] {
        kubectl.run(&format!("apply -f examples/auto-ingress/{file}.yaml"))?;
    }
    for object in [
        "eventbus/jetstream-eb",
        "eventsource/ingress-es",
        "sensor/ingress-sn",
    ] {
        kubectl.run(&format!(
            "-n {NAMESPACE} wait --for=condition=Ready {object} {READY}"
        ))?;
    }
    println!(
        "✓ everything is ready ({:.1} s)",
        started.elapsed().as_secs_f32()
    );
    denied(kubectl)?;
    kubectl.run("apply -f examples/auto-ingress/service.yaml")?;
    let port = "get ingress harbour-svc-ing -o jsonpath={.spec.rules[0].http.paths[0].backend.service.port.number}";
    let port = format!("-n {NAMESPACE} {port}");
    wait_for("the Ingress", PATIENCE, || {
        Ok(kubectl.ask(&port)?.filter(|port| port == "8080").map(drop))
    })?;
    println!("✓ the Service is applied, and its Ingress appears");
    wait_for("the log trigger's line", PATIENCE, || {
        let log = kubectl.ask(&format!(
            "-n {NAMESPACE} logs -l sensor-name=ingress-sn --tail=-1"
        ))?;
        let is_there = log.is_some_and(|log| log.contains("\"triggerType\":\"Log\""));
        Ok(is_there.then_some(()))
    })?;
    println!("✓ kubectl logs -l sensor-name=ingress-sn shows the event");
    kubectl.run(&format!("-n {NAMESPACE} delete service harbour-svc"))?;
    wait_for("the Ingress going", PATIENCE, || {
        Ok(kubectl.ask(&port)?.is_none().then_some(()))
    })?;
    println!("✓ the Service is deleted, and its Ingress goes");
    println!("{}", hints());
    Ok(())
}

/// The webhook refuses what lint refuses.
fn denied(kubectl: &Kubectl) -> anyhow::Result<()> {
    let patch = r#"{"spec":{"dependencies":[{"name":"service","eventSourceName":"ingress-es","eventName":"ingress","transform":{"jq":".a|"}}]}}"#;
    let arguments =
        format!("-n {NAMESPACE} patch sensor ingress-sn --type=merge --dry-run=server -p {patch}");
    let output = kubectl
        .command(&arguments)
        .output()
        .context("run kubectl")?;
    ensure!(!output.status.success(), "a broken jq program was taken");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !said.contains("spec.dependencies[0].transform.jq") {
        bail!("the refusal does not name the field: {said}");
    }
    println!("✓ a broken jq program is refused:\n{}", said.trim_end());
    Ok(())
}

fn hints() -> String {
    format!(
        "\nLook at it:\n  \
         kubectl -n {NAMESPACE} get eventbus,eventsources,sensors,pods\n  \
         kubectl -n {NAMESPACE} describe sensor ingress-sn\n  \
         kubectl apply -f examples/auto-ingress/service.yaml\n  \
         kubectl -n {NAMESPACE} get ingress\n  \
         kubectl -n {NAMESPACE} logs -l sensor-name=ingress-sn -f"
    )
}

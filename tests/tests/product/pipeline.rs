//! The pipeline of the users: a service is annotated, its ingress appears, follows, and goes.

use std::path::{Path, PathBuf};

use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use tiphys_testbed::{Auth, NatsOptions, Tls};
use tiphys_tests::{Desk, World};

use crate::harbour::{self, Harbour, Route, expected};

/// Names the folder of the users' own manifests.
const MISSION_VARIABLE: &str = "TIPHYS_MISSION";

/// The example pair of the NATS documentation.
const NKEY_SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
const NKEY: &str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

/// Where the users' own manifests are, if they are on this machine.
fn mission() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/mission/auto-ingress");
    let folder = std::env::var_os(MISSION_VARIABLE).map_or_else(beside, PathBuf::from);
    if folder.join("pipeline.yaml").is_file() {
        return Some(folder);
    }
    let here = folder.display();
    // Past the capture of the test runner: nobody should take this for a test that has run.
    let line = format!("NOT RUN: no manifests in {here}; {MISSION_VARIABLE} names their folder");
    tiphys_testbed::Progress::Shown.say(&line);
    None
}

fn fortune(port: u16) -> Route {
    Route {
        host: "fortune-192.168.39.152.nip.io".to_owned(),
        class: "nginx".to_owned(),
        service: "fortune-svc".to_owned(),
        port: json!(port),
    }
}

#[tokio::test]
async fn the_users_manifests_run_unchanged_with_the_rights_of_their_service_account() {
    let Some(folder) = mission() else { return };
    let world = World::start().await;
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    world.apply(&read("rbac.yaml")).await;
    let account = world
        .control_plane()
        .kubeconfig_as("playground", "playground-sa")
        .unwrap();
    let desk = Desk::new()
        .files_at(&folder)
        .option("--kubeconfig", account)
        .option("--nats", world.nats().url());
    let harbour = Harbour::at(&world.client().await, "playground");
    let mut tiphys = desk.start();
    tiphys.watching().await;

    let fortune_yaml = read("fortune.yaml");
    let (_, service) = fortune_yaml.rsplit_once("---\n").unwrap();
    harbour.create(service).await;
    harbour.route_of("fortune-svc-ing", &fortune(3000)).await;
    let ports = json!({ "spec": { "ports": [{ "port": 3001, "targetPort": "fortune-port" }] } });
    let (params, ports) = (PatchParams::default(), Patch::Merge(&ports));
    harbour
        .services
        .patch("fortune-svc", &params, &ports)
        .await
        .unwrap();
    harbour.route_of("fortune-svc-ing", &fortune(3001)).await;
    harbour
        .services
        .delete("fortune-svc", &DeleteParams::default())
        .await
        .unwrap();
    harbour.gone("fortune-svc-ing").await;

    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
    // Its log trigger prints one event in 15 seconds: one of the three, or more where the story takes longer.
    let printed = desk.printed_ids().len();
    assert!((1..=3).contains(&printed), "{printed}");
    let problems = tiphys
        .lines()
        .into_iter()
        .filter(|line| line["level"] != "info");
    assert_eq!(problems.collect::<Vec<_>>(), [json!(null); 0]);
}

/// Creates, changes and deletes a service on a desk, and looks at its ingress.
async fn play(world: &World, desk: Desk) {
    let harbour = Harbour::of(world).await;
    let mut tiphys = harbour::on(desk, world.namespace()).start();
    tiphys.watching().await;
    harbour.serve("web", 80).await;
    let (ingress, route) = expected("web", 80);
    harbour.route_of(&ingress, &route).await;
    harbour.serve("web", 81).await;
    harbour.route_of(&ingress, &expected("web", 81).1).await;
    harbour.close("web").await;
    harbour.gone(&ingress).await;
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

async fn world_with(auth: Auth, tls: Tls) -> World {
    World::start_with(NatsOptions {
        auth,
        tls,
        ..NatsOptions::default()
    })
    .await
}

#[tokio::test]
async fn it_runs_with_the_bus_in_the_process() {
    let world = World::start().await;
    play(
        &world,
        Desk::new().option("--kubeconfig", world.kubeconfig()),
    )
    .await;
}

#[tokio::test]
async fn it_runs_with_a_user_and_a_password() {
    let auth = Auth::Password {
        user: "sailor".to_owned(),
        password: "p=ss wörd".to_owned(),
    };
    let world = world_with(auth, Tls::Off).await;
    let desk = world.desk();
    let file = desk.secret("auth.yaml", "username: sailor\npassword: \"p=ss wörd\"\n");
    play(&world, desk.option("--nats-auth", file)).await;
}

#[tokio::test]
async fn it_runs_with_a_token() {
    let world = world_with(Auth::Token("s3cr3t-token".to_owned()), Tls::Off).await;
    play(&world, world.desk().option("--nats-token", "s3cr3t-token")).await;
}

#[tokio::test]
async fn it_runs_with_an_nkey() {
    let world = world_with(Auth::NKey(NKEY.to_owned()), Tls::Off).await;
    let desk = world.desk();
    let file = desk.secret("seed.nk", &format!("{NKEY_SEED}\n"));
    play(&world, desk.option("--nats-nkey", file)).await;
}

#[tokio::test]
async fn it_runs_over_tls_with_the_authority_of_the_server() {
    let world = world_with(Auth::Anyone, Tls::Server).await;
    let authority = world.nats().folder().join("ca.pem");
    play(&world, world.desk().option("--nats-ca", authority)).await;
}

#[tokio::test]
async fn it_runs_over_tls_with_a_certificate_of_its_own() {
    let world = world_with(Auth::Anyone, Tls::Mutual).await;
    let folder = world.nats().folder().to_owned();
    let desk = world
        .desk()
        .option("--nats-ca", folder.join("ca.pem"))
        .option("--nats-cert", folder.join("client.pem"))
        .option("--nats-key", folder.join("client.key"));
    play(&world, desk).await;
}

#[tokio::test]
async fn a_server_that_refuses_the_password_is_told_and_asked_again() {
    let auth = Auth::Password {
        user: "sailor".to_owned(),
        password: "right".to_owned(),
    };
    let world = world_with(auth, Tls::Off).await;
    let desk = world
        .desk()
        .option("--nats-user", "sailor")
        .option("--nats-password", "wrong");
    let mut tiphys = harbour::on(desk, world.namespace()).start();
    let refusal = |line: &serde_json::Value| {
        line["level"] == "warn"
            && line["error"]
                .as_str()
                .is_some_and(|error| error.contains("authorization violation"))
    };
    tiphys.line("the refusal", refusal).await;
    assert!(tiphys.is_running());
    assert!(
        !tiphys.output().contains("wrong"),
        "no line tells the password"
    );
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

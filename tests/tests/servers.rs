//! The servers of the testbed do what the stories rely on.

#![cfg(test)]

use std::collections::BTreeMap;
use std::path::Path;

use async_nats::ConnectOptions;
use async_nats::jetstream::{self, stream};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, PostParams, WatchEvent, WatchParams};
use kube::core::ObjectMeta;
use kube::{Api, Client};
use tiphys_testbed::{Auth, ControlPlane, ControlPlaneOptions, Nats, NatsOptions, Tls, User};
use tiphys_tests::{PATIENCE, World, client, eventually, programs};

/// The example pair of the NATS documentation.
const NKEY_SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
const NKEY: &str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

fn start_control_plane() -> ControlPlane {
    ControlPlane::start(programs(), ControlPlaneOptions::default()).unwrap()
}

fn start_nats(auth: Auth, tls: Tls) -> Nats {
    let options = NatsOptions {
        auth,
        tls,
        ..NatsOptions::default()
    };
    Nats::start(programs(), &options).unwrap()
}

fn config_map(name: &str, value: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([("key".to_owned(), value.to_owned())])),
        ..ConfigMap::default()
    }
}

async fn admin(control_plane: &ControlPlane) -> Client {
    client(&control_plane.kubeconfig().unwrap()).await
}

/// Connects, and does one round trip.
async fn connect(nats: &Nats, options: ConnectOptions) -> Result<(), String> {
    let connected = options
        .connection_timeout(PATIENCE)
        .connect(nats.url())
        .await
        .map_err(|error| error.to_string())?;
    connected.flush().await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_control_plane_tells_its_version() {
    let control_plane = start_control_plane();
    let version = admin(&control_plane)
        .await
        .apiserver_version()
        .await
        .unwrap();
    assert_eq!(version.major, "1");
    let minor: u32 = version.minor.trim_end_matches('+').parse().unwrap();
    assert!(minor >= 32, "{version:?}");
}

#[tokio::test]
async fn an_object_survives_a_restart_of_the_api_server() {
    let mut control_plane = start_control_plane();
    let maps: Api<ConfigMap> = Api::default_namespaced(admin(&control_plane).await);
    maps.create(&PostParams::default(), &config_map("kept", "value"))
        .await
        .unwrap();

    control_plane.kill_apiserver().unwrap();
    assert!(maps.get("kept").await.is_err());
    control_plane.start_apiserver().unwrap();

    let kept = maps.get("kept").await.unwrap();
    assert_eq!(kept.data.unwrap()["key"], "value");
}

#[tokio::test]
async fn a_watch_from_before_a_compaction_is_gone() {
    let mut control_plane = start_control_plane();
    let maps: Api<ConfigMap> = Api::default_namespaced(admin(&control_plane).await);
    let before = maps
        .list(&ListParams::default())
        .await
        .unwrap()
        .metadata
        .resource_version
        .unwrap();
    maps.create(&PostParams::default(), &config_map("later", "value"))
        .await
        .unwrap();

    control_plane.compact().unwrap();
    control_plane.stop_apiserver().unwrap();
    control_plane.start_apiserver().unwrap();

    let gone = match maps.watch(&WatchParams::default(), &before).await {
        Ok(watch) => match Box::pin(watch).next().await.unwrap().unwrap() {
            WatchEvent::Error(status) => status.code,
            event => panic!("{event:?}"),
        },
        Err(kube::Error::Api(status)) => status.code,
        Err(error) => panic!("{error}"),
    };
    assert_eq!(gone, 410);
}

#[tokio::test]
async fn users_may_do_what_their_role_says_and_nothing_else() {
    let user = User {
        name: "ada".to_owned(),
        token: "ada-token".to_owned(),
        groups: Vec::new(),
    };
    let options = ControlPlaneOptions {
        users: vec![user.clone()],
        ..ControlPlaneOptions::default()
    };
    let control_plane = ControlPlane::start(programs(), options).unwrap();
    let kubeconfig = control_plane.kubeconfig_of(&user).unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&kubeconfig).await);
    let Err(kube::Error::Api(refusal)) = maps.list(&ListParams::default()).await else {
        panic!("a user without a role may list");
    };
    assert_eq!(refusal.code, 403);
    assert!(
        refusal.message.contains(r#"User "ada""#),
        "{}",
        refusal.message
    );
}

#[tokio::test]
async fn a_service_account_may_do_what_its_role_says_and_nothing_else() {
    let world = World::start().await;
    world.apply(include_str!("servers/reader.yaml")).await;
    let maps: Api<ConfigMap> = Api::namespaced(world.client_as("reader").await, world.namespace());
    eventually("the role's being known", || async {
        maps.list(&ListParams::default()).await.ok()
    })
    .await;
    let refusal = maps
        .create(&PostParams::default(), &config_map("a", "b"))
        .await
        .unwrap_err();
    assert!(
        matches!(&refusal, kube::Error::Api(status) if status.code == 403),
        "{refusal}"
    );
}

#[tokio::test]
async fn two_worlds_do_not_see_each_other() {
    let (one, other) = tokio::join!(World::start(), World::start());
    one.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: mine}}")
        .await;
    let maps: Api<ConfigMap> = Api::namespaced(other.client().await, other.namespace());
    assert!(maps.get_opt("mine").await.unwrap().is_none());
    assert_ne!(one.nats().url(), other.nats().url());
}

#[tokio::test]
async fn nats_asks_for_the_password() {
    let (user, password) = ("ada".to_owned(), "it's \"secret\"".to_owned());
    let nats = start_nats(
        Auth::Password {
            user: user.clone(),
            password: password.clone(),
        },
        Tls::Off,
    );
    let right = ConnectOptions::with_user_and_password(user.clone(), password);
    connect(&nats, right).await.unwrap();
    let wrong = ConnectOptions::with_user_and_password(user, "guess".to_owned());
    connect(&nats, wrong).await.unwrap_err();
}

#[tokio::test]
async fn nats_asks_for_the_token() {
    let nats = start_nats(Auth::Token("secret".to_owned()), Tls::Off);
    connect(&nats, ConnectOptions::with_token("secret".to_owned()))
        .await
        .unwrap();
    connect(&nats, ConnectOptions::new()).await.unwrap_err();
}

#[tokio::test]
async fn nats_asks_for_the_nkey() {
    let nats = start_nats(Auth::NKey(NKEY.to_owned()), Tls::Off);
    connect(&nats, ConnectOptions::with_nkey(NKEY_SEED.to_owned()))
        .await
        .unwrap();
    connect(&nats, ConnectOptions::new()).await.unwrap_err();
}

#[tokio::test]
async fn nats_shows_a_certificate_of_the_runs_authority() {
    let nats = start_nats(Auth::Anyone, Tls::Server);
    connect(&nats, trusting(nats.folder())).await.unwrap();
    connect(&nats, ConnectOptions::new()).await.unwrap_err();
}

#[tokio::test]
async fn nats_asks_for_the_clients_certificate() {
    let nats = start_nats(Auth::Anyone, Tls::Mutual);
    let folder = nats.folder();
    let shown = trusting(folder)
        .add_client_certificate(folder.join("client.pem"), folder.join("client.key"));
    connect(&nats, shown).await.unwrap();
    connect(&nats, trusting(folder)).await.unwrap_err();
}

fn trusting(folder: &Path) -> ConnectOptions {
    ConnectOptions::new()
        .require_tls(true)
        .add_root_certificates(folder.join("ca.pem"))
}

#[tokio::test]
async fn a_message_survives_a_crash_of_nats() {
    let mut nats = start_nats(Auth::Anyone, Tls::Off);
    let context = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    context.create_stream(stream_of("kept", 1)).await.unwrap();
    context
        .publish("kept", "hello".into())
        .await
        .unwrap()
        .await
        .unwrap();

    nats.kill(0).unwrap();
    nats.restart(0).unwrap();

    let stream = eventually("the client's reconnect", || async {
        context.get_stream("kept").await.ok()
    })
    .await;
    assert_eq!(stream.get_raw_message(1).await.unwrap().payload, "hello");
}

#[tokio::test]
async fn a_cluster_of_three_loses_its_leader_and_goes_on() {
    let mut nats = Nats::cluster(programs(), 3, &NatsOptions::default()).unwrap();
    let context = jetstream::new(async_nats::connect(nats.urls()).await.unwrap());
    // A cluster that has just elected its leader may still lose the first stream that it is asked for.
    eventually("the replicated stream", || async {
        let stream = context.get_or_create_stream(stream_of("replicated", 3));
        stream.await.ok()
    })
    .await;
    // Nor does anybody listen for it as soon as it is there.
    let publish = async |text: &'static str| {
        let sent = context.publish("replicated", text.into()).await.ok()?;
        sent.await.ok()
    };
    eventually("a publish", || publish("one")).await;

    let leader = nats.leader().unwrap().unwrap();
    let leader: usize = leader.strip_prefix("nats-").unwrap().parse().unwrap();
    nats.kill(leader).unwrap();

    eventually("a publish without the leader", || publish("two")).await;
    nats.restart(leader).unwrap();
}

fn stream_of(name: &str, num_replicas: usize) -> stream::Config {
    stream::Config {
        name: name.to_owned(),
        subjects: vec![name.to_owned()],
        num_replicas,
        ..stream::Config::default()
    }
}

#[test]
fn a_dropped_server_leaves_no_process_and_no_folder() {
    let control_plane = start_control_plane();
    let nats = start_nats(Auth::Anyone, Tls::Off);
    let ids = [control_plane.process_ids(), nats.process_ids()].concat();
    let kubeconfig = control_plane.kubeconfig().unwrap();
    let folders = [
        kubeconfig.parent().unwrap().to_owned(),
        nats.folder().to_owned(),
    ];
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| tiphys_testbed::is_alive(*id)));

    drop((control_plane, nats));

    assert_eq!(
        ids.iter()
            .filter(|id| tiphys_testbed::is_alive(**id))
            .count(),
        0
    );
    assert_eq!(folders.iter().filter(|folder| folder.exists()).count(), 0);
}

//! A server that goes away under load comes back, and nothing is lost.

use std::time::Duration;

use futures::join;
use tiphys_testbed::{ControlPlane, ControlPlaneOptions, Nats, NatsOptions};
use tiphys_tests::{Desk, World, client, eventually, pause, programs};

use crate::harbour::{self, Harbour, names};

/// How long a server stays away: longer than the first waits of whoever needs it.
const OUTAGE: Duration = Duration::from_millis(1_500);

async fn some_ingresses(harbour: &Harbour, count: usize) {
    eventually("some ingresses", || async {
        (harbour.routes().await?.len() >= count).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nats_server_killed_under_load_comes_back_and_nothing_is_lost() {
    let mut world = World::start().await;
    let harbour = Harbour::of(&world).await;
    let mut tiphys = harbour::desk(&world).start();
    tiphys.watching().await;
    let load = async {
        harbour.serve_all(names("web", 0..60), 80).await;
        harbour.serve_all(names("web", 0..60), 81).await;
        harbour.close_all(names("web", 0..30)).await;
        harbour.serve_all(names("late", 0..20), 80).await;
    };
    let outages = async {
        for count in [5, 25] {
            some_ingresses(&harbour, count).await;
            world.nats_mut().kill(0).unwrap();
            pause(OUTAGE).await;
            tokio::task::block_in_place(|| world.nats_mut().restart(0)).unwrap();
        }
    };
    join!(load, outages);
    let changed = names("web", 30..60).into_iter().map(|name| (name, 81));
    let late = names("late", 0..20).into_iter().map(|name| (name, 80));
    harbour.routes_to(changed.chain(late)).await;
    assert!(tiphys.is_running());
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_that_comes_late_and_is_killed_under_load_is_waited_for() {
    let starting = tokio::task::spawn_blocking(|| {
        let control_plane = ControlPlane::start(programs(), ControlPlaneOptions::default());
        let nats = Nats::start(programs(), &NatsOptions::default());
        (control_plane.unwrap(), nats.unwrap())
    });
    let (mut control_plane, nats) = starting.await.unwrap();
    let kubeconfig = control_plane.kubeconfig().unwrap();
    let harbour = Harbour::at(&client(&kubeconfig).await, "default");
    let desk = Desk::new()
        .option("--kubeconfig", kubeconfig)
        .option("--nats", nats.url());
    control_plane.kill_apiserver().unwrap();

    let mut tiphys = harbour::on(desk, "default").start();
    let told = tiphys
        .logged("Could not list and watch objects, trying again")
        .await;
    assert_eq!(told["level"], "warn");
    assert_eq!(told["reason"], "Unreachable");
    assert_eq!(told["hint"], "check that the API server can be reached");
    assert!(tiphys.is_running());
    tokio::task::block_in_place(|| control_plane.start_apiserver()).unwrap();
    tiphys.watching().await;

    let load = async {
        harbour.serve_all(names("web", 0..60), 80).await;
        harbour.serve_all(names("web", 0..60), 81).await;
        harbour.close_all(names("web", 0..30)).await;
    };
    let outage = async {
        some_ingresses(&harbour, 5).await;
        control_plane.kill_apiserver().unwrap();
        pause(OUTAGE).await;
        tokio::task::block_in_place(|| control_plane.start_apiserver()).unwrap();
    };
    join!(load, outage);
    harbour
        .routes_to(names("web", 30..60).into_iter().map(|name| (name, 81)))
        .await;
    // An outage is not a failed attempt: nothing was given up.
    assert_eq!(
        tiphys
            .count("tiphys_sensor_events", &["outcome=\"dead_lettered\""])
            .await,
        0
    );
    assert!(tiphys.is_running());
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
}

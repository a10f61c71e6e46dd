//! What every kind keeps, whatever fails.

use std::time::Duration;

use serde_json::Value;
use tiphys_testbed::Certificates;
use tiphys_tests::pause;

use super::stage::{PASSWORD, Stage, dead_letters, listening, names_tls, refused};
use super::{Kind, Wanted};

/// How long the bus is away: longer than its own clients take to notice.
const OUTAGE: Duration = Duration::from_secs(7);

/// Holds kinds to the contract, each to what it promises beyond what all do.
macro_rules! contract {
    ($($name:ident: $kind:ty, $($promise:ident),*;)*) => {$(
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_thousand_messages_arrive_once_and_in_order() {
                once_and_in_order::<$kind>().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_bus_that_is_killed_loses_nothing() {
                bus_killed::<$kind>().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_broker_that_was_killed_is_listened_to_again() {
                broker_killed::<$kind>().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_pod_that_is_stopped_loses_nothing_that_it_has() {
                pod_stopped::<$kind>().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn what_is_no_json_or_too_large_is_a_dead_letter() {
                unfit::<$kind>().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_wrong_password_is_named_and_a_new_one_counts() {
                wrong_password::<$kind>().await;
            }

            $(promised! { $promise $kind })*
        }
    )*};
}

pub(crate) use contract;

macro_rules! promised {
    (encrypts $kind:ty) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn a_connection_is_encrypted_and_both_sides_are_verified() {
            encrypted::<$kind>().await;
        }
    };
    (keeps $kind:ty) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn a_pod_that_is_killed_loses_nothing() {
            pod_killed::<$kind>().await;
        }
    };
    (shares $kind:ty) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn two_pods_publish_each_message_once() {
            two_pods::<$kind>().await;
        }
    };
}

pub(crate) use promised;

pub(crate) async fn once_and_in_order<K: Kind>() {
    let mut stage = Stage::<K>::usual().await;
    let _tiphys = stage.start("pod-0").await;
    stage.broker.send(0..1000).await;
    stage.stored(1000).await;
    stage.check_all_once(1000).await;
    let Some(lanes) = K::LANES else {
        return stage.check_nothing_left().await;
    };
    let mut numbers = vec![Vec::new(); usize::try_from(lanes).unwrap()];
    for number in stage.numbers().await {
        numbers[usize::try_from(number % lanes).unwrap()].push(number);
    }
    for lane in numbers {
        assert!(lane.is_sorted(), "{lane:?}");
    }
    stage.check_nothing_left().await;
}

pub(crate) async fn bus_killed<K: Kind>() {
    let mut stage = Stage::<K>::usual().await;
    let tiphys = stage.start("pod-0").await;
    stage.broker.send(0..300).await;
    stage.stored(1).await;
    stage.bus.kill(0).unwrap();
    stage.broker.send(300..700).await;
    pause(OUTAGE).await;
    tokio::task::block_in_place(|| stage.bus.restart(0)).unwrap();
    stage.broker.send(700..1000).await;
    stage.stored(1000).await;
    stage.check_all_once(1000).await;
    stage.check_nothing_left().await;
    drop(tiphys);
}

pub(crate) async fn broker_killed<K: Kind>() {
    let mut stage = Stage::<K>::usual().await;
    let tiphys = stage.start("pod-0").await;
    stage.broker.send(0..300).await;
    if !K::KEEPS {
        stage.stored(300).await;
    }
    stage.broker.kill();
    let is_lost = |report: &Value| report["parts"][0]["health"]["ok"] == false;
    tiphys.reported("the loss of the broker", is_lost).await;
    tokio::task::block_in_place(|| stage.broker.restart());
    listening(&tiphys).await;
    stage.broker.send(300..600).await;
    stage.check_all(600).await;
    stage.check_nothing_left().await;
}

pub(crate) async fn pod_killed<K: Kind>() {
    let mut stage = Stage::<K>::usual().await;
    let mut tiphys = stage.start("pod-0").await;
    let mut sent = 0;
    for _ in 0..3 {
        stage.broker.send(sent..sent + 200).await;
        sent += 200;
        tiphys.kill();
        tiphys.ended().await;
        stage.broker.send(sent..sent + 50).await;
        sent += 50;
        tiphys = stage.start("pod-0").await;
    }
    stage.check_nothing_left().await;
    stage.check_all(sent).await;
}

pub(crate) async fn pod_stopped<K: Kind>() {
    let mut stage = Stage::<K>::usual().await;
    let mut tiphys = stage.start("pod-0").await;
    stage.broker.send(0..500).await;
    if !K::KEEPS {
        stage.stored(500).await;
    }
    let status = tiphys.stop().await;
    assert!(status.success(), "{status}");
    if K::KEEPS {
        stage.broker.send(500..600).await;
        let _next = stage.start("pod-1").await;
        stage.stored(600).await;
        stage.check_all_once(600).await;
        stage.check_nothing_left().await;
    }
}

pub(crate) async fn two_pods<K: Kind>() {
    let mut stage = Stage::<K>::usual().await;
    let (one, other) = (stage.start("pod-0").await, stage.start("pod-1").await);
    stage.broker.send(0..1000).await;
    stage.stored(1000).await;
    stage.check_all_once(1000).await;
    stage.check_nothing_left().await;
    for pod in [one, other] {
        let published = pod.count("argo_events_events_sent_total", &[]).await;
        assert!(published > 0 && published < 1000, "{published}");
    }
}

pub(crate) async fn unfit<K: Kind>() {
    let bus = "max_payload: 32KB";
    let mut stage = Stage::<K>::new(Wanted::default(), bus, |_| {}).await;
    let tiphys = stage.start("pod-0").await;
    stage.broker.send(0..1).await;
    let large = format!("{:?}", "x".repeat(K::LARGE));
    stage.broker.send_body(large.as_bytes()).await;
    let mut unfit = 1;
    if K::HAS_BODY {
        stage.broker.send_body(b"{\"n\": oh}").await;
        unfit += 1;
    }
    stage.broker.send(1..2).await;
    stage.stored(2).await;
    dead_letters(&tiphys, unfit).await;
    stage.check_all_once(2).await;
    stage.check_nothing_left().await;
}

pub(crate) async fn wrong_password<K: Kind>() {
    let wanted = Wanted {
        password: Some(PASSWORD),
        ..Wanted::default()
    };
    let mut stage = Stage::<K>::new(wanted, "", |_| {}).await;
    stage.set_password(&stage.broker.mistaken());
    let tiphys = stage.pods.start("pod-0");
    let health = refused(&tiphys, "Unauthorized").await;
    let message = health["message"].as_str().unwrap();
    assert!(message.contains(K::PASSWORD), "{message}");
    assert!(!tiphys.output().contains("mistaken"));
    stage.set_password(&stage.broker.login().1);
    listening(&tiphys).await;
    stage.broker.send(0..1).await;
    stage.stored(1).await;
}

pub(crate) async fn encrypted<K: Kind>() {
    let wanted = Wanted {
        tls: true,
        ..Wanted::default()
    };
    let mut stage = Stage::<K>::new(wanted, "", |_| {}).await;
    stage.set_certificates(&Certificates::generate().unwrap());
    let tiphys = stage.pods.start("pod-0");
    names_tls(&tiphys).await;
    stage.set_certificates(stage.broker.certificates().unwrap());
    listening(&tiphys).await;
    stage.broker.send(0..1).await;
    stage.stored(1).await;
}

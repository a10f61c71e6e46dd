//! The server programs and the control plane that the stories of one test binary share.

use std::path::Path;
use std::sync::OnceLock;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tiphys_testbed::{ControlPlane, ControlPlaneOptions, Programs, Progress};

/// The server programs; the missing ones are got first, which may take minutes.
///
/// # Panics
/// When one cannot be got: with the line that installs it.
pub fn programs() -> &'static Programs {
    static PROGRAMS: OnceLock<Programs> = OnceLock::new();
    PROGRAMS.get_or_init(|| match Programs::locate(Progress::Shown) {
        Ok(programs) => programs,
        Err(error) => panic!("{error:#}"),
    })
}

/// The control plane of this test binary, started by whoever asks first.
///
/// A static is never dropped: the watchdog of its folder ends the servers with the test binary.
///
/// # Panics
/// When it does not come up.
pub async fn control_plane() -> &'static ControlPlane {
    static CONTROL_PLANE: OnceLock<ControlPlane> = OnceLock::new();
    tokio::task::spawn_blocking(|| {
        CONTROL_PLANE.get_or_init(|| {
            match ControlPlane::start(programs(), ControlPlaneOptions::default()) {
                Ok(control_plane) => control_plane,
                Err(error) => panic!("{error:#}"),
            }
        })
    })
    .await
    .expect("the control plane starts")
}

/// A client of what a kubeconfig names.
///
/// # Panics
/// When the kubeconfig cannot be used.
pub async fn client(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("the kubeconfig can be read");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .expect("the kubeconfig is complete");
    Client::try_from(config).expect("the kubeconfig's certificates can be used")
}

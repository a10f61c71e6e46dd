//! The console's pages in a real browser, over the real program. What they have to show is asked by `web/tests/real`; here is
//! what happens meanwhile.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Output, Stdio};
use std::sync::atomic::Ordering;

use serde_json::json;
use tiphys_tests::web::{Web, answer};
use tokio::process::Command;
use tokio::sync::mpsc;

use crate::console::{Console, Scene, scene};
use crate::wire::Wire;

/// Gets what runs the tests of the pages.
const HINT: &str = "run `cargo xtask web --browser` first, which gets it";

/// The folder of the pages, with the packages that their tests need.
fn pages() -> PathBuf {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web");
    let node = std::process::Command::new("node").arg("--version").output();
    assert!(
        node.is_ok_and(|output| output.status.success()),
        "the pages are tested with Node, version 20 or later, and it is not installed"
    );
    let packages = web.join("node_modules/playwright-core");
    assert!(
        packages.is_dir(),
        "{} is not there: {HINT}",
        packages.display()
    );
    web
}

fn chromium() -> String {
    let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    assert!(
        Path::new(&chromium).exists(),
        "{chromium} is not there: {HINT}, or say in CHROMIUM where it is"
    );
    chromium
}

/// The tests of the pages in `web/tests/<kind>`, over a console.
pub(crate) fn tests_of(kind: &str, console: &str) -> Command {
    let mut tests = Command::new("node");
    tests
        .args(["tools/test.mjs", kind])
        .current_dir(pages())
        .env("CHROMIUM", chromium())
        .env("TIPHYS_CONSOLE_ADDRESS", console)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    tests
}

/// Whether they passed.
pub(crate) fn have_passed(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    text
}

/// What the tests of the pages make happen.
struct Stage {
    scene: Scene,
    published: usize,
    /// Calls of the trigger's target before it took one.
    refused: usize,
}

impl Stage {
    async fn make(&mut self, what: &str) {
        match what {
            "/small" => self.publish(5).await,
            "/large" => self.publish(50).await,
            "/open" => {
                self.refused = self.scene.web.asked().len();
                self.scene.is_open.store(true, Ordering::Relaxed);
            }
            "/stop" => self.scene.world.nats_mut().kill(0).unwrap(),
            "/start" => {
                let nats = self.scene.world.nats_mut();
                tokio::task::block_in_place(|| nats.restart(0)).unwrap();
                self.scene.wire = Wire::to(&self.scene.world).await;
            }
            other => panic!("nobody can make {other} happen"),
        }
    }

    async fn publish(&mut self, size: u64) {
        self.published += 1;
        let id = format!("event-{}", self.published);
        let data = json!({"size": size, "name": "argo"});
        self.scene.wire.event("input", "a", &id, &data).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_show_what_happens_and_act() {
    let scene = scene().await;
    let console = Console::start(&scene.world, &scene.manifests);
    let (wanted, mut asked) = mpsc::unbounded_channel();
    let remote = Web::start(move |asked| {
        wanted.send(asked.path.clone()).unwrap();
        answer(200)
    })
    .await;
    let mut stage = Stage {
        scene,
        published: 0,
        refused: 0,
    };
    let tests = tests_of("real", &console.address())
        .env("TIPHYS_STAGE_ADDRESS", remote.url(""))
        .spawn()
        .unwrap();
    let mut tests = pin!(tests.wait_with_output());
    let output = loop {
        tokio::select! {
            output = &mut tests => break output.unwrap(),
            what = asked.recv() => stage.make(&what.unwrap()).await,
        }
    };
    let text = have_passed(&output);

    // The letter was replayed once, and what was filtered did nothing.
    let calls = stage.scene.web.asked();
    assert!(stage.refused > 0, "{text}");
    assert_eq!(calls.len(), stage.refused + 1, "{calls:#?}");
    assert_eq!(calls.last().unwrap().body, r#"{"title":"argo"}"#);
}

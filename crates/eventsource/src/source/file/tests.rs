//! Real files, in virtual time.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::status::Condition;
use crate::testing::{FlakyBus, Running, Stage};

const NOW: &str = "2026-01-02T03:04:05Z";

/// A directory, and an event source that watches it.
struct Folder {
    folder: TempDir,
    spec: Value,
}

impl Folder {
    fn new(spec: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut spec = spec;
        spec["watchPathConfig"]["directory"] = folder.path().to_str().unwrap().into();
        Self { folder, spec }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn stage(&self, bus: FlakyBus) -> Stage {
        let spec = json!({"file": {"ev": self.spec}});
        Stage::on(bus, &spec.to_string(), NOW)
    }

    /// The payloads, with the directory as `DIR`.
    async fn payloads(&self, stage: &Stage) -> Vec<String> {
        let folder = self.folder.path().to_str().unwrap();
        let payloads = stage.payloads().await.into_iter();
        payloads
            .map(|payload| payload.replace(folder, "DIR"))
            .collect()
    }
}

fn condition(stage: &Stage) -> Condition {
    let events = stage.status.events();
    events
        .get("ev")
        .map(|event| event.condition.clone())
        .unwrap_or_default()
}

async fn working(stage: &Stage, running: &Running) {
    running
        .until(|| condition(stage) == Condition::Working)
        .await;
}

async fn published(stage: &Stage, running: &Running, count: i64) {
    running.until(|| stage.books()[1] == count).await;
    // What should not come would come by now.
    sleep(Duration::from_secs(1)).await;
    assert_eq!(stage.books(), [count, count, 0, 0, 0, 0]);
}

/// What happens to files of which some are watched.
fn play(folder: &Folder) {
    folder.write("a.txt", "");
    folder.write("a.txt", "1");
    let mut readable = fs::metadata(folder.path("a.txt")).unwrap().permissions();
    readable.set_mode(0o400);
    fs::set_permissions(folder.path("a.txt"), readable).unwrap();
    folder.write("a.swp", "");
    fs::rename(folder.path("a.txt"), folder.path("b.txt")).unwrap();
    fs::remove_file(folder.path("b.txt")).unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_operation_is_the_event_of_argo_events() {
    for (operation, wanted) in [
        (
            "CREATE",
            vec![
                r#"{"name":"DIR/a.txt","op":1,"metadata":null}"#,
                r#"{"name":"DIR/b.txt","op":1,"metadata":null}"#,
            ],
        ),
        (
            "REMOVE",
            vec![r#"{"name":"DIR/b.txt","op":4,"metadata":null}"#],
        ),
        (
            "RENAME",
            vec![r#"{"name":"DIR/a.txt","op":8,"metadata":null}"#],
        ),
        (
            "CHMOD",
            vec![r#"{"name":"DIR/a.txt","op":16,"metadata":null}"#],
        ),
        (
            "RENAME | REMOVE",
            vec![
                r#"{"name":"DIR/a.txt","op":8,"metadata":null}"#,
                r#"{"name":"DIR/b.txt","op":4,"metadata":null}"#,
            ],
        ),
    ] {
        let pattern = json!({"pathRegexp": "([a-z]+).txt"});
        let folder = Folder::new(json!({"eventType": operation, "watchPathConfig": pattern}));
        let stage = folder.stage(FlakyBus::new(NOW));
        let running = stage.start(true);
        working(&stage, &running).await;
        play(&folder);
        published(&stage, &running, wanted.len().try_into().unwrap()).await;
        running.stop().await;
        assert_eq!(folder.payloads(&stage).await, wanted, "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_file_is_watched_with_metadata_and_filter() {
    let folder = Folder::new(json!({
        "eventType": "WRITE",
        "watchPathConfig": {"path": "x.txt"},
        "metadata": {"team": "harbour"},
        "filter": {"expression": "op == 2"},
    }));
    let stage = folder.stage(FlakyBus::new(NOW));
    let running = stage.start(true);
    working(&stage, &running).await;
    folder.write("y.txt", "1");
    folder.write("x.txt", "1");
    published(&stage, &running, 1).await;
    running.stop().await;
    assert_eq!(
        folder.payloads(&stage).await,
        [r#"{"name":"DIR/x.txt","op":2,"metadata":{"team":"harbour"}}"#]
    );
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_is_looked_at_tells_the_same_with_the_name_alone() {
    for (operation, wanted) in [
        ("CREATE", vec![r#"{"name":"b.txt","op":1,"metadata":null}"#]),
        ("RENAME", vec![r#"{"name":"a.txt","op":8,"metadata":null}"#]),
        ("REMOVE", vec![r#"{"name":"c.txt","op":4,"metadata":null}"#]),
        ("WRITE", vec![r#"{"name":"d.txt","op":2,"metadata":null}"#]),
    ] {
        let folder = Folder::new(json!({
            "eventType": operation, "watchPathConfig": {"pathRegexp": "txt$"}, "polling": true,
        }));
        for name in ["a.txt", "c.txt", "d.txt"] {
            folder.write(name, "");
        }
        let stage = folder.stage(FlakyBus::new(NOW));
        let running = stage.start(true);
        working(&stage, &running).await;
        fs::rename(folder.path("a.txt"), folder.path("b.txt")).unwrap();
        fs::remove_file(folder.path("c.txt")).unwrap();
        folder.write("d.txt", "longer");
        published(&stage, &running, 1).await;
        running.stop().await;
        assert_eq!(folder.payloads(&stage).await, wanted, "{operation}");
    }
}

/// What happened between two pods was told to nobody.
#[tokio::test(start_paused = true)]
async fn with_catchup_the_next_pod_tells_what_nobody_watched() {
    let bus = FlakyBus::new(NOW);
    let folder = Folder::new(json!({
        "eventType": "CREATE|REMOVE", "watchPathConfig": {"pathRegexp": "txt$"}, "catchup": true,
    }));
    folder.write("old.txt", "");
    folder.write("old-too.txt", "");
    let stage = folder.stage(bus.clone());
    let running = stage.start(true);
    working(&stage, &running).await;
    folder.write("a.txt", "");
    published(&stage, &running, 1).await;
    // Not to be told, and remembered.
    folder.write("old.txt", "changed");
    sleep(Duration::from_secs(1)).await;
    running.stop().await;

    folder.write("b.txt", "");
    fs::remove_file(folder.path("old.txt")).unwrap();
    let stage = folder.stage(bus.clone());
    let running = stage.start(true);
    published(&stage, &running, 2).await;
    running.stop().await;

    let stage = folder.stage(bus);
    let running = stage.start(true);
    working(&stage, &running).await;
    published(&stage, &running, 0).await;
    running.stop().await;
    assert_eq!(
        folder.payloads(&stage).await,
        [
            r#"{"name":"DIR/a.txt","op":1,"metadata":null}"#,
            r#"{"name":"DIR/old.txt","op":4,"metadata":null}"#,
            r#"{"name":"DIR/b.txt","op":1,"metadata":null}"#,
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn without_catchup_nothing_is_kept() {
    let bus = FlakyBus::new(NOW);
    let folder =
        Folder::new(json!({"eventType": "CREATE", "watchPathConfig": {"pathRegexp": "txt$"}}));
    for count in 0..2 {
        folder.write(&format!("{count}.txt"), "");
        let stage = folder.stage(bus.clone());
        let running = stage.start(true);
        working(&stage, &running).await;
        published(&stage, &running, 0).await;
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_is_unavailable_loses_nothing() {
    let folder = Folder::new(json!({
        "eventType": "CREATE", "watchPathConfig": {"pathRegexp": "txt$"}, "catchup": true,
    }));
    let stage = folder.stage(FlakyBus::new(NOW));
    let running = stage.start(true);
    working(&stage, &running).await;
    stage.bus.set_up(false);
    for number in 0..300 {
        folder.write(&format!("{number:03}.txt"), "");
    }
    sleep(Duration::from_mins(1)).await;
    stage.bus.set_up(true);
    published(&stage, &running, 300).await;
    running.stop().await;
    let wanted: Vec<String> = (0..300)
        .map(|number| format!(r#"{{"name":"DIR/{number:03}.txt","op":1,"metadata":null}}"#))
        .collect();
    assert_eq!(folder.payloads(&stage).await, wanted);
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_is_not_there_is_waited_for_with_a_hint() {
    let folder = Folder::new(json!({"eventType": "CREATE", "watchPathConfig": {"path": "sub/x"}}));
    let stage = folder.stage(FlakyBus::new(NOW));
    let running = stage.start(true);
    let failed = || match condition(&stage) {
        Condition::Failed { message, hint, .. } => Some((message, hint)),
        _ => None,
    };
    running.until(|| failed().is_some()).await;
    let (message, hint) = failed().unwrap();
    let sub = folder.path("sub");
    assert!(
        message.contains(&format!("watch {}", sub.display())),
        "{message}"
    );
    assert!(
        hint.contains("spec.file.ev.watchPathConfig.directory"),
        "{hint}"
    );
    fs::create_dir(&sub).unwrap();
    working(&stage, &running).await;
    folder.write("sub/x", "");
    published(&stage, &running, 1).await;
    // It goes, and comes back.
    fs::remove_dir_all(&sub).unwrap();
    running.until(|| failed().is_some()).await;
    fs::create_dir(&sub).unwrap();
    working(&stage, &running).await;
    folder.write("sub/x", "");
    published(&stage, &running, 2).await;
    running.stop().await;
}

//! The picture in the documentation is the one that the code draws today.

use std::fs;
use std::path::Path;

use tiphys_api::manifest::{self, Content};
use tiphys_graph::Graph;

/// Set, to draw the picture anew.
const UPDATE: &str = "UPDATE_DOCS";

#[test]
fn the_picture_of_the_story_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (mut sources, mut buses, mut sensors) = (Vec::new(), Vec::new(), Vec::new());
    for name in ["eventbus", "ingress-es", "ingress-sn"] {
        let file = root.join(format!("examples/auto-ingress/{name}.yaml"));
        for object in manifest::read(name, &fs::read_to_string(file).unwrap()).objects {
            match object.content {
                Content::EventSource(object) => sources.push(*object),
                Content::EventBus(object) => buses.push(*object),
                Content::Sensor(object) => sensors.push(*object),
                Content::Other(_) => {}
            }
        }
    }
    let drawn = Graph::from_objects(&sources, &buses, &sensors).to_svg();
    let path = root.join("docs/event-flow.svg");
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&path, &drawn).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == drawn,
        "docs/event-flow.svg is out of date: {UPDATE}=1 draws it anew"
    );
}

//! Which images a version of the bus is made of.

use tiphys_check::stream_config;

use crate::resources;
use crate::settings::{EventBusSettings, JetStreamSettings, Versions};

/// What NATS stores, unless the controller's configuration says otherwise: Argo Events' defaults.
const SETTINGS: &str = "max_memory_store: -1\nmax_file_store: 1TB\n";

/// The newest version, which new buses should have.
const LATEST: &str = "2.12.8";

/// Versions of NATS that there are without a configuration file: `latest`, those of Argo Events, and
/// newer ones.
const VERSIONS: [&str; 10] = [
    "2.8.1",
    "2.8.1-alpine",
    "2.8.2",
    "2.8.2-alpine",
    "2.9.1",
    "2.9.12",
    "2.9.16",
    "2.10.29",
    "2.11.10",
    LATEST,
];

/// What buses are made of without a configuration file.
pub fn builtin() -> EventBusSettings {
    let latest = version("latest", LATEST);
    let others = VERSIONS.iter().map(|name| version(name, name));
    EventBusSettings {
        jet_stream: JetStreamSettings {
            settings: SETTINGS.to_owned(),
            stream_config: stream_config::DEFAULT.to_owned(),
            versions: std::iter::once(latest).chain(others).collect(),
            resources: resources::of_bus(),
        },
    }
}

/// The version that a bus asks for.
///
/// # Errors
/// If there is none of this name: in Argo Events' words.
pub fn find<'a>(settings: &'a JetStreamSettings, version: &str) -> Result<&'a Versions, String> {
    let mut versions = settings.versions.iter();
    versions
        .find(|known| known.version == version)
        .ok_or_else(|| {
            let known: Vec<&str> = settings
                .versions
                .iter()
                .map(|known| known.version.as_str())
                .collect();
            let known = known.join(",");
            format!("unsupported version \"{version}\", supported versions: \"{known}\"")
        })
}

fn version(name: &str, tag: &str) -> Versions {
    // The images without a distribution have nothing but the server.
    let start_command = if tag.ends_with("alpine") {
        "nats-server"
    } else {
        "/nats-server"
    };
    Versions {
        version: name.to_owned(),
        nats_image: format!("nats:{tag}"),
        start_command: start_command.to_owned(),
        ..Versions::default()
    }
}

#[cfg(test)]
mod tests {
    use super::{builtin, find};

    #[test]
    fn versions_of_argo_events_are_known() {
        let settings = builtin().jet_stream;
        for (version, image, command) in [
            ("latest", "nats:2.12.8", "/nats-server"),
            ("2.10.29", "nats:2.10.29", "/nats-server"),
            ("2.8.1-alpine", "nats:2.8.1-alpine", "nats-server"),
        ] {
            let found = find(&settings, version).unwrap();
            assert_eq!(found.nats_image, image);
            assert_eq!(found.start_command, command);
        }
    }

    #[test]
    fn an_unknown_version_is_told_with_the_known_ones() {
        assert_eq!(
            find(&builtin().jet_stream, "x").unwrap_err(),
            "unsupported version \"x\", supported versions: \"latest,2.8.1,2.8.1-alpine,2.8.2,\
             2.8.2-alpine,2.9.1,2.9.12,2.9.16,2.10.29,2.11.10,2.12.8\""
        );
    }
}

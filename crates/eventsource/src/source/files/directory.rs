//! A directory, and the files in it that count.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Component, Path, PathBuf};

use tiphys_api::WatchPathConfig;
use tiphys_lang::regex::{self, Regex};

/// A directory, and the files in it that count.
#[derive(Debug)]
pub(in crate::source) struct Directory {
    pub(in crate::source) folder: PathBuf,
    pub(in crate::source) names: Names,
}

/// Which files count.
#[derive(Debug)]
pub(in crate::source) enum Names {
    One(OsString),
    Matching {
        pattern: Regex,
        /// As it stands in the spec.
        text: String,
    },
}

impl Names {
    pub(in crate::source) fn contains(&self, name: &OsStr) -> bool {
        match self {
            Self::One(one) => one == name,
            // Names are too short for it to take too long.
            Self::Matching { pattern, .. } => {
                let is_match = pattern.is_match(&name.to_string_lossy());
                is_match.unwrap_or(false)
            }
        }
    }
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.folder.display())?;
        match &self.names {
            Names::One(name) => write!(f, "== {}", name.to_string_lossy()),
            Names::Matching { text, .. } => write!(f, "=~ {text}"),
        }
    }
}

impl Directory {
    /// What is watched. A path in a directory below is watched there.
    ///
    /// # Errors
    /// The field that is wrong, and why.
    pub(in crate::source) fn compile(
        spec: &WatchPathConfig,
    ) -> Result<Self, (&'static str, String)> {
        let folder = PathBuf::from(&*spec.directory);
        if !folder.is_absolute() {
            let message = "directory must be an absolute file path";
            return Err(("directory", message.to_owned()));
        }
        // Without `.`, double and last slashes, as Go does.
        let folder: PathBuf = folder.components().collect();
        if !spec.path_regexp.is_empty() {
            let pattern = regex::compile(&spec.path_regexp);
            let pattern = pattern.map_err(|error| ("pathRegexp", error.message))?;
            let text = spec.path_regexp.to_string();
            return Ok(Self {
                folder,
                names: Names::Matching { pattern, text },
            });
        }
        let path = Path::new(&**spec.path);
        let stays = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        match path.file_name() {
            Some(name) if path.components().all(stays) => Ok(Self {
                folder: folder
                    .join(path.parent().unwrap_or(Path::new("")))
                    .components()
                    .collect(),
                names: Names::One(name.to_owned()),
            }),
            _ => Err((
                "path",
                "the path of a file in the directory is needed".to_owned(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_watched_where_it_is() {
        let watched = |directory: &str, path: &str, pattern: &str| {
            let spec = serde_json::json!(
                {"directory": directory, "path": path, "pathRegexp": pattern}
            );
            Directory::compile(&serde_json::from_value(spec).unwrap())
                .map(|directory| directory.to_string())
        };
        assert_eq!(
            watched("/data/", "x.txt", ""),
            Ok("/data == x.txt".to_owned())
        );
        assert_eq!(
            watched("/data//./a", "b/x", ""),
            Ok("/data/a/b == x".to_owned())
        );
        assert_eq!(
            watched("/data", "", "([a-z]+).txt"),
            Ok("/data =~ ([a-z]+).txt".to_owned())
        );
        let refused = |field: &'static str, message: &str| Err((field, message.to_owned()));
        let needed = "the path of a file in the directory is needed";
        assert_eq!(watched("/data", "../x", ""), refused("path", needed));
        assert_eq!(watched("/data", "..", ""), refused("path", needed));
        assert_eq!(watched("/data", "", ""), refused("path", needed));
        assert_eq!(
            watched("data", "x", ""),
            refused("directory", "directory must be an absolute file path")
        );
        assert_eq!(watched("/data", "", "(").unwrap_err().0, "pathRegexp");
    }
}

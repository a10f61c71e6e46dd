//! What a kustomization says about the files beside it.

use serde_json::Value;

/// The files that it lists as patches, as paths from its folder. A kustomization that cannot be read
/// lists none: whether it is right is for `kubectl` to say.
pub(super) fn patches(text: &str) -> Vec<String> {
    let json = tiphys_lang::yaml::to_json(text.as_bytes()).unwrap_or_default();
    let kustomization: Value = serde_json::from_slice(&json).unwrap_or_default();
    ["patches", "patchesStrategicMerge", "patchesJson6902"]
        .iter()
        .filter_map(|field| kustomization.get(field)?.as_array())
        .flatten()
        .filter_map(|patch| patch.as_str().or_else(|| patch.get("path")?.as_str()))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_are_listed_in_three_ways() {
        let text = "\
patches:
- path: a.yaml
- patch: '[]'
patchesStrategicMerge: [../b.yaml, '{\"kind\": \"Sensor\"}']
patchesJson6902:
- {target: {name: x}, path: c.json}
";
        assert_eq!(
            patches(text),
            ["a.yaml", "../b.yaml", "{\"kind\": \"Sensor\"}", "c.json"]
        );
        assert_eq!(patches("- a"), [""; 0]);
    }
}

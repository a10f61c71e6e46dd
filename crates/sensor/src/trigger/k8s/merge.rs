//! The deep merge of `operation: update`: objects by member, everything else replaces.

use tiphys_lang::json::Value;

/// Merges `object` over `live`. `null`, `false`, `0`, `""` and lists replace, as in Argo Events.
pub(super) fn merge(live: &mut Value, object: &Value) {
    match (live, object) {
        (Value::Object(live), Value::Object(object)) => {
            for (key, value) in object {
                match live.get_mut(key) {
                    Some(there) => merge(there, value),
                    None => {
                        live.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        (live, object) => *live = object.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiphys_lang::json;

    #[test]
    fn objects_merge_and_everything_else_replaces() {
        for (live, object, expected) in [
            (
                r#"{"a":{"b":1,"c":2}}"#,
                r#"{"a":{"b":3}}"#,
                r#"{"a":{"b":3,"c":2}}"#,
            ),
            (r#"{"a":{"b":1}}"#, r#"{"a":null}"#, r#"{"a":null}"#),
            (r#"{"a":{"b":1}}"#, r#"{"a":{}}"#, r#"{"a":{"b":1}}"#),
            (
                r#"{"n":3,"on":true,"s":"x"}"#,
                r#"{"n":0,"on":false,"s":""}"#,
                r#"{"n":0,"on":false,"s":""}"#,
            ),
            (r#"{"l":[1,2,3]}"#, r#"{"l":[4]}"#, r#"{"l":[4]}"#),
        ] {
            let mut merged = json::from_slice(live.as_bytes()).unwrap();
            merge(&mut merged, &json::from_slice(object.as_bytes()).unwrap());
            assert_eq!(merged.to_go_json(), expected);
        }
    }
}

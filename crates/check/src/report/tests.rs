use std::sync::Arc;

use tiphys_api::manifest;

use super::*;

const SENSOR: &str = "\
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: gate}
spec:
  dependencies:
  - name: ship
    eventSourceName: berths
    eventName: taken
    transform:
      jq: |
        .body
        | .name = )
  triggers:
  - template: {name: say, log: {}}
  repliccas: 2
";

fn findings(text: &str, igno2: &[Code]) -> (Findings, Texts) {
    let manifest = manifest::read("a, b/gate.yaml", text);
    let mut faults = manifest.faults;
    for object in &manifest.objects {
        let problems = crate::object(object, "default").problems;
        faults.extend(problems.into_iter().map(|problem| object.fault(problem)));
    }
    faults.sort_by_key(|fault| (fault.line, fault.column));
    let texts = Texts::from([(Arc::from("a, b/gate.yaml"), text.to_owned())]);
    let objects = manifest.objects.len();
    (Findings::new(faults, objects, igno2, &texts), texts)
}

fn print(text: &str, format: Format) -> String {
    let (findings, texts) = findings(text, &[]);
    findings.print(format, &texts)
}

#[test]
fn people_see_the_line_of_the_program_that_is_wrong() {
    assert_eq!(
        print(SENSOR, Format::Text { is_coloured: false }),
        "\
a, b/gate.yaml:12:19: error: spec.dependencies[0].transform.jq: unexpected token \")\", line 2 column 11 [program]
   |
12 |         | .name = )
   |                   ^
a, b/gate.yaml:15:3: warning: spec.repliccas: there is no such field, so it has no effect (did you mean `replicas`?) [unknown-field]
   |
15 |   repliccas: 2
   |   ^^^^^^^^^
"
    );
}

#[test]
fn programs_read_json() {
    let json: serde_json::Value = serde_json::from_str(&print(SENSOR, Format::Json)).unwrap();
    assert_eq!(json["objects"], 1);
    assert_eq!((&json["errors"], &json["warnings"]), (&1.into(), &1.into()));
    assert_eq!(
        json["faults"][1],
        serde_json::json!({
            "file": "a, b/gate.yaml",
            "line": 15,
            "column": 3,
            "severity": "warning",
            "code": "unknown-field",
            "field": "spec.repliccas",
            "message": "there is no such field, so it has no effect",
            "hint": "did you mean `replicas`?",
        })
    );
}

#[test]
fn sarif_names_rules_levels_and_places() {
    let json: serde_json::Value = serde_json::from_str(&print(SENSOR, Format::Sarif)).unwrap();
    let run = &json["runs"][0];
    let result = &run["results"][1];
    assert_eq!(json["version"], "2.1.0");
    assert_eq!(run["tool"]["driver"]["name"], "tiphys");
    assert_eq!(
        (&result["ruleId"], &result["level"]),
        (&"unknown-field".into(), &"warning".into())
    );
    let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
    assert_eq!(run["tool"]["driver"]["rules"][index]["id"], "unknown-field");
    assert_eq!(
        result["locations"][0]["physicalLocation"],
        serde_json::json!({
            "artifactLocation": {"uri": "a,%20b/gate.yaml"},
            "region": {"startLine": 15, "startColumn": 3},
        })
    );
}

#[test]
fn annotations_stay_on_their_line() {
    let text = print(SENSOR, Format::Github);
    assert_eq!(
        text.lines().nth(1).unwrap(),
        "::warning file=a%2C b/gate.yaml,line=15,col=3,title=unknown-field::spec.repliccas: there is no such \
         field, so it has no effect (did you mean `replicas`?)"
    );
}

/// The page says it in a table, which the program does, too.
#[test]
fn every_code_is_documented() {
    let page = include_str!("../../../../docs/lint.md");
    for code in Code::ALL {
        let row = format!("| `{}` | {} |", code.name(), code.meaning());
        assert!(page.contains(&row), "{row}");
    }
}

#[test]
fn comments_and_flags_silence() {
    let count = |text: &str, igno2: &[Code]| {
        let (findings, _) = findings(text, igno2);
        (findings.errors(), findings.warnings(), findings.silenced())
    };
    assert_eq!(count(SENSOR, &[]), (1, 1, 0));
    assert_eq!(count(SENSOR, &[Code::UnknownField]), (1, 0, 1));
    for (comment, expected) in [
        ("  repliccas: 2 # tiphys:ignore unknown-field", (1, 0, 1)),
        ("  repliccas: 2 # tiphys:ignore", (1, 0, 1)),
        (
            "  # tiphys:ignore program, unknown-field\n  # why\n  repliccas: 2",
            (1, 0, 1),
        ),
        ("  repliccas: 2 # tiphys:ignore program", (1, 1, 0)),
        ("  repliccas: 2\n# tiphys:ignore-file program", (0, 1, 1)),
        ("  repliccas: 2 # tiphys:ignored", (1, 1, 0)),
        // Above something else.
        (
            "  # tiphys:ignore unknown-field\n  replicas: 1\n  repliccas: 2",
            (1, 1, 0),
        ),
    ] {
        let text = SENSOR.replace("  repliccas: 2", comment);
        assert_eq!(count(&text, &[]), expected, "{comment}");
    }
}

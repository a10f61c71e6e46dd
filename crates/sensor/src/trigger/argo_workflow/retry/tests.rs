use tiphys_lang::json::from_slice;

use super::*;
use crate::trigger::argo_workflow::steps::selector;

const NOW: &str = "2026-03-01T09:30:00Z";

/// Steps of the workflow `w`, one a line: id, type, phase, boundary, and those below it. A name is the id with a dot
/// for the first dash; an attempt is marked by `!`.
fn workflow(steps: &str) -> Value {
    let mut nodes = Vec::new();
    for step in steps.lines() {
        let words: Vec<&str> = step.split_whitespace().collect();
        let [id, kind, phase, boundary, children @ ..] = &words[..] else {
            continue;
        };
        let (id, is_attempt) = match id.strip_suffix('!') {
            Some(id) => (id, true),
            None => (*id, false),
        };
        let name = id.replacen('-', ".", 1);
        let boundary = boundary.trim_matches('-');
        nodes.push(format!(
            r#"{id:?}:{{"id":{id:?},"name":{name:?},"type":{kind:?},"phase":{phase:?},"boundaryID":{boundary:?},
                "nodeFlag":{{"retried":{is_attempt}}},"children":{children:?},"outboundNodes":{children:?}}}"#
        ));
    }
    let nodes = nodes.join(",");
    let json = format!(
        r#"{{"metadata":{{"name":"w"}},"status":{{"phase":"Failed","nodes":{{{nodes}}}}}}}"#
    );
    from_slice(json.as_bytes()).unwrap()
}

/// What stays, with `*` what runs again, and what is below it.
fn retried(steps: &str, arguments: &Arguments) -> String {
    let retried = retry(workflow(steps), arguments, NOW).unwrap();
    let status = retried.workflow.get("status").unwrap();
    let Some(Value::Object(nodes)) = status.get("nodes") else {
        panic!("there are steps");
    };
    let mut stay: Vec<String> = nodes
        .iter()
        .map(|(id, node)| {
            let again = if node.get("startedAt").is_some() {
                "*"
            } else {
                ""
            };
            let below: Vec<&str> = ids(node, "children").collect();
            format!("{id}{again} {}", below.join(" ")).trim().to_owned()
        })
        .collect();
    stay.sort();
    stay.join("\n")
}

/// What Argo Workflows v4.1.2 makes of the same steps.
#[test]
fn what_has_failed_runs_again_in_what_holds_it() {
    let all = Arguments::default();
    let steps = "w Steps Failed - w-g0
        w-g0 StepGroup Succeeded w w-a
        w-a Pod Succeeded w w-g1
        w-g1 StepGroup Failed w w-b w-c
        w-b Pod Succeeded w
        w-c Pod Failed w
        w-onExit Pod Succeeded -";
    let expected = "w* w-g0\nw-a w-g1\nw-b\nw-g0 w-a\nw-g1* w-b";
    assert_eq!(retried(steps, &all), expected);
    let with_attempts = "w DAG Failed - w-a
        w-a Pod Succeeded w w-b w-c
        w-b Retry Failed w w-b0 w-b1 w-d
        w-b0! Pod Failed w
        w-b1! Pod Failed w
        w-c Pod Succeeded w w-d
        w-d Skipped Omitted w";
    let expected = "w* w-a\nw-a w-b w-c\nw-b* w-d\nw-c w-d\nw-d";
    assert_eq!(retried(with_attempts, &all), expected);
    let nested = "w DAG Failed - w-a
        w-a Steps Failed w w-ag
        w-ag StepGroup Failed w-a w-ap w-aq
        w-ap Pod Error w-a
        w-aq Pod Succeeded w-a";
    let expected = "w* w-a\nw-a* w-ag\nw-ag* w-aq\nw-aq";
    assert_eq!(retried(nested, &all), expected);
    let containers = "w Pod Failed - w-m w-n
        w-m Container Succeeded w
        w-n Container Failed w";
    assert_eq!(retried(containers, &all), "");
    let continued = "w DAG Failed - w-a w-c
        w-a Pod Failed w w-b
        w-b Pod Succeeded w
        w-c TaskGroup Failed w w-c0 w-c1
        w-c0 Pod Failed w
        w-c1 Pod Succeeded w";
    let expected = "w* w-a w-c\nw-a w-b\nw-b\nw-c* w-c1\nw-c1";
    assert_eq!(retried(continued, &all), expected);
}

#[test]
fn what_is_selected_runs_again_although_it_has_succeeded() {
    let steps = "w DAG Failed - w-a w-c
        w-a Pod Succeeded w w-b
        w-b Pod Succeeded w
        w-c Pod Succeeded w";
    let selected = Arguments {
        steps: selector("name=w.a").unwrap(),
        restart_successful: true,
        ..Arguments::default()
    };
    assert_eq!(retried(steps, &selected), "w* w-c\nw-c");
    let only = Arguments {
        restart_successful: false,
        ..selected
    };
    let all = "w w-a w-c\nw-a w-b\nw-b\nw-c";
    assert_eq!(retried(steps, &only), all);
}

#[test]
fn the_workflow_begins_anew_and_its_pods_go_before() {
    let ended = r#"{"metadata":{"name":"w","labels":{"team":"shop","workflows.argoproj.io/completed":"true"}},
        "spec":{"activeDeadlineSeconds":0,"shutdown":"Stop"},
        "status":{"conditions":[{"status":"True","type":"PodRunning"},{"status":"True","type":"Completed"}],
            "finishedAt":"2026-03-01T09:00:00Z","message":"no","phase":"Failed","startedAt":"2026-03-01T08:00:00Z",
            "storedWorkflowTemplateSpec":{"entrypoint":"main","shutdown":"Stop"},
            "nodes":{
                "w":{"children":["w-1","w-2"],"finishedAt":"2026-03-01T09:00:00Z","id":"w","message":"child failed","name":"w","phase":"Failed","type":"DAG"},
                "w-1":{"boundaryID":"w","id":"w-1","name":"w.build","phase":"Failed","templateName":"build","type":"Pod"},
                "w-2":{"boundaryID":"w","id":"w-2","name":"w.ask","outputs":{"parameters":[{"name":"go","value":"yes"}]},"phase":"Succeeded","type":"Suspend"},
                "w-3":{"children":["w-4"],"id":"w-3","name":"w.onExit","phase":"Succeeded","type":"Steps"},
                "w-4":{"boundaryID":"w-3","id":"w-4","name":"w.onExit[0].tell","phase":"Succeeded","templateRef":{"name":"t","template":"tell"},"type":"Pod"}}}}"#;
    let all = Arguments::default();
    let Retried { workflow, pods } =
        retry(from_slice(ended.as_bytes()).unwrap(), &all, NOW).unwrap();
    let expected = r#"{"metadata":{"labels":{"team":"shop"},"name":"w"},"spec":{},"status":{"conditions":[{"status":"True","type":"PodRunning"},{"status":"False","type":"Completed"}],"finishedAt":null,"nodes":{"w":{"children":["w-2"],"finishedAt":null,"id":"w","name":"w","phase":"Running","startedAt":"2026-03-01T09:30:00Z","type":"DAG"},"w-2":{"boundaryID":"w","id":"w-2","name":"w.ask","outputs":{"parameters":[{"name":"go","value":"yes"}]},"phase":"Succeeded","type":"Suspend"}},"startedAt":"2026-03-01T09:30:00Z","storedWorkflowTemplateSpec":{"entrypoint":"main"}}}"#;
    assert_eq!(workflow.to_go_json(), expected);
    // FNV-1a of `w.build` and `w.onExit[0].tell`.
    assert_eq!(pods, ["w-build-2364061144", "w-tell-4249739726"]);
}

#[test]
fn what_cannot_run_again_says_why() {
    for (status, expected) in [
        (r#"{"phase":"Running"}"#, "it is Running"),
        ("{}", "it has not begun"),
        (
            r#"{"phase":"Succeeded"}"#,
            "it has succeeded: that takes --restart-successful and --node-field-selector",
        ),
        (
            r#"{"phase":"Failed","compressedNodes":"H4s"}"#,
            "its steps are kept where only the Argo server can change them",
        ),
        (
            r#"{"phase":"Failed","nodes":{}}"#,
            "no step has the name of the workflow",
        ),
        (
            r#"{"phase":"Failed","nodes":{"w":{"id":"w","name":"w","children":["w-1"]}}}"#,
            "step w-1 below w is not in its status",
        ),
        (
            r#"{"phase":"Failed","nodes":{"w":{"id":"w","name":"w"},"w-1":{"id":"w-1","name":"w.a"}}}"#,
            "step w.a is below no other",
        ),
    ] {
        let json = format!(r#"{{"metadata":{{"name":"w"}},"status":{status}}}"#);
        let workflow = from_slice(json.as_bytes()).unwrap();
        let error = retry(workflow, &Arguments::default(), NOW).unwrap_err();
        assert_eq!(error, expected);
    }
}

//! Values of events stay with the events: whoever may read a Sensor's status is told what kind of failure
//! it was, and where.

use crate::running::{Running, Setting};
use crate::web::{Web, answer};

/// What nobody but the reader of the dead letter may see.
const SECRET: &str = "aHVudGVyMi1zZWNyZXQ=";

/// A trigger fails for an event that holds the secret; `says` is what the status says.
async fn fails(dependency: &str, trigger: &str, says: &str, letter_has: &str) {
    let spec = format!(
        "dependencies: [{{name: dep, eventSourceName: source, eventName: order{dependency}}}]
triggers:
- {trigger}
"
    );
    let sensor = Running::start(&spec, Setting::default()).await;
    let event = format!(r#"{{"body":{{"data":{{"password":"{SECRET}"}}}},"l":[1]}}"#);
    sensor.publish("order", &event).await;
    let letter = sensor.dead_letter().await;
    assert!(letter.error.contains(letter_has), "{}", letter.error);
    assert_eq!(sensor.last_error(), says);
    sensor.stop().await;
}

const LOG: &str = "template: {name: print, log: {}}";

#[tokio::test]
async fn a_program_that_fails_tells_its_kind() {
    for (program, says, letter_has) in [
        (
            "jq: '.body.data.password | .x'",
            "jq transformation: expected an object but got: string",
            SECRET,
        ),
        (
            "jq: '.l + .body.data'",
            "jq transformation: cannot add: array and object",
            "aHVudGVy",
        ),
        (
            "jq: '.body.data.password | tonumber'",
            "jq transformation: tonumber cannot be applied to: string",
            SECRET,
        ),
        (
            "jq: '.body.data.password'",
            "jq transformation: the output is not an object",
            SECRET,
        ),
        (
            "jq: 'error(.body.data.password)'",
            "jq transformation: the program ended with an error of its own",
            SECRET,
        ),
        (
            "jq: 'try .body.data.password.x catch error(.)'",
            "jq transformation: expected an object but got: string",
            SECRET,
        ),
        (
            "script: 'error(event.body.data.password)'",
            "Lua transformation: the script failed, line 1",
            SECRET,
        ),
        (
            "script: 'return event.l[event.body.data.password].x'",
            "Lua transformation: the script failed, line 1",
            "attempt to index",
        ),
    ] {
        let dependency = format!(", transform: {{{program}}}");
        fails(&dependency, LOG, says, letter_has).await;
    }
}

#[tokio::test]
async fn a_parameter_that_fails_tells_its_place() {
    for (source, says, letter_has) in [
        (
            "dataKey: body.data.passwort",
            "apply resource parameter 0: unable to resolve 'dep' parameter value: body.data.passwort finds nothing",
            "password",
        ),
        (
            "dataTemplate: '{{ fail .Input.body.data.password }}'",
            "apply resource parameter 0: unable to resolve 'dep' parameter value: the template failed, line 1 column 4",
            SECRET,
        ),
    ] {
        let trigger = format!(
            "{{template: {{name: make, k8s: {{operation: create, source: {{resource: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: a}}}}}}, parameters: [{{src: {{dependencyName: dep, {source}}}, dest: data.a}}]}}}}}}"
        );
        fails("", &trigger, says, letter_has).await;
    }
}

#[tokio::test]
async fn a_server_that_repeats_what_it_got_is_not_quoted() {
    let web = Web::start(|asked| answer(422).body(asked.body.clone())).await;
    let url = web.url("/in");
    let trigger = format!(
        "{{template: {{name: call, http: {{url: '{url}?token=', payload: [{{src: {{dependencyName: dep, dataKey: body}}, dest: body}}], parameters: [{{src: {{dependencyName: dep, dataKey: body.data.password}}, dest: url, operation: append}}]}}}}, policy: {{status: {{allow: [200]}}}}}}"
    );
    let says = "policy application resulted in failure. http response status 422 is not allowed"
        .to_owned();
    fails("", &trigger, &says, SECRET).await;
}

//! What the calls of each kind become: payloads as Argo Events' own types write them, and ids.

use jiff::Timestamp;
use serde_json::{Value, json};
use tiphys_api::EventSource;

use crate::compile::compile;
use crate::event::{Input, SimulateError, Simulated};

/// What an event source with this `spec` makes of a call.
fn call(spec: &Value, headers: &[(&str, &str)], body: &str) -> Result<Simulated, SimulateError> {
    let object = json!({"metadata": {"name": "es", "namespace": "ns"}, "spec": spec});
    let object: EventSource = serde_json::from_value(object).unwrap();
    let compiled = compile(&object).unwrap();
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let input = Input::Body {
        body: body.as_bytes(),
        headers: &headers,
    };
    compiled.events[0].simulate(&input, Timestamp::UNIX_EPOCH)
}

fn payload(spec: &Value, headers: &[(&str, &str)], body: &str) -> String {
    let event = call(spec, headers, body).unwrap().event.unwrap();
    String::from_utf8(event.data.unwrap().to_vec()).unwrap()
}

fn refused(spec: &Value, headers: &[(&str, &str)], body: &str) -> String {
    call(spec, headers, body).unwrap_err().to_string()
}

fn id(spec: &Value, headers: &[(&str, &str)], body: &str) -> String {
    call(spec, headers, body)
        .unwrap()
        .event
        .unwrap()
        .context
        .id
        .clone()
}

/// The spec of one event with a place to be called at.
fn spec(kind: &str, more: &Value) -> Value {
    let mut event = json!({"webhook": {"port": "12000", "endpoint": "/push", "method": "POST"}});
    for (name, value) in more.as_object().unwrap() {
        event[name] = value.clone();
    }
    json!({kind: {"ev": event}})
}

fn github() -> Value {
    let repositories = json!([{"owner": "argo", "names": ["harbour"]}]);
    spec(
        "github",
        &json!({"repositories": repositories, "metadata": {"team": "harbour"}}),
    )
}

const PUSH: &[(&str, &str)] = &[("X-GitHub-Event", "push"), ("X-GitHub-Delivery", "d-1")];

#[test]
fn github_tells_the_event_in_headers_and_in_the_body() {
    let headers = concat!(
        r#"{"headers":{"Content-Type":["application/json"],"X-Github-Delivery":["d-1"],"#,
        r#""X-Github-Event":["push"]},"#
    );
    for (body, expected) in [
        (
            r#" {"ref": "refs/heads/main", "n": 12345678901234567890.10}"#,
            r#"{"X-GitHub-Delivery":"d-1","X-GitHub-Event":"push","ref": "refs/heads/main", "n": 12345678901234567890.10}"#,
        ),
        (
            "{ }",
            r#"{"X-GitHub-Delivery":"d-1","X-GitHub-Event":"push" }"#,
        ),
        // Whoever writes the name into the body does not get it past the header.
        (
            r#"{"X-GitHub-Event":"release","a":1}"#,
            r#"{"X-GitHub-Delivery":"d-1","X-GitHub-Event":"push","a":1}"#,
        ),
    ] {
        let expected = format!(r#"{headers}"body":{expected},"metadata":{{"team":"harbour"}}}}"#);
        assert_eq!(payload(&github(), PUSH, body), expected);
    }
}

#[test]
fn github_sends_forms_as_well() {
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let headers: Vec<_> = form.iter().chain(PUSH).copied().collect();
    let body = "payload=%7B%22a%22%3A%22b+c%22%7D";
    let made = payload(&github(), &headers, body);
    assert!(
        made.contains(r#""body":{"X-GitHub-Delivery":"d-1","X-GitHub-Event":"push","a":"b c"}"#),
        "{made}"
    );
    assert_eq!(
        refused(&github(), &headers, "other=1"),
        "it would be refused: the body is not JSON: EOF while parsing a value at line 1 column 0"
    );
    assert_eq!(
        refused(&github(), PUSH, "[1]"),
        "it would be refused: the body is no JSON object"
    );
}

#[test]
fn a_delivery_is_known_by_its_id() {
    let again = id(&github(), PUSH, r#"{"a":2}"#);
    assert_eq!(id(&github(), PUSH, r#"{"a":1}"#), again);
    let other = [("X-GitHub-Event", "push"), ("X-GitHub-Delivery", "d-2")];
    assert_ne!(id(&github(), &other, r#"{"a":1}"#), again);
}

#[test]
fn gitlab_keeps_the_token_to_itself() {
    let spec = spec(
        "gitlab",
        &json!({"events": ["PushEvents"], "gitlabBaseURL": "https://gitlab.example",
            "accessToken": {"name": "gitlab", "key": "token"}, "projects": ["1"]}),
    );
    let headers = [
        ("X-Gitlab-Event", "Push Hook"),
        ("X-Gitlab-Token", "s3cret"),
    ];
    assert_eq!(
        payload(&spec, &headers, r#"{"object_kind":"push"}"#),
        concat!(
            r#"{"headers":{"Content-Type":["application/json"],"X-Gitlab-Event":["Push Hook"],"#,
            r#""X-Gitlab-Token":["*** Masked Auth Secret ***"]},"body":{"object_kind":"push"}}"#
        )
    );
}

#[test]
fn bitbucket_gerrit_and_sns_wrap_what_was_sent() {
    let auth =
        json!({"username": {"name": "a", "key": "u"}, "password": {"name": "a", "key": "p"}});
    let cloud = spec(
        "bitbucket",
        &json!({"events": ["repo:push"], "auth": {"basic": auth},
            "repositories": [{"owner": "argo", "repositorySlug": "harbour"}]}),
    );
    assert_eq!(
        payload(
            &cloud,
            &[("X-Event-Key", "repo:push"), ("X-Request-UUID", "u")],
            "{}"
        ),
        concat!(
            r#"{"headers":{"Content-Type":["application/json"],"X-Event-Key":["repo:push"],"#,
            r#""X-Request-Uuid":["u"]},"body":{}}"#
        )
    );
    let gerrit = spec(
        "gerrit",
        &json!({"events": ["patchset-created"], "auth": auth, "projects": ["harbour"],
            "hookName": "argo", "gerritBaseURL": "https://gerrit.example"}),
    );
    assert_eq!(
        payload(&gerrit, &[], r#"{"type":"patchset-created"}"#),
        r#"{"headers":{"Content-Type":["application/json"]},"body":{"type":"patchset-created"}}"#
    );
    let same = id(&gerrit, &[], r#"{"eventCreatedOn":1}"#);
    assert_eq!(id(&gerrit, &[], r#"{"eventCreatedOn":1}"#), same);
    assert_ne!(id(&gerrit, &[], r#"{"eventCreatedOn":2}"#), same);
    let sns = spec(
        "sns",
        &json!({"topicArn": "arn:aws:sns:eu-west-1:1:t", "region": "eu-west-1"}),
    );
    let message = concat!(
        r#"{"Type":"Notification","MessageId":"m","TopicArn":"arn:aws:sns:eu-west-1:1:t","#,
        r#""Message":"hello","Timestamp":"2026-01-02T03:04:05.678Z"}"#
    );
    assert_eq!(
        payload(&sns, &[("x-amz-sns-message-id", "m")], message),
        format!(
            concat!(
                r#"{{"header":{{"Content-Type":["text/plain; charset=UTF-8"],"#,
                r#""X-Amz-Sns-Message-Id":["m"],"X-Amz-Sns-Message-Type":["Notification"]}},"#,
                r#""body":{}}}"#
            ),
            message
        )
    );
}

fn bitbucket_server(more: &Value) -> Value {
    let mut event = json!({"events": ["repo:refs_changed"],
        "bitbucketserverBaseURL": "https://bitbucket.example/rest",
        "repositories": [{"projectKey": "ARGO", "repositorySlug": "harbour"}]});
    for (name, value) in more.as_object().unwrap() {
        event[name] = value.clone();
    }
    spec("bitbucketserver", &event)
}

#[test]
fn bitbucket_server_may_tell_each_change_by_itself() {
    let headers = [("X-Event-Key", "repo:refs_changed"), ("X-Request-Id", "r")];
    let body = r#"{"repository":{"slug":"s","id":1.50},"changes":[{"toHash":"a"},{"toHash":"b"}],"date":"d"}"#;
    let whole = payload(&bitbucket_server(&json!({})), &headers, body);
    assert!(whole.ends_with(&format!(r#""body":{body}}}"#)), "{whole}");
    let first = payload(
        &bitbucket_server(&json!({"oneEventPerChange": true})),
        &headers,
        body,
    );
    assert!(
        first.ends_with(
            r#""body":{"changes":[{"toHash":"a"}],"date":"d","repository":{"id":1.5,"slug":"s"}}}"#
        ),
        "{first}"
    );
    let other = [("X-Event-Key", "pr:opened")];
    let told = payload(
        &bitbucket_server(&json!({"oneEventPerChange": true})),
        &other,
        "{}",
    );
    assert!(told.ends_with(r#""body":{}}"#), "{told}");
}

#[test]
fn slack_tells_events_interactions_and_commands() {
    let key = json!({"name": "slack", "key": "k"});
    let slack = spec("slack", &json!({"token": key, "signingSecret": key}));
    let body =
        r#"{"type":"event_callback","event_id":"Ev1","event":{"type":"message","text":"a<b"}}"#;
    assert_eq!(
        payload(&slack, &[], body),
        r#"{"type":"message","Data":{"type":"message","text":"a<b"}}"#
    );
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let interaction =
        "payload=%7B%22type%22%3A%22block_actions%22%2C%22trigger_id%22%3A%221.2%22%7D";
    assert_eq!(
        payload(&slack, &form, interaction),
        r#"{"type":"block_actions","trigger_id":"1.2"}"#
    );
    let command = "command=%2Fsail&text=to+Iolcos&is_enterprise_install=false&trigger_id=1.3";
    let made: Value = serde_json::from_str(&payload(&slack, &form, command)).unwrap();
    assert_eq!(
        made,
        json!({"token": "", "team_id": "", "team_domain": "", "is_enterprise_install": false,
            "channel_id": "", "channel_name": "", "user_id": "", "user_name": "",
            "command": "/sail", "text": "to Iolcos", "response_url": "", "trigger_id": "1.3",
            "api_app_id": ""})
    );
    assert_eq!(
        refused(&slack, &form, "a=1"),
        "it would be refused: could not determine slack type from form parameters"
    );
    let challenge = r#"{"type":"url_verification","challenge":"c"}"#;
    assert_eq!(
        refused(&slack, &[], challenge),
        "it would be refused: it makes no event"
    );
}

#[test]
fn stripe_and_storage_grid_have_a_member_of_their_own() {
    let stripe = spec("stripe", &json!({"eventFilter": ["charge.succeeded"]}));
    let body = r#"{"id":"evt_1","type":"charge.succeeded","created":1}"#;
    assert_eq!(
        payload(&stripe, &[], body),
        format!(r#"{{"event":{body}}}"#)
    );
    // Not one of ours: answered with success, for Stripe gives up on who says no.
    let other = r#"{"id":"evt_2","type":"charge.failed"}"#;
    assert_eq!(
        refused(&stripe, &[], other),
        "it would be refused: it makes no event"
    );

    let grid = spec(
        "storageGrid",
        &json!({"events": ["s3:ObjectCreated:*"], "topicArn": "urn:a:sns:us-east-1::t",
            "bucket": "harbour", "apiURL": "https://grid.example/api/v3",
            "authToken": {"name": "grid", "key": "token"}, "filter": {"prefix": "in/", "suffix": ".yaml"}}),
    );
    let form = |key: &str| {
        let record = format!(
            r#"{{"Records":[{{"eventName":"ObjectCreated:Put","s3":{{"object":{{"key":"{key}","size":7,"sequencer":"1"}}}}}}]}}"#
        );
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", "Publish")
            .append_pair("Message", &record);
        form.append_pair("TopicArn", "urn:a:sns:us-east-1::t")
            .append_pair("Version", "2010-03-31");
        form.finish()
    };
    assert_eq!(
        payload(&grid, &[], &form("in/a&b.yaml")),
        concat!(
            r#"{"notification":{"Action":"Publish","Message":{"Records":[{"eventName":"ObjectCreated:Put","#,
            r#""s3":{"object":{"key":"in/a&b.yaml","size":7,"sequencer":"1"}}}]},"#,
            r#""TopicArn":"urn:a:sns:us-east-1::t","Version":"2010-03-31"}}"#
        )
    );
    assert_eq!(
        refused(&grid, &[], &form("out/a.yaml")),
        "it would be refused: it makes no event"
    );
    assert_eq!(
        refused(&grid, &[], "Message=x"),
        "it would be refused: the body is no notification of StorageGRID"
    );
}

#[test]
fn each_kind_has_an_example_that_it_takes() {
    let key = json!({"name": "s", "key": "k"});
    let auth = json!({"username": key, "password": key});
    for spec in [
        github(),
        spec(
            "gitlab",
            &json!({"events": ["PushEvents"], "gitlabBaseURL": "https://g", "accessToken": key}),
        ),
        spec(
            "gerrit",
            &json!({"events": ["a"], "auth": auth, "projects": ["p"], "gerritBaseURL": "https://g"}),
        ),
        spec(
            "bitbucket",
            &json!({"events": ["a"], "auth": {"basic": auth}, "repositories": [{}]}),
        ),
        bitbucket_server(&json!({"oneEventPerChange": true})),
        spec("slack", &json!({"token": key, "signingSecret": key})),
        spec("stripe", &json!({})),
        spec("sns", &json!({"topicArn": "t", "region": "eu-west-1"})),
        spec(
            "storageGrid",
            &json!({"events": ["a"], "topicArn": "t", "bucket": "b",
            "apiURL": "https://g", "authToken": key}),
        ),
    ] {
        let object = json!({"metadata": {"name": "es"}, "spec": spec});
        let object: EventSource = serde_json::from_value(object).unwrap();
        let compiled = compile(&object).unwrap();
        let made = compiled.events[0].simulate(&Input::Example, Timestamp::UNIX_EPOCH);
        let event = made.unwrap().event.unwrap();
        let payload: Value = serde_json::from_slice(&event.data.unwrap()).unwrap();
        assert!(payload.is_object(), "{payload}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_field() {
    let problems = |spec: &Value| -> Vec<String> {
        let object = json!({"metadata": {"name": "es"}, "spec": spec});
        let object: EventSource = serde_json::from_value(object).unwrap();
        let problems = compile(&object).err().unwrap_or_default();
        problems.iter().map(ToString::to_string).collect()
    };
    let key = json!({"name": "s", "key": "k"});
    let found = problems(&spec(
        "gitlab",
        &json!({"events": ["PushEvent"], "gitlabBaseURL": "https://g", "accessToken": key}),
    ));
    assert_eq!(
        found,
        ["error: spec.gitlab.ev.events[0]: unknown event PushEvent (did you mean `PushEvents`?)"]
    );
    let hook = json!({"port": "1", "endpoint": "/", "url": "https://us"});
    let found = problems(
        &json!({"github": {"ev": {"webhook": hook, "organizations": ["argo"], "apiToken": key}}}),
    );
    assert_eq!(
        found,
        [
            "error: spec.github.ev.events: events must be defined to create a github webhook \
          (write `events: [\"*\"]` for all of them)"
        ]
    );
    let found = problems(&json!({"stripe": {"ev": {}}}));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("error: spec.stripe.ev.webhook: "),
        "{found:?}"
    );
}

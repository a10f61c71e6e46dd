//! What the kinds of triggers render, as tables.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use jiff::Timestamp;
use kube::client::Body;
use tiphys_api::Sensor;
use tiphys_clients::values::NoValues;
use tiphys_eventbus::{Context, Event};

use super::{Action, Caller, Executors, log};
use crate::Compiled;
use crate::engine::Member;

fn compile(trigger: &str) -> Result<Compiled, Vec<String>> {
    let spec = format!(
        "dependencies: [{{name: a, eventSourceName: s, eventName: a}}, {{name: b, eventSourceName: s, eventName: b}}]
triggers: [{trigger}]"
    );
    let json = tiphys_lang::yaml::to_json(spec.as_bytes()).unwrap();
    let mut sensor = Sensor::new("orders", serde_json::from_slice(&json).unwrap());
    sensor.metadata.namespace = Some("shop".to_owned());
    Compiled::compile(&sensor)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// What a trigger renders for an event of dependency `a` with this payload: JSON, or the error.
#[track_caller]
fn render(trigger: &str, data: &'static str) -> String {
    let compiled = compile(trigger).unwrap();
    let context = Context {
        id: "1".into(),
        source: "s".into(),
        datacontenttype: "application/json".into(),
        ..Context::default()
    };
    let event = Event {
        context: context.into(),
        data: Some(Bytes::from_static(data.as_bytes())),
    };
    let fired =
        compiled.triggers[0].explain([(0, &event)].into_iter(), "orders", "shop", &mut Vec::new());
    match fired {
        Ok(action) => serde_json::to_string(&action).unwrap(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn requests_are_rendered() {
    for (http, data, expected) in [
        (
            "{url: 'http://h/x', payload: [{src: {dependencyName: a, dataKey: body.m}, dest: msg}]}",
            r#"{"body":{"m":"hi"}}"#,
            r#"{"http":{"method":"POST","url":"http://h/x","headers":{},"body":"{\"msg\":\"hi\"}","timeoutSeconds":60}}"#,
        ),
        (
            "{url: 'http://h', method: GET, timeout: 5, headers: {A: x, a: z, Content-Length: '3'}}",
            "{}",
            r#"{"http":{"method":"GET","url":"http://h","headers":{"a":"z"},"body":"","timeoutSeconds":5}}"#,
        ),
        (
            "{url: 'http://h', timeout: -1, payload: [{src: {dependencyName: a, dataKey: body}, dest: ''}],
            dynamicHeaders: [{src: {dependencyName: b, dataKey: x}, dest: X}, {src: {dependencyName: a, dataKey: body.m}, dest: Z}]}",
            r#"{"body":{"m": 1.0}}"#,
            r#"{"http":{"method":"POST","url":"http://h","headers":{"z":"1"},"body":"{\"m\": 1.0}","timeoutSeconds":60}}"#,
        ),
        (
            "{url: 'http://h', tls: {caCertSecret: {name: ca, key: crt}}, basicAuth: {password: {name: l, key: p}}}",
            "{}",
            r#"{"http":{"method":"POST","url":"http://h","headers":{},"basicAuth":{"password":{"secretKeyRef":{"namespace":"shop","name":"l","key":"p"}}},"body":"","timeoutSeconds":60,"tls":{"insecureSkipVerify":false,"authorities":{"secretKeyRef":{"namespace":"shop","name":"ca","key":"crt"}}}}}"#,
        ),
        (
            "{url: 'http://h', dynamicHeaders: [{src: {dependencyName: a, dataKey: x}, dest: X}]}",
            r#"{"x":"a\nb: c"}"#,
            "the value of header X has a line break or another control",
        ),
        (
            "{url: 'http://h', dynamicHeaders: [{src: {dependencyName: a, dataKey: z}, dest: X}]}",
            "{}",
            "resolve dynamic header 0",
        ),
        (
            "{url: 'http://h', parameters: [{src: {dependencyName: a, dataKey: m}, dest: method}]}",
            r#"{"m":"HEAD"}"#,
            "the template is not valid with its parameters applied: template.http.method: only GET, DELETE, PATCH, POST and PUT methods are supported",
        ),
    ] {
        let trigger = format!("{{template: {{name: t, conditions: a, http: {http}}}}}");
        assert_eq!(render(&trigger, data), expected, "{http}");
    }
}

#[test]
fn messages_are_rendered() {
    for (nats, data, expected) in [
        (
            "{url: 'nats://h', subject: s, payload: [{src: {dependencyName: a, dataKey: m}, dest: m}],
            auth: {token: {name: login, key: t}, nkey: {name: login, key: k}}}",
            r#"{"m":1}"#,
            r#"{"nats":{"url":"nats://h","subject":"s","payload":"{\"m\":\"1\"}","auth":{"token":{"secretKeyRef":{"namespace":"shop","name":"login","key":"t"}}}}}"#,
        ),
        (
            "{url: 'nats://h', subject: s, payload: [], parameters: [{src: {dependencyName: a, dataKey: m}, dest: subject}]}",
            r#"{"m":"a.*"}"#,
            "the template is not valid with its parameters applied: template.nats.subject: \"a.*\" is no subject to publish under: it has an empty part, a blank or a wildcard",
        ),
        (
            "{url: 'nats://h', subject: s, payload: [], parameters: [{src: {dependencyName: a, dataKey: m}, dest: subject}]}",
            r#"{"m":"$JS.API.STREAM.DELETE.default"}"#,
            "the template is not valid with its parameters applied: template.nats.subject: \"$JS.API.STREAM.DELETE.default\" is no subject to publish under: it is reserved for the server and the bus",
        ),
        (
            "{url: 'nats://h', subject: s, payload: [], parameters: [{src: {dependencyName: a, dataKey: m}, dest: subject}]}",
            r#"{"m":"tiphys.dead-letters.a.b.c"}"#,
            "the template is not valid with its parameters applied: template.nats.subject: \"tiphys.dead-letters.a.b.c\" is no subject to publish under: it is reserved for the server and the bus",
        ),
    ] {
        let trigger = format!("{{template: {{name: t, conditions: a, nats: {nats}}}}}");
        assert_eq!(render(&trigger, data), expected, "{nats}");
    }
}

#[cfg(feature = "pulsar")]
#[test]
fn messages_for_pulsar_are_rendered() {
    for (pulsar, data, expected) in [
        (
            "{url: 'pulsar://h', topic: t, payload: [{src: {dependencyName: a, dataKey: m}, dest: m}]}",
            r#"{"m":1}"#,
            r#"{"pulsar":{"url":"pulsar://h","topic":"t","payload":"{\"m\":\"1\"}"}}"#,
        ),
        (
            "{url: 'pulsar+ssl://h', topic: t, payload: [], authTokenSecret: {name: s, key: t}, tlsTrustCertsSecret: {name: s, key: c}}",
            "{}",
            r#"{"pulsar":{"url":"pulsar+ssl://h","token":{"secretKeyRef":{"namespace":"shop","name":"s","key":"t"}},"tls":{"insecureSkipVerify":false,"authorities":{"secretKeyRef":{"namespace":"shop","name":"s","key":"c"}}},"topic":"t","payload":""}}"#,
        ),
        (
            "{url: 'pulsar+ssl://h', topic: t, payload: [], tlsAllowInsecureConnection: true}",
            "{}",
            r#"{"pulsar":{"url":"pulsar+ssl://h","tls":{"insecureSkipVerify":true},"topic":"t","payload":""}}"#,
        ),
        (
            "{url: 'pulsar://h', topic: t, payload: [], parameters: [{src: {dependencyName: a, dataKey: m}, dest: topic}]}",
            r#"{"m":"a/b"}"#,
            "\"a/b\" cannot be a topic: TOPIC, TENANT/NAMESPACE/TOPIC or persistent://TENANT/NAMESPACE/TOPIC is needed",
        ),
    ] {
        let trigger = format!("{{template: {{name: t, conditions: a, pulsar: {pulsar}}}}}");
        assert_eq!(render(&trigger, data), expected, "{pulsar}");
    }
}

#[cfg(feature = "pulsar")]
#[test]
fn messages_for_pulsar_that_cannot_be_sent_are_refused_with_their_field() {
    for (pulsar, expected) in [
        (
            "{url: 'h:6650', topic: t, payload: []}",
            "spec.triggers[0].template.pulsar.url: it has to begin with pulsar:// or pulsar+ssl://",
        ),
        (
            "{url: 'pulsar://h', topic: a b, payload: []}",
            "spec.triggers[0].template.pulsar.topic: \"a b\" cannot be a topic: TOPIC, TENANT/NAMESPACE/TOPIC or persistent://TENANT/NAMESPACE/TOPIC is needed",
        ),
        (
            "{url: 'pulsar://h', topic: t}",
            "spec.triggers[0].template.pulsar.payload: payload must not be empty",
        ),
        (
            "{url: 'pulsar://h', topic: t, payload: [], authAthenzParams: {tenantDomain: d}}",
            "spec.triggers[0].template.pulsar.authAthenzParams: logins by Athenz are not supported",
        ),
    ] {
        let problems = compile(&format!("{{template: {{name: t, pulsar: {pulsar}}}}}"));
        let problems = problems.unwrap_err();
        let expected = format!("error: {expected}");
        assert!(problems[0].starts_with(&expected), "{problems:?}");
    }
}

#[cfg(feature = "kafka")]
#[test]
fn records_are_rendered() {
    for (kafka, data, expected) in [
        (
            "{url: 'h:9092', topic: t, payload: [{src: {dependencyName: a, dataKey: m}, dest: m}]}",
            r#"{"m":1}"#,
            r#"{"kafka":{"url":"h:9092","topic":"t","payload":"{\"m\":\"1\"}","acks":"all","compress":false,"lingerMs":0}}"#,
        ),
        (
            "{url: 'h:9092', topic: t, payload: [], partitioningKey: k, requiredAcks: 1, compress: true, flushFrequency: 60000,
            headers: {b: '2'}, secureHeaders: [{name: T, valueFrom: {secretKeyRef: {name: s, key: t}}}], tls: {enabled: true},
            sasl: {mechanism: SCRAM-SHA-256, userSecret: {name: s, key: u}, passwordSecret: {name: s, key: p}}}",
            "{}",
            r#"{"kafka":{"url":"h:9092","topic":"t","key":"k","payload":"","headers":{"b":"2"},"secureHeaders":{"T":{"secretKeyRef":{"namespace":"shop","name":"s","key":"t"}}},"acks":"leader","compress":true,"lingerMs":10000,"login":{"mechanism":"SCRAM-SHA-256","username":{"secretKeyRef":{"namespace":"shop","name":"s","key":"u"}},"password":{"secretKeyRef":{"namespace":"shop","name":"s","key":"p"}}},"tls":{"insecureSkipVerify":false}}}"#,
        ),
        (
            "{url: 'h:9092', topic: t, payload: [], schemaRegistry: {url: 'http://r', schemaId: 7}}",
            "{}",
            r#"{"kafka":{"url":"h:9092","topic":"t","payload":"","acks":"all","compress":false,"lingerMs":0,"schema":{"schemaId":7,"url":"http://r"}}}"#,
        ),
        (
            "{url: 'h:9092', topic: t, payload: [], parameters: [{src: {dependencyName: a, dataKey: m}, dest: topic}]}",
            r#"{"m":"a/b"}"#,
            "\"a/b\" cannot be a topic: 249 letters, digits and ._- at most",
        ),
    ] {
        let trigger = format!("{{template: {{name: t, conditions: a, kafka: {kafka}}}}}");
        assert_eq!(render(&trigger, data), expected, "{kafka}");
    }
}

#[cfg(feature = "kafka")]
#[test]
fn records_that_cannot_be_sent_are_refused_with_their_field() {
    for (kafka, expected) in [
        (
            "{url: 'kafka://h', topic: t, payload: []}",
            "spec.triggers[0].template.kafka.url: \"kafka://h\" is no broker: HOST:PORT is needed",
        ),
        (
            "{url: 'h:9092', topic: a b, payload: []}",
            "spec.triggers[0].template.kafka.topic: \"a b\" cannot be a topic: 249 letters, digits and ._- at most",
        ),
        (
            "{url: 'h:9092', topic: t, payload: [], requiredAcks: 2}",
            "spec.triggers[0].template.kafka.requiredAcks: 1 (the leader), or -1 (all replicas that are in sync) is needed",
        ),
        (
            "{url: 'h:9092', topic: t, payload: [], schemaRegistry: {url: 'http://r', schemaId: -1}}",
            "spec.triggers[0].template.kafka.schemaRegistry.schemaId: cannot be below 0",
        ),
        (
            "{url: 'h:9092', topic: t, payload: [], schemaRegistry: {url: r, schemaId: 1}}",
            "spec.triggers[0].template.kafka.schemaRegistry.url: \"r\" is no URL of a web server",
        ),
        (
            "{url: 'h:9092', topic: t, payload: [], sasl: {mechanism: GSSAPI}}",
            "spec.triggers[0].template.kafka.sasl.mechanism: logins by GSSAPI are not supported: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER are",
        ),
    ] {
        let trigger = format!("{{template: {{name: t, conditions: a, kafka: {kafka}}}}}");
        let problems = compile(&trigger).unwrap_err();
        let expected = format!("error: {expected}");
        assert!(problems[0].starts_with(&expected), "{problems:?}");
    }
}

#[cfg(feature = "azure")]
#[test]
fn messages_to_azure_are_rendered() {
    for (azure, expected) in [
        (
            "azureServiceBus: {connectionString: {name: s, key: c}, topicName: t,
            payload: [{src: {dependencyName: a, dataKey: m}, dest: m}]}",
            r#"{"azureServiceBus":{"connectionString":{"secretKeyRef":{"namespace":"shop","name":"s","key":"c"}},"entity":"t","payload":"{\"m\":\"1\"}"}}"#,
        ),
        (
            "azureServiceBus: {connectionString: {name: s, key: c}, queueName: q, topicName: t, payload: [],
            parameters: [{src: {dependencyName: a, dataKey: m}, dest: queueName, operation: append}]}",
            r#"{"azureServiceBus":{"connectionString":{"secretKeyRef":{"namespace":"shop","name":"s","key":"c"}},"entity":"q1","payload":""}}"#,
        ),
        (
            "azureEventHubs: {fqdn: shop, hubName: h, payload: [], sharedAccessKeyName: {name: s, key: p}, sharedAccessKey: {name: s, key: k}}",
            r#"{"azureEventHubs":{"fqdn":"shop","hubName":"h","policy":{"sharedAccessKeyName":{"secretKeyRef":{"namespace":"shop","name":"s","key":"p"}},"sharedAccessKey":{"secretKeyRef":{"namespace":"shop","name":"s","key":"k"}}},"payload":""}}"#,
        ),
        (
            "azureEventHubs: {fqdn: shop, hubName: h, payload: []}",
            r#"{"azureEventHubs":{"fqdn":"shop","hubName":"h","payload":""}}"#,
        ),
    ] {
        let trigger = format!("{{template: {{name: t, conditions: a, {azure}}}}}");
        assert_eq!(render(&trigger, r#"{"m":1}"#), expected, "{azure}");
    }
}

#[test]
fn objects_that_are_fetched_are_rendered_as_references_with_edits() {
    let edits = r#""edits":[{"dest":"metadata.name","operation":"overwrite","value":"x","raw":false,"fellBack":false}]"#;
    for (source, expected) in [
        (
            "file: {path: /m/job.yaml}",
            r#"{"file":{"path":"/m/job.yaml"}}"#,
        ),
        (
            "url: {path: 'https://h/j'}",
            r#"{"url":{"url":"https://h/j","verifyCert":false}}"#,
        ),
        (
            "configmap: {name: m, key: k}",
            r#"{"configmap":{"namespace":"shop","name":"m","key":"k"}}"#,
        ),
        (
            "s3: {endpoint: h, bucket: {name: b, key: ' /k '}}",
            r#"{"s3":{"endpoint":"h","insecure":false,"region":"us-east-1","bucket":"b","key":"k"}}"#,
        ),
        (
            "git: {url: u, filePath: ./f, tag: v1, branch: b, remote: {name: r, urls: [w]}}",
            r#"{"git":{"url":"w","ref":{"tag":"v1"},"path":"f"}}"#,
        ),
        (
            "git: {url: u, filePath: f, sshKeySecret: {name: k, key: id}}",
            r#"{"git":{"url":"u","ref":"default","path":"f","login":{"ssh":{"privateKey":{"secretKeyRef":{"namespace":"shop","name":"k","key":"id"}},"insecureIgnoreHostKey":false}}}}"#,
        ),
    ] {
        let trigger = format!(
            "{{template: {{name: t, conditions: a, k8s: {{source: {{{source}}}, parameters:
            [{{src: {{dependencyName: a, dataKey: m}}, dest: metadata.name}}]}}}}}}"
        );
        let expected = format!(r#"{{"k8s":{{"operation":"create","base":{expected},{edits}}}}}"#);
        assert_eq!(render(&trigger, r#"{"m":"x"}"#), expected, "{source}");
    }
}

#[test]
fn policies_are_part_of_the_action() {
    let k8s = "k8s: {operation: OP, source: {resource: {apiVersion: batch/v1, kind: Job, metadata: {name: j}}}}";
    let policy =
        "policy: {k8s: {labels: {a: b}, backoff: {steps: 2, duration: 1500ms, jitter: 0}}}";
    for (operation, expected) in [
        (
            "create",
            r#"{"k8s":{"operation":"create","object":{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"j"}},"policy":{"labels":{"a":"b"},"attempts":2,"wait":1.5,"factor":1.0,"jitter":0.0,"errorOnTimeout":false}}}"#,
        ),
        (
            "delete",
            r#"{"k8s":{"operation":"delete","object":{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"j"}}}}"#,
        ),
    ] {
        let k8s = k8s.replace("OP", operation);
        let trigger = format!("{{{policy}, template: {{name: t, conditions: a, {k8s}}}}}");
        assert_eq!(render(&trigger, "{}"), expected);
    }
}

#[test]
fn what_cannot_run_is_refused_with_its_field() {
    for (template, expected) in [
        (
            "http: {}",
            "spec.triggers[0].template.http.url: server URL is not specified",
        ),
        (
            "nats: {url: u, subject: s}",
            "spec.triggers[0].template.nats.payload: payload can't be nil",
        ),
        (
            "k8s: {source: {git: {url: u, filePath: ../f}}}",
            "spec.triggers[0].template.k8s.source.git.filePath: must not contain `..`, `~` or `\\`",
        ),
        (
            "k8s: {source: {git: {url: u, filePath: f, branch: '--upload-pack=x'}}}",
            "spec.triggers[0].template.k8s.source.git.branch: \"--upload-pack=x\" is no name of a git ref",
        ),
        (
            "k8s: {source: {git: {url: u, filePath: f, githubApp: {}}}}",
            "spec.triggers[0].template.k8s.source.git.githubApp.privateKey: must be specified",
        ),
        (
            "k8s: {source: {s3: {endpoint: e, bucket: {name: b, key: k}, accessKey: {name: a, key: b}}}}",
            "spec.triggers[0].template.k8s.source.s3: accessKey and secretKey have to be set together",
        ),
        (
            "argoWorkflow: {operation: replay, source: {resource: {}}}",
            "spec.triggers[0].template.argoWorkflow.operation: unknown operation type replay",
        ),
        (
            "argoWorkflow: {source: {resource: {}}, args: [--watch]}",
            "spec.triggers[0].template.argoWorkflow.args[0]: --watch cannot be applied without the argo program",
        ),
        (
            "k8s: {source: {resource: {apiVersion: v1, kind: Pod}}}",
            "spec.triggers[0].template.k8s.source.resource.metadata.name: the object has neither `metadata.name` nor `metadata.generateName`",
        ),
        (
            "http: {url: harbour.example}",
            "spec.triggers[0].template.http.url: \"harbour.example\" is no URL: relative URL without a base; it begins with http:// or https://",
        ),
        (
            "nats: {url: 'http://h', subject: s, payload: []}",
            "spec.triggers[0].template.nats.url: \"http://h\" is no URL of a NATS server: ",
        ),
        (
            "argoWorkflow: {source: {resource: {apiVersion: argoproj.io/v1alpha1, kind: WorkflowTemplate, metadata: {name: w}}}}",
            "spec.triggers[0].template.argoWorkflow.source.resource.kind: submit needs a Workflow, this is a WorkflowTemplate: use the operation submit-from",
        ),
        (
            "k8s: {source: {url: {path: 'ftp://h/f'}}}",
            "spec.triggers[0].template.k8s.source.url.path: \"ftp://h/f\" is no URL of a web server",
        ),
        (
            "slack: {slackToken: {name: s, key: k}, channel: c}",
            "spec.triggers[0].template.slack.message: no text to post",
        ),
    ] {
        let problems = compile(&format!("{{template: {{name: t, {template}}}}}")).unwrap_err();
        let expected = format!("error: {expected}");
        assert!(problems[0].starts_with(&expected), "{problems:?}");
    }
}

struct Nowhere;

impl log::Sink for Nowhere {
    fn print(&self, _: &log::Line, _: Caller<'_>) {}
}

/// The one kind that the servers of these tests serve.
const KINDS: &[u8] = br#"{"groupVersion":"networking.k8s.io/v1","resources":[
    {"name":"ingresses","singularName":"ingress","namespaced":true,"kind":"Ingress","verbs":[]}]}"#;

/// An API server that serves one kind and takes whatever it is sent, and what it was asked for.
fn api_server() -> (kube::Client, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let log = Arc::clone(&asked);
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let request = format!("{} {}", request.method(), request.uri().path());
        log.lock().unwrap().push(request);
        async { Ok::<_, Infallible>(http::Response::new(Body::from(KINDS.to_vec()))) }
    });
    (kube::Client::new(service, "default"), asked)
}

#[tokio::test]
async fn the_first_object_of_a_warm_trigger_takes_one_request() {
    let (client, asked) = api_server();
    let asked = || std::mem::take(&mut *asked.lock().unwrap());
    let now = || Timestamp::UNIX_EPOCH;
    let executors = Executors::new(Some(client), Arc::new(NoValues), Arc::new(Nowhere), now);
    let compiled = compile(
        "{template: {name: t, conditions: a, k8s: {source: {resource:
        {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: x}}}}}}",
    );
    let trigger = &compiled.unwrap().triggers[0];
    executors.warm(trigger, "shop").await;
    assert_eq!(asked(), ["GET /apis/networking.k8s.io/v1"]);
    let event = Event {
        context: Context::default().into(),
        data: None,
    };
    let events = [(0, &event)].into_iter();
    let action = trigger.explain(events, "orders", "shop", &mut Vec::new());
    let caller = Caller {
        bus: None,
        namespace: "shop",
        sensor: "orders",
        trigger: "t",
    };
    executors.perform(&action.unwrap(), caller).await.unwrap();
    let path = "/apis/networking.k8s.io/v1/namespaces/shop/ingresses";
    assert_eq!(asked(), [format!("POST {path}")]);
}

/// Each event moves the task that performs its action several times: with the largest kind's future in
/// it, copying it was a good part of what a backlog cost.
#[test]
fn a_task_is_not_as_large_as_the_largest_kind() {
    let now = || Timestamp::UNIX_EPOCH;
    let executors = Executors::new(None, Arc::new(NoValues), Arc::new(Nowhere), now);
    let action = Action::Log(log::Action {
        lines: Vec::new(),
        interval_seconds: 0,
    });
    let caller = Caller {
        bus: None,
        namespace: "shop",
        sensor: "orders",
        trigger: "t",
    };
    let performing = executors.perform(&action, caller);
    assert!(size_of_val(&performing) <= 512);
}

/// An API server with room for one object.
fn small_api_server() -> kube::Client {
    let live = Arc::<Mutex<Option<Vec<u8>>>>::default();
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let live = Arc::clone(&live);
        async move {
            let is_discovery = request.uri().path().ends_with("/v1");
            let method = request.method().clone();
            let sent = request.into_body().collect_bytes().await.unwrap();
            let mut live = live.lock().unwrap();
            let (code, body) = match (&method, &*live) {
                (&http::Method::POST, Some(_)) => {
                    let status = r#"{"kind":"Status","code":409,"reason":"AlreadyExists","message":"there"}"#;
                    (409, status.as_bytes().to_vec())
                }
                (&http::Method::POST, None) => {
                    *live = Some(sent.to_vec());
                    (201, sent.to_vec())
                }
                (_, Some(object)) if !is_discovery => (200, object.clone()),
                _ => (200, KINDS.to_vec()),
            };
            let response = http::Response::builder().status(code);
            Ok::<_, Infallible>(response.body(Body::from(body)).unwrap())
        }
    });
    kube::Client::new(service, "default")
}

/// When the acknowledgements of create, delete, create were lost together with the process, the first
/// create became a dead letter.
#[tokio::test]
async fn a_create_recognises_itself_by_a_later_one_about_the_same_object() {
    let now = || Timestamp::UNIX_EPOCH;
    let client = small_api_server();
    let executors = Executors::new(Some(client), Arc::new(NoValues), Arc::new(Nowhere), now);
    let compiled = compile(
        "{template: {name: t, conditions: a, k8s: {operation: create, source: {resource:
        {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: x}}}}}}",
    )
    .unwrap();
    let trigger = &compiled.triggers[0];
    let fire = |id: &str, object, second| {
        let event = Event {
            context: Context {
                id: id.into(),
                ..Context::default()
            }
            .into(),
            data: None,
        };
        let member = Member {
            event: Arc::new(event),
            sequence: 1,
            stored_at: Timestamp::from_second(second).unwrap(),
            object,
            replay: None,
        };
        trigger.fire(&[(0, member)], "orders", "shop").unwrap()
    };
    let caller = Caller {
        bus: None,
        namespace: "shop",
        sensor: "orders",
        trigger: "t",
    };
    for (id, object, second, is_done) in [
        ("later", Some(7), 20, true),
        ("earlier", Some(7), 10, true),
        ("later", Some(7), 20, true),
        ("of another object", Some(8), 10, false),
        ("of none", None, 10, false),
        ("after it", Some(7), 30, false),
    ] {
        let action = fire(id, object, second);
        let outcome = executors.perform(&action, caller).await;
        assert_eq!(outcome.is_ok(), is_done, "{id}: {outcome:?}");
    }
}

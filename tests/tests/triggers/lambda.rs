//! Stories of the `awsLambda` trigger: Moto knows who asks, a server of our own says what Lambda says when it is
//! busy or a function fails.

use std::collections::HashMap;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tiphys_testbed::Certificates;
use tiphys_tests::aws::{ACCOUNT, Moto, REGION};
use tiphys_tests::web::{Web, answer};
use tiphys_tests::{Tiphys, eventually};

use crate::outside::Outside;

/// A function, invoked with what is in the event; `LOGIN` stands for who invokes it.
const SPEC: &str = r"
dependencies: [{name: dep, eventSourceName: source, eventName: order}]
triggers:
- template:
    name: count
    awsLambda:
      functionName: count
      region: eu-west-1
      LOGIN
      payload:
      - {src: {dependencyName: dep, dataKey: ship}, dest: ship}
      parameters:
      - {src: {dependencyName: dep, dataKey: function, value: count}, dest: functionName}
      - {src: {dependencyName: dep, dataKey: type, value: RequestResponse}, dest: invocationType}
";

/// The right to invoke functions. Moto calls it by the operation, AWS `lambda:InvokeFunction`.
const INVOKE: &str = "lambda:*";

const KEYS: &str = "accessKey: {name: aws, key: access}\n      secretKey: {name: aws, key: secret}";

async fn outside(login: &str, endpoint: &str) -> Outside {
    let certificates = Certificates::generate().unwrap();
    let mut outside = Outside::new(&SPEC.replace("LOGIN", login), &certificates).await;
    outside.pod.set("AWS_ENDPOINT_URL", endpoint);
    outside.pod.set("AWS_EC2_METADATA_DISABLED", "true");
    outside
}

fn set_keys(outside: &Outside, (access, secret): (&str, &str)) {
    let files = [("access", access.as_bytes()), ("secret", secret.as_bytes())];
    outside.pod.volume("values/secrets/aws", &files);
}

async fn until_counted(pod: &Tiphys, outcome: &str, expected: u64) {
    let label = format!("outcome=\"{outcome}\"");
    eventually(&format!("{expected} events that are {outcome}"), || async {
        let count = pod.count("tiphys_sensor_events", &[&label]).await;
        (count == expected).then_some(())
    })
    .await;
}

async fn make_function(moto: &Moto, role: &str) {
    moto.run_functions().await;
    let function = json!({"FunctionName": "count", "Runtime": "python3.12", "Handler": "f.handle",
        "Role": role, "Code": {"ZipFile": STANDARD.encode(EMPTY_ARCHIVE)}});
    let path = "2015-03-31/functions";
    moto.anybody().post("lambda", path, &function).await;
}

/// The end of an archive, which is all there is of an empty one.
const EMPTY_ARCHIVE: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_is_invoked_by_whoever_has_the_right() {
    let moto = Moto::start().await;
    let role = moto.role("runner", &[INVOKE]).await;
    make_function(&moto, &role).await;
    let user = moto.user("invoker", &[INVOKE]).await;
    let nobody = moto.user("nobody", &["sqs:*"]).await;
    moto.be_strict().await;
    let outside = outside(KEYS, &moto.url()).await;
    let (access, secret) = user.keys();
    set_keys(&outside, (access, "mistaken"));
    let mut pod = outside.start().await;
    outside.publish(r#"{"ship": "Argo"}"#).await;
    let is_said = |part: &'static str| {
        move |report: &Value| report["parts"][0]["health"].to_string().contains(part)
    };
    pod.reported("a login that is refused", is_said("SignatureDoesNotMatch"))
        .await;
    pod.reported("where it is", is_said("Secret ns/aws")).await;
    assert!(!pod.output().contains("mistaken"));
    pod.stop().await;
    set_keys(&outside, nobody.keys());
    // What waited is a dead letter: events are acknowledged before.
    let pod = outside.start().await;
    outside.publish(r#"{"ship": "Argo"}"#).await;
    pod.reported("a right that is missing", is_said("AccessDenied"))
        .await;
    set_keys(&outside, (access, secret));
    until_counted(&pod, "fired", 1).await;
    // By its ARN, whose colons are encoded in the path.
    let function = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:count");
    let event = json!({"ship": "Argo", "function": function, "type": "Event"});
    outside.publish(&event.to_string()).await;
    until_counted(&pod, "fired", 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_is_taken_with_the_login_of_the_pod() {
    let moto = Moto::start().await;
    let role = moto.role("invoker", &[INVOKE]).await;
    make_function(&moto, &role).await;
    let user = moto.user("pod", &["sts:AssumeRole"]).await;
    moto.be_strict().await;
    let mut outside = outside(&format!("roleARN: {role}"), &moto.url()).await;
    let (access, secret) = user.keys();
    outside.pod.set("AWS_ACCESS_KEY_ID", access);
    outside.pod.set("AWS_SECRET_ACCESS_KEY", secret);
    let pod = outside.start().await;
    outside.publish(r#"{"ship": "Argo"}"#).await;
    until_counted(&pod, "fired", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_lambda_is_waited_for_and_a_function_that_fails_is_a_dead_letter() {
    let times: Mutex<HashMap<String, usize>> = Mutex::default();
    let lambda = Web::start(move |asked| {
        if asked.path.contains("/functions/none/") {
            return answer(404)
                .header("x-amzn-ErrorType", "ResourceNotFoundException")
                .body(r#"{"Type":"User","Message":"Function not found"}"#);
        }
        let body = String::from_utf8_lossy(&asked.body).into_owned();
        let mut times = times.lock().unwrap();
        let time = times.entry(body.clone()).or_default();
        *time += 1;
        match (body.as_str(), *time) {
            (r#"{"ship":"busy"}"#, 1) => answer(429)
                .header("Retry-After", "1")
                .header("x-amzn-ErrorType", "TooManyRequestsException")
                .body(r#"{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded"}"#),
            (r#"{"ship":"bad"}"#, _) => answer(200)
                .header("X-Amz-Function-Error", "Unhandled")
                .body(r#"{"errorMessage":"sunk"}"#),
            _ => answer(200).body("null"),
        }
    })
    .await;
    let outside = outside(KEYS, &lambda.url("")).await;
    set_keys(&outside, ("AKIA", "s3cret"));
    let pod = outside.start().await;
    outside.publish(r#"{"ship": "busy"}"#).await;
    until_counted(&pod, "fired", 1).await;
    outside.publish(r#"{"ship": "bad"}"#).await;
    until_counted(&pod, "dead_lettered", 1).await;
    let elsewhere = r#"{"ship": "Argo", "function": "none"}"#;
    outside.publish(elsewhere).await;
    until_counted(&pod, "dead_lettered", 2).await;
    let asked = lambda.asked();
    let bodies: Vec<_> = asked.iter().map(|asked| asked.body.as_ref()).collect();
    let busy = br#"{"ship":"busy"}"#;
    assert_eq!(bodies[..3], [&busy[..], busy, br#"{"ship":"bad"}"#]);
    let first = &asked[0];
    assert_eq!(first.path, "/2015-03-31/functions/count/invocations");
    assert_eq!(first.headers["x-amz-invocation-type"], "RequestResponse");
    let context = |index: usize| {
        let context = &asked[index].headers["x-amz-client-context"];
        let context = STANDARD.decode(context).unwrap();
        let context: Value = serde_json::from_slice(&context).unwrap();
        context["custom"]["tiphys-event-id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(context(0), context(1));
    assert_ne!(context(1), context(2));
    let signed = &first.headers["authorization"];
    assert!(
        signed.contains("SignedHeaders=content-type;host;x-amz-client-context;"),
        "{signed}"
    );
}

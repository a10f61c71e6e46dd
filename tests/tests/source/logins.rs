//! Where a pod finds its login of AWS: with servers of our own for what is beside a container, for an instance of EC2
//! and for STS, which say what those say.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tiphys_testbed::{Nats, NatsOptions};
use tiphys_tests::web::{Answer, Asked, Web, answer};
use tiphys_tests::{Pod, eventually, programs, stored_object};

/// What is asked for a login, and SQS in one, whose queue is empty. A login whose key is `ENDED` has ended.
async fn amazon() -> Web {
    Web::start(|asked| {
        let header = |name: &str| asked.headers.get(name).map(String::as_str);
        let body = String::from_utf8_lossy(&asked.body).into_owned();
        match (asked.method.as_str(), asked.path.as_str()) {
            ("GET", "/container") if header("authorization") == Some("first") => given("ENDED"),
            ("GET", "/container") if header("authorization") == Some("second") => given("CONTAINER"),
            ("PUT", "/latest/api/token") if header("x-aws-ec2-metadata-token-ttl-seconds").is_some() => {
                answer(200).body("imds")
            }
            ("GET", path) if header("x-aws-ec2-metadata-token") == Some("imds") => {
                match path.strip_prefix("/latest/meta-data/iam/security-credentials/") {
                    Some("") => answer(200).body("sailor"),
                    Some("sailor") => given("INSTANCE"),
                    _ => answer(404),
                }
            }
            ("POST", "/") if body.starts_with("Action=AssumeRoleWithWebIdentity&") => {
                assert_eq!(header("authorization"), None);
                let is_right = body.ends_with(
                    "&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=tiphys&WebIdentityToken=jwt",
                );
                if is_right { assumed() } else { answer(400) }
            }
            ("POST", "/") => sqs(asked),
            _ => answer(404),
        }
    })
    .await
}

fn sqs(asked: &Asked) -> Answer {
    if asked.headers["authorization"].contains("Credential=ENDED/") {
        let body = r#"{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"it has ended"}"#;
        return answer(400).body(body);
    }
    if asked.headers["x-amz-target"] == "AmazonSQS.GetQueueUrl" {
        return answer(200).body(r#"{"QueueUrl":"http://q/1/orders"}"#);
    }
    answer(200)
        .body("{}")
        .after(std::time::Duration::from_millis(200))
}

/// A login, as container and instance write it.
fn given(key: &str) -> Answer {
    let login = json!({"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": key,
        "SecretAccessKey": "s3cret", "Token": format!("token of {key}"),
        "LastUpdated": "2026-01-02T03:04:05Z", "Expiration": "2100-01-02T03:04:05Z"});
    answer(200).body(login.to_string())
}

/// A login, as STS writes it.
fn assumed() -> Answer {
    answer(200).body(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <AssumeRoleWithWebIdentityResult><Audience>sts.amazonaws.com</Audience><Credentials>\
         <AccessKeyId>IDENTITY</AccessKeyId><SecretAccessKey>s3cret</SecretAccessKey>\
         <SessionToken>token of IDENTITY</SessionToken><Expiration>2100-01-02T03:04:05Z</Expiration>\
         </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
    )
}

/// A bus, and pods of an event source without a login of its own.
async fn pods(amazon: &Web) -> (Nats, Pod) {
    let starting = tokio::task::spawn_blocking(|| Nats::start(programs(), &NatsOptions::default()));
    let nats = starting.await.unwrap().unwrap();
    let event = json!({"region": "eu-west-1", "queue": "orders"});
    let object = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "EventSource",
        "metadata": {"name": "es"}, "spec": {"sqs": {"ev": event}}});
    let object = stored_object("ns", &object.to_string());
    let mut pod = Pod::at(Path::new("/nowhere"), "ns", &nats.url(), &object);
    // Whoever runs this may have a login.
    for name in [
        "AWS_ACCESS_KEY_ID",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    ] {
        pod.set(name, "");
    }
    pod.set("AWS_ENDPOINT_URL", amazon.url(""));
    pod.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", amazon.url(""));
    (nats, pod)
}

/// Waits until messages are received by whoever has this access key, with its token.
async fn received_as(amazon: &Web, key: &str) {
    let asked = eventually("a login that counts", || async {
        let mut asked = amazon.asked().into_iter();
        asked.find(|asked| {
            let target = asked.headers.get("x-amz-target");
            target.is_some_and(|target| target == "AmazonSQS.ReceiveMessage")
        })
    })
    .await;
    let signed = &asked.headers["authorization"];
    assert!(signed.contains(&format!("Credential={key}/")), "{signed}");
    assert!(signed.contains(";x-amz-security-token;"), "{signed}");
    assert_eq!(
        asked.headers["x-amz-security-token"],
        format!("token of {key}")
    );
}

fn file(text: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_is_given_for_the_token_of_a_service_account() {
    let amazon = amazon().await;
    let (_nats, mut pod) = pods(&amazon).await;
    let token = file("jwt\n");
    pod.set("AWS_WEB_IDENTITY_TOKEN_FILE", token.path());
    pod.set("AWS_ROLE_ARN", "arn:aws:iam::1:role/r");
    let _tiphys = pod.start("pod-0");
    received_as(&amazon, "IDENTITY").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_from_beside_the_container_that_has_ended_is_asked_for_again() {
    let amazon = amazon().await;
    let (_nats, mut pod) = pods(&amazon).await;
    let token = file("first");
    pod.set(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        amazon.url("/container"),
    );
    pod.set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.path());
    let tiphys = pod.start("pod-0");
    let has_ended = |report: &Value| {
        let health = &report["parts"][0]["health"];
        health["reason"] == "Unauthorized" && health.to_string().contains("the login of the pod")
    };
    tiphys.reported("a login that has ended", has_ended).await;
    std::fs::write(token.path(), "second").unwrap();
    received_as(&amazon, "CONTAINER").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_is_asked_last() {
    let amazon = amazon().await;
    let (_nats, pod) = pods(&amazon).await;
    let _tiphys = pod.start("pod-0");
    received_as(&amazon, "INSTANCE").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_without_a_login_says_what_it_has_looked_for() {
    let amazon = amazon().await;
    let (_nats, mut pod) = pods(&amazon).await;
    pod.set("AWS_EC2_METADATA_DISABLED", "true");
    let tiphys = pod.start("pod-0");
    let is_missing = |report: &Value| report["parts"][0]["health"]["reason"] == "Missing";
    let report = tiphys.reported("that there is no login", is_missing).await;
    let health = report["parts"][0]["health"].to_string();
    for part in [
        "there is no login of AWS: the environment has none",
        "set accessKey and secretKey, or give a role to the service account of the pod",
    ] {
        assert!(health.contains(part), "{health}");
    }
}

//! Logins by what somebody else vouches for: tokens, and what a pod is at AWS.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};
use tiphys_tests::web::{Web, answer};

use super::super::stage::{PASSWORD, Stage, listening, refused};
use super::super::{Kind as _, Wanted};
use super::{Topic, sasl};

/// A token that nobody signs: a broker of a test believes it.
fn token() -> String {
    let now = Timestamp::now().as_second();
    let claims = json!({"sub": "tiphys", "iat": now, "exp": now + 3600});
    let parts = [json!({"alg": "none"}), claims];
    let [header, claims] = parts.map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    format!("{header}.{claims}.")
}

const WANTED: Wanted = Wanted {
    password: Some(PASSWORD),
    tls: false,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_granted_to_a_client() {
    let granting = Web::start(|asked| {
        // tiphys:s3cr%2Bt, encoded as RFC 6749 wants it.
        let login = asked.headers.get("authorization").map(String::as_str);
        if login != Some("Basic dGlwaHlzOnMzY3IlMkJ0") {
            return answer(401).body(r#"{"error":"invalid_client"}"#);
        }
        assert_eq!(
            &asked.body[..],
            b"grant_type=client_credentials&scope=kafka+orders"
        );
        let granted = json!({"access_token": token(), "token_type": "Bearer", "expires_in": 3600});
        answer(200).body(granted.to_string())
    })
    .await;
    let with_tokens = |event: &mut Value| {
        event["sasl"] = sasl("OAUTHBEARER");
        let url = granting.url("/token");
        event["sasl"]["oauth"] = json!({"tokenURL": url, "scopes": ["kafka", "orders"]});
    };
    let mut stage = Stage::<Topic<true>>::new(WANTED, "", with_tokens).await;
    stage.set_password("mistaken");
    let tiphys = stage.pods.start("pod-0");
    let health = refused(&tiphys, "Unauthorized").await;
    let message = health["message"].as_str().unwrap();
    assert!(
        message.contains("401 Unauthorized: {\"error\":\"invalid_client\"}"),
        "{message}"
    );
    assert!(!message.contains("mistaken"), "{message}");
    stage.set_password("s3cr+t");
    listening(&tiphys).await;
    stage.broker.send(0..10).await;
    stage.stored(10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_may_be_in_a_secret() {
    let with_token = |event: &mut Value| event["sasl"] = sasl("OAUTHBEARER");
    let mut stage = Stage::<Topic<true>>::new(WANTED, "", with_token).await;
    stage.set_password(&token());
    let tiphys = stage.pods.start("pod-0");
    listening(&tiphys).await;
    stage.broker.send(0..10).await;
    stage.stored(10).await;
}

/// No broker here knows the mechanism of MSK, and says so when it is asked for it over TLS.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_pod_is_at_aws_is_shown_to_brokers() {
    let wanted = Wanted {
        password: Some(PASSWORD),
        tls: true,
    };
    let with_iam = |event: &mut Value| {
        event.as_object_mut().unwrap().remove("sasl");
        event["awsMskIamAuth"] = json!({"region": "eu-west-1"});
    };
    let mut stage = Stage::<Topic<true>>::new(wanted, "", with_iam).await;
    stage.set_certificates(stage.broker.certificates().unwrap());
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ] {
        stage.pods.set(name, value);
    }
    let tiphys = stage.pods.start("pod-0");
    let is_refused = |report: &Value| report["parts"][0]["health"]["ok"] == false;
    let report = tiphys.reported("a refusal", is_refused).await;
    let health = &report["parts"][0]["health"];
    let message = health["message"].as_str().unwrap();
    assert!(message.contains("UnsupportedSaslMechanism"), "{message}");
    assert!(message.contains("spec.kafka.ev.awsMskIamAuth"), "{message}");
}

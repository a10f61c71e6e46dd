//! Servers that speak as AWS does, and whoever sets them up.

use http::header::{CONTENT_TYPE, HeaderName};
use jiff::Timestamp;
use serde_json::{Value, json};
use tiphys_clients::aws::{Login, ToSign, sign};
use tiphys_clients::http::{Pool, Settings, parse, read};
use tiphys_clients::tls::Tls;
use tiphys_testbed::{Broker, BrokerOptions, BrokerServer};

use crate::wait::eventually;

/// The region of everything.
pub const REGION: &str = "eu-west-1";

/// The account that Moto has.
pub const ACCOUNT: &str = "123456789012";

/// How much of an answer is read.
const ANSWER: usize = 64 << 20;

/// Somebody who asks a server.
#[derive(Debug)]
pub struct Aws {
    url: String,
    login: Login,
    http: Pool,
}

impl Aws {
    /// Somebody with these keys asks the server at `url`.
    pub fn new(url: String, access_key: &str, secret_key: &str) -> Self {
        Self {
            url,
            login: Login {
                access_key: access_key.to_owned(),
                secret_key: secret_key.to_owned(),
                session_token: None,
            },
            http: Pool::default(),
        }
    }

    /// The access key and the secret key.
    pub fn keys(&self) -> (&str, &str) {
        (&self.login.access_key, &self.login.secret_key)
    }

    /// Calls an operation of SQS, for as long as it takes until the server is there.
    ///
    /// # Panics
    /// When the server says no.
    pub async fn sqs(&self, operation: &str, body: &Value) -> Value {
        let target = ("x-amz-target", format!("AmazonSQS.{operation}"));
        let kind = "application/x-amz-json-1.0";
        let body = body.to_string();
        let answer = self.ask("sqs", "", kind, Some(target), &body).await;
        serde_json::from_str(&answer).unwrap_or_default()
    }

    /// Calls an operation of a service that takes a form.
    ///
    /// # Panics
    /// When the server says no.
    pub async fn query(&self, service: &str, form: &[(&str, &str)]) -> String {
        let encode = |text: &str| tiphys_clients::aws::encode(text).replace('/', "%2F");
        let pairs = form
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)));
        let body = pairs.collect::<Vec<_>>().join("&");
        let kind = "application/x-www-form-urlencoded";
        self.ask(service, "", kind, None, &body).await
    }

    /// Sends JSON to a path.
    ///
    /// # Panics
    /// When the server says no.
    pub async fn post(&self, service: &str, path: &str, body: &Value) -> String {
        let body = body.to_string();
        self.ask(service, path, "application/json", None, &body)
            .await
    }

    async fn ask(
        &self,
        service: &str,
        path: &str,
        kind: &'static str,
        header: Option<(&'static str, String)>,
        body: &str,
    ) -> String {
        let url = parse(&format!("{}/{path}", self.url)).expect("a URL");
        let mut headers = http::HeaderMap::new();
        headers.insert(CONTENT_TYPE, kind.parse().expect("a header"));
        if let Some((name, value)) = header {
            let name = HeaderName::from_static(name);
            headers.insert(name, value.parse().expect("a header"));
        }
        let settings = Settings {
            tls: Tls::default(),
            proxies: false,
            follows: false,
        };
        let client = self.http.get(&settings).expect("a client");
        let mut response = eventually("an answer", || async {
            let request = ToSign {
                method: &http::Method::POST,
                url: &url,
                region: REGION,
                service,
                headers: &headers,
                body: body.as_bytes(),
            };
            let headers = sign(&request, &self.login, Timestamp::now()).expect("a signature");
            let request = client.post(url.clone()).headers(headers);
            request.body(body.to_owned()).send().await.ok()
        })
        .await;
        let status = response.status();
        let (answer, _) = read(&mut response, ANSWER).await.expect("an answer");
        let answer = String::from_utf8(answer).expect("a text");
        assert!(status.is_success(), "{status}: {answer}");
        answer
    }
}

/// Moto: all of AWS.
#[derive(Debug)]
pub struct Moto {
    /// The process.
    pub server: BrokerServer,
}

impl Moto {
    /// Starts one that lets everybody do everything.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn start() -> Self {
        let starting = || BrokerServer::start(Broker::Moto, &BrokerOptions::default());
        let server = tokio::task::spawn_blocking(starting).await;
        Self {
            server: server.expect("a thread").expect("Moto starts"),
        }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Somebody who may do everything.
    pub fn anybody(&self) -> Aws {
        Aws::new(self.url(), "anybody", "anything")
    }

    /// Makes a user who may do `actions`, such as `sqs:*`.
    pub async fn user(&self, name: &str, actions: &[&str]) -> Aws {
        let anybody = self.anybody();
        let version = ("Version", "2010-05-08");
        let user = ("UserName", name);
        let create = [("Action", "CreateUser"), version, user];
        anybody.query("iam", &create).await;
        let policy = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": actions, "Resource": "*"}]});
        let put = [
            ("Action", "PutUserPolicy"),
            version,
            user,
            ("PolicyName", "all"),
            ("PolicyDocument", &policy.to_string()),
        ];
        anybody.query("iam", &put).await;
        let create = [("Action", "CreateAccessKey"), version, user];
        let made = anybody.query("iam", &create).await;
        let access_key = between(&made, "AccessKeyId");
        let secret_key = between(&made, "SecretAccessKey");
        Aws::new(self.url(), access_key, secret_key)
    }

    /// Makes a role that anybody of the account may take, and that may do `actions`. Its ARN.
    pub async fn role(&self, name: &str, actions: &[&str]) -> String {
        let anybody = self.anybody();
        let version = ("Version", "2010-05-08");
        let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
            "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]});
        let create = [
            ("Action", "CreateRole"),
            version,
            ("RoleName", name),
            ("AssumeRolePolicyDocument", &trust.to_string()),
        ];
        anybody.query("iam", &create).await;
        let policy = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": actions, "Resource": "*"}]});
        let put = [
            ("Action", "PutRolePolicy"),
            version,
            ("RoleName", name),
            ("PolicyName", "all"),
            ("PolicyDocument", &policy.to_string()),
        ];
        anybody.query("iam", &put).await;
        format!("arn:aws:iam::{ACCOUNT}:role/{name}")
    }

    /// From now on signatures and rights count.
    pub async fn be_strict(&self) {
        let anybody = self.anybody();
        anybody
            .ask("moto", "moto-api/reset-auth", "text/plain", None, "0")
            .await;
    }

    /// Lets functions run without docker: they give back what they are called with.
    pub async fn run_functions(&self) {
        let settings = json!({"lambda": {"use_docker": false}});
        self.anybody()
            .post("moto", "moto-api/config", &settings)
            .await;
    }
}

/// What stands between the first tags of this name.
///
/// # Panics
/// When there are none.
pub fn between<'a>(xml: &'a str, tag: &str) -> &'a str {
    let (_, rest) = xml
        .split_once(&format!("<{tag}>"))
        .unwrap_or_else(|| panic!("no {tag} in {xml}"));
    rest.split('<').next().unwrap_or_default()
}

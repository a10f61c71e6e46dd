//! What the environment of the process says of AWS, by the variables that AWS's own libraries read.

use std::net::IpAddr;

use reqwest::Url;

use super::Login;

/// Where an instance of EC2 finds out about itself.
const METADATA: &str = "http://169.254.169.254";
const METADATA_IPV6: &str = "http://[fd00:ec2::254]";

/// Where a task of ECS finds its login.
const CONTAINER: &str = "http://169.254.170.2";

/// Where pods of EKS and tasks of ECS find their login, without encryption.
const CONTAINER_HOSTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];

/// What the environment says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// Keys.
    pub(super) login: Option<Login>,
    /// A token of somebody else's that a role is given for, such as that of a service account (IRSA).
    pub(super) web_identity: Option<WebIdentity>,
    /// A service beside the container (EKS Pod Identity, ECS).
    pub(super) container: Option<Container>,
    /// The service of EC2 instances; `None`: it is not to be asked.
    pub(super) metadata: Option<String>,
    /// Servers instead of AWS: all of them, or that of a service in capitals.
    endpoint: Option<String>,
    endpoints: Vec<(&'static str, String)>,
}

/// A token of somebody else's, and the role that is given for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WebIdentity {
    /// The file of the token, which is renewed.
    pub(super) file: String,
    pub(super) role: String,
    pub(super) session: Option<String>,
}

/// A service beside the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Container {
    pub(super) url: String,
    /// The file of what it is asked with, which is renewed.
    pub(super) token_file: Option<String>,
    pub(super) token: Option<String>,
}

/// The services that are asked.
const SERVICES: [&str; 4] = ["LAMBDA", "SNS", "SQS", "STS"];

impl Environment {
    /// Reads variables; an empty one is none.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| variable(name).filter(|value| !value.is_empty());
        let is_true =
            |name: &str| get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let metadata = match get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE") {
            Some(mode) if mode.eq_ignore_ascii_case("ipv6") => METADATA_IPV6,
            _ => METADATA,
        };
        let metadata = get("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or(metadata.to_owned());
        let ignores = is_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
        let endpoint = |name: &str| get(name).filter(|_| !ignores);
        Self {
            login: login(&get),
            web_identity: web_identity(&get),
            container: container(&get),
            metadata: Some(metadata).filter(|_| !is_true("AWS_EC2_METADATA_DISABLED")),
            endpoint: endpoint("AWS_ENDPOINT_URL"),
            endpoints: SERVICES
                .into_iter()
                .filter_map(|name| Some((name, endpoint(&format!("AWS_ENDPOINT_URL_{name}"))?)))
                .collect(),
        }
    }

    /// That of this process.
    pub fn of_process() -> Self {
        Self::read(|name| std::env::var(name).ok())
    }

    /// The server of a service, such as `sqs`, if it is not that of AWS.
    pub(super) fn endpoint(&self, service: &str) -> Option<&str> {
        let own = self
            .endpoints
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(service));
        own.map(|(_, url)| url.as_str())
            .or(self.endpoint.as_deref())
    }
}

fn login(get: &impl Fn(&str) -> Option<String>) -> Option<Login> {
    Some(Login {
        access_key: get("AWS_ACCESS_KEY_ID")?,
        secret_key: get("AWS_SECRET_ACCESS_KEY")?,
        session_token: get("AWS_SESSION_TOKEN"),
    })
}

fn web_identity(get: &impl Fn(&str) -> Option<String>) -> Option<WebIdentity> {
    Some(WebIdentity {
        file: get("AWS_WEB_IDENTITY_TOKEN_FILE")?,
        role: get("AWS_ROLE_ARN")?,
        session: get("AWS_ROLE_SESSION_NAME"),
    })
}

fn container(get: &impl Fn(&str) -> Option<String>) -> Option<Container> {
    let url = match get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        Some(path) => format!("{CONTAINER}{path}"),
        None => get("AWS_CONTAINER_CREDENTIALS_FULL_URI")?,
    };
    Some(Container {
        url,
        token_file: get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
        token: get("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    })
}

/// Whether a login may be fetched from there: from anywhere it is encrypted, from beside the container it
/// need not be.
pub(super) fn is_beside(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
    let is_own = address.map_or(host == "localhost", |address| address.is_loopback());
    url.scheme() == "https" || is_own || CONTAINER_HOSTS.contains(&host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Environment {
        Environment::read(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_login_is_looked_for_where_the_libraries_of_aws_look() {
        let nothing = read(&[("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_ROLE_ARN", "")]);
        assert_eq!(
            nothing,
            Environment {
                metadata: Some("http://169.254.169.254".to_owned()),
                ..Environment::default()
            }
        );
        let all = read(&[
            ("AWS_ACCESS_KEY_ID", "AKIA"),
            ("AWS_SECRET_ACCESS_KEY", "s3cret"),
            ("AWS_SESSION_TOKEN", "t"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
            ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"),
            (
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                "http://169.254.170.23/v1/credentials",
            ),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/pod-token"),
            ("AWS_EC2_METADATA_DISABLED", "TRUE"),
        ]);
        let login = all.login.unwrap();
        assert_eq!(login.access_key, "AKIA");
        assert_eq!(login.session_token.as_deref(), Some("t"));
        let web = all.web_identity.unwrap();
        assert_eq!(
            (web.file.as_str(), web.role.as_str()),
            ("/token", "arn:aws:iam::1:role/r")
        );
        let container = all.container.unwrap();
        assert_eq!(container.url, "http://169.254.170.23/v1/credentials");
        assert_eq!(container.token_file.as_deref(), Some("/pod-token"));
        assert_eq!(all.metadata, None);
        let task = read(&[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x")]);
        assert_eq!(task.container.unwrap().url, "http://169.254.170.2/v2/x");
    }

    #[test]
    fn a_server_of_a_service_goes_before_that_of_all() {
        let both = [
            ("AWS_ENDPOINT_URL", "http://all"),
            ("AWS_ENDPOINT_URL_SQS", "http://sqs"),
        ];
        assert_eq!(read(&both).endpoint("sqs"), Some("http://sqs"));
        assert_eq!(read(&both).endpoint("sts"), Some("http://all"));
        let ignored = [
            both[0],
            both[1],
            ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"),
        ];
        assert_eq!(read(&ignored).endpoint("sqs"), None);
    }

    #[test]
    fn a_login_in_plain_text_comes_from_beside_the_container_alone() {
        for (url, expected) in [
            ("http://127.0.0.1:80/x", true),
            ("http://localhost/x", true),
            ("http://169.254.170.23/v1", true),
            ("http://[fd00:ec2::23]/v1", true),
            ("https://login.example/x", true),
            ("http://login.example/x", false),
            ("http://169.254.170.23.example/x", false),
        ] {
            assert_eq!(is_beside(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}

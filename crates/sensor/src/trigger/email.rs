//! The `email` trigger: sends a mail to each address.

use std::hash::{Hash as _, Hasher};
use std::time::Duration;

use data_encoding::HEXLOWER;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::{AsyncSmtpTransport, Error as SmtpError};
use lettre::{Address, AsyncTransport as _, Tokio1Executor};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tiphys_api::message::with_causes;
use tiphys_api::{
    EmailTrigger, Problem, SecretKeySelector, TriggerKind, TriggerParameter, TriggerTemplate,
    field_path,
};
use tiphys_base::Failure;
use tiphys_clients::ValueRef;

use super::fire::Input;
use super::perform::Context;
use super::{Caller, FireError, Kind, Part, PerformError, Unmet};

/// The port on which a connection is encrypted from its beginning.
const ENCRYPTED: u16 = 465;

/// How long each answer of the server may take.
const WITHIN: Duration = Duration::from_secs(30);

/// A mail to be sent to each of some addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// Host of the server.
    pub host: String,
    /// Port of the server.
    pub port: u16,
    /// Address of the sender.
    pub from: String,
    /// The addresses; each gets a mail of its own.
    pub to: Vec<String>,
    /// One line.
    pub subject: String,
    /// The text.
    pub body: String,
    /// What the mails are known by, with their addresses: mail systems fold repeated ones.
    #[serde(skip)]
    pub id: String,
    /// Who to be. `None`: nobody in particular.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
}

/// Who to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Login {
    /// The name.
    pub username: String,
    /// Where the password is; none: it is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<ValueRef>,
}

/// A compiled `email` template.
#[derive(Debug)]
pub(super) struct Template {
    host: String,
    port: u16,
    from: String,
    to: Vec<String>,
    subject: String,
    body: String,
    username: String,
    password: Option<SecretKeySelector>,
}

impl Kind for Template {
    type Spec = EmailTrigger;
    type Action = Action;
    const KIND: TriggerKind = TriggerKind::Email;
    // A repeated mail has the same Message-ID, and who reads it may get it twice all the same.
    const REPEATABLE: bool = false;

    fn spec(template: &TriggerTemplate) -> Option<&EmailTrigger> {
        template.email.as_deref()
    }

    fn parameters(spec: &EmailTrigger) -> &[TriggerParameter] {
        &spec.parameters
    }

    fn compile(spec: &EmailTrigger, field: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let Ok(port) = u16::try_from(*spec.port) else {
            let message = "port has to be between 0 and 65535";
            problems.push(Problem::error(format!("{field}.port"), message));
            return None;
        };
        Some(Self {
            host: spec.host.to_string(),
            port,
            from: spec.from.to_string(),
            to: (*spec.to).clone(),
            subject: spec.subject.to_string(),
            body: spec.body.to_string(),
            username: spec.username.to_string(),
            password: spec.smtp_password.clone(),
        })
    }

    /// With what Argo Events says of it.
    fn unmet(&self, _: Option<&Action>) -> Vec<Unmet> {
        let empty = [
            ("to", self.to.is_empty()),
            ("body", self.body.is_empty()),
            ("subject", self.subject.is_empty()),
            ("host", self.host.is_empty()),
        ];
        let mut unmet: Vec<Unmet> = empty
            .into_iter()
            .filter(|(_, is_empty)| *is_empty)
            .map(|(name, _)| Unmet::new(name, format!("{name} can't be empty")))
            .collect();
        for (index, address) in self.to.iter().enumerate() {
            if address.parse::<Address>().is_err() {
                let message = format!("{address:?} is no address to send a mail to");
                unmet.push(Unmet::new(field_path::index("to", index), message));
            }
        }
        if self.from.parse::<Mailbox>().is_err() {
            let message = format!("{:?} is no address of a sender", self.from);
            unmet.push(Unmet::new("from", message));
        }
        unmet
    }

    fn render(&self, input: &mut Input<'_, '_>) -> Result<Action, FireError> {
        let login = (!self.username.is_empty()).then(|| Login {
            username: self.username.clone(),
            password: self
                .password
                .as_ref()
                .map(|key| ValueRef::secret(key, input.namespace)),
        });
        Ok(Action {
            host: self.host.clone(),
            port: self.port,
            from: self.from.clone(),
            to: self.to.clone(),
            subject: self.subject.clone(),
            body: self.body.clone(),
            id: input.message_id(),
            login,
        })
    }

    fn target(action: &Action, target: &mut impl Hasher) {
        (&action.host, action.port).hash(target);
    }

    fn describe(action: &Action) -> Vec<Part> {
        let Action {
            host,
            port,
            from,
            to,
            subject,
            ..
        } = action;
        let mut parts = vec![
            Part::Act(format!("mail {} by {host}:{port}", to.join(", "))),
            Part::Line(format!("from: {from}")),
            Part::Line(format!("subject: {subject}")),
        ];
        parts.extend(Part::lines(&action.body));
        parts
    }

    /// A mail that is refused keeps no other from being sent.
    async fn perform(
        action: &Action,
        context: &Context,
        _: Caller<'_>,
    ) -> Result<(), PerformError> {
        let server = server(action, context).await?;
        let mut sent = 0;
        let mut failed = Vec::new();
        for address in &action.to {
            let act = format!("mail {address}");
            let mail = mail(action, address).map_err(|error| format!("{act}: {error}"));
            let mail = mail.map_err(PerformError::refused)?;
            match server.send(mail).await {
                Ok(_) => sent += 1,
                // What is not sent to the first will not be to the next.
                Err(error) if sent == 0 && failed.is_empty() && is_unavailable(&error) => {
                    return Err(unavailable(action, &error));
                }
                Err(error) => failed.push(format!("{act}: {}", with_causes(&error))),
            }
        }
        if failed.is_empty() {
            return Ok(());
        }
        let public = format!("{} of {} mails were refused", failed.len(), action.to.len());
        let text = format!("{public}: {}", failed.join("; "));
        Err(PerformError::Refused(Failure::with_values(text, public)))
    }
}

/// The way to the server. Who logs in does so over an encrypted connection only, unless the server is on
/// this machine, as in Argo Events.
async fn server(
    action: &Action,
    context: &Context,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, PerformError> {
    let tls = TlsParameters::new(action.host.clone()).map_err(|error| {
        PerformError::refused(format!("prepare TLS for {}: {error}", action.host))
    })?;
    let is_local = matches!(action.host.as_str(), "localhost" | "127.0.0.1" | "::1");
    let tls = match &action.login {
        _ if action.port == ENCRYPTED => Tls::Wrapper(tls),
        Some(_) if !is_local => Tls::Required(tls),
        _ => Tls::Opportunistic(tls),
    };
    let mut server = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&action.host)
        .port(action.port)
        .tls(tls)
        .timeout(Some(WITHIN));
    if let Some(Login { username, password }) = &action.login {
        let password = match password {
            Some(password) => context.clients.values.find(password).await?.text(),
            None => String::new(),
        };
        server = server.credentials(Credentials::new(username.clone(), password));
    }
    Ok(server.build())
}

fn mail(
    action: &Action,
    address: &str,
) -> Result<Message, Box<dyn std::error::Error + Send + Sync>> {
    let digest = Sha256::digest(format!("{}/{address}", action.id));
    let id = format!("<{}@tiphys>", HEXLOWER.encode(&digest[..16]));
    let mail = Message::builder()
        .from(action.from.parse()?)
        .to(Mailbox::new(None, address.parse()?))
        .message_id(Some(id))
        .subject(&action.subject)
        .header(ContentType::TEXT_PLAIN)
        .body(action.body.clone())?;
    Ok(mail)
}

/// Whether the server has said nothing, or to come again, or does not let us in.
fn is_unavailable(error: &SmtpError) -> bool {
    !error.is_permanent() || error.status().is_some_and(is_of_login)
}

/// Whether an answer is about who asks: RFC 4954 §6.
fn is_of_login(code: lettre::transport::smtp::response::Code) -> bool {
    matches!(u16::from(code), 530 | 534 | 535 | 538)
}

fn unavailable(action: &Action, error: &SmtpError) -> PerformError {
    let Action { host, port, .. } = action;
    let message = format!("send a mail by {host}:{port}: {}", with_causes(error));
    let unavailable = PerformError::unavailable(message);
    if error.status().is_some_and(is_of_login) {
        return unavailable.with_hint("check `username` and `smtpPassword` of the trigger");
    }
    // What the client finds missing before it says anything of the mail is encryption, or a way to log in.
    if error.is_tls() || error.is_client() {
        return unavailable.with_hint(
            "whoever logs in needs a server that offers STARTTLS, or TLS on port 465, with a certificate that is \
             trusted, and AUTH PLAIN or LOGIN",
        );
    }
    unavailable
}

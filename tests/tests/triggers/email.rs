//! Stories of the `email` trigger.

use serde_json::{Value, json};
use tiphys_testbed::Certificates;
use tiphys_tests::eventually;
use tiphys_tests::mail::{MailOptions, MailServer};

use crate::outside::Outside;
use crate::running::{Running, Setting};

/// Of `\0jason\0fleece`.
const LOGIN: &str = "AGphc29uAGZsZWVjZQ==";

fn spec(host: &str, port: u16, more: &str) -> String {
    format!(
        "dependencies: [{{name: dep, eventSourceName: source, eventName: order}}]
triggers:
- template:
    name: tell
    email:
      host: {host}
      port: {port}
      from: Argo <argo@us.example>
      to: [crew@us.example]
      subject: An order
      body: to be replaced
      parameters:
      - {{src: {{dependencyName: dep, dataKey: text}}, dest: body}}
      - {{src: {{dependencyName: dep, dataKey: to, value: ''}}, dest: to.-1}}
{more}"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_address_gets_a_mail_of_its_own() {
    let server = MailServer::start(MailOptions::default()).await;
    let sensor = Running::start(&spec("127.0.0.1", server.port(), ""), Setting::default()).await;
    sensor
        .publish(
            "order",
            r#"{"text": "Sail, ho!\n.\nÄ\n", "to": "second@them.example"}"#,
        )
        .await;
    let mails = server.mails_times(2).await;
    let to: Vec<&str> = mails.iter().map(|mail| &*mail.to).collect();
    assert_eq!(to, ["crew@us.example", "second@them.example"]);
    let first = &mails[0];
    assert_eq!(first.from, "argo@us.example");
    assert!(!first.is_encrypted);
    let (head, body) = first.text.split_once("\r\n\r\n").unwrap();
    for line in [
        "From: Argo <argo@us.example>",
        "To: crew@us.example",
        "Subject: An order",
        "Content-Type: text/plain; charset=utf-8",
    ] {
        assert!(head.lines().any(|there| there == line), "{line} in {head}");
    }
    assert!(body.starts_with("Sail, ho!\r\n"), "{body}");
    let id = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("Message-ID: "));
        line.unwrap().to_owned()
    };
    assert!(id(&first.text).ends_with("@tiphys>"));
    assert_ne!(id(&first.text), id(&mails[1].text));

    // One that is refused keeps no other back, and is told.
    let both = r#"{"text": "again", "to": "nobody@them.example"}"#;
    sensor.publish("order", both).await;
    let letter = sensor.dead_letter().await;
    assert!(
        letter.error.contains("1 of 2 mails were refused"),
        "{letter:?}"
    );
    assert!(letter.error.contains("550"), "{letter:?}");
    assert_eq!(server.mails().len(), 3);
    sensor
        .publish("order", r#"{"text": "x", "to": "a b"}"#)
        .await;
    eventually("a second dead letter", || async {
        let letters = sensor.dead_letters().await;
        let error = "\"a b\" is no address to send a mail to";
        letters
            .iter()
            .any(|letter| letter.error.contains(error))
            .then_some(())
    })
    .await;
    sensor.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_that_is_put_off_is_sent_later() {
    let server = MailServer::start(MailOptions::default()).await;
    let spec = spec("localhost", server.port(), "").replace("crew@", "later@");
    let spec = spec.replace(
        "\n      - {src: {dependencyName: dep, dataKey: to, value: ''}, dest: to.-1}",
        "",
    );
    let sensor = Running::start(&spec, Setting::default()).await;
    sensor.publish("order", r#"{"text": "patience"}"#).await;
    let mails = server.mails_times(1).await;
    assert_eq!(mails[0].to, "later@us.example");
    assert!(sensor.dead_letters().await.is_empty());
    sensor.stop().await;
}

/// A host that is not this machine, for whoever looks at its name.
const ELSEWHERE: &str = "127.0.0.2";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_goes_over_an_encrypted_connection_only() {
    let certificates = Certificates::generate_for(&[ELSEWHERE]).unwrap();
    let open = MailServer::start(MailOptions {
        certificates: None,
        login: Some(LOGIN.to_owned()),
    })
    .await;
    let server = MailServer::start(MailOptions {
        certificates: Some(certificates.clone()),
        login: Some(LOGIN.to_owned()),
    })
    .await;
    let login = "      username: jason\n      smtpPassword: {name: mail, key: password}\n";
    for (port, password, hint) in [
        (open.port(), "fleece", "needs a server that offers STARTTLS"),
        (
            server.port(),
            "mistaken",
            "check `username` and `smtpPassword`",
        ),
    ] {
        let spec = spec(ELSEWHERE, port, login);
        let spec = spec.replace("dest: to.-1", "dest: subject");
        let outside = Outside::new(&spec, &certificates).await;
        outside
            .pod
            .volume("values/secrets/mail", &[("password", password.as_bytes())]);
        let pod = outside.start().await;
        outside
            .publish(&json!({"text": "secret", "to": "A ship"}).to_string())
            .await;
        let waits = |report: &Value| report["parts"][0]["health"]["ok"] == false;
        let report = pod.reported("a trigger that waits", waits).await;
        let health = report["parts"][0]["health"].to_string();
        assert!(health.contains(hint), "{health}");
        assert!(!pod.output().contains("mistaken"));
        if port == server.port() {
            outside
                .pod
                .volume("values/secrets/mail", &[("password", b"fleece")]);
            let mails = server.mails_times(1).await;
            assert!(mails[0].is_encrypted);
            assert_eq!(mails[0].login.as_deref(), Some(LOGIN));
            assert!(mails[0].text.contains("Subject: A ship"));
        }
    }
    assert!(open.mails().is_empty());
}

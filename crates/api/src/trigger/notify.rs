//! Triggers that send messages to people: Slack and e-mail.

use crate::given::{Given, object};
use crate::parameter::TriggerParameter;
use crate::secret::SecretKeySelector;

object! {
    /// Sends a Slack message.
    pub struct SlackTrigger {
        /// Values of the events that are written into this trigger, for example to `message`.
        parameters: Given<Vec<TriggerParameter>>,
        /// Secret with the token of the app.
        slack_token: Option<SecretKeySelector>,
        /// Channel to send to; a leading `#` does not matter.
        channel: Given<String>,
        /// The text.
        message: Given<String>,
        /// Attachments, as JSON.
        attachments: Given<String>,
        /// Blocks, as JSON.
        blocks: Given<String>,
        /// How messages are put into threads.
        thread: Option<SlackThread>,
        /// Who the message is from. Default: the app.
        sender: Option<SlackSender>,
    }
}

object! {
    /// How messages are put into threads.
    pub struct SlackThread {
        /// Messages with the same key go into one thread.
        message_aggregation_key: Given<String>,
        /// Messages of a thread are shown in the channel, too. Default: false.
        broadcast_message_to_channel: Given<bool>,
    }
}

object! {
    /// Who a message is from.
    pub struct SlackSender {
        /// Name to show.
        username: Given<String>,
        /// Picture to show: an emoji or a URL.
        icon: Given<String>,
    }
}

object! {
    /// Sends an e-mail.
    pub struct EmailTrigger {
        /// Values of the events that are written into this trigger, for example to `body`.
        parameters: Given<Vec<TriggerParameter>>,
        /// User name for the mail server.
        username: Given<String>,
        /// Secret with the password for the mail server.
        smtp_password: Option<SecretKeySelector>,
        /// Host of the mail server.
        host: Given<String>,
        /// Port of the mail server.
        port: Given<i32>,
        /// Addresses to send to, a mail each.
        to: Given<Vec<String>>,
        /// Address of the sender.
        from: Given<String>,
        /// Subject of the mail.
        subject: Given<String>,
        /// Text of the mail.
        body: Given<String>,
    }
}

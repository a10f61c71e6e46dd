//! Sources that need no broker: calendar, Slack, Stripe, gRPC.

use std::collections::BTreeMap;

use crate::event_source::common::EventSourceFilter;
use crate::event_source::webhook::WebhookContext;
use crate::given::{Given, object};
use crate::secret::SecretKeySelector;

object! {
    /// Publishes at points in time: one of `schedule` and `interval` is needed, `schedule` goes first.
    pub struct CalendarEventSource {
        /// Cron expression, for example `30 9 * * 1-5`; with six fields the first one is seconds. Also
        /// `@daily` and its like, and `@every 90s`.
        schedule: Given<String>,
        /// Time between two events, for example `10s`. At least one second.
        interval: Given<String>,
        /// Days without events: `EXDATE:` and dates like `20260101T000000Z`, separated by commas.
        exclusion_dates: Given<Vec<String>>,
        /// IANA name of the time zone of the schedule. Default: `UTC`.
        timezone: Given<String>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// Keeps the time of the last event, to catch up after a restart.
        persistence: Option<EventPersistence>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
    }
}

object! {
    /// How the time of the last event is kept.
    pub struct EventPersistence {
        /// What happens about events that were missed.
        catchup: Option<CatchupConfiguration>,
        /// Where the time is kept.
        config_map: Option<ConfigMapPersistence>,
    }
}

object! {
    /// What happens about events that were missed.
    pub struct CatchupConfiguration {
        /// They are published after a restart. Default: false.
        enabled: Given<bool>,
        /// Those before this time are not, for example `24h`. Default: all are.
        max_duration: Given<String>,
    }
}

object! {
    /// A ConfigMap that keeps the time of the last event.
    pub struct ConfigMapPersistence {
        /// Name of the ConfigMap.
        name: Given<String>,
        /// It is created if it is missing. Default: false.
        create_if_not_exist: Given<bool>,
    }
}

object! {
    /// Takes events of a Slack app.
    pub struct SlackEventSource {
        /// Secret with the secret that Slack signs with.
        signing_secret: Option<SecretKeySelector>,
        /// Secret with the token of the app.
        token: Option<SecretKeySelector>,
        /// Where Slack calls.
        webhook: Option<WebhookContext>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
    }
}

object! {
    /// Takes events of Stripe.
    pub struct StripeEventSource {
        /// Where Stripe calls.
        webhook: Option<WebhookContext>,
        /// The webhook is registered at Stripe; needs `apiKey`. Default: false.
        create_webhook: Given<bool>,
        /// Secret with the API key.
        api_key: Option<SecretKeySelector>,
        /// Types of events. Default: all.
        event_filter: Given<Vec<String>>,
        /// Secret with the secret that Stripe signs with (`whsec_…`). Not in Argo Events.
        signing_secret: Option<SecretKeySelector>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
    }
}

object! {
    /// Takes events from a gRPC server of your own.
    pub struct GenericEventSource {
        /// Address of the server.
        url: Given<String>,
        /// Text handed to the server.
        config: Given<String>,
        /// Plain text instead of TLS. Default: false.
        insecure: Given<bool>,
        /// The body is JSON. Default: false, it is published as Base64.
        json_body: Given<bool>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// Secret with a token for the server.
        auth_secret: Option<SecretKeySelector>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
    }
}

//! Who somebody is to an API server, and what he may do with a bus and its objects.
//!
//! Two doors ask in different words. Who looks from a desk acts with his own credentials: he may do what the
//! API server lets him. Who looks through a server that acts for him needs rights that are given for that
//! alone, as verbs of their own: who may read a payload or replay a dead letter may change no object.

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};

use crate::reach::{Error, refused};

const GROUP: &str = "argoproj.io";

/// What somebody wants to do in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Right {
    /// See which objects there are, and what becomes of events.
    Look,
    /// See what events carry.
    Payload,
    /// Have dead letters delivered again.
    Replay,
    /// Delete dead letters.
    Drop,
    /// Publish an event again.
    Send,
    /// Pause sensors and event sources, and let them go on.
    Pause,
}

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Somebody with his own credentials.
    Himself,
    /// A server, for somebody.
    Server,
}

impl Right {
    /// All rights.
    pub const ALL: [Self; 6] = [
        Self::Look,
        Self::Payload,
        Self::Replay,
        Self::Drop,
        Self::Send,
        Self::Pause,
    ];

    /// The verbs and the resources that it is made of: all of them are needed.
    pub fn verbs(self, actor: Actor) -> &'static [(&'static str, &'static str)] {
        const LOOK: &[(&str, &str)] = &[
            ("list", "eventsources"),
            ("list", "sensors"),
            ("list", "eventbus"),
        ];
        match (self, actor) {
            (Self::Look, _) => LOOK,
            (Self::Pause, Actor::Himself) => &[("patch", "eventsources"), ("patch", "sensors")],
            (Self::Pause, Actor::Server) => &[("pause", "eventsources"), ("pause", "sensors")],
            (Self::Payload, Actor::Server) => &[("payload", "eventbus")],
            (Self::Replay, Actor::Server) => &[("replay", "eventbus")],
            (Self::Drop, Actor::Server) => &[("drop", "eventbus")],
            (Self::Send, Actor::Server) => &[("send", "eventbus")],
            // Who has the login of a bus may do with it what he likes.
            (Self::Payload | Self::Replay | Self::Drop | Self::Send, Actor::Himself) => &[],
        }
    }

    /// What is missing for it, for people.
    pub fn missing(self, actor: Actor, namespace: &str) -> String {
        let verbs = self.verbs(actor).iter();
        let verbs: Vec<String> = verbs.map(|(verb, on)| format!("{verb} {on}")).collect();
        let verbs = verbs.join(", ");
        format!("a role has to allow it in namespace {namespace}: {verbs} ({GROUP})")
    }
}

/// The name of whoever a client speaks for.
///
/// # Errors
/// If the API server does not know him, or does not answer.
pub async fn name(client: &Client) -> Result<String, Error> {
    let api: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = api
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await;
    let review = review.map_err(|error| {
        let act = "ask the API server who this is".to_owned();
        refused(act, "create selfsubjectreviews", "", &error)
    })?;
    let info = review.status.and_then(|status| status.user_info);
    Ok(info.and_then(|info| info.username).unwrap_or_default())
}

/// Whether whoever a client speaks for may do something in a namespace.
///
/// # Errors
/// If the API server does not answer.
pub async fn may(
    client: &Client,
    actor: Actor,
    right: Right,
    namespace: &str,
) -> Result<bool, Error> {
    for (verb, resource) in right.verbs(actor) {
        if !is_allowed(client, verb, resource, namespace).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn is_allowed(
    client: &Client,
    verb: &str,
    resource: &str,
    namespace: &str,
) -> Result<bool, Error> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some(GROUP.to_owned()),
                resource: Some(resource.to_owned()),
                verb: Some(verb.to_owned()),
                namespace: Some(namespace.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let review = api.create(&PostParams::default(), &review).await;
    let review = review.map_err(|error| {
        let act = format!("ask the API server whether this user may {verb} {resource}");
        refused(act, "create selfsubjectaccessreviews", namespace, &error)
    })?;
    Ok(review.status.is_some_and(|status| status.allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_acts_for_somebody_needs_rights_of_their_own() {
        for (right, expected) in [
            (Right::Payload, "payload eventbus"),
            (Right::Replay, "replay eventbus"),
            (Right::Drop, "drop eventbus"),
            (Right::Send, "send eventbus"),
            (Right::Pause, "pause eventsources, pause sensors"),
            (
                Right::Look,
                "list eventsources, list sensors, list eventbus",
            ),
        ] {
            assert_eq!(
                right.missing(Actor::Server, "harbour"),
                format!("a role has to allow it in namespace harbour: {expected} (argoproj.io)")
            );
        }
        for right in Right::ALL {
            let verbs = right.verbs(Actor::Himself).iter();
            assert!(
                verbs
                    .clone()
                    .all(|(verb, _)| ["list", "patch"].contains(verb)),
                "{right:?}"
            );
        }
    }
}

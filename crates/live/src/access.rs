//! Who somebody is to an API server, and what he may do with a bus and what lives on it.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use tiphys_api::GROUP;

use crate::reach::{Error, answered};

const BUSES: &str = "eventbus";

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// See which objects and events there are, and what became of them.
    Look,
    /// See the values of events, and whatever may hold one.
    Payload,
    /// Deliver events of dead letters again.
    Replay,
    /// Delete dead letters.
    Drop,
    /// Publish events.
    Send,
    /// Pause event sources and sensors, and let them go on.
    Pause,
}

/// What a role has to allow for a right, of objects of `argoproj.io`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    right: Right,
    verb: &'static str,
    resource: &'static str,
}

const fn need(right: Right, verb: &'static str, resource: &'static str) -> Need {
    Need {
        right,
        verb,
        resource,
    }
}

/// What whoever acts with his own login needs: his login to the bus is good for all the rest.
pub const OWN_LOGIN: [Need; 2] = [
    need(Right::Pause, "patch", "eventsources"),
    need(Right::Pause, "patch", "sensors"),
];

/// What somebody needs for whom another one acts, who has the login to the bus: verbs of their own, which roles
/// give. `deploy/base/aggregate-roles.yaml` has them for editors.
pub const BY_ANOTHER: [Need; 9] = [
    need(Right::Look, "list", BUSES),
    need(Right::Look, "list", "eventsources"),
    need(Right::Look, "list", "sensors"),
    need(Right::Payload, "payload", BUSES),
    need(Right::Replay, "replay", BUSES),
    need(Right::Drop, "drop", BUSES),
    need(Right::Send, "send", BUSES),
    need(Right::Pause, "pause", "eventsources"),
    need(Right::Pause, "pause", "sensors"),
];

/// Somebody, as an API server knows him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// His name.
    pub name: String,
    /// The rights that he does not have, each with what a role would have to allow.
    pub missing: BTreeMap<Right, String>,
}

/// Whom a client speaks for, and which of the rights that `needs` are about he has not in a namespace and with its
/// bus; `None` if the API server does not know him, or no longer.
///
/// # Errors
/// If the API server does not answer.
pub async fn who(
    client: &Client,
    (namespace, bus): (&str, &str),
    needs: &[Need],
) -> Result<Option<Who>, Error> {
    let Some(name) = name(client).await? else {
        return Ok(None);
    };
    let asked = needs.iter().map(|need| {
        // A list is never about one of them.
        let is_of_bus = need.resource == BUSES && need.verb != "list";
        may(client, need, namespace, is_of_bus.then_some(bus))
    });
    let mut lacking: BTreeMap<Right, Vec<String>> = BTreeMap::new();
    for (need, is_allowed) in needs.iter().zip(try_join_all(asked).await?) {
        if !is_allowed {
            let what = format!("{} {}", need.verb, need.resource);
            lacking.entry(need.right).or_default().push(what);
        }
    }
    let missing = lacking.into_iter().map(|(right, what)| {
        let what = what.join(", ");
        let why = format!("a role has to allow it in namespace {namespace}: {what} ({GROUP})");
        (right, why)
    });
    Ok(Some(Who {
        name,
        missing: missing.collect(),
    }))
}

async fn name(client: &Client) -> Result<Option<String>, Error> {
    let api: Api<SelfSubjectReview> = Api::all(client.clone());
    let (params, review) = (PostParams::default(), SelfSubjectReview::default());
    let review = async {
        match api.create(&params, &review).await {
            Err(kube::Error::Api(status)) if status.code == 401 => Ok(None),
            review => review.map(Some),
        }
    };
    let act = "ask the API server who this is".to_owned();
    let review = answered(act, ("create selfsubjectreviews", ""), review).await?;
    let info = review.map(|review| review.status.and_then(|status| status.user_info));
    Ok(info.map(|info| info.and_then(|info| info.username).unwrap_or_default()))
}

async fn may(
    client: &Client,
    need: &Need,
    namespace: &str,
    name: Option<&str>,
) -> Result<bool, Error> {
    let Need { verb, resource, .. } = need;
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some(GROUP.to_owned()),
                resource: Some((*resource).to_owned()),
                verb: Some((*verb).to_owned()),
                namespace: Some(namespace.to_owned()),
                name: name.map(str::to_owned),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let params = PostParams::default();
    let act = format!("ask the API server whether this user may {verb} {resource}");
    let right = ("create selfsubjectaccessreviews", namespace);
    let review = answered(act, right, api.create(&params, &review)).await?;
    Ok(review.status.is_some_and(|status| status.allowed))
}

//! Who somebody is to an API server, and whether he may pause what runs there.

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use tiphys_api::GROUP;

use crate::reach::{Error, refused};

/// What is patched when it is paused.
const PAUSED: [&str; 2] = ["eventsources", "sensors"];

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

/// What whoever a client speaks for has to be allowed to pause objects of a namespace, if anything.
///
/// # Errors
/// If the API server does not answer.
pub async fn missing_to_pause(client: &Client, namespace: &str) -> Result<Option<String>, Error> {
    for resource in PAUSED {
        if !may(client, "patch", resource, namespace).await? {
            return Ok(Some(format!(
                "a role has to allow it in namespace {namespace}: patch {resource} ({GROUP})"
            )));
        }
    }
    Ok(None)
}

async fn may(client: &Client, verb: &str, resource: &str, namespace: &str) -> Result<bool, Error> {
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

//! Acts on Argo Workflows as the `argo` program does, through the Kubernetes API.

use std::borrow::Cow;
use std::sync::Arc;

use tiphys_base::Failure;

use tiphys_clients::Error;
use tiphys_clients::kubernetes::{Answer, PatchStrategy, Target};
use tiphys_lang::json::{Map, Value};

use super::made::{again, bare, by_reference, change, from_cron};
use super::retry::{Retried, retry};
use super::steps::{self, Ended};
use super::{Action, Arguments, Operation};
use crate::trigger::Unmet;
use crate::trigger::k8s::{self, CONFLICTS, Executor, Ownership, Sent, member, text};
use crate::trigger::object::Object;

/// Acts on workflows.
struct Workflows<'e>(Executor<'e>);

/// Performs an action once.
pub(super) async fn perform(executor: Executor<'_>, action: &Action) -> Result<(), Error> {
    Workflows(executor).perform(action).await
}

impl Workflows<'_> {
    async fn perform(&self, action: &Action) -> Result<(), Error> {
        let object = self.0.object(&action.object).await?;
        // What was fetched is known only now.
        if matches!(action.object, Object::Fetched { .. })
            && let Some(unmet) = unmet(&object, action.operation, &action.arguments).first()
        {
            let public = "the object is none that can be submitted";
            return Err(Error::Refused(Failure::with_values(
                unmet.to_string(),
                public,
            )));
        }
        let target = match action.operation {
            Operation::Submit => self.submit(Arc::unwrap_or_clone(object), action).await?,
            Operation::SubmitFrom => {
                let workflow = self.render_template(&object, action).await?;
                self.submit(workflow, action).await?
            }
            Operation::Resubmit => {
                let workflow = self.render_again(&object, action).await?;
                self.submit(workflow, action).await?
            }
            Operation::Retry => self.retry(&object, action).await?,
            Operation::Suspend => self.set(&object, action, r#"{"suspend":true}"#).await?,
            Operation::Stop if !action.arguments.steps.is_empty() => {
                self.end_steps(&object, action, Ended::Failed).await?
            }
            Operation::Stop => self.set(&object, action, r#"{"shutdown":"Stop"}"#).await?,
            Operation::Terminate => {
                self.set(&object, action, r#"{"shutdown":"Terminate"}"#)
                    .await?
            }
            Operation::Resume => self.end_steps(&object, action, Ended::Succeeded).await?,
        };
        match &action.policy {
            Some(policy) => self.0.wait_for_labels(&target, policy).await,
            None => Ok(()),
        }
    }

    async fn submit(&self, mut workflow: Value, action: &Action) -> Result<Target, Error> {
        change(&mut workflow, &action.arguments);
        let target = self.0.target(&workflow, &action.ownership).await?;
        self.0.create(&workflow, &target, &action.ownership).await?;
        Ok(target)
    }

    /// The workflow that a template makes.
    async fn render_template(&self, object: &Value, action: &Action) -> Result<Value, Error> {
        let kind = text(object, &["kind"]).unwrap_or_default();
        let name = named(object, action.operation).map_err(Error::refused)?;
        let namespace = text(object, &["metadata", "namespace"]);
        match kind {
            "WorkflowTemplate" => Ok(by_reference(name, namespace, false)),
            "ClusterWorkflowTemplate" => Ok(by_reference(name, namespace, true)),
            "CronWorkflow" => {
                let target = self.0.target(object, &action.ownership).await?;
                match self.0.cluster.get(&target).await? {
                    Some(cron) => from_cron(&cron, name, target.namespace()),
                    None => Err(Error::refused(format!(
                        "submit from {target}: it does not exist"
                    ))),
                }
            }
            _ => Err(Error::refused(invalid_kind(kind))),
        }
    }

    /// The workflow that another one makes.
    async fn render_again(&self, object: &Value, action: &Action) -> Result<Value, Error> {
        let name = named(object, action.operation).map_err(Error::refused)?;
        let target = self.workflow(object, action).await?;
        match self.0.cluster.get(&target).await? {
            Some(live) => Ok(again(&live, name, target.namespace())),
            None => Err(Error::refused(format!(
                "resubmit {target}: it does not exist"
            ))),
        }
    }

    /// Sets fields of a workflow's spec.
    async fn set(&self, object: &Value, action: &Action, spec: &str) -> Result<Target, Error> {
        let target = self.workflow(object, action).await?;
        let body = format!(r#"{{"spec":{spec}}}"#);
        let act = format!("{} {target}", action.operation.name());
        self.0
            .cluster
            .patch(&target, PatchStrategy::Merge, body)
            .await?
            .accept(&act)?;
        Ok(target)
    }

    /// Ends steps that wait, all or those that are selected; all of them go on with the workflow.
    async fn end_steps(
        &self,
        object: &Value,
        action: &Action,
        ended: Ended,
    ) -> Result<Target, Error> {
        let target = self.workflow(object, action).await?;
        let act = format!("{} {target}", action.operation.name());
        let now = (self.0.now)().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        for _ in 0..CONFLICTS {
            let Some(live) = self.0.cluster.get(&target).await? else {
                return Err(Error::refused(format!("{act}: it does not exist")));
            };
            let wanted = steps::end(live.clone(), &action.arguments, ended, &now)
                .map_err(|message| Error::refused(format!("{act}: {message}")))?;
            if wanted == live {
                return Ok(target);
            }
            match self.0.cluster.replace(&target, wanted.to_go_json()).await? {
                Answer::Conflict(_) => {}
                answer => return answer.accept(&act).map(|()| target),
            }
        }
        Err(Error::refused(format!(
            "{act}: {CONFLICTS} conflicts in a row"
        )))
    }

    /// Lets a workflow run again from where it has failed. Its pods that run again go first: others of the same
    /// names follow.
    async fn retry(&self, object: &Value, action: &Action) -> Result<Target, Error> {
        let target = self.workflow(object, action).await?;
        let act = format!("retry {target}");
        let now = (self.0.now)().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mark = mark(&action.ownership);
        for _ in 0..CONFLICTS {
            let Some(live) = self.0.cluster.get(&target).await? else {
                return Err(Error::refused(format!("{act}: it does not exist")));
            };
            if text(&live, &["metadata", "annotations", RETRIED]) == Some(&mark) {
                return Ok(target);
            }
            let Retried { mut workflow, pods } = retry(live, &action.arguments, &now)
                .map_err(|message| Error::refused(format!("{act}: {message}")))?;
            for pod in pods {
                self.delete_pod(&pod, &target, action).await?;
            }
            if let Value::Object(map) = &mut workflow {
                let annotations = member(member(map, "metadata"), "annotations");
                annotations.insert(RETRIED.into(), Value::String(mark.clone()));
            }
            match self
                .0
                .cluster
                .replace(&target, workflow.to_go_json())
                .await?
            {
                Answer::Conflict(_) => {}
                answer => return answer.accept(&act).map(|()| target),
            }
        }
        Err(Error::refused(format!(
            "{act}: {CONFLICTS} conflicts in a row"
        )))
    }

    async fn delete_pod(&self, name: &str, of: &Target, action: &Action) -> Result<(), Error> {
        let pod = named_pod(name, of.namespace());
        let target = self.0.target(&pod, &action.ownership).await?;
        match self.0.cluster.delete(&target).await? {
            Answer::Missing(_) => Ok(()),
            answer => answer.accept(&format!("retry {of}: delete {target}")),
        }
    }

    /// The workflow that is named, whatever kind its object says.
    async fn workflow(&self, object: &Value, action: &Action) -> Result<Target, Error> {
        let name = named(object, action.operation).map_err(Error::refused)?;
        let namespace = text(object, &["metadata", "namespace"]);
        self.0
            .target(&bare(None, Some(name), namespace), &action.ownership)
            .await
    }
}

/// Names the firing that has retried a workflow: it is not retried by the same one again.
const RETRIED: &str = "events.argoproj.io/retried-by";

fn mark(ownership: &Ownership) -> String {
    let Ownership {
        sensor,
        trigger,
        event_ids,
        dependencies,
        forced,
        ..
    } = ownership;
    let forced = forced.as_deref().unwrap_or_default();
    format!("{sensor}/{trigger} {event_ids} {dependencies} {forced}")
        .trim_end()
        .to_owned()
}

fn named_pod(name: &str, namespace: Option<&str>) -> Value {
    let mut pod = Map::default();
    let string = |text: &str| Value::String(text.to_owned());
    pod.insert("apiVersion".into(), string("v1"));
    pod.insert("kind".into(), string("Pod"));
    let metadata = member(&mut pod, "metadata");
    metadata.insert("name".into(), string(name));
    if let Some(namespace) = namespace {
        metadata.insert("namespace".into(), string(namespace));
    }
    Value::Object(pod)
}

/// What is demanded of a workflow, or of what names one, and is not so.
pub(super) fn unmet(object: &Value, operation: Operation, arguments: &Arguments) -> Vec<Unmet> {
    const KIND: &str = "source.resource.kind";
    let of_operation = |unmet: Unmet| Unmet {
        also: &["operation"],
        ..unmet
    };
    let kind = text(object, &["kind"]).unwrap_or_default();
    let unmet = match operation {
        Operation::Submit if kind != "Workflow" => {
            let message =
                format!("submit needs a Workflow, this is a {kind}: use the operation submit-from");
            Some(Unmet::new(KIND, message))
        }
        Operation::Submit => {
            let mut workflow = Cow::Borrowed(object);
            if !arguments.is_empty() {
                change(workflow.to_mut(), arguments);
            }
            let is_named = name(&workflow).is_some()
                || text(&workflow, &["metadata", "generateName"]).is_some();
            let message = "failed to trigger the workflow, neither name nor generateName is given";
            let unmet = (!is_named).then(|| Unmet {
                also: &["operation", "source.resource.metadata.generateName"],
                ..Unmet::new(NAME, message)
            });
            return unmet
                .into_iter()
                .chain(
                    k8s::unmet(&workflow, Sent::Whole)
                        .into_iter()
                        .map(of_operation),
                )
                .collect();
        }
        Operation::SubmitFrom if !TEMPLATES.contains(&kind) => {
            Some(Unmet::new(KIND, invalid_kind(kind)))
        }
        _ => Unmet::of(NAME, named(object, operation).map(drop)),
    };
    unmet.into_iter().map(of_operation).collect()
}

const NAME: &str = "source.resource.metadata.name";

/// What workflows are submitted from.
const TEMPLATES: [&str; 3] = [
    "WorkflowTemplate",
    "ClusterWorkflowTemplate",
    "CronWorkflow",
];

fn invalid_kind(kind: &str) -> String {
    format!(
        "invalid kind {kind}: workflows are submitted from a WorkflowTemplate, ClusterWorkflowTemplate or \
         CronWorkflow"
    )
}

fn name(object: &Value) -> Option<&str> {
    text(object, &["metadata", "name"])
}

fn named(object: &Value, operation: Operation) -> Result<&str, String> {
    name(object).ok_or_else(|| {
        format!(
            "failed to execute the workflow {} operation, no name is given",
            operation.name()
        )
    })
}

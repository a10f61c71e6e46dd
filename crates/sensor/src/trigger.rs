//! Triggers: which events fire them, the action that a firing asks for, and how that is performed.
//!
//! Each kind of trigger is a file beside this one, or a folder. It holds, in this order: what the kind
//! is, its action as data, how its part of a template is compiled, how the action is rendered, how it
//! is performed. Everything else is here once for all of them; `docs/add-a-trigger.md` adds one.

pub mod argo_workflow;
pub mod artifact;
pub mod aws_lambda;
#[cfg(feature = "azure")]
pub mod azure_event_hubs;
#[cfg(feature = "azure")]
pub mod azure_service_bus;
mod compiled;
#[cfg(feature = "grpc")]
pub mod custom;
#[cfg(feature = "email")]
pub mod email;
mod fire;
pub mod http;
pub mod k8s;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod log;
pub mod nats;
pub mod object;
pub mod open_whisk;
mod perform;
mod policy;
#[cfg(feature = "pulsar")]
pub mod pulsar;
pub mod slack;
#[cfg(test)]
mod tests;
mod variants;

use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tiphys_api::{Problem, TriggerKind, TriggerParameter, TriggerTemplate};

pub use compiled::{Rate, Trigger};
pub use fire::{FireError, ParameterStep};
pub(crate) use object::plain_numbers;
pub use object::render_object;
pub use perform::{Caller, Executors};
pub use tiphys_clients::Error as PerformError;

use crate::engine::Act;
use fire::Input;
use perform::Context;
use variants::Written;

triggers! {
    K8s: k8s,
    ArgoWorkflow: argo_workflow,
    Http: http,
    Kafka: kafka if "kafka",
    Pulsar: pulsar if "pulsar",
    Nats: nats,
    Slack: slack,
    OpenWhisk: open_whisk,
    Custom: custom if "grpc",
    Log: log,
    AwsLambda: aws_lambda,
    AzureEventHubs: azure_event_hubs if "azure",
    AzureServiceBus: azure_service_bus if "azure",
    Email: email if "email",
}

/// A kind of trigger: its part of a template, compiled.
trait Kind: fmt::Debug + Send + Sync + Sized + 'static {
    /// What users write.
    type Spec: Serialize + DeserializeOwned;
    /// What a firing asks for: data, which is printed, logged and stored. It names Secrets and
    /// `ConfigMaps`, and never holds their values.
    type Action: Serialize;

    /// Its field in a template and its name in Argo Events' logs.
    const KIND: TriggerKind;
    /// Performing an action a second time can be told from the first, and does no harm.
    const REPEATABLE: bool;
    /// Performing an action waits for nobody: any number may be performed at a time.
    const IMMEDIATE: bool = false;

    /// Its part of a template.
    fn spec(template: &TriggerTemplate) -> Option<&Self::Spec>;

    /// The parameters that write to its own spec.
    fn parameters(_: &Self::Spec) -> &[TriggerParameter] {
        &[]
    }

    /// The parameters of its spec, whatever they write to.
    fn written(spec: &Self::Spec) -> &[TriggerParameter] {
        Self::parameters(spec)
    }

    /// Compiles a spec; `field` is its field path. Faults are added to `problems`.
    fn compile(spec: &Self::Spec, field: &str, problems: &mut Vec<Problem>) -> Option<Self>;

    /// The action that the events of a firing ask for.
    ///
    /// # Errors
    /// If a value is missing, or the outcome cannot be sent. The same events fail the same way again.
    fn render(&self, input: &mut Input<'_, '_>) -> Result<Self::Action, FireError>;

    /// What executor and target demand of each action, whatever the target is like, and is not so: of an
    /// action, or as far as it is known before there is one.
    fn unmet(&self, _action: Option<&Self::Action>) -> Vec<Unmet> {
        Vec::new()
    }

    /// Writes down what has to be there, and to allow it, for an action to be performed: actions of the
    /// same target wait for each other while it is unavailable, and no others.
    fn target(action: &Self::Action, target: &mut impl Hasher);

    /// An action for people.
    fn describe(action: &Self::Action) -> Vec<Part>;

    /// Opens what its first action would have to wait for: connections, what a cluster serves. What
    /// fails is left to that action. `namespace` is the Sensor's.
    fn warm(&self, _context: &Context, _namespace: &str) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Performs an action once.
    ///
    /// # Errors
    /// If it was not performed. See [`PerformError`] for whether that counts.
    ///
    /// # Cancellation
    /// The action may have been performed or not.
    fn perform(
        action: &Self::Action,
        context: &Context,
        caller: Caller<'_>,
    ) -> impl Future<Output = Result<(), PerformError>> + Send;
}

/// Something that is demanded of an action, and is not so: it can never be performed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unmet {
    /// The field of the kind's spec.
    field: String,
    /// Other fields of it without which nobody can tell.
    also: &'static [&'static str],
    message: String,
    hint: Option<String>,
}

impl Unmet {
    fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            also: &[],
            message: message.into(),
            hint: None,
        }
    }

    /// An error, if the field has one.
    fn of(field: &str, checked: Result<(), String>) -> Option<Self> {
        checked.err().map(|message| Self::new(field, message))
    }

    /// As a problem of what stands at `place`.
    fn problem(self, place: &str) -> Problem {
        let problem = Problem::error(format!("{place}.{}", self.field), self.message);
        match self.hint {
            Some(hint) => problem.with_hint(hint),
            None => problem,
        }
    }
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hint {
            Some(hint) => write!(f, "{} ({hint})", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// A part of what an action does, for people.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Something that is done, in one line.
    Act(String),
    /// A line about it.
    Line(String),
    /// A document that goes with it.
    Document(serde_json::Value),
}

impl Act for Arc<Action> {
    fn target(&self) -> u64 {
        self.as_ref().target()
    }

    fn is_repeatable(&self) -> bool {
        self.as_ref().is_repeatable()
    }
}

impl Part {
    fn document(value: &impl Serialize) -> Self {
        Self::Document(serde_json::to_value(value).unwrap_or_default())
    }

    fn lines(text: &str) -> impl Iterator<Item = Self> {
        text.lines().map(|line| Self::Line(line.to_owned()))
    }
}

/// Declares everything that follows from the list of kinds. A kind's module has its [`Kind`] as
/// `Template` and its action as `Action`; a build without its feature leaves it out.
macro_rules! triggers {
    ($($name:ident: $module:ident $(if $feature:literal)?,)*) => {
        /// Something to be done in the world.
        #[derive(Debug, Clone, Serialize)]
        #[serde(rename_all = "camelCase")]
        pub enum Action {
            $($(#[cfg(feature = $feature)])?
            #[doc = concat!("What a trigger of kind `", stringify!($module), "` asks for.")]
            $name($module::Action),)*
        }

        /// The part of a template that renders an action.
        #[derive(Debug)]
        enum Template {
            $($(#[cfg(feature = $feature)])? $name(Written<$module::Template>),)*
        }

        /// The kinds of triggers that are run, in the order in which the first present one counts.
        const KINDS: &[TriggerKind] = &[
            $($(#[cfg(feature = $feature)])? $module::Template::KIND,)*
        ];

        /// The kinds that are run by other builds, each with its feature.
        const LEFT_OUT: &[(TriggerKind, &str)] = &[
            $($(#[cfg(not(feature = $feature))] (TriggerKind::$name, $feature),)?)*
        ];

        impl Action {
            /// What kind of trigger asks for it.
            pub fn kind(&self) -> TriggerKind {
                match self {
                    $($(#[cfg(feature = $feature)])? Self::$name(_) => $module::Template::KIND,)*
                }
            }

            /// Whether performing it a second time can be told from the first, and does no harm.
            pub fn is_repeatable(&self) -> bool {
                match self {
                    $($(#[cfg(feature = $feature)])?
                    Self::$name(_) => $module::Template::REPEATABLE,)*
                }
            }

            /// What has to be there for it, as a number.
            fn target(&self) -> u64 {
                let mut target = DefaultHasher::new();
                match self {
                    $($(#[cfg(feature = $feature)])?
                    Self::$name(action) => $module::Template::target(action, &mut target),)*
                }
                target.finish()
            }

            /// What it does, for people.
            pub fn describe(&self) -> Vec<Part> {
                match self {
                    $($(#[cfg(feature = $feature)])?
                    Self::$name(action) => $module::Template::describe(action),)*
                }
            }

            async fn perform(
                &self,
                context: &Context,
                caller: Caller<'_>,
            ) -> Result<(), PerformError> {
                match self {
                    // Boxed: each task would be as large as the largest kind makes it, and is moved
                    // several times for every event.
                    $($(#[cfg(feature = $feature)])?
                    Self::$name(action) => {
                        Box::pin($module::Template::perform(action, context, caller)).await
                    })*
                }
            }
        }

        impl Template {
            /// The first kind that is present; `Err`: none is.
            fn compile_present(
                spec: &TriggerTemplate,
                field: &str,
                problems: &mut Vec<Problem>,
            ) -> Result<Option<Self>, ()> {
                $($(#[cfg(feature = $feature)])?
                if let Some(spec) = $module::Template::spec(spec) {
                    return Ok(Written::compile(spec, field, problems).map(Self::$name));
                })*
                Err(())
            }

            fn kind(&self) -> TriggerKind {
                match self {
                    $($(#[cfg(feature = $feature)])? Self::$name(_) => $module::Template::KIND,)*
                }
            }

            /// What is demanded of its actions and is known not to be so.
            fn unmet(&self) -> Vec<Unmet> {
                match self {
                    $($(#[cfg(feature = $feature)])?
                    Self::$name(written) => written.unmet(),)*
                }
            }

            fn is_immediate(&self) -> bool {
                match self {
                    $($(#[cfg(feature = $feature)])?
                    Self::$name(_) => $module::Template::IMMEDIATE,)*
                }
            }

            async fn warm(&self, context: &Context, namespace: &str) {
                match self {
                    $($(#[cfg(feature = $feature)])?
                    Self::$name(written) => if let Some(fixed) = written.fixed() {
                        fixed.warm(context, namespace).await;
                    },)*
                }
            }

            fn render(&self, input: &mut Input<'_, '_>) -> Result<Action, FireError> {
                match self {
                    $($(#[cfg(feature = $feature)])?
                    Self::$name(written) => written.render(input).map(Action::$name),)*
                }
            }
        }
    };
}
use triggers;

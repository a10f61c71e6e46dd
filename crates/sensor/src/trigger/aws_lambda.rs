//! The `awsLambda` trigger: invokes a function of AWS Lambda.
//!
//! The function hears by which id it can know a repeated invocation: `tiphys-event-id` among the custom values
//! of the client context.

use std::hash::{Hash as _, Hasher};
use std::time::Duration;

use data_encoding::BASE64;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::json;
use tiphys_api::message::shortened;
use tiphys_api::{AwsLambdaTrigger, Problem, TriggerKind, TriggerParameter, TriggerTemplate};
use tiphys_base::Failure;
use tiphys_clients::aws::{Answer, Call, LoginFields, LoginRef, Service};

use super::fire::Input;
use super::perform::Context;
use super::{Caller, FireError, Kind, Part, PerformError, Unmet};
use crate::parameter::Parameter;

/// The version of the API.
const VERSION: &str = "2015-03-31";

/// How long an invocation may take whose end is waited for: a function runs for 15 minutes at most.
const RUN_WITHIN: Duration = Duration::from_secs(15 * 60 + 30);

/// How long one may take that is only handed over.
const TAKEN_WITHIN: Duration = Duration::from_mins(1);

/// How much of what a function says of its failure is kept, in bytes.
const EXCERPT: usize = 256;

/// What a function is invoked for if nothing is said: its answer.
const FOR_ANSWER: &str = "RequestResponse";

const TYPE: HeaderName = HeaderName::from_static("x-amz-invocation-type");
const CLIENT_CONTEXT: HeaderName = HeaderName::from_static("x-amz-client-context");
const FUNCTION_ERROR: &str = "x-amz-function-error";

/// An invocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// Name or ARN of the function.
    pub function: String,
    /// Its region.
    pub region: String,
    /// `RequestResponse`, `Event` or `DryRun`.
    pub invocation_type: String,
    /// What it is invoked with.
    pub payload: String,
    /// Who invokes it.
    pub login: LoginRef,
    /// What a repeated invocation is known by.
    pub id: String,
    /// The status codes that mean success. Empty: those that Lambda has for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_status: Vec<i32>,
}

/// A compiled `awsLambda` template.
#[derive(Debug)]
pub(super) struct Template {
    spec: AwsLambdaTrigger,
    payload: Vec<Parameter>,
}

impl Kind for Template {
    type Spec = AwsLambdaTrigger;
    type Action = Action;
    const KIND: TriggerKind = TriggerKind::AwsLambda;
    // Only the function can tell, if it looks.
    const REPEATABLE: bool = false;

    fn spec(template: &TriggerTemplate) -> Option<&AwsLambdaTrigger> {
        template.aws_lambda.as_deref()
    }

    fn parameters(spec: &AwsLambdaTrigger) -> &[TriggerParameter] {
        &spec.parameters
    }

    fn compile(spec: &AwsLambdaTrigger, field: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let before = problems.len();
        if let Some(fault) = login(spec).fault() {
            let missing = match spec.access_key {
                None => "accessKey",
                Some(_) => "secretKey",
            };
            problems.push(Problem::error(format!("{field}.{missing}"), fault));
        }
        let payload = Parameter::compile_all(
            spec.payload.as_deref().unwrap_or_default(),
            &format!("{field}.payload"),
            problems,
        );
        (problems.len() == before).then(|| Self {
            spec: spec.clone(),
            payload,
        })
    }

    fn render(&self, input: &mut Input<'_, '_>) -> Result<Action, FireError> {
        Ok(Action {
            function: self.spec.function_name.to_string(),
            region: self.spec.region.to_string(),
            invocation_type: invocation_type(&self.spec).to_owned(),
            payload: input.payload(&self.payload)?,
            login: login(&self.spec).login(input.namespace),
            id: input.message_id(),
            allowed_status: input.policy.allowed_status.clone(),
        })
    }

    fn unmet(&self, _: Option<&Action>) -> Vec<Unmet> {
        let mut unmet = Vec::new();
        if self.spec.function_name.is_empty() {
            unmet.push(Unmet::new("functionName", "no function is named"));
        }
        let kind = invocation_type(&self.spec);
        if !matches!(kind, FOR_ANSWER | "Event" | "DryRun") {
            let message = format!("{kind:?} is none of RequestResponse, Event and DryRun");
            unmet.push(Unmet::new("invocationType", message));
        }
        unmet
    }

    /// One function may be throttled, or closed to somebody, and not the next one.
    fn target(action: &Action, target: &mut impl Hasher) {
        (&action.region, &action.function, &action.login).hash(target);
    }

    fn describe(action: &Action) -> Vec<Part> {
        let Action {
            function,
            region,
            invocation_type,
            payload,
            ..
        } = action;
        let act = format!("invoke {function} in {region} ({invocation_type})");
        let mut parts = vec![Part::Act(act)];
        parts.extend(Part::lines(payload));
        parts
    }

    async fn perform(
        action: &Action,
        context: &Context,
        _: Caller<'_>,
    ) -> Result<(), PerformError> {
        let clients = &context.clients;
        let act = format!("invoke {} in {}", action.function, action.region);
        let invoke = async {
            let login = action.login.clone();
            let service = Service::new(clients, "lambda", &action.region, "", login)?;
            service.call(clients, call(action)).await
        };
        let answer = invoke.await.map_err(|error| error.of_action(&act))?;
        judge(action, &answer, &act)
    }
}

fn login(spec: &AwsLambdaTrigger) -> LoginFields<'_> {
    LoginFields {
        access_key: spec.access_key.as_ref(),
        secret_key: spec.secret_key.as_ref(),
        session_token: None,
        role_arn: &spec.role_arn,
    }
}

fn invocation_type(spec: &AwsLambdaTrigger) -> &str {
    let given = spec.invocation_type.as_deref().unwrap_or_default();
    if given.is_empty() { FOR_ANSWER } else { given }
}

fn call(action: &Action) -> Call<'_> {
    let context = json!({"custom": {"tiphys-event-id": action.id}});
    let context = BASE64.encode(context.to_string().as_bytes());
    let is_awaited = action.invocation_type == FOR_ANSWER;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in [(TYPE, &action.invocation_type), (CLIENT_CONTEXT, &context)] {
        // Neither has anything in it that a header may not have; see `unmet`.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    Call {
        method: Method::POST,
        path: vec![VERSION, "functions", &action.function, "invocations"],
        headers,
        body: action.payload.clone().into_bytes(),
        within: if is_awaited { RUN_WITHIN } else { TAKEN_WITHIN },
    }
}

/// What an answer of Lambda means: a function that failed is an answer, too.
fn judge(action: &Action, answer: &Answer, act: &str) -> Result<(), PerformError> {
    let status = answer.status;
    let is_allowed = |status: StatusCode| action.allowed_status.contains(&status.as_u16().into());
    if !action.allowed_status.is_empty() && !is_allowed(status) {
        let message = format!("{act}: status {} is not allowed", status.as_u16());
        return Err(PerformError::refused(message));
    }
    let Some(error) = answer.headers.get(FUNCTION_ERROR) else {
        return Ok(());
    };
    let kind = String::from_utf8_lossy(error.as_bytes());
    let public = format!("{act}: the function failed ({kind})");
    let said = String::from_utf8_lossy(&answer.body);
    let text = format!("{public}: {}", shortened(said.trim(), EXCERPT));
    Err(PerformError::Refused(Failure::with_values(text, public)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(allowed_status: &[i32]) -> Action {
        Action {
            function: "arn:aws:lambda:eu-west-1:1:function:f".into(),
            region: "eu-west-1".into(),
            invocation_type: "Event".into(),
            payload: "{}".into(),
            login: LoginRef::Environment,
            id: "e-1".into(),
            allowed_status: allowed_status.to_vec(),
        }
    }

    fn judged(action: &Action, status: u16, error: Option<&'static str>) -> String {
        let error = error.map(|error| {
            let name = HeaderName::from_static(FUNCTION_ERROR);
            (name, HeaderValue::from_static(error))
        });
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: error.into_iter().collect(),
            body: br#"{"errorMessage":"s3cret"}"#.to_vec(),
        };
        match judge(action, &answer, "invoke f") {
            Ok(()) => "done".to_owned(),
            Err(PerformError::Refused(failure)) => failure.public().to_owned(),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_function_that_fails_is_a_failure_and_its_words_are_no_public_ones() {
        assert_eq!(judged(&action(&[]), 202, None), "done");
        assert_eq!(
            judged(&action(&[]), 200, Some("Unhandled")),
            "invoke f: the function failed (Unhandled)"
        );
        assert_eq!(
            judged(&action(&[200]), 202, None),
            "invoke f: status 202 is not allowed"
        );
        assert_eq!(judged(&action(&[202]), 202, None), "done");
    }

    #[test]
    fn a_call_says_what_it_is_known_by() {
        let action = action(&[]);
        let call = call(&action);
        let context = BASE64.decode(call.headers["x-amz-client-context"].as_bytes());
        assert_eq!(context.unwrap(), br#"{"custom":{"tiphys-event-id":"e-1"}}"#);
        assert_eq!(call.headers["x-amz-invocation-type"], "Event");
        assert_eq!(call.path[2], "arn:aws:lambda:eu-west-1:1:function:f");
    }
}

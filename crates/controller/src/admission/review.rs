//! One review: the API server's question, and the answer.
//!
//! The rules are those of Argo Events' webhook, all at once, with their fields. Mended: a Sensor
//! before its `EventBus` is a warning, for both may be in one file; a review without a request is
//! refused; and what leaves the spec as it is always passes, so that a faulty object of old can
//! still be labelled, finalized and deleted.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use tiphys_api::manifest::{self, Content, Fault, Object};
use tiphys_api::{GROUP, Problem};

use super::{change, text};

/// A question of the API server: may this object be stored?
#[derive(Debug)]
pub struct Review {
    api_version: String,
    uid: String,
    kind: String,
    operation: String,
    namespace: String,
    name: String,
    subject: Subject,
}

/// What a review is about.
#[derive(Debug)]
enum Subject {
    /// Nothing that is checked.
    Other,
    /// An object that is created, or whose spec is changed.
    Changed {
        object: Option<Box<Object>>,
        /// What is wrong with its form.
        faults: Vec<Fault>,
        old: Option<Value>,
    },
}

/// The name of an `EventBus`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Whether the bus of an object is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    /// It is.
    Exists,
    /// It is not.
    Missing,
    /// Nobody could say, or nobody has to.
    Unknown,
}

/// The answer to a review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    api_version: String,
    uid: String,
    /// Why the object is refused, a fault a line; `None` if it is not.
    pub denied: Option<String>,
    /// What its author should know, one a line.
    pub warnings: Vec<String>,
}

/// A body that is no review.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is no JSON of that shape.
    #[error("read the AdmissionReview")]
    Json(#[from] serde_json::Error),
    /// It asks nothing.
    #[error("the AdmissionReview has no request")]
    NoRequest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(default)]
    api_version: String,
    #[serde(borrow)]
    request: Option<Request<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    uid: String,
    kind: Kind,
    #[serde(default)]
    sub_resource: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
    operation: String,
    #[serde(borrow)]
    object: Option<&'a RawValue>,
    #[serde(borrow)]
    old_object: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(default)]
    group: String,
    kind: String,
}

impl Review {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// If it is no review.
    pub fn read(body: &[u8]) -> Result<Self, ReadError> {
        let Envelope {
            api_version,
            request,
        } = serde_json::from_slice(body)?;
        let request = request.ok_or(ReadError::NoRequest)?;
        let subject = subject(&request)?;
        Ok(Self {
            api_version,
            uid: request.uid,
            kind: request.kind.kind,
            operation: request.operation,
            namespace: request.namespace,
            name: request.name,
            subject,
        })
    }

    /// The kind of the object.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Whose review it is, for a log: namespace and name.
    pub fn object(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// `CREATE`, `UPDATE` or another one.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// The bus that the object needs, if it needs one.
    pub fn bus(&self) -> Option<BusName> {
        let Subject::Changed {
            object: Some(object),
            ..
        } = &self.subject
        else {
            return None;
        };
        let name = match &object.content {
            Content::EventSource(source) => source.spec.bus_name(),
            Content::Sensor(sensor) => sensor.spec.bus_name(),
            Content::EventBus(_) | Content::Other(_) => return None,
        };
        Some(BusName {
            namespace: self.namespace.clone(),
            name: name.to_owned(),
        })
    }

    /// Decides.
    pub fn answer(&self, bus: Bus) -> Answer {
        let problems = self.problems(bus);
        let (errors, warnings): (Vec<_>, Vec<_>) =
            problems.into_iter().partition(Problem::is_error);
        Answer {
            denied: (!errors.is_empty()).then(|| text::denial(&self.kind, &errors)),
            warnings: text::warnings(&warnings),
            ..self.allowed()
        }
    }

    /// The answer of a webhook that could not decide: yes, and a warning that says so.
    pub fn undecided(&self, why: &str) -> Answer {
        Answer {
            warnings: vec![why.to_owned()],
            ..self.allowed()
        }
    }

    fn allowed(&self) -> Answer {
        Answer {
            api_version: self.api_version.clone(),
            uid: self.uid.clone(),
            denied: None,
            warnings: Vec::new(),
        }
    }

    fn problems(&self, bus: Bus) -> Vec<Problem> {
        let Subject::Changed {
            object,
            faults,
            old,
        } = &self.subject
        else {
            return Vec::new();
        };
        let mut faults = faults.clone();
        if let Some(object) = object {
            let problems = tiphys_check::object(object, &self.namespace).problems;
            let change = old.as_ref().map(|old| change_of(old, object));
            let bus = (bus == Bus::Missing).then(|| self.missing_bus()).flatten();
            let all = problems.into_iter().chain(change.into_iter().flatten());
            faults.extend(all.chain(bus).map(|problem| object.fault(problem)));
        }
        faults.sort_by_key(|fault| (fault.line, fault.problem.severity));
        let problems = faults.into_iter().map(|fault| fault.problem);
        // What the controller writes is not its author's to mend.
        problems
            .filter(|problem| !is_status(&problem.field_path))
            .collect()
    }

    fn missing_bus(&self) -> Option<Problem> {
        let BusName { namespace, name } = self.bus()?;
        Some(tiphys_check::missing_bus(&self.kind, &namespace, &name))
    }
}

fn is_status(field_path: &str) -> bool {
    let rest = field_path.strip_prefix("status");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn subject(request: &Request<'_>) -> Result<Subject, serde_json::Error> {
    let is_checked = request.kind.group == GROUP
        && request.sub_resource.is_empty()
        && matches!(request.operation.as_str(), "CREATE" | "UPDATE");
    let Some(object) = request.object.filter(|_| is_checked) else {
        return Ok(Subject::Other);
    };
    let object: Value = serde_json::from_str(object.get())?;
    let old = request
        .old_object
        .map(|old| serde_json::from_str(old.get()));
    let old: Option<Value> = old.transpose()?.filter(|old: &Value| !old.is_null());
    let is_going = !object["metadata"]["deletionTimestamp"].is_null();
    let is_same = old
        .as_ref()
        .is_some_and(|old| old["spec"] == object["spec"]);
    if is_going || is_same || object.is_null() {
        return Ok(Subject::Other);
    }
    let mut manifest = manifest::read_json("", object);
    Ok(Subject::Changed {
        faults: manifest.faults,
        object: manifest.objects.pop().map(Box::new),
        old,
    })
}

/// What is wrong with the change itself.
fn change_of(old: &Value, new: &Object) -> Vec<Problem> {
    let Content::EventBus(new) = &new.content else {
        return Vec::new();
    };
    // What cannot be read cannot have run: any change is one for the better.
    serde_json::from_value(old.clone())
        .map(|old| change::refused(&old, &new.spec))
        .unwrap_or_default()
}

impl Answer {
    /// The body of the answer.
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Envelope<'a> {
            api_version: &'a str,
            kind: &'static str,
            response: Response<'a>,
        }
        #[derive(Serialize)]
        struct Response<'a> {
            uid: &'a str,
            allowed: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            status: Option<Status<'a>>,
            #[serde(skip_serializing_if = "<[String]>::is_empty")]
            warnings: &'a [String],
        }
        #[derive(Serialize)]
        struct Status<'a> {
            code: u16,
            reason: &'static str,
            message: &'a str,
        }
        let status = self.denied.as_deref().map(|message| Status {
            code: 400,
            reason: "BadRequest",
            message,
        });
        let envelope = Envelope {
            api_version: &self.api_version,
            kind: "AdmissionReview",
            response: Response {
                uid: &self.uid,
                allowed: status.is_none(),
                status,
                warnings: &self.warnings,
            },
        };
        // Texts and numbers can always be written.
        serde_json::to_string(&envelope).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;

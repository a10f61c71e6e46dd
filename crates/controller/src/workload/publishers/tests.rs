//! Names that nobody publishes.

use tiphys_api::{ConditionStatus, EventSourceSpec};

use super::*;

#[track_caller]
fn check(source: &str, event: &str, expected: (ConditionStatus, &str, &str)) {
    let spec = |text: &str| serde_json::from_str::<EventSourceSpec>(text).unwrap();
    let here = spec(r#"{"eventBusName": "eb", "webhook": {"order": {"port": "12000"}}}"#);
    let elsewhere = spec(r#"{"eventBusName": "other", "webhook": {"order": {"port": "12000"}}}"#);
    let sources = [
        Publisher::new("ns", "shop", &here),
        Publisher::new("ns", "market", &elsewhere),
    ];
    let listener = Place {
        namespace: "ns",
        bus: "eb",
    };
    let awaited = Awaited {
        dependency: "d",
        source,
        event,
    };
    let Verdict {
        status,
        reason,
        message,
    } = verdict(listener, &[awaited], &sources);
    assert_eq!((status, reason.as_str(), message.as_str()), expected);
}

#[test]
fn a_dependency_that_nobody_publishes_to_says_what_is_there() {
    use ConditionStatus::{False, True};
    let published = "each dependency has an EventSource that publishes to it";
    check("shop", "order", (True, "Published", published));
    check("*", "order", (True, "Published", published));
    let no = "NobodyPublishes";
    let message =
        "dependency d: there is no EventSource shap in namespace ns (did you mean `shop`?)";
    check("shap", "order", (False, no, message));
    let message =
        "dependency d: there is no EventSource harbour in namespace ns (there is shop, market)";
    check("harbour", "order", (False, no, message));
    let message = "dependency d: event source ns/shop has no event ordr (did you mean `order`?)";
    check("shop", "ordr", (False, no, message));
    let message =
        "dependency d: listens on bus ns/eb, event source ns/market publishes on ns/other";
    check("market", "order", (False, no, message));
}

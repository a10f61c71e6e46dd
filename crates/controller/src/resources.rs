//! How much of a node is a container's (pure): what an object asks for, over what the operator says.
//!
//! Memory is limited, since what takes all of it takes it from everybody on the node. Processor time is
//! not: nodes divide it by requests, and a limit would leave it unused while events wait.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// Units of quantities, and how much they are.
const UNITS: [(&str, f64); 15] = [
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
];

/// What a pod of an event source or sensor gets without a word about it.
///
/// One that waits takes 28 MiB, a busy one less than 256 MiB. The limit is for programs: those that are
/// given all of their memory at a time may take 1 GB together.
pub(crate) fn of_worker() -> ResourceRequirements {
    requirements(&[("cpu", "10m"), ("memory", "64Mi")], &[("memory", "1Gi")])
}

/// What a server of a bus gets without a word about it.
///
/// Messages are files, unless a stream is kept in memory: then the bus has to ask for more.
pub(crate) fn of_bus() -> ResourceRequirements {
    requirements(&[("cpu", "50m"), ("memory", "128Mi")], &[("memory", "2Gi")])
}

/// What `own` asks for, and of `defaults` what it says nothing of. A resource of which it gives the
/// request or the limit is its own: a limit of ours below its request would be refused.
pub(crate) fn merged(
    own: Option<&ResourceRequirements>,
    defaults: &ResourceRequirements,
) -> Option<ResourceRequirements> {
    let own = own.cloned().unwrap_or_default();
    let is_said = |name: &str| {
        let all = [&own.requests, &own.limits];
        let mut all = all.into_iter().flatten();
        all.any(|amounts| amounts.contains_key(name))
    };
    let with_ours = |own: &Option<Amounts>, ours: &Option<Amounts>| {
        let mut all = own.clone().unwrap_or_default();
        let ours = ours.iter().flatten().filter(|(name, _)| !is_said(name));
        all.extend(ours.map(|(name, amount)| (name.clone(), amount.clone())));
        (!all.is_empty()).then_some(all)
    };
    let merged = ResourceRequirements {
        requests: with_ours(&own.requests, &defaults.requests),
        limits: with_ours(&own.limits, &defaults.limits),
        claims: own.claims.clone(),
    };
    (merged != ResourceRequirements::default()).then_some(merged)
}

type Amounts = BTreeMap<String, Quantity>;

/// How much a quantity is, such as `20Gi`; `None` if it is none.
pub(crate) fn amount(quantity: &Quantity) -> Option<f64> {
    let text = quantity.0.trim();
    let of_unit = |(unit, factor): &(&str, f64)| {
        let number = text.strip_suffix(unit)?;
        Some(number.parse::<f64>().ok()? * factor)
    };
    UNITS
        .iter()
        .find_map(of_unit)
        .or_else(|| text.parse().ok())
        .filter(|amount| amount.is_finite())
}

/// The first of some quantities that is none: where it stands, and what.
pub(crate) fn not_a_quantity(resources: &ResourceRequirements) -> Option<(String, String)> {
    let parts = [
        ("requests", &resources.requests),
        ("limits", &resources.limits),
    ];
    let all = parts.into_iter().flat_map(|(part, amounts)| {
        let amounts = amounts.iter().flatten();
        amounts.map(move |(name, quantity)| (format!("{part}.{name}"), quantity))
    });
    let mut wrong = all.filter(|(_, quantity)| amount(quantity).is_none());
    wrong
        .next()
        .map(|(place, quantity)| (place, quantity.0.clone()))
}

fn requirements(requests: &[(&str, &str)], limits: &[(&str, &str)]) -> ResourceRequirements {
    let amounts = |amounts: &[(&str, &str)]| {
        let amounts = amounts.iter();
        amounts
            .map(|(name, amount)| ((*name).to_owned(), Quantity((*amount).to_owned())))
            .collect()
    };
    ResourceRequirements {
        requests: Some(amounts(requests)),
        limits: Some(amounts(limits)),
        claims: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn check(own: Value, expected: &Value) {
        let defaults = of_worker();
        let own: ResourceRequirements = serde_json::from_value(own).unwrap();
        assert_eq!(json!(merged(Some(&own), &defaults)), *expected);
    }

    #[test]
    fn what_an_object_says_nothing_of_is_the_operators() {
        let ours =
            json!({"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}});
        check(json!({}), &ours);
        assert_eq!(json!(merged(None, &of_worker())), ours);
        check(
            json!({"requests": {"cpu": "2"}, "limits": {"example.com/gpu": "1"}}),
            &json!({"requests": {"cpu": "2", "memory": "64Mi"},
                    "limits": {"example.com/gpu": "1", "memory": "1Gi"}}),
        );
        let none = ResourceRequirements::default();
        assert_eq!(merged(None, &none), None);
        assert_eq!(merged(Some(&none), &none), None);
    }

    /// Kubernetes refuses a request above the limit.
    #[test]
    fn no_request_or_limit_of_ours_stands_beside_another_of_the_object() {
        check(
            json!({"requests": {"memory": "4Gi"}}),
            &json!({"requests": {"cpu": "10m", "memory": "4Gi"}}),
        );
        check(
            json!({"limits": {"memory": "32Mi", "cpu": "5m"}}),
            &json!({"limits": {"memory": "32Mi", "cpu": "5m"}}),
        );
    }

    #[test]
    fn quantities_are_read() {
        for (text, expected) in [
            ("20Gi", Some(21_474_836_480.0)),
            ("100m", Some(0.1)),
            ("1.5e8", Some(150_000_000.0)),
            ("2E", Some(2e18)),
            ("300MB", None),
            ("lots", None),
            ("inf", None),
            ("", None),
        ] {
            assert_eq!(amount(&Quantity(text.to_owned())), expected, "{text}");
        }
    }
}

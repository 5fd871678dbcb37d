//! The alerts of the chart ask for what the daemon measures.

use std::collections::BTreeMap;

use libtest_mimic::Trial;
use serde_json::Value;

use super::{
    helm::Helm,
    manifest::{Manifest, list},
    read, trial,
};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial("alerts_ask_for_what_is_measured", ask_for_what_is_measured),
        trial("alerts_ask_for_this_release_alone", ask_for_this_release),
        trial("alerts_follow_the_values", follow_the_values),
        trial("alerts_fire_and_name_the_place", fire_and_name_the_place),
    ]
}

fn rendered(helm: &Helm, settings: &[&str]) -> Manifest {
    let settings = [settings, &["prometheusRule.enabled=true"]].concat();
    helm.template(&[], &settings)
}

fn alerts(manifest: &Manifest) -> Vec<&Value> {
    let groups = list(&manifest.one("PrometheusRule")["spec"]["groups"]);
    groups
        .iter()
        .flat_map(|group| list(&group["rules"]))
        .collect()
}

/// The names of metrics in an expression.
fn metrics(alert: &Value) -> Vec<&str> {
    let expression = alert["expr"].as_str().expect("an expression");
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("informerd_"))
        .collect()
}

/// docs/metrics.md is what a test holds to the registry: by name, the type.
fn measured() -> BTreeMap<String, String> {
    let text = read("docs/metrics.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let rows = rows.filter_map(|row| row.split_once("` | "));
    rows.filter_map(|(name, rest)| {
        let kind = rest.split(' ').next()?;
        Some((name.to_owned(), kind.to_owned()))
    })
    .collect()
}

fn ask_for_what_is_measured(helm: &Helm) {
    let manifest = rendered(helm, &[]);
    let measured = measured();
    let mut asked = 0;
    for alert in alerts(&manifest) {
        for name in metrics(alert) {
            // Counters have a suffix that OpenMetrics adds.
            let (plain, kind) = match name.strip_suffix("_total") {
                Some(plain) => (plain, "counter"),
                None => (name, "gauge"),
            };
            assert_eq!(
                measured.get(plain).map(String::as_str),
                Some(kind),
                "{name}"
            );
            asked += 1;
        }
    }
    assert!(asked >= 10, "too little was looked at: {asked}");
}

/// The labels are those that the ServiceMonitor gives to what it scrapes.
fn ask_for_this_release(helm: &Helm) {
    let manifest = rendered(helm, &["fullnameOverride=\"other\""]);
    let scraped: Vec<_> = manifest
        .installed("Service")
        .filter(|service| service.to_string().contains("\"metrics\""))
        .map(|service| &service["metadata"]["name"])
        .collect();
    assert_eq!(scraped, ["other-headless"]);
    for alert in alerts(&manifest) {
        let expression = alert["expr"].as_str().expect("an expression");
        let own = r#"{namespace="informerd",service="other-headless""#;
        let count = expression.matches(own).count();
        assert_eq!(count, metrics(alert).len(), "{expression}");
    }
}

/// An expression that adds two metrics says nothing while one of them has no samples. What Prometheus
/// calls `namespace` is the target's; the daemon's own label of that name has another one there.
fn fire_and_name_the_place(helm: &Helm) {
    let manifest = rendered(helm, &[]);
    let mut upstream = 0;
    for alert in alerts(&manifest) {
        let expression = alert["expr"].as_str().expect("an expression");
        assert!(!expression.contains(" + "), "{expression}");
        let description = alert["annotations"]["description"].as_str();
        let description = description.expect("a description");
        assert!(!description.contains("$labels.namespace"), "{description}");
        if description.contains("$labels.resource") {
            let place = "$labels.exported_namespace";
            assert!(description.contains(place), "{description}");
            upstream += 1;
        }
    }
    assert_eq!(upstream, 2, "the alerts on what comes from the apiserver");
}

/// What is off can't fail.
fn follow_the_values(helm: &Helm) {
    let none = helm.template(&[], &[]);
    assert_eq!(none.installed("PrometheusRule").count(), 0);
    let tell = |settings: &[&str], metric: &str| {
        let manifest = rendered(helm, settings);
        let told = alerts(&manifest).into_iter();
        told.filter(|alert| metrics(alert).contains(&metric))
            .count()
    };
    let plaintext = "tls.mode=\"disabled\"";
    let anyone = "access.insecureAllowAnyone=true";
    for (off, metric) in [
        (
            plaintext,
            "informerd_tls_certificate_expiry_timestamp_seconds",
        ),
        (plaintext, "informerd_tls_reloads_total"),
        (anyone, "informerd_access_streams_held"),
    ] {
        assert_eq!(tell(&[], metric), 1, "{metric}");
        assert_eq!(tell(&[off], metric), 0, "{metric}");
    }
}

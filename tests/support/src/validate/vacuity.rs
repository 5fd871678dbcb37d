//! G23: a run that shows nothing proves nothing.

use super::Violation;
use super::case::Case;

/// G23: the run has at least as many events as expected, and each thing that it must show occurs.
#[must_use]
pub fn not_vacuous(case: &Case<'_>) -> Vec<Violation> {
    let summary = super::Summary::of(case.run);
    let mut violations = Vec::new();
    if summary.events() < case.expectation.min_events {
        let (got, wanted) = (summary.events(), case.expectation.min_events);
        violations.push(case.everywhere(format!("{got} events, expected at least {wanted}")));
    }
    for required in &case.expectation.required {
        if summary.count(required) == 0 {
            violations.push(case.everywhere(format!("no {required} occurred")));
        }
    }
    violations
}

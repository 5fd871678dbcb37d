//! The house rules as tests: what a reader can rely on because no change can break it unseen.
//!
//! Each rule is a pure function from sources to complaints. It runs over the repository, and
//! once more over samples that it must refuse and samples that it must accept, so that no rule
//! is unable to fail.

mod budgets;
mod layers;
mod manners;
mod source;

use self::source::Source;

/// Complaints about `sources`; none means that the rule holds.
type Check = fn(&[Source]) -> Vec<String>;

/// The name of a trial and what it runs.
pub(crate) type Rule = (&'static str, fn() -> Result<(), String>);

/// A path and its text.
type Sample = (&'static str, &'static str);

/// All rules and their self tests, by name.
pub(crate) fn rules() -> Vec<Rule> {
    let mut all = structure();
    all.extend(manner());
    all
}

/// The rules as trials of the integration binary.
pub(crate) fn trials() -> Vec<libtest_mimic::Trial> {
    rules()
        .into_iter()
        .map(|(name, run)| libtest_mimic::Trial::test(name, move || run().map_err(Into::into)))
        .collect()
}

fn structure() -> Vec<Rule> {
    vec![
        ("tidy::rooms_use_only_what_lies_upstream", || {
            holds(layers::rooms)
        }),
        ("tidy::rooms_use_only_what_lies_upstream::self_test", || {
            proves(layers::rooms, layers::ROOM_SAMPLES)
        }),
        ("tidy::libraries_stay_in_their_rooms", || {
            holds(layers::libraries)
        }),
        ("tidy::libraries_stay_in_their_rooms::self_test", || {
            proves(layers::libraries, layers::LIBRARY_SAMPLES)
        }),
        ("tidy::the_judge_is_independent", || {
            holds(layers::independence)
        }),
        ("tidy::the_judge_is_independent::self_test", || {
            proves(layers::independence, layers::INDEPENDENCE_SAMPLES)
        }),
        ("tidy::files_and_functions_are_short", || {
            holds(budgets::check)
        }),
        ("tidy::files_and_functions_are_short::self_test", || {
            budgets::self_test()
        }),
        ("tidy::source_reader::self_test", source::self_test),
    ]
}

fn manner() -> Vec<Rule> {
    vec![
        ("tidy::files_say_why_they_exist", || {
            holds(manners::opening_line)
        }),
        ("tidy::files_say_why_they_exist::self_test", || {
            proves(manners::opening_line, manners::OPENING_SAMPLES)
        }),
        ("tidy::tests_do_not_sleep", || holds(manners::sleeping)),
        ("tidy::tests_do_not_sleep::self_test", || {
            proves(manners::sleeping, manners::SLEEP_SAMPLES)
        }),
        ("tidy::no_test_is_ignored", || holds(manners::ignored)),
        ("tidy::no_test_is_ignored::self_test", || {
            proves(manners::ignored, manners::IGNORED_SAMPLES)
        }),
        ("tidy::the_product_does_not_unwrap", || {
            holds(manners::unwrap)
        }),
        ("tidy::the_product_does_not_unwrap::self_test", || {
            proves(manners::unwrap, manners::UNWRAP_SAMPLES)
        }),
        ("tidy::tasks_are_spawned_where_they_are_supervised", || {
            holds(manners::spawn)
        }),
        (
            "tidy::tasks_are_spawned_where_they_are_supervised::self_test",
            || proves(manners::spawn, manners::SPAWN_SAMPLES),
        ),
        ("tidy::dependencies_have_reasons", || {
            holds(manners::dependencies)
        }),
        ("tidy::dependencies_have_reasons::self_test", || {
            proves(manners::dependencies, manners::DEPENDENCY_SAMPLES)
        }),
        ("tidy::every_test_file_is_run", || {
            holds(manners::unlisted_tests)
        }),
        ("tidy::every_test_file_is_run::self_test", || {
            proves(manners::unlisted_tests, manners::UNLISTED_SAMPLES)
        }),
    ]
}

/// What a rule must refuse and what it must accept, one set of files each.
struct Samples {
    refused: &'static [&'static [Sample]],
    accepted: &'static [&'static [Sample]],
}

fn holds(check: Check) -> Result<(), String> {
    let sources = source::repository()?;
    match check(&sources) {
        complaints if complaints.is_empty() => Ok(()),
        complaints => Err(complaints.join("\n")),
    }
}

fn proves(check: Check, samples: Samples) -> Result<(), String> {
    let complaints = |sample: &[Sample]| {
        let sources: Vec<Source> = sample
            .iter()
            .map(|(path, text)| Source::new(path, text))
            .collect();
        check(&sources)
    };
    for sample in samples.refused {
        if complaints(sample).is_empty() {
            return Err(format!("the rule does not refuse {sample:?}"));
        }
    }
    for sample in samples.accepted {
        let complaints = complaints(sample);
        if !complaints.is_empty() {
            return Err(format!("the rule refuses {sample:?}: {complaints:?}"));
        }
    }
    Ok(())
}

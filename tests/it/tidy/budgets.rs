//! Files and functions that one can hold in one's head.

use super::source::{Source, end_of_item, line, words};

/// Lines of a file.
const FILE: usize = 400;
/// Lines of a function, from `fn` to its closing brace.
const FUNCTION: usize = 60;
/// Lines of a function that is test code: tables of cases are long and read well.
const TEST_FUNCTION: usize = 100;

/// Files that may be longer, up to 600 lines, each with its reason.
const LONGER_FILES: &[(&str, &str)] = &[];

/// Every Rust file keeps the file budget; product and judge also keep the function budget.
pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let lines = source.text.lines().count();
        let excused = LONGER_FILES.iter().any(|(path, _)| *path == source.path);
        if lines > if excused { 600 } else { FILE } {
            complaints.push(format!(
                "{}: {lines} lines, more than {FILE}: split it",
                source.path
            ));
        }
        let judged = ["src/", "tests/support/src/"];
        if judged.iter().any(|folder| source.path.starts_with(folder)) {
            complaints.extend(long_functions(source));
        }
    }
    complaints
}

fn long_functions(source: &Source) -> Vec<String> {
    let code = &source.code;
    let mut complaints = Vec::new();
    for at in words(code, "fn") {
        let signature = code[at + 2..].trim_start();
        // `fn(u8) -> u8` is a type.
        if signature.starts_with('(') {
            continue;
        }
        let in_product = source.product.get(at..at + 2) == Some("fn");
        let budget = if in_product { FUNCTION } else { TEST_FUNCTION };
        let first = line(code, at);
        let length = line(code, end_of_item(code, at) - 1) - first + 1;
        if length > budget {
            let end = signature.find(['(', '<']).unwrap_or(signature.len());
            complaints.push(format!(
                "{}:{first}: `{}` has {length} lines, more than {budget}: split it",
                source.path,
                &signature[..end]
            ));
        }
    }
    complaints
}

/// Lines are counted exactly, and braces in literals don't count.
pub(super) fn self_test() -> Result<(), String> {
    let function = |lines: usize| {
        format!(
            "fn f(a: [u8; 2]) {{\n{}}}\n",
            "    g('{', \"}\");\n".repeat(lines - 2)
        )
    };
    let cases = [
        ("src/a.rs", function(FUNCTION), false),
        ("src/a.rs", function(FUNCTION + 1), true),
        (
            "src/a.rs",
            format!("{}{}", function(31), function(31)),
            false,
        ),
        (
            "src/a.rs",
            format!("type F = fn();\n{}", "const A: u8 = 1;\n".repeat(80)),
            false,
        ),
        ("tests/support/src/a.rs", function(FUNCTION + 1), true),
        ("src/a/tests.rs", function(TEST_FUNCTION), false),
        ("src/a/tests.rs", function(TEST_FUNCTION + 1), true),
        ("tests/it/a.rs", function(TEST_FUNCTION + 1), false),
        ("tests/it/a.rs", "\n".repeat(FILE), false),
        ("tests/it/a.rs", "\n".repeat(FILE + 1), true),
    ];
    for (path, text, refused) in cases {
        let complaints = check(&[Source::new(path, &text)]);
        if complaints.is_empty() == refused {
            return Err(format!("{path} with {text:?}: {complaints:?}"));
        }
    }
    Ok(())
}

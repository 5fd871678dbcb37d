//! The README shows only what exists.

use clap::Parser as _;
use informerd::runtime::Cli;
use libtest_mimic::Trial;

const README: &str = include_str!("../../README.md");
const MAKEFILE: &str = include_str!("../../Makefile");

/// The trials of this file.
pub fn trials() -> Vec<Trial> {
    vec![Trial::test("readme_commands_exist", || {
        readme_commands_exist().map_err(Into::into)
    })]
}

/// What stands under a heading of the second level.
pub fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let begin = format!("\n## {heading}\n");
    let (_, rest) = text
        .split_once(&begin)
        .unwrap_or_else(|| panic!("no section {heading}"));
    rest.split("\n## ").next().unwrap_or_default()
}

/// Lines of the shell blocks, continuations joined.
pub fn shell_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for block in text.split("```sh\n").skip(1) {
        let block = block
            .split("```")
            .next()
            .unwrap_or_default()
            .replace("\\\n", " ");
        lines.extend(block.lines().map(str::to_owned));
    }
    lines
}

fn readme_commands_exist() -> Result<(), String> {
    let lines = shell_lines(README);
    let mut kinds = [0; 5];
    for line in &lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["make", target, ..] => {
                kinds[0] += 1;
                if !MAKEFILE.contains(&format!("\n{target}:")) {
                    return Err(format!("no make target {target}"));
                }
            }
            ["informerd", ..] => {
                kinds[1] += 1;
                Cli::try_parse_from(&words).map_err(|error| format!("{line}: {error}"))?;
            }
            // The tests of access ask for such tokens.
            ["kubectl", "create", "token", ..] => {}
            // Run by the tests of the surface.
            ["grpcurl", ..] => kinds[2] += 1,
            ["cargo", "install", "--path", ".", "--locked"] => kinds[3] += 1,
            // Run by the tests of the chart.
            ["helm", "install" | "test", "informerd", ..] => kinds[4] += 1,
            // Run by the tests of the Python client, with the block of Python below it.
            ["pip", "install", "\"./clients/python[kubernetes]\""] => {}
            other => return Err(format!("nothing checks {other:?}")),
        }
    }
    if kinds.contains(&0) {
        return Err(format!("too little was found: {kinds:?} in {lines:?}"));
    }
    Ok(())
}

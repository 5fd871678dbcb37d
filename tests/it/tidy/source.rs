//! Source text as the rules see it: with comments and literals blanked, and with tests marked,
//! so that a rule never trips over a word in a sentence.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// One file of the repository.
#[derive(Debug)]
pub(super) struct Source {
    /// Relative to the repository, with `/`.
    pub(super) path: String,
    /// As it is.
    pub(super) text: String,
    /// The text of a Rust file with comments and literals replaced by spaces, line by line as
    /// before.
    pub(super) code: String,
    /// `code` without the items under `#[cfg(test)]`; empty for files that are tests as a whole.
    pub(super) product: String,
}

impl Source {
    /// Reads `text` as the file `path`.
    pub(super) fn new(path: &str, text: &str) -> Self {
        let code = blank_literals(text);
        let product = if is_test_file(path) {
            String::new()
        } else {
            blank_tests(&code)
        };
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
            product,
        }
    }

    /// Whether this is Rust.
    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The room of a file under `src/`: `view` for `src/view.rs` and `src/view/index.rs`; `None`
    /// for the crate roots and for everything outside.
    pub(super) fn room(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        let room = inside.split('/').next().unwrap_or(inside);
        (!matches!(inside, "lib" | "main")).then_some(room)
    }

    /// The test code: whole files outside the product, and the `#[cfg(test)]` items inside it.
    pub(super) fn test_code(&self) -> String {
        let product = self.product.chars().chain(std::iter::repeat(' '));
        self.code
            .chars()
            .zip(product)
            .map(|(code, product)| match code {
                '\n' => '\n',
                _ if product == code => ' ',
                _ => code,
            })
            .collect()
    }
}

/// Everything but the two `src` folders is test code, and so are the `tests` and `testing` modules
/// inside them.
fn is_test_file(path: &str) -> bool {
    let member = path.strip_prefix("tests/support/").unwrap_or(path);
    let product = member.starts_with("src/") || member == "build.rs";
    path.ends_with(".rs")
        && (!product
            || member.ends_with("/tests.rs")
            || member.ends_with("/testing.rs")
            || member.contains("/tests/"))
}

/// All Rust files of the repository and the few others that rules look at.
pub(super) fn repository() -> Result<Vec<Source>, String> {
    // Where cargo runs the tests; the checkout may have moved since they were built.
    let root = env::var_os("CARGO_MANIFEST_DIR");
    let root = root.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let mut paths = Vec::new();
    for folder in ["src", "tests", "benches", "examples"] {
        collect(&root.join(folder), &mut paths)?;
    }
    for file in [
        "build.rs",
        "Cargo.toml",
        "tests/support/Cargo.toml",
        "docs/dependencies.md",
        "hack/test.sh",
    ] {
        paths.push(root.join(file));
    }
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).map_err(|error| format!("{path:?}: {error}"))?;
            let relative = path.strip_prefix(&root).unwrap_or(path);
            Ok(Source::new(
                &relative.to_string_lossy().replace('\\', "/"),
                &text,
            ))
        })
        .collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<(), String> {
    if !folder.is_dir() {
        return Ok(());
    }
    let entries = fs::read_dir(folder).map_err(|error| format!("{folder:?}: {error}"))?;
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(&path, paths)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
    Ok(())
}

/// The position after the literal or comment that starts at `at`, if one does.
fn skip_opaque(text: &[u8], at: usize) -> Option<usize> {
    let rest = &text[at..];
    let previous = at.checked_sub(1).map(|index| text[index]);
    let starts_word = !previous.is_some_and(is_word);
    if rest.starts_with(b"//") {
        return Some(at + rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len()));
    }
    if rest.starts_with(b"/*") {
        return Some(end_of_comment(text, at));
    }
    if rest[0] == b'"' {
        return Some(end_of_string(text, at + 1));
    }
    let prefix = rest
        .iter()
        .take(2)
        .take_while(|b| matches!(b, b'r' | b'b' | b'c'))
        .count();
    if prefix > 0 && starts_word && rest[..prefix].contains(&b'r') {
        let hashes = rest[prefix..].iter().take_while(|&&b| b == b'#').count();
        if rest.get(prefix + hashes) == Some(&b'"') {
            return Some(end_of_raw(text, at + prefix + hashes + 1, hashes));
        }
    }
    if rest[0] == b'\'' {
        return end_of_char(text, at);
    }
    None
}

fn end_of_comment(text: &[u8], at: usize) -> usize {
    let (mut depth, mut index) = (0_usize, at);
    while index < text.len() {
        if text[index..].starts_with(b"/*") {
            depth += 1;
            index += 2;
        } else if text[index..].starts_with(b"*/") {
            depth -= 1;
            index += 2;
            if depth == 0 {
                return index;
            }
        } else {
            index += 1;
        }
    }
    index
}

fn end_of_string(text: &[u8], mut index: usize) -> usize {
    while index < text.len() {
        match text[index] {
            b'\\' => index += 2,
            b'"' => return index + 1,
            _ => index += 1,
        }
    }
    text.len()
}

fn end_of_raw(text: &[u8], from: usize, hashes: usize) -> usize {
    let closing = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    (from..text.len())
        .find(|&index| text[index..].starts_with(&closing))
        .map_or(text.len(), |index| index + closing.len())
}

/// A character literal, or `None` for a lifetime or label.
fn end_of_char(text: &[u8], at: usize) -> Option<usize> {
    let next = *text.get(at + 1)?;
    if next == b'\\' {
        let from = at + 3;
        return (from..text.len())
            .find(|&index| text[index] == b'\'')
            .map(|index| index + 1);
    }
    let width = match next {
        0..0x80 => 1,
        0x80..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    };
    (text.get(at + 1 + width) == Some(&b'\'')).then_some(at + 2 + width)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn blank(text: &mut [u8]) {
    text.iter_mut()
        .filter(|byte| **byte != b'\n')
        .for_each(|byte| *byte = b' ');
}

fn blank_literals(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut index = 0;
    while index < bytes.len() {
        match skip_opaque(bytes, index) {
            Some(end) => {
                blank(&mut out[index..end.min(bytes.len())]);
                index = end;
            }
            None => index += 1,
        }
    }
    // What is left outside comments and literals is ASCII but for exotic identifiers.
    out.iter()
        .map(|&byte| {
            if byte.is_ascii() {
                char::from(byte)
            } else {
                '?'
            }
        })
        .collect()
}

fn blank_tests(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    let mut from = 0;
    while let Some(start) = code[from..].find("#[cfg(test)]").map(|found| found + from) {
        let end = end_of_item(code, start + "#[cfg(test)]".len());
        blank(&mut out[start..end]);
        from = end;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The position after the `;` or the closing brace of the item that starts at `from`.
pub(super) fn end_of_item(code: &str, from: usize) -> usize {
    let (mut nesting, mut braces) = (0_i32, 0_i32);
    for (offset, byte) in code[from..].bytes().enumerate() {
        match byte {
            b'(' | b'[' => nesting += 1,
            b')' | b']' => nesting -= 1,
            b'{' => braces += 1,
            b'}' => braces -= 1,
            _ => {}
        }
        let ended = byte == b'}' && braces == 0 || byte == b';' && braces == 0 && nesting == 0;
        if ended {
            return from + offset + 1;
        }
    }
    code.len()
}

/// Where `word` stands in `code` as a whole word.
pub(super) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |&at| {
            let before = at.checked_sub(1).map(|index| code.as_bytes()[index]);
            let after = code.as_bytes().get(at + word.len()).copied();
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
}

/// The line number of a position, from 1.
pub(super) fn line(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// The reader of sources is itself tested: a wrong blank would hide a breach from every rule.
pub(super) fn self_test() -> Result<(), String> {
    let cases = [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        (r#"f("a\"b{", 'x', '"')"#, r#"f(       ,    ,    )"#),
        ("r#\"a\"b\"# x", "         x"),
        ("br\"{\" x", "      x"),
        ("&'a str, '\\'', '{'", "&'a str,     ,    "),
        ("bar\"x\" 'é' y", "bar         y"),
    ];
    for (text, expected) in cases {
        let code = Source::new("src/x.rs", text).code;
        if code.trim_end() != expected.trim_end() {
            return Err(format!(
                "{text:?} was read as {code:?}, not as {expected:?}"
            ));
        }
    }
    let mixed = Source::new(
        "src/x.rs",
        "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\nfn c() {}",
    );
    let split = (
        mixed.product.contains("fn b"),
        mixed.test_code().contains("fn b"),
    );
    if split != (false, true)
        || !mixed.product.contains("fn c")
        || mixed.test_code().contains("fn c")
    {
        return Err(format!("tests are not told from the product: {mixed:?}"));
    }
    Ok(())
}

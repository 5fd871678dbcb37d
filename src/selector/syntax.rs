//! The syntax of Kubernetes names: label keys and values, namespaces, object names.
//!
//! Facts: k8s.io/apimachinery pkg/util/validation and pkg/api/validation/path. Positions count
//! from the start of the checked text.

use super::error::{SelectorError, echo};

/// Checks a label key: `[prefix/]name` (`IsQualifiedName`).
pub(super) fn check_label_key(key: &str) -> Result<(), SelectorError> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let name_at = key.len() - name.len();
    if let Some(at) = name.find('/') {
        let message = format!("label key {} has more than one '/'", echo(key));
        return Err(SelectorError::new(name_at + at, message));
    }
    if let Some(prefix) = prefix {
        check_subdomain(prefix)?;
    }
    if name.is_empty() {
        let message = format!("label key {} has no name after the prefix", echo(key));
        return Err(SelectorError::new(name_at, message));
    }
    check_word(name, "name of the label key").map_err(|e| e.shifted(name_at))
}

/// Checks a label value; the empty one is fine (`IsValidLabelValue`).
pub(super) fn check_label_value(value: &str) -> Result<(), SelectorError> {
    if value.is_empty() {
        return Ok(());
    }
    check_word(value, "label value")
}

/// Checks a namespace (`IsDNS1123Label`).
pub(super) fn check_namespace(namespace: &str) -> Result<(), SelectorError> {
    if namespace.is_empty() {
        let message = "namespace is empty; leave the list empty to select all namespaces";
        return Err(SelectorError::new(0, message));
    }
    check_length(namespace, 63, "namespace")?;
    check_dns(namespace, "namespace")
}

/// Checks an object name as far as all resources agree: it must fit into a URL path
/// (`IsValidPathSegmentName`). Names of RBAC objects, for example, are no DNS names.
pub(super) fn check_object_name(name: &str) -> Result<(), SelectorError> {
    if name.is_empty() {
        let message = "name is empty; leave the list empty to select all names";
        return Err(SelectorError::new(0, message));
    }
    if name == "." || name == ".." {
        let message = format!("name {} is not allowed", echo(name));
        return Err(SelectorError::new(0, message));
    }
    check_length(name, 253, "name")?;
    match name.find(['/', '%']) {
        Some(at) => {
            let message = format!("name {} must not contain '/' or '%'", echo(name));
            Err(SelectorError::new(at, message))
        }
        None => Ok(()),
    }
}

/// A prefix of a label key (`IsDNS1123Subdomain`); its parts may be longer than 63.
fn check_subdomain(prefix: &str) -> Result<(), SelectorError> {
    let what = "prefix of the label key";
    if prefix.is_empty() {
        return Err(SelectorError::new(0, format!("{what} is empty")));
    }
    check_length(prefix, 253, what)?;
    let mut at = 0;
    for part in prefix.split('.') {
        if part.is_empty() {
            let message = format!("{what} {} has an empty part", echo(prefix));
            return Err(SelectorError::new(at, message));
        }
        check_dns(part, what).map_err(|e| e.shifted(at))?;
        at += part.len() + 1;
    }
    Ok(())
}

/// Checks a length in bytes; the fault lies where the text grows too long.
pub(super) fn check_length(text: &str, most: usize, what: &str) -> Result<(), SelectorError> {
    if text.len() <= most {
        return Ok(());
    }
    let message = format!(
        "{what} has {} bytes; at most {most} are allowed",
        text.len()
    );
    Err(SelectorError::new(text.floor_char_boundary(most), message))
}

/// The name of a label key, or a value that is not empty.
fn check_word(text: &str, what: &str) -> Result<(), SelectorError> {
    check_length(text, 63, what)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if let Some((at, c)) = text.char_indices().find(|(_, c)| !allowed(*c)) {
        let c = echo(c.encode_utf8(&mut [0; 4]));
        let message = format!("{what} has {c}; expected letters, digits, '-', '_' and '.'");
        return Err(SelectorError::new(at, message));
    }
    check_ends(text, what)
}

/// One part of a DNS name.
fn check_dns(text: &str, what: &str) -> Result<(), SelectorError> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if let Some((at, c)) = text.char_indices().find(|(_, c)| !allowed(*c)) {
        let c = echo(c.encode_utf8(&mut [0; 4]));
        let message = format!("{what} has {c}; expected lowercase letters, digits and '-'");
        return Err(SelectorError::new(at, message));
    }
    check_ends(text, what)
}

fn check_ends(text: &str, what: &str) -> Result<(), SelectorError> {
    let fits = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let at = if !fits(text.chars().next()) {
        0
    } else if !fits(text.chars().next_back()) {
        text.len() - 1
    } else {
        return Ok(());
    };
    let message = format!(
        "{what} {} must begin and end with a letter or digit",
        echo(text)
    );
    Err(SelectorError::new(at, message))
}

/// The cases of k8s.io/apimachinery pkg/util/validation (validation_test.go).
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_keys_are_qualified_names() {
        let long = [
            "a".repeat(63),
            format!("{}/{}", "a".repeat(253), "b".repeat(63)),
            "a".repeat(64),
            format!("{}/abc", "a".repeat(254)),
        ];
        for good in [
            "simple",
            "now-with-dashes",
            "1-starts-with-num",
            "1234",
            "simple/simple",
            "now-with-dashes/simple",
            "now-with-dashes/now-with-dashes",
            "now.with.dots/simple",
            "now-with.dashes-and.dots/simple",
            "1-num.2-num/3-num",
            "1234/5678",
            "1.2.3.4/5678",
            "Uppercase_Is_OK_123",
            "example.com/Uppercase_Is_OK_123",
            "requests.storage-foo",
            &long[0],
            &long[1],
        ] {
            assert_eq!(check_label_key(good), Ok(()), "{good}");
        }
        for (bad, position) in [
            ("nospecialchars%^=@", 14),
            ("cantendwithadash-", 16),
            ("-cantstartwithadash-", 0),
            ("only/one/slash", 8),
            ("Example.com/abc", 0),
            ("example_com/abc", 7),
            ("example.com/", 12),
            ("/simple", 0),
            ("a..b/c", 2),
            ("a/-b", 2),
            ("", 0),
            (&long[2], 63),
            (&long[3], 253),
        ] {
            let error = check_label_key(bad).expect_err(bad);
            assert_eq!(error.position, position, "{bad}: {error}");
        }
    }

    #[test]
    fn label_values_may_be_empty() {
        let long = ["a".repeat(63), "a".repeat(64)];
        for good in [
            "simple",
            "now-with-dashes",
            "1-starts-with-num",
            "end-with-num-1",
            "1234",
            "",
            &long[0],
        ] {
            assert_eq!(check_label_value(good), Ok(()), "{good}");
        }
        for bad in [
            "nospecialchars%^=@",
            "Tama-nui-te-r\u{101}.is.M\u{101}ori.sun",
            r"\backslashes\are\bad",
            "-starts-with-dash",
            "ends-with-dash-",
            ".starts.with.dot",
            "ends.with.dot.",
            &long[1],
        ] {
            assert!(check_label_value(bad).is_err(), "{bad}");
        }
    }
}

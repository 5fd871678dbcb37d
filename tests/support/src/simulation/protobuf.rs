//! Bodies in the Kubernetes protobuf encoding, for the few kinds that kubectl creates through
//! typed clients (`kubectl create namespace|configmap|secret`). Answers are always JSON, which
//! those clients accept.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// What stands before the envelope (apimachinery `runtime.Unknown`).
const MAGIC: &[u8] = b"k8s\0";

/// The object in `body`; `None` if it is damaged or of another kind.
pub(super) fn decode(body: &[u8]) -> Option<Value> {
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    for (number, field) in fields(body.strip_prefix(MAGIC)?)? {
        match number {
            1 => {
                for (number, field) in fields(field)? {
                    match number {
                        1 => api_version = text(field),
                        2 => kind = text(field),
                        _ => {}
                    }
                }
            }
            2 => raw = field,
            _ => {}
        }
    }
    let mut object = json!({ "kind": kind, "apiVersion": api_version, "metadata": {} });
    for (number, field) in fields(raw)? {
        match (kind.as_str(), number) {
            (_, 1) => object["metadata"] = metadata(field)?,
            ("ConfigMap" | "Secret", 2) => {
                let (key, value) = entry(field)?;
                let secret = kind == "Secret";
                object["data"][key] = json!(if secret {
                    STANDARD.encode(value)
                } else {
                    text(value)
                });
            }
            ("ConfigMap", 3) => {
                let (key, value) = entry(field)?;
                object["binaryData"][key] = json!(STANDARD.encode(value));
            }
            ("Secret", 3) => object["type"] = json!(text(field)),
            ("Namespace", _) => {}
            _ => return None,
        }
    }
    matches!(kind.as_str(), "ConfigMap" | "Secret" | "Namespace").then_some(object)
}

fn metadata(bytes: &[u8]) -> Option<Value> {
    let mut metadata = Map::new();
    for (number, field) in fields(bytes)? {
        let name = match number {
            1 => "name",
            2 => "generateName",
            3 => "namespace",
            5 => "uid",
            6 => "resourceVersion",
            11 | 12 => {
                let (key, value) = entry(field)?;
                let name = if number == 11 {
                    "labels"
                } else {
                    "annotations"
                };
                metadata.entry(name).or_insert_with(|| json!({}))[key] = json!(text(value));
                continue;
            }
            _ => continue,
        };
        if !field.is_empty() {
            metadata.insert(name.to_owned(), json!(text(field)));
        }
    }
    Some(Value::Object(metadata))
}

fn entry(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (mut key, mut value) = (String::new(), &[][..]);
    for (number, field) in fields(bytes)? {
        match number {
            1 => key = text(field),
            _ => value = field,
        }
    }
    Some((key, value))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The length-delimited fields of a message in order; numbers are left out.
fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, &[u8])>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let length = match tag & 7 {
            0 => {
                varint(&mut bytes)?;
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut bytes)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (field, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        if tag & 7 == 2 {
            fields.push((tag >> 3, field));
        }
    }
    Some(fields)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::decode;
    use serde_json::json;

    /// A field of up to 127 bytes.
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).expect("test fields are short");
        [&[number << 3 | 2, length], content].concat()
    }

    fn message(kind: &str, raw: &[u8]) -> Vec<u8> {
        let kinds = [field(1, b"v1"), field(2, kind.as_bytes())].concat();
        [b"k8s\0".to_vec(), field(1, &kinds), field(2, raw)].concat()
    }

    #[test]
    fn the_kinds_of_kubectl_create_are_read() {
        let label = [field(1, b"k"), field(2, b"v")].concat();
        let metadata = field(
            1,
            &[field(1, b"a"), field(11, &label), vec![7 << 3, 5]].concat(),
        );
        let raw = [metadata, field(2, &label)].concat();
        let meta = json!({ "name": "a", "labels": { "k": "v" } });
        assert_eq!(
            decode(&message("ConfigMap", &raw)),
            Some(
                json!({ "kind": "ConfigMap", "apiVersion": "v1", "metadata": meta, "data": { "k": "v" } })
            )
        );
        let secret = decode(&message("Secret", &raw)).expect("secrets are known");
        assert_eq!(secret["data"]["k"], "dg==");
        assert_eq!(decode(&message("Pod", &raw)), None);
    }

    #[test]
    fn damage_is_refused() {
        let whole = message("Namespace", &field(1, &field(1, b"a")));
        assert!(decode(&whole).is_some());
        for length in 0..whole.len() {
            let cut = decode(&whole[..length]);
            assert!(
                cut.is_none_or(|object| object["metadata"]["name"].is_null()),
                "{length}"
            );
        }
    }
}

//! Patches: JSON merge patch, strategic merge patch as far as lists merge by name, JSON patch, and
//! server-side apply as a merge. Enough for kubectl, not a reimplementation.

use serde_json::{Map, Value};

use super::refusal::Refusal;

/// The kind of a patch, by its content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchKind {
    /// RFC 7386.
    Merge,
    /// Lists of named objects merge by name; `$patch: delete` removes.
    Strategic,
    /// RFC 6902.
    Json,
    /// Server-side apply, done as a merge without ownership; creates what is absent.
    Apply,
}

impl PatchKind {
    /// By the content type of the request.
    #[must_use]
    pub fn of(content_type: &str) -> Option<Self> {
        match content_type.split(';').next().unwrap_or_default() {
            "application/merge-patch+json" => Some(Self::Merge),
            "application/strategic-merge-patch+json" => Some(Self::Strategic),
            "application/json-patch+json" => Some(Self::Json),
            "application/apply-patch+yaml" => Some(Self::Apply),
            _ => None,
        }
    }
}

/// The object after the patch.
pub(super) fn apply(kind: PatchKind, object: &Value, change: &Value) -> Result<Value, Refusal> {
    let mut next = object.clone();
    match kind {
        PatchKind::Merge => merge(&mut next, change, false),
        PatchKind::Strategic | PatchKind::Apply => merge(&mut next, change, true),
        PatchKind::Json => {
            for step in change.as_array().into_iter().flatten() {
                operation(&mut next, step).ok_or_else(|| {
                    Refusal::new(
                        422,
                        "Invalid",
                        format!("json patch operation can't be applied: {step}"),
                    )
                })?;
            }
        }
    }
    if !next["metadata"].is_object() {
        return Err(Refusal::bad_request(
            "a patch must leave metadata an object",
        ));
    }
    Ok(next)
}

fn merge(target: &mut Value, change: &Value, strategic: bool) {
    match (&mut *target, change) {
        (Value::Array(old), Value::Array(new)) if strategic && named(old) && named(new) => {
            merge_named(old, new);
        }
        (_, Value::Object(change)) => {
            if !target.is_object() {
                *target = Value::Object(Map::new());
            }
            let Some(fields) = target.as_object_mut() else {
                return;
            };
            let known = change
                .iter()
                .filter(|(key, _)| !(strategic && key.starts_with('$')));
            for (key, value) in known {
                if value.is_null() {
                    fields.shift_remove(key);
                } else {
                    merge(
                        fields.entry(key.clone()).or_insert(Value::Null),
                        value,
                        strategic,
                    );
                }
            }
        }
        _ => *target = change.clone(),
    }
}

fn named(list: &[Value]) -> bool {
    list.iter().all(|item| item["name"].is_string())
}

fn merge_named(old: &mut Vec<Value>, new: &[Value]) {
    for item in new {
        let found = old.iter().position(|known| known["name"] == item["name"]);
        match (found, item["$patch"] == "delete") {
            (Some(at), true) => {
                old.remove(at);
            }
            (Some(at), false) => merge(&mut old[at], item, true),
            (None, true) => {}
            (None, false) => old.push(item.clone()),
        }
    }
}

fn operation(object: &mut Value, step: &Value) -> Option<()> {
    let path = step["path"].as_str()?;
    let value = &step["value"];
    match step["op"].as_str()? {
        "add" => add(object, path, value.clone()),
        "remove" => remove(object, path).map(drop),
        "replace" => {
            *object.pointer_mut(path)? = value.clone();
            Some(())
        }
        "test" => (object.pointer(path)? == value).then_some(()),
        "copy" => {
            let copied = object.pointer(step["from"].as_str()?)?.clone();
            add(object, path, copied)
        }
        "move" => {
            let moved = remove(object, step["from"].as_str()?)?;
            add(object, path, moved)
        }
        _ => None,
    }
}

fn parent<'a>(object: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let (parent, key) = path.rsplit_once('/')?;
    Some((
        object.pointer_mut(parent)?,
        key.replace("~1", "/").replace("~0", "~"),
    ))
}

fn add(object: &mut Value, path: &str, value: Value) -> Option<()> {
    match parent(object, path)? {
        (Value::Object(fields), key) => {
            fields.insert(key, value);
        }
        (Value::Array(list), key) if key == "-" => list.push(value),
        (Value::Array(list), key) => {
            let at = key.parse().ok().filter(|at| *at <= list.len())?;
            list.insert(at, value);
        }
        _ => return None,
    }
    Some(())
}

fn remove(object: &mut Value, path: &str) -> Option<Value> {
    match parent(object, path)? {
        (Value::Object(fields), key) => fields.shift_remove(&key),
        (Value::Array(list), key) => {
            let at = key.parse().ok().filter(|at| *at < list.len())?;
            Some(list.remove(at))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{PatchKind, apply};
    use serde_json::{Value, json};

    fn check(kind: PatchKind, change: Value, expected: Value) {
        let object = json!({
            "metadata": { "labels": { "a": "1", "b": "2" } },
            "list": [{ "name": "web", "image": "1", "port": 80 }, { "name": "log" }],
        });
        let next = apply(kind, &object, &change).expect("the patch applies");
        assert_eq!(next["metadata"]["labels"], expected["labels"], "{change}");
        assert_eq!(next["list"], expected["list"], "{change}");
    }

    #[test]
    fn merge_replaces_lists_and_null_removes() {
        check(
            PatchKind::Merge,
            json!({ "metadata": { "labels": { "a": null, "c": "3" } }, "list": [{ "name": "web" }] }),
            json!({ "labels": { "b": "2", "c": "3" }, "list": [{ "name": "web" }] }),
        );
    }

    #[test]
    fn strategic_merges_lists_by_name() {
        check(
            PatchKind::Strategic,
            json!({
                "$setElementOrder/list": [{ "name": "web" }],
                "list": [{ "name": "web", "image": "2" }, { "name": "log", "$patch": "delete" }],
            }),
            json!({
                "labels": { "a": "1", "b": "2" },
                "list": [{ "name": "web", "image": "2", "port": 80 }],
            }),
        );
    }

    #[test]
    fn json_patch_runs_in_order() {
        check(
            PatchKind::Json,
            json!([
                { "op": "test", "path": "/metadata/labels/a", "value": "1" },
                { "op": "add", "path": "/metadata/labels/x~1y", "value": "3" },
                { "op": "remove", "path": "/metadata/labels/b" },
                { "op": "remove", "path": "/list/0" },
                { "op": "add", "path": "/list/-", "value": { "name": "new" } },
            ]),
            json!({
                "labels": { "a": "1", "x/y": "3" },
                "list": [{ "name": "log" }, { "name": "new" }],
            }),
        );
        let failing = json!([{ "op": "test", "path": "/metadata", "value": 1 }]);
        let refused = apply(PatchKind::Json, &json!({ "metadata": {} }), &failing);
        assert_eq!(refused.expect_err("the test fails").code, 422);
    }
}

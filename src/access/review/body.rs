//! What the apiserver is sent. Of tokens no copy is left behind.

use bytes::Bytes;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::access::Bearer;

/// A SubjectAccessReview.
pub(super) fn access_review(spec: &impl Serialize) -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Review<'a, T> {
        api_version: &'static str,
        kind: &'static str,
        spec: &'a T,
    }
    let review = Review {
        api_version: "authorization.k8s.io/v1",
        kind: "SubjectAccessReview",
        spec,
    };
    let text = serde_json::to_vec(&review).expect("a review is plain data");
    text.into()
}

/// A TokenReview. The buffer has room for all of it, so that no shorter one with the token in it
/// is left behind, and is overwritten when it has been sent.
pub(super) fn token_review(bearer: &Bearer, audiences: &[String]) -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Review<'a> {
        api_version: &'static str,
        kind: &'static str,
        spec: Spec<'a>,
    }
    #[derive(Serialize)]
    struct Spec<'a> {
        token: &'a str,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        audiences: &'a [String],
    }
    let review = Review {
        api_version: "authentication.k8s.io/v1",
        kind: "TokenReview",
        spec: Spec {
            token: bearer.expose(),
            audiences,
        },
    };
    // The longest way to write a character is six.
    let named: usize = audiences
        .iter()
        .map(|audience| 6 * audience.len() + 3)
        .sum();
    let room = bearer.expose().len() + named + 256;
    let mut text = Zeroizing::new(Vec::with_capacity(room));
    let given = text.capacity();
    serde_json::to_writer(&mut *text, &review).expect("a review is plain data");
    debug_assert_eq!(text.capacity(), given, "it never grew");
    Bytes::from_owner(text)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_review_asks_for_the_token_in_one_buffer() {
        let bearer = Bearer::new(&"x".repeat(Bearer::MAX_BYTES)).expect("a token");
        let strange = ["\u{1}\"\\".repeat(500)];
        for audiences in [&[][..], &["informerd".to_owned()], &strange] {
            let text = token_review(&bearer, audiences);
            let read: Value = serde_json::from_slice(&text).expect("json");
            let mut expected = json!({
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenReview",
                "spec": {"token": bearer.expose()},
            });
            if !audiences.is_empty() {
                expected["spec"]["audiences"] = audiences.into();
            }
            assert_eq!(read, expected);
        }
    }
}

//! A million damaged, spliced and invented tokens: none panics, and none is taken for what it is
//! not.
//!
//! Of those whose checksum was not made to fit, one in 2^32 fits by chance: in a million trials
//! once in four thousand seeds, and this seed is fixed. So here there is none.

use std::collections::{BTreeMap, HashSet};

use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use fastrand::Rng;

use super::*;

const TRIALS: usize = 1_000_000;

/// Tokens to damage, and the scope by which all are read.
struct Mint {
    scope: Scope,
    texts: Vec<String>,
    bodies: Vec<Vec<u8>>,
    genuine: HashSet<String>,
    rng: Rng,
}

impl Mint {
    fn new(seed: u64) -> Self {
        let scope = Scope {
            cluster: [7; 8],
            gvr: Gvr::new("apps", "v1", "deployments"),
            filter: [9; 8],
        };
        let others = [
            scope.clone(),
            Scope {
                cluster: [1; 8],
                ..scope.clone()
            },
            Scope {
                filter: [2; 8],
                ..scope.clone()
            },
            Scope {
                gvr: Gvr::new("", "v1", "pods"),
                ..scope.clone()
            },
        ];
        let mut rng = Rng::with_seed(seed);
        let mut texts = Vec::new();
        for scope in others {
            texts.extend((0..16).map(|_| {
                let version = (rng.u64(..) >> rng.u32(..64)).to_string();
                scope.token(&Position {
                    epoch: rng.u32(..4),
                    version: ResourceVersion::new(&version),
                })
            }));
        }
        let bodies = texts.iter().map(|text| decoded(text)).collect();
        Self {
            genuine: texts.iter().cloned().collect(),
            scope,
            texts,
            bodies,
            rng,
        }
    }

    fn text(&mut self) -> String {
        self.texts[self.rng.usize(..self.texts.len())].clone()
    }

    fn body(&mut self) -> Vec<u8> {
        self.bodies[self.rng.usize(..self.bodies.len())].clone()
    }

    fn flipped(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        for _ in 0..self.rng.usize(1..4) {
            let at = self.rng.usize(..bytes.len());
            bytes[at] ^= 1 << self.rng.u32(..8);
        }
        bytes
    }

    fn noise(&mut self, longest: usize) -> Vec<u8> {
        let length = self.rng.usize(..longest);
        (0..length).map(|_| self.rng.u8(..)).collect()
    }

    fn spliced<T: Clone>(&mut self, one: &[T], two: &[T]) -> Vec<T> {
        let (head, tail) = (self.rng.usize(..=one.len()), self.rng.usize(..=two.len()));
        [&one[..head], &two[tail..]].concat()
    }

    /// The same bytes as another base64 writes them, or with what people add to it.
    fn respelled(&mut self) -> String {
        let bytes = self.body();
        let text = self.text();
        match self.rng.u8(..8) {
            0 => STANDARD.encode(bytes),
            1 => STANDARD_NO_PAD.encode(bytes),
            2 => URL_SAFE.encode(bytes),
            3 => format!("{text}="),
            4 => text.to_ascii_uppercase(),
            5 => [" ", "\n", "\0", "\u{feff}"][self.rng.usize(..4)].to_owned() + &text,
            6 => {
                let at = self.rng.usize(..=text.len());
                [&text[..at], "\r\n", &text[at..]].concat()
            }
            _ => {
                let at = self.rng.usize(..text.len());
                let other = ["A", "_", "-", "+", "/", "=", "é"][self.rng.usize(..7)];
                [&text[..at], other, &text[at + 1..]].concat()
            }
        }
    }

    /// Whole in form, with a checksum that fits, by somebody who knows how tokens are made.
    fn forged(&mut self) -> String {
        let body = self.body();
        let body = &body[..body.len() - CHECKSUM];
        let mut forged = match self.rng.u8(..4) {
            0 => self.flipped(body.to_vec()),
            1 => {
                let other = self.body();
                self.spliced(body, &other)
            }
            2 => self.noise(200),
            _ => {
                let noise = self.noise(20);
                let at = self.rng.usize(..=body.len());
                [&body[..at], &noise, &body[at..]].concat()
            }
        };
        let sum = checksum(&forged);
        forged.extend(sum);
        URL_SAFE_NO_PAD.encode(forged)
    }

    /// A trial, and of which kind.
    fn next(&mut self) -> (&'static str, String) {
        let (body, text) = (self.body(), self.text());
        match self.rng.u8(..16) {
            0..4 => ("flipped", URL_SAFE_NO_PAD.encode(self.flipped(body))),
            4 | 5 => {
                let at = self.rng.usize(..text.len());
                ("cut", text[..at].to_owned())
            }
            6 => {
                let at = self.rng.usize(..body.len());
                ("cut", URL_SAFE_NO_PAD.encode(&body[at..]))
            }
            7 | 8 => {
                let other = self.body();
                let spliced = self.spliced(&body, &other);
                ("spliced", URL_SAFE_NO_PAD.encode(spliced))
            }
            9 => {
                let other = self.text();
                let spliced = self.spliced(text.as_bytes(), other.as_bytes());
                ("spliced", String::from_utf8_lossy(&spliced).into_owned())
            }
            10 | 11 => ("respelled", self.respelled()),
            12 => ("noise", URL_SAFE_NO_PAD.encode(self.noise(120))),
            13 => {
                let noise = self.noise(120);
                ("noise", String::from_utf8_lossy(&noise).into_owned())
            }
            _ => ("forged", self.forged()),
        }
    }
}

fn decoded(token: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(token).expect("a token")
}

#[test]
fn a_million_wrong_tokens_are_taken_for_nothing_else() {
    let mut mint = Mint::new(20_261_126);
    let mut seen: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for _ in 0..TRIALS {
        let (kind, token) = mint.next();
        let read = mint.scope.position(&token);
        if let Ok(position) = &read {
            // It says nothing but what a token of this scope says, in the same letters.
            assert_eq!(mint.scope.token(position), token, "{kind}");
        }
        let whole = read != Err(TokenError::Invalid);
        assert!(
            kind == "forged" || whole == mint.genuine.contains(&token),
            "{kind}: {token} is {read:?}"
        );
        let outcome = match read {
            Ok(_) => "taken",
            Err(TokenError::Invalid) => "invalid",
            Err(_) => "of something else",
        };
        *seen.entry((kind, outcome)).or_default() += 1;
    }
    for (kind, outcome) in [
        ("flipped", "invalid"),
        ("cut", "invalid"),
        ("spliced", "invalid"),
        ("spliced", "taken"),
        ("spliced", "of something else"),
        ("respelled", "invalid"),
        ("noise", "invalid"),
        ("forged", "invalid"),
        ("forged", "taken"),
        ("forged", "of something else"),
    ] {
        let count = seen.get(&(kind, outcome)).copied().unwrap_or_default();
        assert!(count > 20, "{kind}, {outcome}: {count} of {seen:?}");
    }
}

#[test]
fn what_is_far_too_long_is_not_even_decoded() {
    let mint = Mint::new(1);
    for length in [MAX_TEXT + 1, 1 << 16, 1 << 20] {
        let long = "A".repeat(length);
        assert_eq!(mint.scope.position(&long), Err(TokenError::Invalid));
    }
}

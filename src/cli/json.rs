//! Lays JSON out anew without reading its values: numbers, escapes and key order stay.

/// Writes JSON with two spaces of indentation per level, as kubectl does. Text that isn't JSON
/// comes out as some text.
pub(crate) fn pretty(json: &[u8], depth: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2);
    let mut depth = depth;
    let tokens = Tokens { json, at: 0 };
    let mut opened = false;
    for token in tokens {
        match token {
            b"{" | b"[" => {
                if opened {
                    break_line(&mut out, depth);
                }
                out.extend_from_slice(token);
                depth += 1;
                opened = true;
                continue;
            }
            b"}" | b"]" => {
                depth = depth.saturating_sub(1);
                if !opened {
                    break_line(&mut out, depth);
                }
                out.extend_from_slice(token);
            }
            b"," => {
                out.extend_from_slice(token);
                break_line(&mut out, depth);
            }
            b":" => out.extend_from_slice(b": "),
            scalar => {
                if opened {
                    break_line(&mut out, depth);
                }
                out.extend_from_slice(scalar);
            }
        }
        opened = false;
    }
    out
}

/// JSON without the white space between its tokens, so that it fits on one line.
pub(crate) fn compact(json: &[u8]) -> Vec<u8> {
    let tokens = Tokens { json, at: 0 };
    tokens.flatten().copied().collect()
}

fn break_line(out: &mut Vec<u8>, depth: usize) {
    out.push(b'\n');
    out.resize(out.len() + 2 * depth, b' ');
}

struct Tokens<'a> {
    json: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while self.json.get(self.at)?.is_ascii_whitespace() {
            self.at += 1;
        }
        let rest = &self.json[self.at..];
        let length = match rest[0] {
            b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
            b'"' => string_length(rest),
            _ => rest
                .iter()
                .position(|b| b"{}[],:\" \t\r\n".contains(b))
                .unwrap_or(rest.len()),
        };
        self.at += length;
        Some(&rest[..length])
    }
}

/// The length of a string with its quotes.
fn string_length(json: &[u8]) -> usize {
    let mut escaped = false;
    for (i, &byte) in json.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return i + 1,
            _ => {}
        }
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_every_value_as_it_is_spelled() {
        let json = br#"{"b":1.50,"a":[12345678901234567890,{"x":"a\"b,{\\"},[],{}],"c":null}"#;
        let text = String::from_utf8(pretty(json, 0)).expect("text");
        let expected = r#"{
  "b": 1.50,
  "a": [
    12345678901234567890,
    {
      "x": "a\"b,{\\"
    },
    [],
    {}
  ],
  "c": null
}"#;
        assert_eq!(text, expected);
        assert_eq!(compact(text.as_bytes()), json);
    }

    #[test]
    fn takes_bare_values_and_garbage() {
        for text in ["1", "\"a b\"", "{}", "[]", "", "{\"a", "}}"] {
            let compact = compact(text.as_bytes());
            assert_eq!(compact, text.as_bytes());
            pretty(text.as_bytes(), 0);
        }
    }
}

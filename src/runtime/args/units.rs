//! Times and sizes as people write them.

use std::time::Duration;

/// `300ms`, `20s`, `5m`, `1h`; a bare number is seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let wrong = || format!("{text:?} is no time; write for example 300ms, 20s, 5m or 1h");
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let scale = match &text[digits..] {
        "ms" => return Ok(Duration::from_millis(number)),
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    number
        .checked_mul(scale)
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

/// `1024`, `512Ki`, `64Mi`, `2Gi`.
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let wrong = || format!("{text:?} is no size; write for example 512Ki, 64Mi or 1Gi");
    let number: usize = text[..digits].parse().map_err(|_| wrong())?;
    let shift = match &text[digits..] {
        "" => 0,
        "Ki" => 10,
        "Mi" => 20,
        "Gi" => 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_and_sizes() {
        assert_eq!(duration("300ms"), Ok(Duration::from_millis(300)));
        assert_eq!(duration("20"), Ok(Duration::from_secs(20)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert!(duration("soon").is_err());
        assert!(duration("1d").is_err());
        assert_eq!(bytes("64Mi"), Ok(64 << 20));
        assert!(bytes("64MB").is_err());
    }
}

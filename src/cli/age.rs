//! Ages as kubectl writes them: short, and coarser the longer they are.

use jiff::Timestamp;

/// The time since an RFC 3339 timestamp, or `<unknown>` where there is none.
pub(crate) fn since(timestamp: Option<&str>, now: Timestamp) -> String {
    match timestamp.map(str::parse::<Timestamp>) {
        Some(Ok(then)) => human(now.as_second() - then.as_second()),
        _ => "<unknown>".to_owned(),
    }
}

/// The rule of `HumanDuration` (k8s.io/apimachinery pkg/util/duration/duration.go): two units
/// near the smaller border of a range, one beyond it. A clock that is behind by more than a
/// second is told as `<invalid>`.
pub(crate) fn human(seconds: i64) -> String {
    let two = |big: i64, big_unit: char, small: i64, small_unit: char| match small {
        0 => format!("{big}{big_unit}"),
        _ => format!("{big}{big_unit}{small}{small_unit}"),
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1..0 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        _ if minutes < 10 => two(minutes, 'm', seconds % 60, 's'),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => two(hours, 'h', minutes % 60, 'm'),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 192 => two(days, 'd', hours % 24, 'h'),
        _ if days < 730 => format!("{days}d"),
        _ if days < 2_920 => two(days / 365, 'y', days % 365, 'd'),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_as_coarse_as_kubectl() {
        let (m, h, d) = (60, 3_600, 86_400);
        let table = [
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (2 * m, "2m"),
            (2 * m + 5, "2m5s"),
            (10 * m + 5, "10m"),
            (179 * m + 59, "179m"),
            (3 * h, "3h"),
            (3 * h + 20 * m, "3h20m"),
            (8 * h + 20 * m, "8h"),
            (47 * h, "47h"),
            (2 * d + 3 * h, "2d3h"),
            (8 * d + 3 * h, "8d"),
            (729 * d, "729d"),
            (2 * 365 * d, "2y"),
            (2 * 365 * d + 9 * d, "2y9d"),
            (8 * 365 * d + 9 * d, "8y"),
        ];
        for (seconds, text) in table {
            assert_eq!(human(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn reads_timestamps() {
        let now = "2026-01-01T00:01:00Z".parse().expect("a timestamp");
        assert_eq!(since(Some("2026-01-01T00:00:00Z"), now), "60s");
        assert_eq!(since(Some("yesterday"), now), "<unknown>");
        assert_eq!(since(None, now), "<unknown>");
    }
}

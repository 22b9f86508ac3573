//! Numbers as people read them.

use std::time::Duration;

/// A count of bytes: `999 B`, `1.2 kB`, `34 MB`.
pub(crate) fn bytes(count: u64) -> String {
    let (mut value, mut unit) = (count as f64, "B");
    for larger in ["kB", "MB", "GB"] {
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    let digits = usize::from(unit != "B" && value < 9.95);
    format!("{value:.digits$} {unit}")
}

/// A count in groups of three: `1 843 200`.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// A bit rate: `900 bit/s`, `17.3 kbit/s`.
pub(crate) fn bit_rate(bits_per_second: u64) -> String {
    match bits_per_second {
        0..1000 => format!("{bits_per_second} bit/s"),
        _ => format!("{:.1} kbit/s", bits_per_second as f64 / 1000.0),
    }
}

/// Milliseconds with one decimal, of microseconds.
pub(crate) fn millis(micros: u64) -> String {
    format!("{:.1} ms", micros as f64 / 1000.0)
}

/// A time that something has lasted: `12 s`, `3 min 05 s`, `7 h 00 min`.
pub(crate) fn lasted(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}

/// How often something happened: `0 times`, `once`, `7 times`.
pub(crate) fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        n => format!("{n} times"),
    }
}

/// A share in percent, with one decimal. Zero of nothing is zero.
pub(crate) fn percent(part: f64, whole: f64) -> String {
    let share = if whole > 0.0 { part / whole } else { 0.0 };
    format!("{:.1} %", share * 100.0)
}

/// A rate as one in how many, with two digits that count: `1200`. The rate is above zero.
pub(crate) fn one_in(rate: f64) -> String {
    let many = (1.0 / rate).max(1.0);
    let unit = 10f64.powf(many.log10().floor() - 1.0).max(1.0);
    format!("{:.0}", (many / unit).round() * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_one_in_how_many() {
        for (rate, words) in [
            (0.6, "2"),
            (1.0, "1"),
            (1.0 / 12.4, "12"),
            (1.0 / 127.0, "130"),
            (7.9e-4, "1300"),
            (6e-7, "1700000"),
        ] {
            assert_eq!(one_in(rate), words);
        }
    }

    #[test]
    fn bytes_have_a_fitting_unit() {
        for (count, words) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (9_940, "9.9 kB"),
            (9_960, "10 kB"),
            (999_600, "1.0 MB"),
            (34_000_000, "34 MB"),
            (u64::MAX, "18446744074 GB"),
        ] {
            assert_eq!(bytes(count), words);
        }
    }

    #[test]
    fn large_counts_come_in_groups_of_three() {
        for (n, words) in [
            (0, "0"),
            (999, "999"),
            (1000, "1 000"),
            (1_843_200, "1 843 200"),
        ] {
            assert_eq!(count(n), words);
        }
        assert_eq!(bit_rate(999), "999 bit/s");
        assert_eq!(bit_rate(17_300), "17.3 kbit/s");
    }

    #[test]
    fn what_happened_once_is_not_one_times() {
        assert_eq!([0, 1, 2].map(times), ["0 times", "once", "2 times"]);
    }

    #[test]
    fn times_have_two_parts() {
        assert_eq!(lasted(Duration::from_secs(59)), "59 s");
        assert_eq!(lasted(Duration::from_secs(185)), "3 min 05 s");
        assert_eq!(lasted(Duration::from_secs(7 * 3600)), "7 h 00 min");
        assert_eq!(percent(1.0, 0.0), "0.0 %");
    }
}

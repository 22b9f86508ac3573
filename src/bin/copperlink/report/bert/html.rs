//! The page that a technician hands over: one file, nothing fetched from anywhere, good on paper.
//!
//! ```text
//!   +--------------------------------------------+
//!   | Line test               device   date      |
//!   | [ GOOD ]  why, in words                     |
//!   | wrong bits | errored s | slips | available |   four figures
//!   | errors over time                           |
//!   | stretches without an error                 |
//!   | what it will carry: voice, bar, pictures   |
//!   | all the figures                            |
//!   | pair, place, name, signature               |
//!   +--------------------------------------------+
//! ```

use std::fmt::Write;

use copperlink::linetest::verdict::{Fit, Grade, one_in};

use super::{BertReport, beside_words, best, noise_words, packet_words, plot, scientific};
use crate::report::number;

/// The whole page.
pub(crate) fn page(report: &BertReport) -> String {
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Line test of {}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n",
        escape(&report.facts.device)
    );
    head(&mut out, report);
    if report.stats.seconds.seconds > 0 {
        figures(&mut out, report);
        pictures(&mut out, report);
    }
    if let Some(fit) = &report.verdict.carries {
        carries(&mut out, fit);
    }
    all_figures(&mut out, report);
    out.push_str(SIGNATURE);
    let version = env!("CARGO_PKG_VERSION");
    let _ = writeln!(
        out,
        "<footer>Measured by copperlink {version}, {}. Seconds as ITU-T G.821 counts them, patterns of ITU-T \
         O.150.</footer>\n</main>\n</body>\n</html>",
        date(report.ended_unix_s)
    );
    out
}

fn head(out: &mut String, report: &BertReport) {
    let (class, word) = match report.verdict.grade {
        Grade::Good => ("good", "GOOD"),
        Grade::Usable => ("usable", "USABLE"),
        Grade::Bad => ("bad", "BAD"),
    };
    let _ = write!(
        out,
        "<header><div><h1>Line test</h1><p>{} &middot; {} bit/s &middot; {}</p></div>\
         <p class=\"date\">{}</p></header>\n<section class=\"verdict {class}\"><strong>{word}</strong><div>",
        escape(&report.facts.device),
        report.facts.rate.bits_per_second(),
        report.way(),
        date(report.ended_unix_s)
    );
    let reasons = &report.verdict.reasons;
    if reasons.is_empty() {
        let _ = write!(out, "<p class=\"reason\">{}</p>", ALL_WELL);
    }
    for reason in reasons {
        let _ = write!(
            out,
            "<p class=\"reason\">{}.</p>",
            escape(&sentence(reason))
        );
    }
    for remark in report.verdict.remarks.iter().chain(&report.facts.remarks) {
        let _ = write!(out, "<p>{}.</p>", escape(&sentence(remark)));
    }
    out.push_str("</div></section>\n");
}

fn figures(out: &mut String, report: &BertReport) {
    let stats = &report.stats;
    let seconds = &stats.seconds;
    let (rate, below) = match &report.verdict.bit_error_rate {
        Some(bound) if bound.errors > 0 => (
            format!("1 in {}", grouped(&one_in(bound.rate))),
            format!(
                "{} of {} bits",
                number::count(bound.errors),
                number::count(bound.bits)
            ),
        ),
        Some(bound) => (
            "none".to_owned(),
            format!(
                "of {} bits: below {}",
                number::count(bound.bits),
                scientific(bound.upper)
            ),
        ),
        None => ("-".to_owned(), "no bit compared".to_owned()),
    };
    let available = match seconds.unavailable {
        0 => "all the time".to_owned(),
        n => format!("{} s away", number::count(n)),
    };
    out.push_str("<section class=\"tiles\">");
    for (name, figure, words) in [
        ("Wrong bits", rate, below),
        (
            "Errored seconds",
            number::count(seconds.errored),
            format!(
                "{} of them severely, in {} s",
                number::count(seconds.severely_errored),
                number::count(seconds.available)
            ),
        ),
        (
            "Slips",
            number::count(stats.slips),
            format!(
                "{} bytes lost, {} too many",
                number::count(stats.slipped_bytes_lost),
                number::count(stats.slipped_bytes_extra)
            ),
        ),
        (
            "Available",
            number::percent(
                seconds.available as f64,
                (seconds.available + seconds.unavailable) as f64,
            ),
            available,
        ),
    ] {
        let _ = write!(
            out,
            "<div><h3>{name}</h3><p class=\"figure\">{figure}</p><p>{words}</p></div>"
        );
    }
    out.push_str("</section>\n");
}

fn pictures(out: &mut String, report: &BertReport) {
    let timeline = &report.stats.timeline;
    let each = match timeline.seconds_each {
        1 => "each second".to_owned(),
        n => format!("each {n} s, coloured by the worst second of them"),
    };
    let _ = writeln!(
        out,
        "<section><h2>Errors over time</h2><p class=\"key\">Share of wrong bits in {each}. \
         <i class=\"free\"></i> no error <i class=\"errored\"></i> errored <i class=\"severe\"></i> severely errored \
         <i class=\"lost\"></i> lost <b>&#9662;</b> slip</p>{}</section>",
        plot::over_time(timeline)
    );
    if report.stats.errors > 1 {
        let _ = writeln!(
            out,
            "<section><h2>Stretches without an error</h2><p class=\"key\">{}.</p>{}</section>",
            sentence(&report.spread_words()),
            plot::intervals(&report.stats.intervals)
        );
    }
}

fn carries(out: &mut String, fit: &Fit) {
    let _ = write!(
        out,
        "<section><h2>What this line will carry, in each direction</h2><p class=\"key flush\"><i class=\"voice\"></i> voice \
         <i class=\"room\"></i> left for pictures and control <i class=\"noise\"></i> taken by noise</p>"
    );
    if fit.voices.is_empty() {
        out.push_str("<p>No voice: the line is too slow. Text and control only.</p>");
    } else {
        out.push_str(
            "<table class=\"carries\"><thead><tr><th>Voice</th><th>Packet</th><th>Of the line</th><th></th>\
             <th>Beside it</th></tr></thead><tbody>",
        );
        for voice in best(fit) {
            let _ = write!(
                out,
                "<tr><th>{}</th><td>{}</td><td class=\"number\">{:.0} %</td><td>{}</td><td>{}</td></tr>",
                voice.codec,
                packet_words(voice),
                voice.share * 100.0,
                plot::share(fit, voice),
                beside_words(voice)
            );
        }
        out.push_str("</tbody></table>");
    }
    let _ = writeln!(out, "<p class=\"key\">{}</p></section>", noise_words(fit));
}

fn all_figures(out: &mut String, report: &BertReport) {
    out.push_str("<section><h2>All figures</h2><table class=\"facts\"><tbody>");
    for (name, words) in report.rows() {
        let _ = write!(
            out,
            "<tr><th>{}</th><td>{}</td></tr>",
            sentence(name),
            escape(&words)
        );
    }
    out.push_str("</tbody></table></section>\n");
}

/// Digits in groups of three.
fn grouped(digits: &str) -> String {
    digits.parse().map_or(digits.to_owned(), number::count)
}

/// With a capital.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}

/// `2026-11-30 14:05 UTC`.
fn date(unix_s: u64) -> String {
    let (days, of_day) = (unix_s / 86_400, unix_s % 86_400);
    let (mut year, mut left) = (1970, days);
    let days_in = |year: u64| match year.is_multiple_of(4)
        && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    {
        true => 366,
        false => 365,
    };
    while left >= days_in(year) {
        left -= days_in(year);
        year += 1;
    }
    let february = days_in(year) - 337;
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < days {
            break;
        }
        left -= days;
        month += 1;
    }
    let (hour, minute) = (of_day / 3600, of_day / 60 % 60);
    format!(
        "{year}-{month:02}-{:02} {hour:02}:{minute:02} UTC",
        left + 1
    )
}

const ALL_WELL: &str = "Nothing was found that a call would suffer from.";

const SIGNATURE: &str = "<section class=\"sign\"><div>Pair or circuit</div><div>From, to</div><div>Technician</div>\
                         <div>Date, signature</div></section>\n";

const STYLE: &str = include_str!("page.css");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (unix_s, words) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_798_761_599, "2026-12-31 23:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(date(unix_s), words);
        }
    }

    #[test]
    fn what_is_not_ours_is_made_harmless() {
        assert_eq!(
            escape("<a href=\"x\">&\u{1b}"),
            "&lt;a href=&quot;x&quot;&gt;&amp; "
        );
        assert_eq!(sentence("one bit"), "One bit");
    }
}

//! The result of a bit error test: as text, as JSON, and as a page to hand over.

pub(crate) mod html;
mod plot;

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use copperlink::linetest::verdict::{Fit, Grade, VoiceFit, one_in};
use copperlink::linetest::{Event, Pattern, Polarity, Slip, Stats, Verdict};
use copperlink::proto::time::BitRate;
use copperlink::shell::Flow;

use super::{Table, number};

/// What was tested, and how.
#[derive(Debug, Serialize)]
pub(crate) struct Facts {
    pub(crate) device: String,
    #[serde(serialize_with = "as_number")]
    pub(crate) baud: BitRate,
    /// What the line carries.
    #[serde(serialize_with = "as_number")]
    pub(crate) rate: BitRate,
    pub(crate) flow: Flow,
    pub(crate) is_loop: bool,
    pub(crate) sent_pattern: Pattern,
    pub(crate) sent_polarity: Polarity,
    pub(crate) injected_one_in: Option<u64>,
    /// What the device did not do as it was asked.
    pub(crate) remarks: Vec<String>,
}

fn as_number<S: serde::Serializer>(rate: &BitRate, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32(rate.bits_per_second())
}

/// Everything about a test.
#[derive(Debug, Serialize)]
pub(crate) struct BertReport {
    facts: Facts,
    /// When it ended, seconds since 1970.
    ended_unix_s: u64,
    bit_error_rate: Option<f64>,
    burstiness: Option<f64>,
    verdict: Verdict,
    stats: Stats,
}

impl BertReport {
    /// Of a test that ends now.
    pub(crate) fn new(facts: Facts, stats: Stats) -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            verdict: Verdict::new(&stats, facts.rate),
            ended_unix_s: since_1970.map_or(0, |time| time.as_secs()),
            bit_error_rate: stats.bit_error_rate(),
            burstiness: stats.intervals.burstiness(),
            facts,
            stats,
        }
    }

    /// Whether the line failed.
    pub(crate) fn is_bad(&self) -> bool {
        self.verdict.grade == Grade::Bad
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut out = format!("{}: the line is {}\n", self.facts.device, self.grade());
        for reason in &self.verdict.reasons {
            let _ = writeln!(out, "  {reason}");
        }
        for remark in &self.verdict.remarks {
            let _ = writeln!(out, "  note: {remark}");
        }
        out.push('\n');
        for (name, words) in self.rows() {
            let _ = writeln!(out, "  {name:<12}{words}");
        }
        if let Some(fit) = &self.verdict.carries {
            let _ = write!(out, "\nWHAT IT WILL CARRY, each direction\n{}", voices(fit));
        }
        out
    }

    fn grade(&self) -> &'static str {
        match self.verdict.grade {
            Grade::Good => "GOOD",
            Grade::Usable => "USABLE, but not good",
            Grade::Bad => "BAD",
        }
    }

    /// Which way the bits went that were counted.
    fn way(&self) -> &'static str {
        match self.facts.is_loop {
            true => "there and back, through the loop",
            false => "from the far end to here; the other end counts the other way",
        }
    }

    /// What was found, name and words.
    fn rows(&self) -> Vec<(&'static str, String)> {
        let stats = &self.stats;
        let mut rows = vec![
            ("line", self.line_words()),
            ("pattern", self.pattern_words()),
        ];
        if stats.seconds.seconds == 0 {
            rows.push((
                "received",
                format!("{} bytes", number::count(stats.bytes_received)),
            ));
            return rows;
        }
        rows.push((
            "measured",
            format!(
                "{} s, {} bits, {}",
                number::count(stats.seconds.seconds),
                number::count(stats.bits),
                self.way()
            ),
        ));
        rows.push(("wrong bits", self.error_words()));
        if let Some(every) = self.facts.injected_one_in {
            let words = format!(
                "{} bits turned over in what was sent, 1 in {every}: the far end must count them",
                number::count(stats.injected)
            );
            rows.push(("put in", words));
        }
        rows.push(("spread", self.spread_words()));
        rows.push(("slips", self.slip_words()));
        rows.push(("lost", self.lost_words()));
        rows.push(("G.821", self.g821_words()));
        rows
    }

    fn line_words(&self) -> String {
        let Facts {
            baud, rate, flow, ..
        } = &self.facts;
        let (baud, rate) = (baud.bits_per_second(), rate.bits_per_second());
        let carries = match baud == rate {
            true => String::new(),
            false => format!(", the line carries {rate}"),
        };
        format!("{baud} bit/s{carries}, 8 data bits, no parity, 1 stop bit, flow {flow}")
    }

    fn pattern_words(&self) -> String {
        let named = |pattern: Pattern, polarity| match polarity == pattern.polarity() {
            true => pattern.to_string(),
            false => format!("{pattern} turned over"),
        };
        let sent = named(self.facts.sent_pattern, self.facts.sent_polarity);
        match (self.stats.pattern, self.stats.polarity) {
            (Some(pattern), Some(polarity)) => format!(
                "{sent} sent, {} received, found after {:.1} s",
                named(pattern, polarity),
                self.stats.synchronised_after_us.unwrap_or(0) as f64 / 1e6
            ),
            _ => format!("{sent} sent, none received"),
        }
    }

    fn error_words(&self) -> String {
        let Some(bound) = &self.verdict.bit_error_rate else {
            return "no bit could be compared".to_owned();
        };
        let upper = scientific(bound.upper);
        match bound.errors {
            0 => format!("none: the rate is below {upper} (95 % certain)"),
            errors => format!(
                "{}, one in {}: {} (95 % certain: not above {upper})",
                number::count(errors),
                one_in(bound.rate),
                scientific(bound.rate)
            ),
        }
    }

    fn spread_words(&self) -> String {
        let intervals = &self.stats.intervals;
        let longest = number::count(intervals.longest);
        let how = match self.burstiness {
            None if self.stats.errors == 0 => "no error".to_owned(),
            None => "too few errors to tell".to_owned(),
            Some(b) if b >= 2.0 => format!(
                "in {} bursts, the longest of {} bits",
                number::count(intervals.groups),
                intervals.longest_group
            ),
            Some(_) => "singly, at random".to_owned(),
        };
        format!("{how}; longest stretch without an error {longest} bits")
    }

    fn slip_words(&self) -> String {
        let stats = &self.stats;
        if stats.slips == 0 {
            return "none".to_owned();
        }
        let mut words = format!(
            "{}; {} bytes lost, {} too many",
            number::count(stats.slips),
            number::count(stats.slipped_bytes_lost),
            number::count(stats.slipped_bytes_extra)
        );
        if stats.slips_of_bits > 0 {
            words += &format!("; {} not by whole bytes", stats.slips_of_bits);
        }
        words
    }

    fn lost_words(&self) -> String {
        format!(
            "silent for {} s, synchronisation lost {}",
            self.stats.silent_seconds,
            number::times(self.stats.synchronisation_losses)
        )
    }

    fn g821_words(&self) -> String {
        let seconds = &self.stats.seconds;
        format!(
            "{} s available, of these {} errored (ES) and {} severely errored (SES); {} s unavailable",
            seconds.available, seconds.errored, seconds.severely_errored, seconds.unavailable
        )
    }
}

/// The best of each codec.
fn best(fit: &Fit) -> Vec<&VoiceFit> {
    let mut best: Vec<&VoiceFit> = Vec::new();
    for voice in &fit.voices {
        if best.len() < MOST_VOICES && best.iter().all(|other| other.codec != voice.codec) {
            best.push(voice);
        }
    }
    best
}

fn packet_words(voice: &VoiceFit) -> String {
    format!("{} bytes every {} ms", voice.payload_bytes, voice.packet_ms)
}

fn beside_words(voice: &VoiceFit) -> String {
    let words = voice.pictures.words();
    match voice.video_bps {
        0 => words.to_owned(),
        rate => format!("{}: {words}", number::bit_rate(rate)),
    }
}

fn voices(fit: &Fit) -> String {
    if fit.voices.is_empty() {
        return "  no voice: the line is too slow. Text and control only\n".to_owned();
    }
    let mut table = Table::new(&["voice", ">a packet", ">of the line", "beside it"]);
    for voice in best(fit) {
        table.row([
            voice.codec.to_owned(),
            packet_words(voice),
            format!("{:.0} %", voice.share * 100.0),
            beside_words(voice),
        ]);
    }
    let mut out = table.to_string();
    let _ = writeln!(out, "\n  {}", noise_words(fit));
    out
}

/// What noise leaves of the line.
fn noise_words(fit: &Fit) -> String {
    let leaves = match fit.usable {
        ..0.99 => format!("{:.0} %", fit.usable * 100.0),
        _ => "nearly all".to_owned(),
    };
    let mut words =
        format!("Noise leaves {leaves} of the line to a call, and nothing damaged is delivered.");
    if fit.packets_hit >= 0.001 {
        words += &format!(
            " Bursts and slips hit {:.1} % of the voice packets; what can still be in time is sent again.",
            fit.packets_hit * 100.0
        );
    }
    words
}

/// How it goes, in a few words.
pub(crate) fn progress(stats: &Stats) -> String {
    let pattern = match stats.is_synchronised {
        true => "",
        false => "; NO PATTERN",
    };
    format!(
        "{} s: {} bits, {} wrong, {} slips{pattern}",
        stats.seconds.seconds,
        number::count(stats.bits),
        number::count(stats.errors),
        number::count(stats.slips)
    )
}

/// An event in words.
pub(crate) fn event_words(event: &Event) -> String {
    match event {
        Event::Synchronised(pattern, polarity) => {
            let turned = match *polarity == pattern.polarity() {
                true => "",
                false => ", turned over",
            };
            format!("pattern {pattern}{turned} is received")
        }
        Event::Slipped(Slip::Lost(bits)) => format!("slipped: {bits} bits never came"),
        Event::Slipped(Slip::Extra(bits)) => format!("slipped: {bits} bits too many"),
        Event::Slipped(Slip::Unknown) => "slipped: the pattern goes on at another place".to_owned(),
        Event::SynchronisationLost => "synchronisation lost: what comes is no pattern".to_owned(),
        Event::SignalLost => "signal lost: nothing comes".to_owned(),
        Event::SignalBack => "signal back".to_owned(),
    }
}

/// `9.8e-4`, in the way instruments show it.
fn scientific(rate: f64) -> String {
    format!("{rate:.1e}")
}

const MOST_VOICES: usize = 5;

#[cfg(test)]
mod tests;

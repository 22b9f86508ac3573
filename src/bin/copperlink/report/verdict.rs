//! Whether a call was good: the one place that knows how much may be lost.
//!
//! Promise: the sentence follows from audio, video and control together. Wrong bytes, and control that
//! is lost, repeated or out of order, are failures of the link whatever the line is like; what the
//! line has no room for is measured by the limits below.

use serde::Serialize;

use copperlink::proto::config::Class;

use super::call::Flow;
use super::number;

/// A call as a whole.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    /// How it was.
    grade: Grade,
    /// Why it failed; empty when it did not.
    failures: Vec<String>,
    /// Why it was not good.
    shortfalls: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Grade {
    Good,
    Usable,
    Failed,
}

impl Verdict {
    /// Of all that was sent in a call.
    pub(super) fn new(flows: &[Flow]) -> Self {
        let mut findings = Findings::default();
        flows.iter().for_each(|flow| findings.judge(flow));
        let Findings {
            failures,
            shortfalls,
        } = findings;
        let grade = match (failures.is_empty(), shortfalls.is_empty()) {
            (true, true) => Grade::Good,
            (true, false) => Grade::Usable,
            (false, _) => Grade::Failed,
        };
        Self {
            grade,
            failures,
            shortfalls,
        }
    }

    /// Whether the call failed.
    pub(crate) fn is_failed(&self) -> bool {
        self.grade == Grade::Failed
    }

    /// For people. `flows` are those that were judged.
    pub(super) fn text(&self, flows: &[Flow]) -> String {
        let mut out = match self.grade {
            Grade::Good => {
                let lost = |class| {
                    let of_class = flows.iter().filter(|f| f.class == class && !f.rtcp);
                    let most = of_class.map(Flow::lost_share).max_by(f64::total_cmp)?;
                    Some(format!("{} of the {class}, ", number::percent(most, 1.0)))
                };
                let media =
                    [Class::Audio, Class::Video].map(|class| lost(class).unwrap_or_default());
                format!(
                    "The call was good. Lost at most: {}no control message; every byte that was \
                     delivered is one that was sent.\n",
                    media.concat()
                )
            }
            Grade::Usable => {
                "The call was usable, but not good. Nothing was damaged, no control message lost.\n"
                    .to_owned()
            }
            Grade::Failed => String::new(),
        };
        for failure in &self.failures {
            out += &format!("The call FAILED: {failure}\n");
        }
        for shortfall in &self.shortfalls {
            out += &format!("Not good: {shortfall}\n");
        }
        out
    }
}

#[derive(Default)]
struct Findings {
    failures: Vec<String>,
    shortfalls: Vec<String>,
}

impl Findings {
    fn judge(&mut self, flow: &Flow) {
        let of = format!("{} from {}", flow.channel, flow.from);
        let mut fail = |failed: bool, words: String| {
            if failed {
                self.failures.push(format!("{of}: {words}"));
            }
        };
        fail(
            flow.damaged > 0,
            format!("{} datagrams with wrong bytes", flow.damaged),
        );
        if flow.rtcp {
            return;
        }
        fail(
            flow.expected() > 0 && flow.delivered == 0,
            "nothing was delivered".to_owned(),
        );
        match flow.class {
            Class::Control => {
                fail(flow.lost > 0, format!("{} messages lost", flow.lost));
                fail(
                    flow.repeated > 0,
                    format!("{} messages came twice", flow.repeated),
                );
                fail(
                    flow.out_of_order > 0,
                    format!("{} messages out of order", flow.out_of_order),
                );
                self.slow(flow, &of, CONTROL_SLOW_MS);
            }
            Class::Audio => {
                self.lossy(flow, &of, AUDIO_LOST);
                self.slow(flow, &of, AUDIO_SLOW_MS);
            }
            Class::Video | Class::Rtp => self.lossy(flow, &of, VIDEO_LOST),
        }
    }

    fn lossy(&mut self, flow: &Flow, of: &str, [good, most]: [f64; 2]) {
        let share = flow.lost_share();
        let words = format!(
            "{of}: {} lost or too late; the line is too slow or too bad for",
            number::percent(share, 1.0)
        );
        if share > most && flow.delivered > 0 {
            self.failures.push(format!("{words} this call"));
        } else if share > good && share <= most {
            self.shortfalls.push(format!("{words} all of it"));
        }
    }

    fn slow(&mut self, flow: &Flow, of: &str, most_ms: f64) {
        if let Some(p99) = flow.p99_ms()
            && p99 > most_ms
        {
            let seconds = p99 / 1000.0;
            let words = format!("{of}: slow, 1 in 100 took {seconds:.1} s or more");
            self.shortfalls.push(words);
        }
    }
}

/// Share of the packets that may be lost in a good call, and in one that can be used. A decoder
/// hides one lost packet in a hundred, and each is then still heard at two.
const AUDIO_LOST: [f64; 2] = [0.01, 0.02];
/// The same of pictures: one in fifty is a flicker now and then; when more are missing than shown, it
/// is no video.
const VIDEO_LOST: [f64; 2] = [0.02, 0.5];
/// One way, above which nobody can talk (ITU-T G.114, section 4).
const AUDIO_SLOW_MS: f64 = 400.0;
/// Whoever pressed a button waits for no answer longer than that without pressing again.
const CONTROL_SLOW_MS: f64 = 2000.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(class: Class, lost: u64) -> Flow {
        Flow::of(class, 1000, lost)
    }

    #[test]
    fn a_call_without_its_video_is_not_called_good() {
        let judged = |audio, video, control| {
            let flows = [
                flow(Class::Audio, audio),
                flow(Class::Video, video),
                flow(Class::Control, control),
            ];
            let verdict = Verdict::new(&flows);
            let text = verdict.text(&flows);
            (verdict.grade, text)
        };
        let (grade, text) = judged(2, 13, 0);
        assert_eq!(grade, Grade::Good);
        assert!(
            text.contains("good. Lost at most: 0.2 % of the audio, 1.3 % of the video, no control"),
            "{text}"
        );
        for (audio, video) in [(0, 165), (15, 0), (10, 500)] {
            let (grade, text) = judged(audio, video, 0);
            assert_eq!(grade, Grade::Usable, "{text}");
            assert!(
                text.starts_with("The call was usable, but not good."),
                "{text}"
            );
        }
        assert!(
            judged(0, 165, 0)
                .1
                .contains("Not good: video from A: 16.5 % lost or too late")
        );
        for (audio, video, control) in [(21, 0, 0), (0, 501, 0), (0, 0, 1), (0, 1000, 0)] {
            let (grade, text) = judged(audio, video, control);
            assert_eq!(grade, Grade::Failed, "{text}");
            assert!(text.starts_with("The call FAILED: "), "{text}");
            assert!(!text.contains("was good"), "{text}");
        }
    }

    #[test]
    fn what_comes_too_slowly_is_not_good() {
        let slow = |class, p99_ms| {
            let flows = [flow(class, 0).with_delay(p99_ms)];
            Verdict::new(&flows).text(&flows)
        };
        assert!(
            slow(Class::Audio, 399.0).contains("was good. Lost at most: 0.0 % of the audio, no")
        );
        assert!(slow(Class::Audio, 401.0).contains("audio from A: slow, 1 in 100 took 0.4 s"));
        assert!(slow(Class::Control, 1900.0).contains("was good"));
        assert!(slow(Class::Control, 3200.0).contains("took 3.2 s or more"));
        assert!(slow(Class::Video, 3200.0).contains("was good"));
    }
}

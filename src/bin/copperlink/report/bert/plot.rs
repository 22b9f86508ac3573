//! The pictures of a report, as SVG inside the page.
//!
//! Promise: numbers and fixed words only, so that nothing has to be escaped; colours by class, which the page sets
//! for screen and paper; each picture says in words, too, what it shows.

use std::fmt::Write;

use copperlink::linetest::g821::Grade;
use copperlink::linetest::intervals::{DECADES, Intervals};
use copperlink::linetest::timeline::{Entry, Timeline};
use copperlink::linetest::verdict::{Fit, VoiceFit};

/// Share of wrong bits over time, a bar for each entry.
///
/// ```text
///   1e-1 |        #                 full height: a second that was lost
///   1e-3 |   #    #   - - - - - -   from here on a second is severely errored
///   1e-5 | # # ## # #
///        +--------------- time      a tick under the axis: no error
/// ```
pub(super) fn over_time(timeline: &Timeline) -> String {
    let plot = Plot {
        left: 58.0,
        top: 14.0,
        width: 650.0,
        height: 170.0,
    };
    let mut svg = open(
        724.0,
        232.0,
        "Share of wrong bits over the time of the test",
    );
    for exponent in LOWEST..=HIGHEST {
        let y = plot.y(height_of(10f64.powi(exponent)));
        let class = if exponent == -3 { "limit" } else { "grid" };
        line(&mut svg, class, [plot.left, y], [plot.right(), y]);
        let label = POWERS[(exponent - LOWEST) as usize];
        text(&mut svg, "end", [plot.left - 8.0, y + 4.0], label);
    }
    let seconds: u64 = timeline.entries.iter().map(|entry| entry.seconds).sum();
    let scale = plot.width / seconds.max(1) as f64;
    let mut at = 0;
    for entry in &timeline.entries {
        let x = plot.left + at as f64 * scale;
        let width = entry.seconds as f64 * scale;
        bar(&mut svg, &plot, x, width, entry);
        at += entry.seconds;
    }
    text(
        &mut svg,
        "end note",
        [plot.right(), plot.y(height_of(1e-3)) - 4.0],
        "severely errored from here",
    );
    let base = plot.top + plot.height;
    line(&mut svg, "axis", [plot.left, base], [plot.right(), base]);
    time_axis(&mut svg, &plot, seconds);
    svg + "</svg>"
}

fn bar(svg: &mut String, plot: &Plot, x: f64, width: f64, entry: &Entry) {
    let gap = if width > 3.0 { width * 0.15 } else { 0.0 };
    let (class, share) = match (entry.lost, entry.worst) {
        (1.., _) => ("lost", 1.0),
        (_, Grade::SeverelyErrored) => ("severe", height(entry)),
        (_, Grade::Errored) => ("errored", height(entry)),
        (_, Grade::ErrorFree) => ("free", 0.0),
    };
    let base = plot.top + plot.height;
    let (y, tall) = match class {
        "free" => (base, 5.0),
        _ => (plot.y(share), base - plot.y(share)),
    };
    rect(
        svg,
        class,
        [x + gap / 2.0, y],
        [(width - gap).max(0.6), tall],
    );
    if entry.slips > 0 {
        let middle = x + width / 2.0;
        let _ = write!(
            svg,
            r#"<path class="slip" d="M{:.1} {:.1}l-4 -7h8z"/>"#,
            middle, plot.top
        );
    }
}

fn height(entry: &Entry) -> f64 {
    height_of(entry.errors as f64 / entry.bits.max(1) as f64)
}

/// Where a share of wrong bits stands on the logarithmic scale, 0 to 1.
fn height_of(share: f64) -> f64 {
    let (low, high) = (f64::from(LOWEST), f64::from(HIGHEST));
    ((share.max(1e-12).log10() - low) / (high - low)).clamp(0.02, 1.0)
}

fn time_axis(svg: &mut String, plot: &Plot, seconds: u64) {
    let steps = [
        1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 86_400,
    ];
    let step = steps.into_iter().find(|step| seconds / step <= 10);
    let step = step.unwrap_or(86_400);
    let (unit, name) = match step {
        0..60 => (1, "s"),
        60..3600 => (60, "min"),
        _ => (3600, "h"),
    };
    let base = plot.top + plot.height;
    for at in (0..=seconds).step_by(step as usize) {
        let x = plot.left + at as f64 * plot.width / seconds.max(1) as f64;
        line(svg, "axis", [x, base], [x, base + 8.0]);
        let label = match unit {
            3600 => format!("{:.1}", at as f64 / 3600.0),
            _ => (at / unit).to_string(),
        };
        text(svg, "middle", [x, base + 22.0], &label);
    }
    let middle = plot.left + plot.width / 2.0;
    text(
        svg,
        "middle",
        [middle, base + 40.0],
        &format!("time, {name}"),
    );
}

/// How many stretches without an error had a length of each decade.
pub(super) fn intervals(intervals: &Intervals) -> String {
    let plot = Plot {
        left: 20.0,
        top: 22.0,
        width: 688.0,
        height: 110.0,
    };
    let mut svg = open(
        724.0,
        178.0,
        "Stretches without an error, by their length in bits",
    );
    let most = intervals.decades.iter().copied().max().unwrap_or(0).max(1);
    let column = plot.width / DECADES as f64;
    let base = plot.top + plot.height;
    for (place, &count) in intervals.decades.iter().enumerate() {
        let x = plot.left + place as f64 * column;
        let share = match count {
            0 => 0.0,
            // Logarithmic: one long stretch is as much to be seen as a thousand short ones.
            _ => 0.12 + 0.88 * ((count as f64).ln() / (most as f64).ln().max(1.0)).min(1.0),
        };
        let tall = share * plot.height;
        rect(
            &mut svg,
            "bits",
            [x + 8.0, base - tall],
            [column - 16.0, tall],
        );
        let middle = x + column / 2.0;
        if count > 0 {
            text(
                &mut svg,
                "middle strong",
                [middle, base - tall - 6.0],
                &count.to_string(),
            );
        }
        text(&mut svg, "middle", [middle, base + 18.0], LENGTHS[place]);
    }
    line(&mut svg, "axis", [plot.left, base], [plot.right(), base]);
    let middle = plot.left + plot.width / 2.0;
    text(
        &mut svg,
        "middle",
        [middle, base + 38.0],
        "bits between two errors",
    );
    svg + "</svg>"
}

/// What a voice takes of the line, what it leaves, and what noise takes.
pub(super) fn share(fit: &Fit, voice: &VoiceFit) -> String {
    let (width, tall) = (240.0, 18.0);
    let mut svg = open(
        width,
        tall,
        &format!(
            "voice {:.0} %, left {:.0} %, noise {:.0} %",
            voice.share * 100.0,
            (fit.usable - voice.share) * 100.0,
            (1.0 - fit.usable) * 100.0
        ),
    );
    let mut x = 0.0;
    for (class, share) in [
        ("voice", voice.share),
        ("room", fit.usable - voice.share),
        ("noise", 1.0 - fit.usable),
    ] {
        let wide = share.clamp(0.0, 1.0) * width;
        rect(&mut svg, class, [x, 0.0], [wide, tall]);
        x += wide;
    }
    svg + "</svg>"
}

struct Plot {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Plot {
    fn right(&self) -> f64 {
        self.left + self.width
    }

    /// Of a share of the height.
    fn y(&self, share: f64) -> f64 {
        self.top + self.height * (1.0 - share)
    }
}

fn open(width: f64, height: f64, says: &str) -> String {
    format!(
        r#"<svg viewBox="0 0 {width} {height}" role="img" aria-label="{says}"><title>{says}</title>"#
    )
}

fn line(svg: &mut String, class: &str, from: [f64; 2], to: [f64; 2]) {
    let _ = write!(
        svg,
        r#"<line class="{class}" x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}"/>"#,
        from[0], from[1], to[0], to[1]
    );
}

fn rect(svg: &mut String, class: &str, at: [f64; 2], size: [f64; 2]) {
    let _ = write!(
        svg,
        r#"<rect class="{class}" x="{:.2}" y="{:.2}" width="{:.2}" height="{:.2}"/>"#,
        at[0], at[1], size[0], size[1]
    );
}

fn text(svg: &mut String, class: &str, at: [f64; 2], words: &str) {
    let _ = write!(
        svg,
        r#"<text class="{class}" x="{:.1}" y="{:.1}">{words}</text>"#,
        at[0], at[1]
    );
}

/// Exponents of the lowest and the highest share that is told apart.
const LOWEST: i32 = -6;
const HIGHEST: i32 = 0;
/// Their names.
const POWERS: [&str; 7] = ["10⁻⁶", "10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "all"];
const LENGTHS: [&str; DECADES] = [
    "0 to 9",
    "10 …",
    "100 …",
    "1 k …",
    "10 k …",
    "100 k …",
    "1 M …",
    "10 M …",
    "100 M …",
    "1 G …",
];

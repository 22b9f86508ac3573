//! Whole screens as text, of links that ran in virtual time; and keys.
//!
//! A screen that changed on purpose: `INSTA_UPDATE=always cargo test --bin copperlink dashboard`,
//! and look at the difference before it is kept.

use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use copperlink::proto::config::{
    ChannelConfig, Class, LineConfig, LineId, LinkConfig, Port, SessionId,
};
use copperlink::proto::event::Event;
use copperlink::proto::time::{BitRate, Instant};
use copperlink::shell::{DeviceState, DeviceStatus, Flow, History, Recent, Snapshot};
use copperlink::sim::{
    AudioConfig, AudioSource, Call, ControlConfig, ControlSource, LineModelConfig, Noise, Side,
    VideoConfig, VideoSource, Wiring, World,
};

use super::app::{App, Next, Pane, Span};
use super::screen;
use super::theme::Theme;

const LINE: LineId = LineId(0);
const SIZES: [(u16, u16); 2] = [(80, 24), (200, 50)];

/// The end A of a link in virtual time, looked at as `monitor` looks at a link.
struct Watched {
    world: World,
    call: Call,
    history: History,
    /// The last answers of the link.
    answers: Vec<Snapshot>,
}

impl Watched {
    /// A link at 38400 bit/s with that noise, and a call from the first second on.
    fn new(noise: Noise) -> Self {
        Self::between(end("room-1", 1), end("room-2", 2), noise)
    }

    fn between(a: LinkConfig, b: LinkConfig, noise: Noise) -> Self {
        let model = |seed| {
            LineModelConfig::clean(rate())
                .with_delay(Duration::from_millis(5))
                .with_noise(noise)
                .with_seed(seed)
        };
        let world = World::new(a, b, vec![[model(5), model(6)]]).unwrap();
        let history = History::new(1, world.now());
        let mut call = Call::default();
        for side in Side::BOTH {
            let (seed, start) = (side as u64 + 1, Instant::ZERO + Duration::from_secs(1));
            let voice = AudioConfig {
                start,
                seed,
                ..AudioConfig::G729
            };
            let pictures = VideoConfig {
                start,
                seed,
                ..VideoConfig::h263(12_000)
            };
            let messages = ControlConfig {
                start,
                seed,
                mean_interval: Duration::from_millis(2000),
                min: 8,
                max: 200,
            };
            call.add(side, port(1), AudioSource::new(voice), None);
            call.add(side, port(2), VideoSource::new(pictures), None);
            call.add(side, port(3), ControlSource::new(messages), None);
        }
        Self {
            world,
            call,
            history,
            answers: Vec::new(),
        }
    }

    /// Lets time pass, and asks the link twice a second.
    fn pass(mut self, seconds: u64) -> Self {
        for _ in 0..2 * seconds {
            let until = self.world.now() + Duration::from_millis(500);
            self.call.run_until(&mut self.world, until);
            let stats = self.world.session(Side::A).unwrap().stats();
            self.history.record(self.world.now(), &stats);
            self.answers.push(self.snapshot());
        }
        self
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            stats: self.world.session(Side::A).unwrap().stats(),
            uptime_us: self.world.now().as_micros(),
            pid: 4242,
            devices: vec![DeviceStatus {
                device: "/dev/ttyUSB0".to_owned(),
                baud: 38_400,
                flow: Flow::Hardware,
                state: DeviceState::Open,
                clear_to_send: Some(true),
                carrier: None,
                signals: None,
                errors: None,
                problem: None,
                modem: None,
            }],
            ports: Vec::new(),
            // Before the device is open, at the very start, a link says nothing of the line.
            events: (self.world.events(Side::A).iter())
                .filter(|(at, _)| *at > Instant::ZERO)
                .map(words)
                .collect(),
            in_service: self.history.in_service(),
            history: Recent {
                seconds: self.history.seconds(),
                minutes: self.history.minutes(),
            },
        }
    }

    /// What `monitor` makes of it.
    fn app(&self) -> App {
        let mut app = App::new(Theme::new(true, false), vec!["room-1".to_owned()]);
        let last = self.answers.len().saturating_sub(5);
        for snapshot in &self.answers[last..] {
            app.on_answer("room-1", Ok(parsed(snapshot)));
        }
        app
    }
}

/// As it comes over the status socket.
fn parsed(snapshot: &Snapshot) -> Box<crate::report::status::Status> {
    let document = serde_json::to_string(snapshot).unwrap();
    Box::new(serde_json::from_str(&document).unwrap())
}

fn rate() -> BitRate {
    BitRate::new(38_400).unwrap()
}

fn port(channel: u8) -> Port {
    Port::media(copperlink::proto::config::ChannelId(channel))
}

fn end(name: &str, session: u32) -> LinkConfig {
    LinkConfig {
        name: name.to_owned(),
        session: SessionId(session),
        lines: vec![LineConfig::new("ttyUSB0", rate())],
        channels: vec![
            ChannelConfig::new(1, "audio", Class::Audio),
            ChannelConfig::new(2, "video", Class::Video),
            ChannelConfig::new(3, "control", Class::Control),
        ],
        resume: None,
    }
}

fn words((at, event): &(Instant, Event)) -> String {
    let words = match event {
        Event::LineUp { .. } => "ttyUSB0: the line is up".to_owned(),
        Event::LineDown { .. } => "ttyUSB0: the line is down".to_owned(),
        Event::Trouble { trouble, .. } => match trouble {
            Some(trouble) => format!("ttyUSB0: {trouble}"),
            None => "ttyUSB0: no trouble any more".to_owned(),
        },
        Event::SessionStarted { name, .. } => format!("connected with '{name}'"),
        Event::PeerClosed => "the far end was stopped".to_owned(),
        Event::Text { .. } | Event::TextDelivered { .. } => unreachable!("nobody talks"),
    };
    format!("{:.3} s: {words}", at.as_micros() as f64 / 1e6)
}

/// The screen as text.
fn drawn(app: &App, (width, height): (u16, u16)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| screen::draw(app, frame)).unwrap();
    let buffer = terminal.backend().buffer();
    let rows = buffer.content.chunks(usize::from(width));
    let row = |cells: &[ratatui::buffer::Cell]| {
        let row: String = cells.iter().map(|cell| cell.symbol()).collect();
        row.trim_end().to_owned() + "\n"
    };
    rows.map(row).collect()
}

fn look_at(name: &str, app: &App) {
    for size in SIZES {
        let name = format!("{name}_{}x{}", size.0, size.1);
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(name, drawn(app, size));
        });
    }
}

#[test]
fn a_link_that_is_coming_up() {
    let mut watched = Watched::new(Noise::NONE);
    watched.world.kill(Side::B);
    look_at("coming_up", &watched.pass(4).app());
}

#[test]
fn a_good_link() {
    look_at("good", &Watched::new(Noise::NONE).pass(130).app());
}

#[test]
fn a_noisy_link() {
    let noise = Noise::bit_errors(1e-3);
    look_at("noisy", &Watched::new(noise).pass(130).app());
}

#[test]
fn a_link_that_was_cut() {
    let mut watched = Watched::new(Noise::NONE).pass(60);
    watched.world.set_cut(LINE, true);
    let watched = watched.pass(20);
    let text = drawn(&watched.app(), SIZES[0]);
    assert!(text.contains("ttyUSB0: cut"), "{text}");
    look_at("cut", &watched.app());
}

#[test]
fn a_link_with_another_table_at_the_far_end() {
    let mut there = end("room-2", 2);
    there.channels[1] = ChannelConfig::new(2, "slides", Class::Control);
    let watched = Watched::between(end("room-1", 1), there, Noise::NONE).pass(5);
    let text = drawn(&watched.app(), SIZES[0]);
    assert!(text.contains("here video 'video', there control"), "{text}");
    look_at("tables_differ", &watched.app());
}

#[test]
fn a_line_in_a_loop() {
    let mut watched = Watched::new(Noise::NONE);
    for side in Side::BOTH {
        watched.world.set_wiring(side, LINE, Wiring::Loop);
    }
    let watched = watched.pass(5);
    assert!(drawn(&watched.app(), SIZES[0]).contains("loop on the line"));
    look_at("loop", &watched.app());
}

#[test]
fn each_pane_alone_and_the_help() {
    let mut app = Watched::new(Noise::bit_errors(3e-4)).pass(40).app();
    for (key, name) in [
        ('l', "pane_lines"),
        ('c', "pane_channels"),
        ('g', "pane_graphs"),
        ('e', "pane_events"),
        ('?', "help"),
    ] {
        press(&mut app, KeyCode::Char(key));
        look_at(name, &app);
    }
}

#[test]
fn a_link_that_does_not_run_and_one_that_ends_are_waited_for() {
    let mut app = Watched::new(Noise::NONE).pass(3).app();
    let why = "no link answers at /run/copperlink/room-1.sock";
    app.on_answer("room-1", Err(why.to_owned()));
    app.on_answer("room-2", Err(why.to_owned()));
    let ended = drawn(&app, SIZES[0]);
    let words = "room-1 has ended; it was up 3 s. Waiting for it.";
    assert!(ended.contains(words), "{ended}");
    assert!(ended.contains(why), "{ended}");
    press(&mut app, KeyCode::Char('2'));
    let missing = drawn(&app, SIZES[0]);
    assert!(
        missing.contains("room-2 is not running. Waiting for it."),
        "{missing}"
    );
    // And when it comes, it is shown.
    let comes = Watched::new(Noise::NONE).pass(3).snapshot();
    app.on_answer("room-2", Ok(parsed(&comes)));
    assert!(drawn(&app, SIZES[0]).contains("ttyUSB0: up"));
}

#[test]
fn without_any_link_the_screen_says_what_to_do() {
    let mut app = App::new(Theme::new(false, false), Vec::new());
    app.nothing = super::poll::Poll::nothing();
    let text = drawn(&app, SIZES[0]);
    assert!(text.contains("no link is running here"), "{text}");
    assert!(text.contains("copperlink run FILE"), "{text}");
}

#[test]
fn a_terminal_without_unicode_gets_plain_letters() {
    let mut watched = Watched::new(Noise::bit_errors(1e-3)).pass(60).app();
    watched.theme = Theme::new(true, true);
    for size in SIZES {
        let text = drawn(&watched, size);
        assert!(text.is_ascii(), "{text}");
        assert!(text.contains("--------") && text.contains('#'), "{text}");
    }
    look_at("ascii", &watched);
}

#[test]
fn no_colour_means_none_at_all() {
    let mut app = Watched::new(Noise::bit_errors(1e-3)).pass(10).app();
    let colours = |app: &App| {
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        terminal.draw(|frame| screen::draw(app, frame)).unwrap();
        let cells = terminal.backend().buffer().content.clone();
        let plain = ratatui::style::Color::Reset;
        cells
            .iter()
            .filter(|cell| cell.fg != plain || cell.bg != plain)
            .count()
    };
    assert!(colours(&app) > 0);
    app.theme = Theme::new(false, false);
    assert_eq!(colours(&app), 0);
}

#[test]
fn no_size_of_a_terminal_is_too_small() {
    let mut app = Watched::new(Noise::bit_errors(1e-3)).pass(10).app();
    for key in ['o', 'l', 'c', 'g', 'e', '?'] {
        press(&mut app, KeyCode::Char(key));
        for width in [1, 2, 5, 20, 39, 80, 139, 140, 141] {
            for height in [1, 2, 3, 5, 9, 15, 24, 26] {
                drawn(&app, (width, height));
            }
        }
    }
}

fn press(app: &mut App, code: KeyCode) -> Next {
    app.on_key(KeyEvent::new(code, KeyModifiers::NONE))
}

#[test]
fn each_key_does_one_thing() {
    let names = ["a", "b", "c"].map(str::to_owned).to_vec();
    let mut app = App::new(Theme::new(true, false), names);
    for (key, pane) in [
        ('l', Pane::Lines),
        ('c', Pane::Channels),
        ('g', Pane::Graphs),
        ('e', Pane::Events),
    ] {
        assert_eq!(press(&mut app, KeyCode::Char(key)), Next::Go);
        assert_eq!(app.pane, pane);
        press(&mut app, KeyCode::Char(key));
        assert_eq!(app.pane, Pane::Overview, "the same key goes back");
    }
    press(&mut app, KeyCode::Char('g'));
    press(&mut app, KeyCode::Esc);
    assert_eq!(app.pane, Pane::Overview);

    press(&mut app, KeyCode::Tab);
    assert_eq!(app.chosen, 1);
    press(&mut app, KeyCode::BackTab);
    press(&mut app, KeyCode::BackTab);
    assert_eq!(app.chosen, 2);
    press(&mut app, KeyCode::Char('1'));
    press(&mut app, KeyCode::Char('9'));
    assert_eq!(app.chosen, 0, "there is no ninth link");

    press(&mut app, KeyCode::Down);
    press(&mut app, KeyCode::Down);
    press(&mut app, KeyCode::Up);
    assert_eq!(app.scroll, 1);
    press(&mut app, KeyCode::Tab);
    assert_eq!(app.scroll, 0, "another link begins at its top");

    press(&mut app, KeyCode::Char('t'));
    assert_eq!(app.span, Span::TenMinutes);
    press(&mut app, KeyCode::Char('?'));
    assert!(app.help);
    press(&mut app, KeyCode::Esc);
    assert!(!app.help);

    let mut released = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
    released.kind = KeyEventKind::Release;
    assert_eq!(app.on_key(released), Next::Go);
    assert_eq!(press(&mut app, KeyCode::Char('q')), Next::Quit);
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(app.on_key(interrupt), Next::Quit);
}

#[test]
fn while_paused_nothing_changes() {
    let watched = Watched::new(Noise::NONE).pass(3);
    let mut app = watched.app();
    press(&mut app, KeyCode::Char('p'));
    let paused = drawn(&app, SIZES[0]);
    assert!(paused.contains("PAUSED"), "{paused}");
    let later = watched.pass(10).snapshot();
    app.on_answer("room-1", Ok(parsed(&later)));
    assert_eq!(drawn(&app, SIZES[0]), paused);
    press(&mut app, KeyCode::Char('p'));
    app.on_answer("room-1", Ok(parsed(&later)));
    assert!(drawn(&app, SIZES[0]).contains("up 13 s"));
}

#[test]
fn a_link_that_was_started_again_counts_its_rates_anew() {
    let before = Watched::new(Noise::NONE).pass(20);
    let mut app = before.app();
    assert!(app.links[0].rates(0).is_some_and(|rates| rates.out > 5.0));
    let again = Watched::new(Noise::NONE).pass(2).snapshot();
    app.on_answer("room-1", Ok(parsed(&again)));
    assert_eq!(app.links[0].rates(0), None);
}

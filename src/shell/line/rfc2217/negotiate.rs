//! The dialogue with a server that has a serial port: RFC 2217, Telnet option 44.
//!
//! Pure. Promises: asks for binary transmission and for control of the port, sets it up once both are
//! agreed, and says what the server made of it; keeps what the server tells of the port's signals.
//! A server that talks without end gets no endless answers: what waits to be sent is bounded, and
//! an option that is agreed is not spoken of again. Assumes items of [`codec`](super::codec);
//! leaves time limits, and what to do without an answer, to the line.
//!
//! ```text
//! here                                            server
//!   WILL, DO binary; WILL, DO no-go-ahead; WILL com-port  ->
//!                            <-  DO, WILL binary; DO com-port
//!   signature? baud, 8 bits, no parity, 1 stop bit,
//!   flow control, DTR on, masks, purge            ->
//!                            <-  baud, size, parity, stop, flow control as they now are
//!                            <-  signals and errors of the line, whenever they change
//! ```

use super::codec::{self, Item, Verb};
use crate::shell::line::{Flow, LineErrors, ModemLines};

/// What the line needs of the port.
#[derive(Clone, Copy, Debug)]
pub(in crate::shell::line) struct Wanted {
    pub(in crate::shell::line) baud: u32,
    pub(in crate::shell::line) flow: Flow,
}

/// How far the dialogue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::shell::line) enum Stage {
    /// Nothing that is Telnet has come.
    Silence,
    /// Options are being agreed.
    Options,
    /// The options are agreed; the server has not yet said what it set.
    Settings,
    /// The port is as the server says.
    Ready,
    /// The server does not give control of the port, or no longer.
    NoComPort,
    /// The server does not carry all byte values.
    NotBinary,
}

/// The dialogue.
#[derive(Debug)]
pub(in crate::shell::line) struct Negotiation {
    wanted: Wanted,
    heard: bool,
    /// What this end uses, and what the server uses, of [`OPTIONS`].
    here: [Agreed; OPTIONS.len()],
    there: [Agreed; OPTIONS.len()],
    answers: Answers,
    lines: Option<ModemLines>,
    errors: LineErrors,
    suspended: bool,
    signature: String,
    output: Vec<u8>,
    /// Answers that were not given, because too many waited already.
    unsaid: u64,
}

/// Whether an option is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Agreed {
    /// It was asked for.
    Asked,
    Yes,
    No,
}

/// What the server says it set.
#[derive(Clone, Copy, Debug, Default)]
struct Answers {
    baud: Option<u32>,
    data_bits: Option<u8>,
    parity: Option<u8>,
    stop_bits: Option<u8>,
    flow: Option<u8>,
}

impl Negotiation {
    /// Begins the dialogue.
    pub(in crate::shell::line) fn new(wanted: Wanted) -> Self {
        let mut begun = Self {
            wanted,
            heard: false,
            here: [Agreed::Asked; OPTIONS.len()],
            there: [Agreed::Asked, Agreed::Asked, Agreed::No],
            answers: Answers::default(),
            lines: None,
            errors: LineErrors::default(),
            suspended: false,
            signature: String::new(),
            output: Vec::new(),
            unsaid: 0,
        };
        for option in OPTIONS {
            begun.say(Verb::Will, option);
        }
        for option in [BINARY, NO_GO_AHEAD] {
            begun.say(Verb::Do, option);
        }
        begun
    }

    /// Takes what the server said.
    pub(in crate::shell::line) fn handle(&mut self, item: Item) {
        self.heard = true;
        match item {
            Item::Option(verb, option) => self.on_option(verb, option),
            Item::Subnegotiation(COM_PORT, content) => {
                if let Some((&what, value)) = content.split_first() {
                    self.on_com_port(what, value);
                }
            }
            Item::Subnegotiation(..) => {}
        }
    }

    /// How far it is.
    pub(in crate::shell::line) fn stage(&self) -> Stage {
        let binary = [self.here[AT_BINARY], self.there[AT_BINARY]];
        let com_port = self.here[AT_COM_PORT];
        if com_port == Agreed::No {
            Stage::NoComPort
        } else if binary.contains(&Agreed::No) {
            Stage::NotBinary
        } else if !self.heard {
            Stage::Silence
        } else if com_port == Agreed::Asked || binary.contains(&Agreed::Asked) {
            Stage::Options
        } else if self.answers.are_whole() {
            Stage::Ready
        } else {
            Stage::Settings
        }
    }

    /// Whether the server gives control of the port.
    pub(in crate::shell::line) fn has_com_port(&self) -> bool {
        self.here[AT_COM_PORT] == Agreed::Yes
    }

    /// Bytes for the server. The caller takes them out.
    pub(in crate::shell::line) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// The port's signals, once the server has told them.
    pub(in crate::shell::line) fn lines(&self) -> Option<ModemLines> {
        self.lines
    }

    /// Errors on the line, of which the server told.
    pub(in crate::shell::line) fn errors(&self) -> LineErrors {
        self.errors
    }

    /// Whether the server wants no more data for now.
    pub(in crate::shell::line) fn is_suspended(&self) -> bool {
        self.suspended
    }

    /// What the server calls itself, with nothing in it but letters that can be shown.
    pub(in crate::shell::line) fn signature(&self) -> &str {
        &self.signature
    }

    /// Answers that were not given, because too many waited.
    pub(in crate::shell::line) fn unsaid(&self) -> u64 {
        self.unsaid
    }

    /// Switches DTR. Says whether there was room for the order.
    pub(in crate::shell::line) fn set_dtr(&mut self, on: bool) -> bool {
        self.order(SET_CONTROL, &[if on { DTR_ON } else { DTR_OFF }])
    }

    /// Switches RTS. Says whether there was room for the order.
    pub(in crate::shell::line) fn set_rts(&mut self, on: bool) -> bool {
        self.order(SET_CONTROL, &[if on { RTS_ON } else { RTS_OFF }])
    }

    /// What the server set otherwise than it was asked to, or did not answer, in words.
    pub(in crate::shell::line) fn remarks(&self) -> Vec<String> {
        let Answers {
            baud,
            data_bits,
            parity,
            stop_bits,
            flow,
        } = self.answers;
        let mut remarks = Vec::new();
        let wanted = self.wanted.baud;
        match baud {
            Some(baud) if baud.abs_diff(wanted) > wanted / SPEED_TOLERANCE => remarks.push(format!(
                "the terminal server refused {wanted} bit/s; its port has {baud}. Set `baud = {baud}`, or allow \
                 the other speed at the server"
            )),
            Some(_) => {}
            None => remarks.push(format!(
                "the terminal server does not say whether it set {wanted} bit/s. See that its port has that speed"
            )),
        }
        let form = [(data_bits, 8), (parity, NO_PARITY), (stop_bits, 1)];
        if form
            .iter()
            .any(|(is, wanted)| is.is_some_and(|is| is != *wanted))
        {
            remarks.push(
                "the terminal server did not set 8 data bits, no parity and 1 stop bit. Set them at the server"
                    .to_owned(),
            );
        }
        if flow.is_some_and(|flow| flow != flow_value(self.wanted.flow)) {
            remarks.push(format!(
                "the terminal server did not set flow control '{}'. Set it at the server, or use another `flow`",
                self.wanted.flow
            ));
        }
        remarks
    }

    fn on_option(&mut self, verb: Verb, option: u8) {
        let index = OPTIONS.iter().position(|known| *known == option);
        let (side, yes, no) = match verb {
            Verb::Do | Verb::Dont => (&mut self.here, Verb::Will, Verb::Wont),
            Verb::Will | Verb::Wont => (&mut self.there, Verb::Do, Verb::Dont),
        };
        let offers = matches!(verb, Verb::Do | Verb::Will);
        let Some(index) = index else {
            // Of what is not known nothing is used, so only an offer needs an answer.
            if offers {
                self.say(no, option);
            }
            return;
        };
        let before = side[index];
        side[index] = if offers { Agreed::Yes } else { Agreed::No };
        match (before, offers) {
            // The answer to what was asked.
            (Agreed::Asked, _) => {}
            (Agreed::No, true) => self.say(yes, option),
            (Agreed::Yes, false) => self.say(no, option),
            // Nothing new: an answer would call for another one.
            (Agreed::Yes, true) | (Agreed::No, false) => {}
        }
        let agreed_now = option == COM_PORT && before != Agreed::Yes && offers;
        if agreed_now && matches!(verb, Verb::Do) {
            self.set_up();
        }
    }

    fn set_up(&mut self) {
        let Wanted { baud, flow } = self.wanted;
        self.order(SIGNATURE, &[]);
        self.order(SET_BAUD, &baud.to_be_bytes());
        self.order(SET_DATA_BITS, &[8]);
        self.order(SET_PARITY, &[NO_PARITY]);
        self.order(SET_STOP_BITS, &[1]);
        self.order(SET_CONTROL, &[flow_value(flow)]);
        self.order(SET_CONTROL, &[DTR_ON]);
        if flow != Flow::Hardware {
            self.order(SET_CONTROL, &[RTS_ON]);
        }
        self.order(
            LINE_STATE_MASK,
            &[OVERRUN | PARITY_ERROR | FRAMING_ERROR | BREAK],
        );
        self.order(MODEM_STATE_MASK, &[0xff]);
        self.order(PURGE, &[BOTH_BUFFERS]);
    }

    fn on_com_port(&mut self, what: u8, value: &[u8]) {
        let Some(what) = what.checked_sub(FROM_SERVER) else {
            // Our own words: whatever is there sends back what comes, and agrees to everything.
            self.here[AT_COM_PORT] = Agreed::No;
            return;
        };
        let first = value.first().copied();
        let answers = &mut self.answers;
        match what {
            SIGNATURE => self.signature = shown(value),
            SET_BAUD => {
                if let Ok(baud) = value.try_into() {
                    answers.baud = Some(u32::from_be_bytes(baud));
                }
            }
            SET_DATA_BITS => answers.data_bits = first.or(answers.data_bits),
            SET_PARITY => answers.parity = first.or(answers.parity),
            SET_STOP_BITS => answers.stop_bits = first.or(answers.stop_bits),
            // The same number serves flow control, break, DTR and RTS.
            SET_CONTROL => answers.flow = first.filter(|it| FLOWS.contains(it)).or(answers.flow),
            LINE_STATE => count(&mut self.errors, first.unwrap_or(0)),
            MODEM_STATE => self.lines = first.map(modem_lines).or(self.lines),
            SUSPEND => self.suspended = true,
            RESUME => self.suspended = false,
            _ => {}
        }
    }

    fn say(&mut self, verb: Verb, option: u8) {
        if self.has_room() {
            codec::option(verb, option, &mut self.output);
        }
    }

    fn order(&mut self, what: u8, value: &[u8]) -> bool {
        let has_room = self.has_room();
        if has_room {
            let content = [&[what], value].concat();
            codec::subnegotiation(COM_PORT, &content, &mut self.output);
        }
        has_room
    }

    fn has_room(&mut self) -> bool {
        let has_room = self.output.len() < MOST_OUTPUT;
        self.unsaid += u64::from(!has_room);
        has_room
    }
}

impl Answers {
    fn are_whole(&self) -> bool {
        let small = [self.data_bits, self.parity, self.stop_bits, self.flow];
        self.baud.is_some() && small.iter().all(Option::is_some)
    }
}

fn count(errors: &mut LineErrors, state: u8) {
    for (bit, counter) in [
        (FRAMING_ERROR, &mut errors.framing),
        (OVERRUN, &mut errors.overrun),
        (PARITY_ERROR, &mut errors.parity),
        (BREAK, &mut errors.breaks),
    ] {
        *counter += u64::from(state & bit != 0);
    }
}

fn modem_lines(state: u8) -> ModemLines {
    ModemLines {
        clear_to_send: state & 0x10 != 0,
        data_set_ready: state & 0x20 != 0,
        ring: state & 0x40 != 0,
        carrier: state & 0x80 != 0,
    }
}

fn flow_value(flow: Flow) -> u8 {
    match flow {
        Flow::None => 1,
        Flow::Software => 2,
        Flow::Hardware => 3,
    }
}

/// What came over the network, as it may be shown on a screen.
fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text)
        .chars()
        .filter(|c| !c.is_control())
        .collect()
}

const BINARY: u8 = 0;
const NO_GO_AHEAD: u8 = 3;
const COM_PORT: u8 = 44;
const OPTIONS: [u8; 3] = [BINARY, NO_GO_AHEAD, COM_PORT];
const AT_BINARY: usize = 0;
const AT_COM_PORT: usize = 2;

// What is set, or told, by option 44; from the server with FROM_SERVER added.
const SIGNATURE: u8 = 0;
const SET_BAUD: u8 = 1;
const SET_DATA_BITS: u8 = 2;
const SET_PARITY: u8 = 3;
const SET_STOP_BITS: u8 = 4;
const SET_CONTROL: u8 = 5;
const LINE_STATE: u8 = 6;
const MODEM_STATE: u8 = 7;
const SUSPEND: u8 = 8;
const RESUME: u8 = 9;
const LINE_STATE_MASK: u8 = 10;
const MODEM_STATE_MASK: u8 = 11;
const PURGE: u8 = 12;
const FROM_SERVER: u8 = 100;

const NO_PARITY: u8 = 1;
/// None, XON/XOFF, RTS/CTS, and three more that servers may have.
const FLOWS: [u8; 6] = [1, 2, 3, 17, 18, 19];
const DTR_ON: u8 = 8;
const DTR_OFF: u8 = 9;
const RTS_ON: u8 = 11;
const RTS_OFF: u8 = 12;
const BOTH_BUFFERS: u8 = 3;

const OVERRUN: u8 = 0x02;
const PARITY_ERROR: u8 = 0x04;
const FRAMING_ERROR: u8 = 0x08;
const BREAK: u8 = 0x10;

/// As for a port of this host.
const SPEED_TOLERANCE: u32 = 50;
/// Enough for the whole dialogue; a server that asks without end gets no more, bytes.
const MOST_OUTPUT: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn begin(flow: Flow) -> Negotiation {
        let baud = 38_400;
        Negotiation::new(Wanted { baud, flow })
    }

    fn said(negotiation: &mut Negotiation) -> Vec<Item> {
        let bytes = std::mem::take(negotiation.output());
        let (mut input, mut items) = (&bytes[..], Vec::new());
        let mut decoder = codec::Decoder::default();
        while !input.is_empty() {
            items.extend(decoder.next(&mut input, &mut Vec::new()));
        }
        items
    }

    fn agree(negotiation: &mut Negotiation) {
        for verb in [Verb::Do, Verb::Will] {
            negotiation.handle(Item::Option(verb, BINARY));
        }
        negotiation.handle(Item::Option(Verb::Do, COM_PORT));
    }

    fn tell(negotiation: &mut Negotiation, what: u8, value: &[u8]) {
        let content = [&[FROM_SERVER + what], value].concat();
        negotiation.handle(Item::Subnegotiation(COM_PORT, content));
    }

    fn answer(negotiation: &mut Negotiation, baud: u32, flow: u8) {
        tell(negotiation, SET_BAUD, &baud.to_be_bytes());
        tell(negotiation, SET_DATA_BITS, &[8]);
        tell(negotiation, SET_PARITY, &[1]);
        tell(negotiation, SET_STOP_BITS, &[1]);
        tell(negotiation, SET_CONTROL, &[flow]);
    }

    #[test]
    fn the_port_is_set_up_once_the_server_lets_us() {
        let mut it = begin(Flow::Hardware);
        assert_eq!(it.stage(), Stage::Silence);
        let first = said(&mut it);
        assert!(first.contains(&Item::Option(Verb::Will, COM_PORT)));
        assert!(first.contains(&Item::Option(Verb::Do, BINARY)));
        agree(&mut it);
        assert_eq!(it.stage(), Stage::Settings);
        let orders = said(&mut it);
        let baud = vec![SET_BAUD, 0, 0, 0x96, 0];
        assert!(orders.contains(&Item::Subnegotiation(COM_PORT, baud)));
        let flow = vec![SET_CONTROL, 3];
        assert!(orders.contains(&Item::Subnegotiation(COM_PORT, flow)));
        // The answer about DTR is none about flow control.
        answer(&mut it, 38_400, DTR_ON);
        assert_eq!(it.stage(), Stage::Settings);
        tell(&mut it, SET_CONTROL, &[3]);
        assert_eq!(it.stage(), Stage::Ready);
        assert_eq!(it.remarks(), Vec::<String>::new());
        // Agreed once; nothing is said again.
        agree(&mut it);
        assert_eq!(said(&mut it), vec![]);
    }

    #[test]
    fn a_server_without_the_option_is_known_by_its_refusal() {
        let mut it = begin(Flow::None);
        it.handle(Item::Option(Verb::Do, BINARY));
        assert_eq!(it.stage(), Stage::Options);
        it.handle(Item::Option(Verb::Dont, COM_PORT));
        assert_eq!(it.stage(), Stage::NoComPort);

        let mut it = begin(Flow::None);
        agree(&mut it);
        answer(&mut it, 38_400, 1);
        assert_eq!(it.stage(), Stage::Ready);
        it.handle(Item::Option(Verb::Wont, BINARY));
        assert_eq!(it.stage(), Stage::NotBinary);
        assert!(said(&mut it).contains(&Item::Option(Verb::Dont, BINARY)));
    }

    #[test]
    fn an_echo_of_our_own_words_is_no_server() {
        let mut it = begin(Flow::None);
        for _ in 0..4 {
            for item in said(&mut it) {
                it.handle(item);
            }
        }
        assert_eq!(it.stage(), Stage::NoComPort);
    }

    #[test]
    fn a_refused_speed_is_named() {
        let mut it = begin(Flow::Software);
        agree(&mut it);
        answer(&mut it, 9600, 1);
        tell(&mut it, SET_DATA_BITS, &[7]);
        assert_eq!(it.stage(), Stage::Ready);
        let words = it.remarks().join("; ");
        for part in [
            "refused 38400 bit/s; its port has 9600",
            "8 data bits",
            "flow control 'software'",
        ] {
            assert!(words.contains(part), "{part}: {words}");
        }
        // Two percent off is the same speed.
        tell(&mut it, SET_BAUD, &38_000u32.to_be_bytes());
        assert!(!it.remarks().join("").contains("bit/s"));
    }

    #[test]
    fn signals_and_errors_are_told_as_they_change() {
        let mut it = begin(Flow::None);
        assert_eq!(it.lines(), None);
        tell(&mut it, MODEM_STATE, &[0x9b]);
        let lines = it.lines().unwrap();
        assert!(lines.carrier && lines.clear_to_send);
        assert!(!lines.data_set_ready && !lines.ring);
        tell(&mut it, MODEM_STATE, &[]);
        assert_eq!(it.lines(), Some(lines));
        tell(&mut it, MODEM_STATE, &[0x60]);
        let lines = it.lines().unwrap();
        assert!(lines.data_set_ready && lines.ring && !lines.carrier);

        tell(&mut it, LINE_STATE, &[FRAMING_ERROR | BREAK | 1]);
        tell(
            &mut it,
            LINE_STATE,
            &[FRAMING_ERROR | OVERRUN | PARITY_ERROR],
        );
        let errors = LineErrors {
            framing: 2,
            overrun: 1,
            parity: 1,
            breaks: 1,
        };
        assert_eq!(it.errors(), errors);

        tell(&mut it, SUSPEND, &[]);
        assert!(it.is_suspended());
        tell(&mut it, RESUME, &[]);
        assert!(!it.is_suspended());
    }

    #[test]
    fn dtr_is_switched_by_an_order() {
        let mut it = begin(Flow::None);
        it.output().clear();
        assert!(it.set_dtr(false) && it.set_dtr(true));
        assert!(it.set_rts(false) && it.set_rts(true));
        let orders = [DTR_OFF, DTR_ON, RTS_OFF, RTS_ON]
            .map(|on| Item::Subnegotiation(COM_PORT, vec![5, on]));
        assert_eq!(said(&mut it), orders);
    }

    #[test]
    fn what_a_server_calls_itself_cannot_move_the_screen() {
        let mut it = begin(Flow::None);
        tell(&mut it, SIGNATURE, b"box\x1b[2J\r\n 3\xff");
        assert_eq!(it.signature(), "box[2J 3\u{fffd}");
    }

    #[test]
    fn unknown_options_are_refused_within_a_bound() {
        let mut it = begin(Flow::None);
        it.output().clear();
        it.handle(Item::Option(Verb::Will, 1));
        it.handle(Item::Option(Verb::Dont, 24));
        it.handle(Item::Option(Verb::Do, 24));
        let refusals = [(Verb::Dont, 1), (Verb::Wont, 24)].map(|(v, o)| Item::Option(v, o));
        assert_eq!(said(&mut it), refusals);
        for _ in 0..1000 {
            it.handle(Item::Option(Verb::Will, 1));
        }
        assert!(it.output().len() < MOST_OUTPUT + 3);
        assert!(it.unsaid() > 800);
    }

    proptest! {
        #[test]
        fn whatever_a_server_says_is_answered_within_a_bound(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0xf0..=0xffu8, Just(44), 100..113u8], 0..2000),
        ) {
            let mut it = begin(Flow::Hardware);
            let mut decoder = codec::Decoder::default();
            let (mut input, mut data) = (&bytes[..], Vec::new());
            while !input.is_empty() {
                if let Some(item) = decoder.next(&mut input, &mut data) {
                    it.handle(item);
                }
            }
            prop_assert!(it.output().len() < MOST_OUTPUT + 140);
            prop_assert!(data.len() <= bytes.len());
            it.remarks();
        }

        #[test]
        fn two_ends_that_agree_to_everything_come_to_rest(options in prop::collection::vec(any::<u8>(), 0..20)) {
            let (mut a, mut b) = (begin(Flow::None), begin(Flow::None));
            for option in options {
                a.say(Verb::Will, option);
            }
            for _ in 0..6 {
                for item in said(&mut a) {
                    b.handle(item);
                }
                for item in said(&mut b) {
                    a.handle(item);
                }
            }
            prop_assert_eq!((said(&mut a), said(&mut b)), (vec![], vec![]));
        }
    }
}

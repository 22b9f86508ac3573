//! Telnet bytes: data with `FF` doubled, and commands in between (RFC 854, 855).
//!
//! Pure. Promises: whatever comes, cut anywhere, is decoded without a panic and with bounded memory;
//! every byte value of the data comes out as it was put in; what is no known command is skipped.
//! Assumes binary transmission (RFC 856): nothing is done about line ends. What commands mean is left
//! to [`negotiate`](super::negotiate).
//!
//! ```text
//! FF FF             the data byte FF
//! FF FB..FE option  WILL, WONT, DO, DONT
//! FF FA option … FF F0   subnegotiation; FF doubled inside
//! FF other          a command of one byte
//! ```

/// What stands between the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shell::line) enum Item {
    /// An option is offered, asked for, or refused.
    Option(Verb, u8),
    /// What an option has to say: its number, and the bytes.
    Subnegotiation(u8, Vec<u8>),
}

/// What is said of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::shell::line) enum Verb {
    /// The sender wants to use it, or agrees to.
    Will,
    /// The sender does not, or no longer.
    Wont,
    /// The receiver shall use it.
    Do,
    /// The receiver shall not.
    Dont,
}

impl Verb {
    fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            WILL => Self::Will,
            WONT => Self::Wont,
            DO => Self::Do,
            DONT => Self::Dont,
            _ => return None,
        })
    }

    fn byte(self) -> u8 {
        match self {
            Self::Will => WILL,
            Self::Wont => WONT,
            Self::Do => DO,
            Self::Dont => DONT,
        }
    }
}

/// Takes data and commands apart.
#[derive(Debug, Default)]
pub(in crate::shell::line) struct Decoder {
    state: State,
    /// Option and content of a subnegotiation, at most [`LONGEST`] bytes of it.
    body: Vec<u8>,
}

/// ```text
/// Data  --FF-->  Command  --FF-->            Data, one byte FF
///                         --WILL..DONT-->    Option    --any-->  Data
///                         --SB-->            Body
///                         --other-->         Data
/// Body  --FF-->  BodyCommand  --FF-->        Body, one byte FF
///                             --SE-->        Data, the subnegotiation is whole
///                             --other-->     as after Command: the subnegotiation was broken off
/// ```
#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Data,
    Command,
    Option(Verb),
    Body,
    BodyCommand,
}

impl Decoder {
    /// Takes bytes from `input` up to the end of the next item, or all; data among them goes to
    /// `data`.
    pub(in crate::shell::line) fn next(
        &mut self,
        input: &mut &[u8],
        data: &mut Vec<u8>,
    ) -> Option<Item> {
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            let item = match self.state {
                State::Data if byte == IAC => self.go(State::Command),
                State::Data => {
                    data.push(byte);
                    None
                }
                State::Command if byte == IAC => {
                    data.push(IAC);
                    self.go(State::Data)
                }
                State::Command => self.command(byte),
                State::Option(verb) => {
                    self.state = State::Data;
                    Some(Item::Option(verb, byte))
                }
                State::Body if byte == IAC => self.go(State::BodyCommand),
                State::Body => self.in_body(byte),
                State::BodyCommand if byte == IAC => self.in_body(IAC),
                State::BodyCommand if byte == SE => self.whole(),
                State::BodyCommand => self.command(byte),
            };
            if item.is_some() {
                return item;
            }
        }
        None
    }

    fn go(&mut self, state: State) -> Option<Item> {
        self.state = state;
        None
    }

    fn command(&mut self, byte: u8) -> Option<Item> {
        self.state = match (byte, Verb::of(byte)) {
            (SB, _) => State::Body,
            (_, Some(verb)) => State::Option(verb),
            _ => State::Data,
        };
        self.body.clear();
        None
    }

    fn in_body(&mut self, byte: u8) -> Option<Item> {
        // One that is too long is none that is known here; its end is still looked for.
        if self.body.len() <= LONGEST {
            self.body.push(byte);
        }
        self.go(State::Body)
    }

    fn whole(&mut self) -> Option<Item> {
        self.state = State::Data;
        let body = std::mem::take(&mut self.body);
        if body.len() > LONGEST {
            return None;
        }
        let (&option, content) = body.split_first()?;
        Some(Item::Subnegotiation(option, content.to_vec()))
    }
}

/// Appends data.
pub(in crate::shell::line) fn escape(data: &[u8], out: &mut Vec<u8>) {
    for &byte in data {
        out.push(byte);
        if byte == IAC {
            out.push(IAC);
        }
    }
}

/// Appends what is said of an option.
pub(in crate::shell::line) fn option(verb: Verb, option: u8, out: &mut Vec<u8>) {
    out.extend([IAC, verb.byte(), option]);
}

/// Appends a subnegotiation.
pub(in crate::shell::line) fn subnegotiation(option: u8, content: &[u8], out: &mut Vec<u8>) {
    out.extend([IAC, SB, option]);
    escape(content, out);
    out.extend([IAC, SE]);
}

const SE: u8 = 0xf0;
const SB: u8 = 0xfa;
const WILL: u8 = 0xfb;
const WONT: u8 = 0xfc;
const DO: u8 = 0xfd;
const DONT: u8 = 0xfe;
const IAC: u8 = 0xff;
/// The longest subnegotiation that is kept, bytes: a signature may have some.
const LONGEST: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Everything in `input`, handed over in pieces of the given lengths.
    fn decode(input: &[u8], pieces: &[usize]) -> (Vec<u8>, Vec<Item>) {
        let mut decoder = Decoder::default();
        let (mut data, mut items) = (Vec::new(), Vec::new());
        let mut pieces = pieces.iter().copied().chain(std::iter::repeat(usize::MAX));
        let mut rest = input;
        while !rest.is_empty() {
            let length = pieces.next().map_or(1, |piece| piece.clamp(1, rest.len()));
            let (mut piece, after) = rest.split_at(length);
            rest = after;
            while !piece.is_empty() {
                items.extend(decoder.next(&mut piece, &mut data));
            }
        }
        (data, items)
    }

    #[test]
    fn every_byte_value_passes() {
        let all: Vec<u8> = (0..=255).cycle().take(1024).collect();
        let mut wire = Vec::new();
        escape(&all, &mut wire);
        assert_eq!(decode(&wire, &[]), (all, Vec::new()));
    }

    #[test]
    fn commands_stand_between_the_data() {
        let mut wire = b"a".to_vec();
        option(Verb::Will, 44, &mut wire);
        wire.extend([b'b', IAC, 0xf1, b'c']);
        subnegotiation(44, &[101, 0, IAC, 0, IAC], &mut wire);
        wire.extend([IAC, IAC, b'd']);
        let items = vec![
            Item::Option(Verb::Will, 44),
            Item::Subnegotiation(44, vec![101, 0, IAC, 0, IAC]),
        ];
        assert_eq!(decode(&wire, &[]), (b"abc\xffd".to_vec(), items));
    }

    #[test]
    fn a_subnegotiation_that_is_broken_off_or_too_long_costs_itself_only() {
        let broken = [IAC, SB, 44, 1, IAC, DO, 3, b'x'];
        let items = vec![Item::Option(Verb::Do, 3)];
        assert_eq!(decode(&broken, &[]), (b"x".to_vec(), items));

        for (length, kept) in [(LONGEST - 1, true), (LONGEST, false), (100_000, false)] {
            let mut long = Vec::new();
            subnegotiation(44, &vec![IAC; length], &mut long);
            long.push(b'x');
            let (data, items) = decode(&long, &[]);
            assert_eq!((data, !items.is_empty()), (b"x".to_vec(), kept), "{length}");
        }
        assert_eq!(decode(&[IAC, SB, IAC, SE], &[]), (vec![], vec![]));
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_decode_alike(
            bytes in prop::collection::vec(prop_oneof![3 => any::<u8>(), 2 => 0xf0..=0xffu8], 0..400),
            pieces in prop::collection::vec(1..20usize, 0..60),
        ) {
            let whole = decode(&bytes, &[]);
            prop_assert!(whole.0.len() <= bytes.len());
            prop_assert_eq!(decode(&bytes, &pieces), whole);
        }

        #[test]
        fn data_comes_out_as_it_went_in(
            data in prop::collection::vec(any::<u8>(), 0..300),
            pieces in prop::collection::vec(1..20usize, 0..60),
            at in 0..300usize,
            content in prop::collection::vec(any::<u8>(), 0..LONGEST - 1),
        ) {
            let (before, after) = data.split_at(at.min(data.len()));
            let mut wire = Vec::new();
            escape(before, &mut wire);
            subnegotiation(44, &content, &mut wire);
            option(Verb::Dont, IAC, &mut wire);
            escape(after, &mut wire);
            let items = vec![Item::Subnegotiation(44, content), Item::Option(Verb::Dont, IAC)];
            prop_assert_eq!(decode(&wire, &pieces), (data, items));
        }

        #[test]
        fn what_follows_any_bytes_is_understood_after_one_end(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut wire = bytes;
            wire.extend([0, IAC, SE]);
            escape(b"then \xff this", &mut wire);
            let (data, _) = decode(&wire, &[]);
            prop_assert!(data.ends_with(b"then \xff this"));
        }
    }
}

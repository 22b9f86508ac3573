//! What each entry of the file means: words become types, numbers are held against their limits.
//!
//! Looks at one entry at a time; what two entries do to each other is for
//! [`conflicts`](super::conflicts).

use std::net::SocketAddr;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::time::Duration;

use toml::Spanned;

use copperlink::modem::Use;
use copperlink::proto::config::{ChannelConfig, Class, LineConfig, LinkConfig, Port};
use copperlink::proto::time::BitRate;
use copperlink::shell::{
    self, CarrierRule, Deliver, Device, Flow, Instruments, LineSetup, LinkSetup, ModemSetup,
    PortSetup, status,
};

use super::problem::Problem;
use super::raw::{RawChannel, RawFile, RawLine, RawStatus};

/// What the file asks for, as far as it could be understood.
#[derive(Debug)]
pub(super) struct Plan {
    name: Option<String>,
    status: bool,
    instruments: Instruments,
    pub(super) lines: Vec<LinePlan>,
    pub(super) channels: Vec<ChannelPlan>,
}

/// One line.
#[derive(Debug)]
pub(super) struct LinePlan {
    /// The device, and where the file names it.
    pub(super) device: Option<Spanned<Device>>,
    setup: Option<(LineConfig, LineSetup)>,
}

/// One channel.
#[derive(Debug)]
pub(super) struct ChannelPlan {
    /// Its id, and where the file gives it.
    pub(super) id: Option<Spanned<u8>>,
    /// Its name, as it is written.
    pub(super) name: String,
    /// Its class.
    pub(super) class: Option<Class>,
    /// Whether RTCP rides with it.
    pub(super) rtcp: bool,
    /// Where it listens.
    pub(super) listen: Option<Spanned<SocketAddr>>,
    /// Where it delivers.
    pub(super) deliver: Option<Spanned<Deliver>>,
    config: Option<ChannelConfig>,
}

impl Plan {
    /// The setup, when everything was understood.
    pub(super) fn finish(self) -> Option<LinkSetup> {
        let name = self.name?;
        let mut config = LinkConfig {
            name: name.clone(),
            session: shell::random_session(),
            lines: Vec::new(),
            channels: Vec::new(),
            resume: None,
        };
        let mut lines = Vec::new();
        for line in self.lines {
            let (line_config, line_setup) = line.setup?;
            config.lines.push(line_config);
            lines.push(line_setup);
        }
        let mut ports = Vec::new();
        for channel in self.channels {
            let (channel_config, mut channel_ports) = channel.finish()?;
            config.channels.push(channel_config);
            ports.append(&mut channel_ports);
        }
        let socket = status::socket_path(&name);
        Some(LinkSetup {
            config,
            lines,
            ports,
            status_socket: self.status.then(|| socket.clone()),
            state_file: Some(socket.with_extension("state")),
            instruments: self.instruments,
        })
    }
}

impl ChannelPlan {
    fn finish(self) -> Option<(ChannelConfig, Vec<PortSetup>)> {
        let (config, listen, deliver) = (self.config?, self.listen?, self.deliver?);
        let (listen, deliver) = (listen.into_inner(), deliver.into_inner());
        let mut ports = vec![PortSetup {
            port: Port::media(config.id),
            listen,
            deliver,
        }];
        if config.rtcp {
            ports.push(PortSetup {
                port: Port::rtcp(config.id),
                listen: next_port(listen)?,
                deliver: match deliver {
                    Deliver::To(to) => Deliver::To(next_port(to)?),
                    Deliver::Auto => Deliver::Auto,
                },
            });
        }
        Some((config, ports))
    }
}

/// The RTCP port of a media port.
pub(super) fn next_port(mut address: SocketAddr) -> Option<SocketAddr> {
    address.set_port(address.port().checked_add(1)?);
    Some(address)
}

/// Understands a file as far as that is possible. `folder` is where it lies.
pub(super) fn resolve(file: &RawFile, folder: &Path, problems: &mut Vec<Problem>) -> Plan {
    let complete = file.unreadable == 0 && problems.is_empty();
    if complete {
        for (missing, header) in [
            (file.link.is_none(), "[link]"),
            (file.lines.is_empty(), "[[line]]"),
            (file.channels.is_empty(), "[[channel]]"),
        ] {
            if missing {
                let what = format!("there is no {header} in the file");
                problems.push(Problem::new(0..0, what, format!("expected one {header}")));
            }
        }
    }
    let mut words = Words { folder, problems };
    Plan {
        name: file.link.as_ref().and_then(|link| words.name(&link.name)),
        status: file.link.as_ref().is_some_and(|link| link.status),
        instruments: (file.status.as_ref())
            .map_or_else(Instruments::default, |status| words.instruments(status)),
        lines: file.lines.iter().map(|line| words.line(line)).collect(),
        channels: file.channels.iter().map(|raw| words.channel(raw)).collect(),
    }
}

/// Turns the words of the file into types, and takes down what cannot be turned.
pub(super) struct Words<'a> {
    /// Where the file lies.
    folder: &'a Path,
    problems: &'a mut Vec<Problem>,
}

impl Words<'_> {
    fn instruments(&mut self, raw: &RawStatus) -> Instruments {
        let metrics = raw.metrics.as_ref();
        let history = raw.history.as_ref();
        Instruments {
            metrics: metrics.and_then(|address| self.address(address, "metrics", false)),
            history_file: history.and_then(|path| match path.get_ref().as_str() {
                "" => self.refuse(path, "`history` names no file", "expected a path"),
                path => Some(path.into()),
            }),
        }
    }

    fn line(&mut self, raw: &RawLine) -> LinePlan {
        let device = self.device(&raw.device);
        let baud = self.bit_rate(&raw.baud, "baud");
        let rate = match &raw.rate {
            Some(rate) => self.bit_rate(rate, "rate"),
            None => baud,
        };
        if let (Some(baud), Some(rate), Some(place)) = (baud, rate, &raw.rate)
            && rate > baud
        {
            let what = format!(
                "the line rate {} is higher than the port rate {}",
                rate.bits_per_second(),
                baud.bits_per_second()
            );
            let expected = "expected at most the baud of the port, as the line gets no more";
            self.problems.push(
                Problem::new(place.span(), what, expected).with_other(raw.baud.span(), "the baud"),
            );
        }
        let folder = self.folder;
        let modem = self.modem(raw, folder);
        let flow = self.flow(raw.flow.as_ref());
        let carrier = self.carrier(raw.carrier.as_ref());
        if let Some(device) = &device {
            self.of_a_port(raw, device.get_ref());
        }
        let setup = || {
            let (device, baud, flow) = (device.as_ref()?.get_ref().clone(), baud?, flow?);
            let mut config = LineConfig::new(line_name(&device), rate?);
            config.is_rate_known = raw.rate.is_some();
            config.avoid_xon_xoff = flow == Flow::Software;
            let mut setup = LineSetup::new(device, baud.bits_per_second(), flow);
            setup.modem = modem?;
            // A call that nobody holds any more is to end.
            let is_dialled = |modem: &ModemSetup| modem.profile.purpose == Use::Dial;
            setup.hang_up = setup.modem.as_ref().is_some_and(is_dialled);
            setup.carrier = carrier?;
            if let Some(hang_up) = &raw.hang_up {
                setup.hang_up = *hang_up.get_ref();
            }
            if let Some(low_latency) = &raw.low_latency {
                setup.low_latency = *low_latency.get_ref();
            }
            Some((config, setup))
        };
        LinePlan {
            setup: setup(),
            device,
        }
    }

    fn device(&mut self, raw: &Spanned<String>) -> Option<Spanned<Device>> {
        match raw.get_ref().parse() {
            Ok(device) => Some(Spanned::new(raw.span(), device)),
            Err(_) => self.refuse(
                raw,
                format!("{:?} names no device", raw.get_ref()),
                "expected a path such as \"/dev/ttyUSB0\", or \"tcp://host:port\", or \"rfc2217://host:port\"",
            ),
        }
    }

    fn flow(&mut self, raw: Option<&Spanned<String>>) -> Option<Flow> {
        let Some(raw) = raw else {
            return Some(Flow::None);
        };
        match raw.get_ref().as_str() {
            "none" => Some(Flow::None),
            "hardware" => Some(Flow::Hardware),
            "software" => Some(Flow::Software),
            other => self.refuse(
                raw,
                format!("there is no flow control {other:?}"),
                "expected \"none\", \"hardware\" or \"software\"",
            ),
        }
    }

    fn carrier(&mut self, raw: Option<&Spanned<toml::Value>>) -> Option<CarrierRule> {
        let Some(raw) = raw else {
            return Some(CarrierRule::Auto);
        };
        match raw.get_ref() {
            toml::Value::Boolean(true) => Some(CarrierRule::Always),
            toml::Value::Boolean(false) => Some(CarrierRule::Never),
            toml::Value::String(word) if word == "auto" => Some(CarrierRule::Auto),
            other => self.refuse(
                raw,
                format!("`carrier` cannot be {other}"),
                "expected true, false or \"auto\"",
            ),
        }
    }

    /// Refuses what the device cannot do: a raw TCP connection has no signals, and another host's
    /// adapter is not ours.
    fn of_a_port(&mut self, raw: &RawLine, device: &Device) {
        let is_raw = matches!(device, Device::Tcp(_));
        let is_remote = !matches!(device, Device::Serial(_));
        if let Some(carrier) = raw.carrier.as_ref().filter(|_| is_raw)
            && carrier.get_ref().as_bool() == Some(true)
        {
            let what = "a raw TCP connection has no carrier signal";
            let expected = "expected no `carrier` here; rfc2217://host:port has the signal";
            self.refuse::<(), _>(carrier, what, expected);
        }
        if let Some(hang_up) = raw.hang_up.as_ref().filter(|on| is_raw && *on.get_ref()) {
            let what = "a raw TCP connection has no DTR that could be dropped";
            let expected = "expected no `hang_up` here; rfc2217://host:port has the signal";
            self.refuse::<(), _>(hang_up, what, expected);
        }
        if let Some(low) = raw.low_latency.as_ref().filter(|_| is_remote) {
            let what = "`low_latency` is for an adapter at this host";
            self.refuse::<(), _>(
                low,
                what,
                "expected no `low_latency` here: set it at the server",
            );
        }
    }

    fn channel(&mut self, raw: &RawChannel) -> ChannelPlan {
        let id = self.number(&raw.id, 1..=255, "the channel id", "");
        let id = id.and_then(|id| u8::try_from(id).ok());
        let name = self.name(&raw.name);
        let class = self.class(&raw.class);
        let listen = self.address(&raw.listen, "listen", raw.rtcp);
        let deliver = self.deliver(&raw.deliver, raw.rtcp);
        if let (Some(listen), Some(Deliver::To(to))) = (listen, &deliver)
            && listen.is_ipv4() != to.is_ipv4()
        {
            let what = format!("nothing can be sent from {listen} to {to}");
            let expected = "expected two IPv4 addresses or two IPv6 addresses";
            self.problems.push(
                Problem::new(raw.deliver.span(), what, expected)
                    .with_other(raw.listen.span(), "the listen address"),
            );
        }
        let config = self.channel_config(raw, id, name, class);
        ChannelPlan {
            id: id.map(|id| Spanned::new(raw.id.span(), id)),
            name: raw.name.get_ref().clone(),
            class,
            rtcp: raw.rtcp,
            listen: listen.map(|listen| Spanned::new(raw.listen.span(), listen)),
            deliver: deliver.map(|deliver| Spanned::new(raw.deliver.span(), deliver)),
            config,
        }
    }

    fn channel_config(
        &mut self,
        raw: &RawChannel,
        id: Option<u8>,
        name: Option<String>,
        class: Option<Class>,
    ) -> Option<ChannelConfig> {
        let deadline = raw.deadline_ms.as_ref().map(|deadline| {
            if class == Some(Class::Control) {
                let what = "a control channel has no deadline: it never drops a message";
                return self.refuse(deadline, what, "expected no `deadline_ms` here");
            }
            self.number(deadline, 10..=60_000, "the deadline", " ms")
        });
        let await_key_frame = raw.await_key_frame.as_ref().map(|key| match class {
            Some(Class::Audio | Class::Control) => {
                let what = "`await_key_frame` is for video: nothing else has key frames";
                self.refuse(key, what, "expected no `await_key_frame` here")
            }
            Some(Class::Video | Class::Rtp) | None => Some(*key.get_ref()),
        });
        let bytes = raw.queue_bytes.as_ref();
        let bytes = bytes.map(|n| self.number(n, 1024..=64 << 20, "a queue of", " bytes"));
        let datagrams = raw.queue_datagrams.as_ref();
        // One for each medium.
        let least = if class == Some(Class::Rtp) { 2 } else { 1 };
        let datagrams =
            datagrams.map(|n| self.number(n, least..=65_536, "a queue of", " datagrams"));

        let mut config = ChannelConfig::new(id?, name?, class?);
        config.rtcp = raw.rtcp;
        if let Some(ms) = deadline {
            config.deadline = Duration::from_millis(ms?);
        }
        if let Some(await_key_frame) = await_key_frame {
            config.await_key_frame = await_key_frame?;
        }
        if let Some(bytes) = bytes {
            config.queue_bytes = usize::try_from(bytes?).ok()?;
        }
        if let Some(datagrams) = datagrams {
            config.queue_datagrams = usize::try_from(datagrams?).ok()?;
        }
        Some(config)
    }

    fn class(&mut self, raw: &Spanned<String>) -> Option<Class> {
        let expected = "expected \"audio\", \"video\", \"rtp\" or \"control\"";
        match raw.get_ref().as_str() {
            "audio" => Some(Class::Audio),
            "video" => Some(Class::Video),
            "rtp" => Some(Class::Rtp),
            "control" => Some(Class::Control),
            "data" => {
                let what = "the class \"data\" is not yet available in this version";
                self.refuse(raw, what, expected)
            }
            other => self.refuse(raw, format!("there is no class {other:?}"), expected),
        }
    }

    fn deliver(&mut self, raw: &Spanned<String>, rtcp: bool) -> Option<Deliver> {
        if raw.get_ref() == "auto" {
            return Some(Deliver::Auto);
        }
        let to = self.address(raw, "deliver", rtcp)?;
        if to.ip().is_unspecified() {
            let what = format!("nothing can be sent to {}", to.ip());
            return self.refuse(raw, what, "expected the equipment's address, or \"auto\"");
        }
        Some(Deliver::To(to))
    }

    fn address(&mut self, raw: &Spanned<String>, key: &str, rtcp: bool) -> Option<SocketAddr> {
        let Ok(address) = raw.get_ref().parse::<SocketAddr>() else {
            let auto = if key == "deliver" {
                ", or \"auto\""
            } else {
                ""
            };
            return self.refuse(
                raw,
                format!("{:?} is not an address with a port", raw.get_ref()),
                format!("expected numbers such as \"127.0.0.1:5004\" or \"[::1]:5004\"{auto}"),
            );
        };
        match (address.port(), rtcp) {
            (0, _) => self.refuse(
                raw,
                format!("{key} has port 0, which no equipment can be pointed at"),
                "expected a port from 1 to 65535",
            ),
            (u16::MAX, true) => self.refuse(
                raw,
                format!("with rtcp = true the port after {} is used too", u16::MAX),
                "expected a port from 1 to 65534",
            ),
            _ => Some(address),
        }
    }

    fn name(&mut self, raw: &Spanned<String>) -> Option<String> {
        let name = raw.get_ref();
        let most = LinkConfig::MAX_NAME;
        let what = if name.len() > most {
            format!("the name has {} bytes, which is too long", name.len())
        } else if name.trim().is_empty() {
            "the name is empty".to_owned()
        } else if name.chars().any(char::is_control) {
            "the name has control characters in it".to_owned()
        } else {
            return Some(name.clone());
        };
        self.refuse(raw, what, format!("expected a name of 1 to {most} bytes"))
    }

    fn bit_rate(&mut self, raw: &Spanned<i64>, key: &str) -> Option<BitRate> {
        let (least, most) = (BitRate::MIN, BitRate::MAX);
        let range = i64::from(least.bits_per_second())..=i64::from(most.bits_per_second());
        let number = self.number(raw, range, key, " bit/s")?;
        BitRate::new(u32::try_from(number).ok()?)
    }

    pub(super) fn number(
        &mut self,
        raw: &Spanned<i64>,
        range: RangeInclusive<i64>,
        what: &str,
        unit: &str,
    ) -> Option<u64> {
        let number = *raw.get_ref();
        if range.contains(&number) {
            return u64::try_from(number).ok();
        }
        let (least, most) = range.into_inner();
        self.refuse(
            raw,
            format!("{what} {number}{unit} is impossible"),
            format!("expected {least} to {most}{unit}"),
        )
    }

    /// Takes down that a value cannot be used.
    pub(super) fn refuse<T, V>(
        &mut self,
        value: &Spanned<V>,
        what: impl Into<String>,
        expected: impl Into<String>,
    ) -> Option<T> {
        let at: Range<usize> = value.span();
        self.problems.push(Problem::new(at, what, expected));
        None
    }
}

/// What the technician sees of a device: its last part, which tells the most.
fn line_name(device: &Device) -> String {
    let whole = device.to_string();
    let last = whole.rsplit('/').next().unwrap_or(&whole);
    let mut start = last.len().saturating_sub(LinkConfig::MAX_NAME);
    while !last.is_char_boundary(start) {
        start += 1;
    }
    last[start..].to_owned()
}

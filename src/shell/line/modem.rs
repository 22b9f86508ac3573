//! A modem at an open device: the [`Dialer`] with a port, a clock and the state of the link.
//!
//! Promises: nothing of the link reaches the modem before there is a call; each step can be dropped and
//! begun again without losing a byte. Assumes an open device, with signals or without (a pseudo
//! terminal, a raw TCP connection). Leaves every decision to the dialer, and the device's loss to the
//! caller.

use std::future::poll_fn;
use std::io::{
    self,
    ErrorKind::{Unsupported, WouldBlock},
};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::device::{self, Memory, Moved, OpenDevice, Opened};
use super::{CarrierRule, LineSetup};
use crate::modem::{
    Connection, Dialer, Dtr, Event, Failure, Finding, Inspector, Plan, PortSignals, Profile,
    Redial, Role, Use, Way,
};
use crate::proto::time::{BitRate, Instant};
use crate::shell::clock::Clock;

/// The modem of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModemSetup {
    /// What it needs.
    pub profile: Profile,
    /// How the call comes about.
    pub way: Way,
    /// Which end of a leased line this is, where the profile needs to know.
    pub role: Option<Role>,
    /// How often to try.
    pub redial: Redial,
    /// How long a call may carry nothing before it is ended.
    pub dead_after: Duration,
    /// Whether the rate that the modem tells is the one to begin with: the settings have none.
    pub believes_rate: bool,
}

impl ModemSetup {
    fn plan(&self, baud: u32) -> Plan {
        Plan {
            profile: self.profile.clone(),
            way: self.way.clone(),
            role: self.role,
            redial: self.redial,
            baud,
            dead_after: self.dead_after,
        }
    }

    /// How long it may take to hang up when the link is stopped: a modem on a port without DTR wants
    /// silence around the escape.
    pub(in crate::shell) fn hang_up_time(&self) -> Duration {
        match self.profile.purpose {
            Use::Dial => HANG_UP,
            Use::Leased | Use::Direct => Duration::ZERO,
        }
    }
}

/// The dialer of an open device.
pub(super) struct Modem {
    dialer: Dialer,
    clock: Clock,
    believes_rate: bool,
    carrier: CarrierRule,
    /// Bytes for the modem that the device has not taken yet.
    output: Vec<u8>,
    /// What the driver says of the link.
    link: watch::Receiver<bool>,
    is_started: bool,
}

impl Modem {
    /// The modem of a line, where it has one.
    pub(super) fn of(setup: &LineSetup, link: watch::Receiver<bool>) -> Option<Self> {
        let modem = setup.modem.as_ref()?;
        Some(Self {
            dialer: Dialer::new(modem.plan(setup.baud)),
            clock: Clock::start(),
            believes_rate: modem.believes_rate,
            carrier: setup.carrier,
            output: Vec::new(),
            link,
            is_started: false,
        })
    }

    /// Begins, if that was not done yet.
    pub(super) async fn start(&mut self, device: &mut OpenDevice) {
        if !self.is_started {
            self.is_started = true;
            wait_for_signals(device).await;
            let signals = self.signals_of(device);
            self.dialer.start(self.clock.now(), signals);
        }
    }

    /// Whether the device's bytes belong to the link.
    pub(super) fn is_online(&self) -> bool {
        self.dialer.is_online()
    }

    /// How it is, in words.
    pub(super) fn status(&self) -> String {
        self.dialer.status()
    }

    /// The rate to begin with, of the call that there is.
    pub(super) fn rate(&self, connection: &Connection) -> Option<BitRate> {
        let rate = connection.character_rate()?;
        self.believes_rate.then(|| BitRate::new(rate))?
    }

    /// The next event. What concerns the port is done.
    ///
    /// # Errors
    /// When the device is lost.
    pub(super) async fn next_event(
        &mut self,
        device: &mut OpenDevice,
    ) -> io::Result<Option<Event>> {
        self.dialer.poll_transmit(&mut self.output);
        while let Some(event) = self.dialer.poll_event() {
            match event {
                Event::Dtr(level) => set_dtr(device, level).await?,
                event => return Ok(Some(event)),
            }
        }
        Ok(None)
    }

    /// Waits for something to happen while there is no call, and handles it. May be dropped.
    ///
    /// # Errors
    /// When the device is lost.
    pub(super) async fn step(&mut self, device: &mut OpenDevice) -> io::Result<()> {
        self.dialer.poll_transmit(&mut self.output);
        let mut input = [0; LARGEST_READ];
        let writable = device.room().unwrap_or(0).min(self.output.len());
        let wake = self.dialer.poll_timeout().map(|(at, _)| at);
        let clock = self.clock;
        tokio::select! {
            moved = device.moves(&mut input, &self.output[..writable]) => match moved? {
                Moved::In(length) => self.dialer.handle_bytes(clock.now(), &input[..length]),
                Moved::Out(length) => drop(self.output.drain(..length)),
                Moved::Signals => self.look(device),
            },
            () = clock.sleep_until(wake) => {}
            () = sleep(LOOK) => self.look(device),
        }
        self.dialer.handle_timeout(clock.now());
        Ok(())
    }

    /// When the dialer wants to be called in a call.
    pub(super) async fn wake(&mut self) {
        let wake = self.dialer.poll_timeout().map(|(at, _)| at);
        let clock = self.clock;
        tokio::select! {
            () = clock.sleep_until(wake) => {}
            changed = self.link.changed() => match changed {
                Ok(()) => {
                    let is_up = *self.link.borrow_and_update();
                    self.dialer.handle_link(clock.now(), is_up);
                }
                // The driver is gone; its other channel says so, too.
                Err(_closed) => clock.sleep_until(wake).await,
            },
        }
        self.dialer.handle_timeout(clock.now());
    }

    /// The call brought these bytes.
    pub(super) fn heard(&mut self, bytes: &[u8]) {
        self.dialer.handle_bytes(self.clock.now(), bytes);
    }

    /// Looks at the signals of the device.
    pub(super) fn look(&mut self, device: &mut OpenDevice) {
        let signals = self.signals_of(device);
        self.dialer.handle_signals(self.clock.now(), signals);
    }

    /// Ends whatever there is, within [`ModemSetup::hang_up_time`].
    pub(super) async fn hang_up(&mut self, device: &mut OpenDevice) {
        // What was sent before has left, or never will.
        self.output.clear();
        self.dialer.hang_up(self.clock.now());
        let ending = async {
            loop {
                while let Some(event) = self.next_event(device).await? {
                    match event {
                        Event::HungUp => return Ok(()),
                        Event::Changed => tracing::info!("modem: {}", self.status()),
                        Event::Note(note) => tracing::warn!("modem: {note}"),
                        _ => {}
                    }
                }
                self.step(device).await?;
            }
        };
        let ended: Result<io::Result<()>, _> = timeout(HANG_UP, ending).await;
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!("the modem could not be told to hang up: {error}"),
            Err(_elapsed) => tracing::warn!("the modem took too long to hang up"),
        }
    }

    fn signals_of(&self, device: &mut OpenDevice) -> PortSignals {
        port_signals(device, self.carrier)
    }
}

fn port_signals(device: &mut OpenDevice, rule: CarrierRule) -> PortSignals {
    let all = device.signals().all;
    PortSignals {
        carrier: all
            .filter(|_| rule != CarrierRule::Never)
            .map(|lines| lines.carrier),
        has_dtr: device.has_dtr(),
    }
}

/// A terminal server tells its signals a moment after it was connected to. What else comes then is
/// nothing that was asked for.
async fn wait_for_signals(device: &mut OpenDevice) {
    let told = async {
        let mut input = [0; LARGEST_READ];
        while device.has_dtr() && device.signals().all.is_none() {
            if device.moves(&mut input, &[]).await.is_err() {
                // The next step meets it, too.
                return;
            }
        }
    };
    if timeout(SIGNALS_COME, told).await.is_err() {
        tracing::debug!("the port tells no signals");
    }
}

async fn set_dtr(device: &mut OpenDevice, level: Dtr) -> io::Result<()> {
    match device.set_dtr(level == Dtr::On) {
        Err(error) if matches!(error.kind(), Unsupported | WouldBlock) => {
            tracing::debug!("DTR stays as it is: {error}");
        }
        done => done?,
    }
    poll_fn(|cx| device.poll_flush(cx)).await
}

/// A modem that is used by hand: one call, or a look at its settings.
pub struct ModemLine {
    setup: LineSetup,
    device: OpenDevice,
    modem: Modem,
    remarks: Vec<String>,
    /// Held so that the dialer is not told that the link is gone.
    _link: watch::Sender<bool>,
}

/// Why a modem could not be used: its device, in words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct DeviceProblem(String);

impl ModemLine {
    /// Opens the device of a line with a modem. Needs a tokio runtime.
    ///
    /// # Errors
    /// Why it cannot be opened, or that the line has no modem.
    pub async fn open(setup: LineSetup) -> Result<Self, DeviceProblem> {
        let opened = device::open(setup.clone(), Memory::default()).await;
        let Opened { device, remarks } =
            opened.map_err(|problem| DeviceProblem(problem.at_once()))?;
        let (sender, link) = watch::channel(false);
        let Some(modem) = Modem::of(&setup, link) else {
            return Err(DeviceProblem(format!(
                "{} has no modem. Name a profile",
                setup.device
            )));
        };
        Ok(Self {
            setup,
            device,
            modem,
            remarks,
            _link: sender,
        })
    }

    /// What of the port is not as it was asked for, in words.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// What happens next on the way to a call. May be dropped.
    ///
    /// # Errors
    /// When the device is lost.
    pub async fn next(&mut self) -> Result<Event, DeviceProblem> {
        self.modem.start(&mut self.device).await;
        loop {
            match self.modem.next_event(&mut self.device).await {
                Ok(Some(event)) => return Ok(event),
                Ok(None) => {}
                Err(error) => return Err(self.lost(error)),
            }
            if let Err(error) = self.modem.step(&mut self.device).await {
                return Err(self.lost(error));
            }
        }
    }

    /// How it is, in words.
    pub fn status(&self) -> String {
        self.modem.status()
    }

    /// Ends the call, or the attempt.
    pub async fn hang_up(&mut self) {
        self.modem.hang_up(&mut self.device).await;
    }

    /// Reads the settings of the modem and holds them against its profile.
    ///
    /// # Errors
    /// When the device is lost; in the inner result, why the modem could not be read.
    pub async fn read_settings(&mut self) -> Result<Result<Vec<Finding>, Failure>, DeviceProblem> {
        let Some(modem) = &self.setup.modem else {
            return Ok(Ok(Vec::new()));
        };
        let clock = self.modem.clock;
        wait_for_signals(&mut self.device).await;
        let signals = port_signals(&mut self.device, self.setup.carrier);
        let baud = self.setup.baud;
        let mut inspector =
            Inspector::start(clock.now(), &modem.profile, modem.role, baud, signals);
        loop {
            if let Some(outcome) = inspector.outcome() {
                return Ok(outcome);
            }
            if let Err(error) = inspect(&mut inspector, clock, &mut self.device).await {
                return Err(self.lost(error));
            }
        }
    }

    fn lost(&self, error: io::Error) -> DeviceProblem {
        DeviceProblem(self.device.lost(&self.setup.device, error).at_once())
    }
}

/// A step of reading settings.
async fn inspect(
    inspector: &mut Inspector,
    clock: Clock,
    device: &mut OpenDevice,
) -> io::Result<()> {
    let mut output = Vec::new();
    inspector.poll_transmit(&mut output);
    let wake: Option<Instant> = inspector.poll_timeout();
    let mut input = [0; LARGEST_READ];
    loop {
        let writable = device.room().unwrap_or(0).min(output.len());
        tokio::select! {
            moved = device.moves(&mut input, &output[..writable]) => match moved? {
                Moved::In(length) => {
                    inspector.handle_bytes(clock.now(), &input[..length]);
                    return Ok(());
                }
                Moved::Out(length) => drop(output.drain(..length)),
                Moved::Signals => {}
            },
            () = clock.sleep_until(wake) => {
                inspector.handle_timeout(clock.now());
                return Ok(());
            }
            () = sleep(LOOK) => {}
        }
    }
}

const LARGEST_READ: usize = 256;
/// DCD is looked at so often while there is no call.
const LOOK: Duration = Duration::from_millis(100);
/// Twice the guard time of the escape, an answer, and some.
const HANG_UP: Duration = Duration::from_secs(18);
/// How long to wait for the signals of a terminal server.
const SIGNALS_COME: Duration = Duration::from_millis(300);

#[cfg(test)]
#[path = "modem_tests.rs"]
mod tests;

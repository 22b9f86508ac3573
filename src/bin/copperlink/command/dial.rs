//! `copperlink dial`: one call by hand, or a look at a modem's settings.
//!
//! Each step goes to standard error as it happens; what came of it goes to standard output.

use std::path::Path;
use std::time::Instant;

use clap::Args;

use copperlink::modem::failure::Blame;
use copperlink::modem::{self, DialString, Event, Note, Plan, Profile, Redial, Role, Use, Way};
use copperlink::shell::{Device, Flow, LineSetup, ModemLine, ModemSetup};

use super::block_on;
use crate::outcome::{Failure, Verdict};
use crate::profiles::{self, ProfileError};
use crate::report;
use crate::report::modem::{CallReport, FailureFacts, ReadReport};
use crate::stop::StopSignals;

/// Make one call with a modem and end it again, or read the modem's settings
///
/// Shows what is said to the modem (>) and what it says (<). Exit code 0: connected, or no setting differs;
/// 1: busy, no carrier and the like, or a setting differs; 2: the device or the modem cannot be used.
#[derive(Debug, Args)]
pub(crate) struct Dial {
    /// The modem's port: a path, tcp://host:port or rfc2217://host:port
    device: Device,
    /// Its profile by name, or a file of your own whose name ends with .toml
    #[arg(long, value_name = "PROFILE")]
    modem: String,
    /// The number to call
    #[arg(long, conflicts_with_all = ["answer", "read"])]
    number: Option<DialString>,
    /// Wait to be called, and answer after so many rings
    #[arg(long, value_name = "RINGS", num_args = 0..=1, default_missing_value = "1",
        value_parser = clap::value_parser!(u8).range(1..=20), conflicts_with = "read")]
    answer: Option<u8>,
    /// Which end of a leased line this is, where the profile must know
    #[arg(long, value_parser = parse_role)]
    role: Option<Role>,
    /// Port rate, bit/s
    #[arg(long, default_value_t = 115_200, value_parser = clap::value_parser!(u32).range(50..=20_000_000))]
    baud: u32,
    /// Flow control at the port: none, hardware or software
    #[arg(long, default_value = "hardware", value_parser = parse_flow)]
    flow: Flow,
    /// How often to call
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    attempts: u32,
    /// Read the settings instead, and name each that is not as in the profile
    #[arg(long)]
    read: bool,
    /// Print what came of it as JSON
    #[arg(long)]
    json: bool,
}

impl Dial {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let setup = self.setup()?;
        block_on(async {
            let line = ModemLine::open(setup).await;
            let mut line = line.map_err(Failure::cannot_run)?;
            for remark in line.remarks() {
                report::complain(&format!("copperlink: {remark}\n"));
            }
            match self.read {
                true => self.read(&mut line).await,
                false => self.call(&mut line).await,
            }
        })
    }

    fn setup(&self) -> Result<LineSetup, Failure> {
        let profile = find_profile(&self.modem)?;
        let way = self.way(&profile)?;
        let mut setup = LineSetup::new(self.device.clone(), self.baud, self.flow);
        setup.hang_up = profile.purpose == Use::Dial && !self.read;
        setup.modem = Some(ModemSetup {
            way,
            role: self.role,
            redial: Redial {
                attempts: Some(self.attempts),
                ..Redial::DEFAULT
            },
            dead_after: Plan::DEAD_AFTER,
            believes_rate: true,
            profile,
        });
        Ok(setup)
    }

    fn way(&self, profile: &Profile) -> Result<Way, Failure> {
        let wrong = |words: String| Err(Failure::CannotRun(words));
        let name = &self.modem;
        if profile.needs_role() && self.role.is_none() {
            return wrong(format!(
                "the profile {name} must know which end this is. Add --role originate at one end, --role answer at the other"
            ));
        }
        match (profile.purpose, &self.number, self.answer) {
            (Use::Direct, ..) => wrong(format!(
                "with the profile {name} there is no modem to be asked. Name that of the modem"
            )),
            (Use::Leased, None, None) => Ok(Way::Leased),
            (Use::Leased, ..) => wrong(format!(
                "on a leased line nobody dials: the profile {name} takes no --number and no --answer"
            )),
            (Use::Dial, Some(number), _) => Ok(Way::Dial(number.clone())),
            (Use::Dial, None, Some(rings)) => Ok(Way::Answer { rings }),
            // Nothing is dialled.
            (Use::Dial, None, None) if self.read => Ok(Way::Answer { rings: 1 }),
            (Use::Dial, None, None) => wrong(
                "nobody calls. Add --number NUMBER, or --answer at the end that is called"
                    .to_owned(),
            ),
        }
    }

    async fn read(&self, line: &mut ModemLine) -> Result<Verdict, Failure> {
        let findings = line.read_settings().await.map_err(Failure::cannot_run)?;
        let findings = findings.map_err(Failure::cannot_run)?;
        let report = ReadReport::new(self.device.to_string(), self.modem.clone(), findings);
        match self.json {
            true => report::print_json(&report)?,
            false => report::print(&report.text())?,
        }
        Ok(match report.differ {
            0 => Verdict::Done,
            _ => Verdict::Failed,
        })
    }

    async fn call(&self, line: &mut ModemLine) -> Result<Verdict, Failure> {
        let mut stop = StopSignals::listen()?;
        let began = Instant::now();
        let mut report = CallReport {
            device: self.device.to_string(),
            profile: self.modem.clone(),
            connected: false,
            connection: None,
            failure: None,
            calls: 0,
            seconds: 0.0,
            notes: Vec::new(),
        };
        let mut modem_fault = None;
        let mut last_words = String::new();
        loop {
            let event = tokio::select! {
                event = line.next() => event.map_err(Failure::cannot_run)?,
                () = stop.next() => break,
            };
            if let Some(words) = words_of(&event, line) {
                // What has a number behind a comma goes on.
                let begins = words.split(',').next().unwrap_or_default().to_owned();
                let goes_on = event == Event::Changed && begins == last_words;
                if !goes_on {
                    let seconds = began.elapsed().as_secs_f64();
                    report::complain(&format!("{seconds:7.1} s  {words}\n"));
                }
                if event == Event::Changed {
                    last_words = begins;
                }
            }
            match event {
                Event::Connected(connection) => {
                    report.connected = true;
                    report.failure = None;
                    report.connection = Some(connection);
                    break;
                }
                Event::Calling(_) => report.calls += 1,
                // A link would try the line; by hand it is not known that there is a modem at all.
                Event::Note(note @ Note::MayBeConnected) => {
                    report.notes.push(note.to_string());
                    report.failure = Some(FailureFacts::from(&modem::Failure::Silent));
                    modem_fault = Some(modem::Failure::Silent);
                    break;
                }
                Event::Note(note) => report.notes.push(note.to_string()),
                Event::Failed(failure) => {
                    report.failure = Some(FailureFacts::from(&failure));
                    if failure.blame() == Blame::Modem {
                        modem_fault = Some(failure);
                        break;
                    }
                }
                Event::GaveUp | Event::HungUp => break,
                Event::Changed | Event::Sent(_) | Event::Heard(_) | Event::Dtr(_) => {}
            }
        }
        report.seconds = began.elapsed().as_secs_f64();
        match (self.json, &modem_fault) {
            (true, _) => report::print_json(&report)?,
            (false, None) => report::print(&report.text())?,
            (false, Some(_)) => {}
        }
        // Known by now, whatever the end takes: a port without DTR takes ten seconds.
        tokio::select! {
            () = line.hang_up() => {}
            () = stop.next() => {}
        }
        match modem_fault {
            Some(_) if self.json => Err(Failure::Reported),
            Some(failure) => Err(Failure::cannot_run(format!("{}: {failure}", self.device))),
            None if report.connected => Ok(Verdict::Done),
            None => Ok(Verdict::Failed),
        }
    }
}

fn words_of(event: &Event, line: &ModemLine) -> Option<String> {
    match event {
        Event::Sent(said) => Some(format!("> {said}")),
        Event::Heard(said) => Some(format!("< {said}")),
        Event::Changed => Some(line.status()),
        Event::Note(note) => Some(format!("note: {note}")),
        Event::Failed(failure) => Some(format!("failed: {failure}")),
        Event::Connected(_) | Event::Calling(_) | Event::GaveUp | Event::HungUp | Event::Dtr(_) => {
            None
        }
    }
}

/// The profile that is meant by a name, or by a path.
fn find_profile(wanted: &str) -> Result<Profile, Failure> {
    profiles::find(wanted, Path::new("")).map_err(|error| match error {
        ProfileError::Unknown(expected) => {
            Failure::CannotRun(format!("there is no modem profile '{wanted}': {expected}"))
        }
        ProfileError::File(error) => error.into(),
    })
}

fn parse_role(text: &str) -> Result<Role, String> {
    match text {
        "originate" => Ok(Role::Originate),
        "answer" => Ok(Role::Answer),
        _ => Err("expected originate or answer".to_owned()),
    }
}

fn parse_flow(text: &str) -> Result<Flow, String> {
    match text {
        "none" => Ok(Flow::None),
        "hardware" => Ok(Flow::Hardware),
        "software" => Ok(Flow::Software),
        _ => Err("expected none, hardware or software".to_owned()),
    }
}

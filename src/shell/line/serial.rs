//! A serial port of this host.
//!
//! Promises: eight data bits, no parity, one stop bit, every byte value both ways as it is; the
//! settings are read back and a driver that gave something else is named; nobody else opens the
//! port meanwhile: other users are stopped by the kernel, root by a lock if its program asks for
//! one, as another copperlink does; DTR stays up over a restart unless the settings say otherwise; no
//! call blocks longer than the driver needs to set a port up, closing included. Assumes nothing of
//! the path: what is no serial port is refused before it is opened. Leaves waiting and trying again
//! to the line task.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios,
    tcgetattr, tcsetattr,
};
use serialport::TTYPort;
use tokio_serial::{ClearBuffer, DataBits, ErrorKind, FlowControl, Parity, SerialPort, StopBits};

use super::discover;
use super::holder::{Holder, owning_group};
use super::latency;
use super::port_io::PortIo;
use super::problem::Problem;
use super::signals::ModemLines;
use super::uart::{Counters, LineErrors};
use super::{CarrierRule, Flow, LineSetup};

/// A serial port that is open.
#[derive(Debug)]
pub(super) struct SerialLine {
    /// Settings, signals, and that nobody else opens it.
    port: TTYPort,
    io: PortIo,
    /// Whether the driver tells what waits in the kernel. A pseudo terminal always says nothing.
    knows_queue: bool,
    /// Most bytes that may wait in the kernel.
    bound: usize,
    baud: u32,
    /// What the port last said of its signals, and when all of them were asked for. `None` without
    /// any.
    signals: Option<(ModemLines, Instant)>,
    relies_on: ReliesOn,
    counters: Option<Counters>,
}

/// Signals that are asked for at each look.
#[derive(Clone, Copy, Debug)]
struct ReliesOn {
    clear_to_send: bool,
    carrier: bool,
}

impl SerialLine {
    /// Opens the port at `path`. Returns it with what is not as it was asked for, in words.
    ///
    /// # Errors
    /// Why it cannot be opened.
    pub(super) fn open(path: &Path, setup: &LineSetup) -> Result<(Self, Vec<String>), Problem> {
        refuse_other_files(path)?;
        let descriptor = open_descriptor(path)?;
        let port = open_port(path, setup)?;
        let mut remarks = settle(&descriptor, path, setup)?;
        remarks.extend(latency::shorten(path, setup.low_latency));
        let mut line = Self {
            port,
            knows_queue: !discover::is_pseudo_terminal(&descriptor),
            io: PortIo::new(descriptor).map_err(|error| open_problem(path, error))?,
            bound: bytes_in(setup.baud, KERNEL_QUEUE).clamp(32, 4096),
            baud: setup.baud,
            signals: None,
            relies_on: ReliesOn {
                clear_to_send: setup.flow == Flow::Hardware,
                carrier: setup.carrier != CarrierRule::Never,
            },
            counters: Counters::of(path),
        };
        // What came before nobody listened to, and what an earlier program left is not ours.
        if let Err(error) = line.port.clear(ClearBuffer::All) {
            tracing::debug!("{}: old input stays: {error}", path.display());
        }
        line.signals = line.all_signals().map(|lines| (lines, Instant::now()));
        Ok((line, remarks))
    }

    /// Whether the port has signals. A pseudo terminal has none.
    pub(super) fn has_signals(&self) -> bool {
        self.signals.is_some()
    }

    /// The port's signals. Each is a question to the driver, and that of some USB adapters asks the
    /// adapter: those that nobody relies on are asked for once a second.
    pub(super) fn modem_lines(&mut self) -> Option<ModemLines> {
        let (mut lines, asked) = self.signals?;
        let now = Instant::now();
        let read = if now - asked >= LOOK_AT_ALL {
            self.all_signals().map(|lines| (lines, now))
        } else {
            let refreshed = self.refresh(&mut lines);
            refreshed.is_ok().then_some((lines, asked))
        };
        // An adapter that once fails to answer is asked again.
        self.signals = read.or(self.signals);
        Some(read?.0)
    }

    fn refresh(&mut self, lines: &mut ModemLines) -> tokio_serial::Result<()> {
        if self.relies_on.clear_to_send {
            lines.clear_to_send = self.port.read_clear_to_send()?;
        }
        if self.relies_on.carrier {
            lines.carrier = self.port.read_carrier_detect()?;
        }
        Ok(())
    }

    fn all_signals(&mut self) -> Option<ModemLines> {
        Some(ModemLines {
            clear_to_send: self.port.read_clear_to_send().ok()?,
            data_set_ready: self.port.read_data_set_ready().ok()?,
            carrier: self.port.read_carrier_detect().ok()?,
            ring: self.port.read_ring_indicator().ok()?,
        })
    }

    /// Whether the kernel tells of errors on the line.
    pub(super) fn counts_errors(&self) -> bool {
        self.counters.is_some()
    }

    /// Errors on the line since the port was opened, where the kernel tells.
    pub(super) fn errors(&self) -> Option<LineErrors> {
        self.counters.as_ref()?.read()
    }

    /// Switches DTR on or off.
    ///
    /// # Errors
    /// Of kind `Unsupported` where there is no such signal, as on a pseudo terminal.
    pub(super) fn set_dtr(&mut self, on: bool) -> io::Result<()> {
        if !self.has_signals() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(self.port.write_data_terminal_ready(on)?)
    }

    /// Switches RTS on or off. Only for tests of the port: with hardware flow control the driver does that.
    ///
    /// # Errors
    /// As [`SerialLine::set_dtr`].
    pub(super) fn set_rts(&mut self, on: bool) -> io::Result<()> {
        if !self.has_signals() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(self.port.write_request_to_send(on)?)
    }

    /// How many bytes may be written now, so that little waits in the kernel; or how long to
    /// wait before asking again.
    pub(super) fn room(&self) -> Result<usize, Duration> {
        room(self.queued().unwrap_or(0), self.bound, self.baud)
    }

    /// Bytes that wait in the kernel (`TIOCOUTQ`), those in the hardware's own buffers not among
    /// them. `None` where the driver does not know, as on a pseudo terminal.
    pub(super) fn queued(&self) -> Option<usize> {
        if !self.knows_queue {
            return None;
        }
        Some(self.port.bytes_to_write().ok()? as usize)
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.io.poll_read(cx, buffer)
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.io.poll_write(cx, bytes)
    }
}

impl Drop for SerialLine {
    /// Closing a port waits, up to half a minute, until its output has left. Output that is held
    /// off never leaves.
    fn drop(&mut self) {
        if self.queued().is_some_and(|bytes| bytes > 0)
            && let Err(error) = self.port.clear(ClearBuffer::Output)
        {
            tracing::debug!("unsent bytes of a serial port stay: {error}");
        }
    }
}

/// Sorts what a read or a write answered into a reason for the device not being open any more.
pub(super) fn lost(device: String, source: io::Error) -> Problem {
    let gone = [Errno::IO, Errno::NXIO, Errno::NODEV].map(Errno::raw_os_error);
    match source.raw_os_error() {
        Some(code) if gone.contains(&code) => Problem::Gone { device },
        _ => Problem::Failed { device, source },
    }
}

/// Says what `path` is when it is no serial port, without opening it: that alone has effects on
/// some devices.
fn refuse_other_files(path: &Path) -> Result<(), Problem> {
    let metadata = std::fs::metadata(path).map_err(|error| open_problem(path, error))?;
    let kind = metadata.file_type();
    let what = if kind.is_dir() {
        "a directory"
    } else if kind.is_file() {
        "an ordinary file"
    } else if kind.is_block_device() {
        "a disk"
    } else if !kind.is_char_device() {
        "a pipe or a socket"
    } else if let Some(what) = discover::not_a_line(metadata.rdev()) {
        what
    } else {
        return Ok(());
    };
    Err(not_serial(path, what))
}

/// Opens the port for its bytes, and asks what it is and who holds it.
///
/// A descriptor of our own besides the one of the driver's library: a stream of tokio-serial is
/// watched for input and for room as long as it lives, see [`port_io`](super::port_io).
fn open_descriptor(path: &Path) -> Result<OwnedFd, Problem> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let descriptor = rustix::fs::open(path, flags, Mode::empty())
        .map_err(|error| open_problem(path, error.into()))?;
    tcgetattr(&descriptor).map_err(|error| match error {
        Errno::NOTTY | Errno::INVAL => not_serial(path, "a device of another kind"),
        error => open_problem(path, error.into()),
    })?;
    // The library takes this lock for good. Asked for here first, because a port of the library
    // that fails to get it takes the other program's exclusive use away when it is dropped.
    flock(&descriptor, FlockOperation::NonBlockingLockExclusive)
        .and_then(|()| flock(&descriptor, FlockOperation::Unlock))
        .map_err(|error| open_problem(path, error.into()))?;
    Ok(descriptor)
}

fn open_port(path: &Path, setup: &LineSetup) -> Result<TTYPort, Problem> {
    let device = path.display().to_string();
    // A name that is no text cannot be handed to the driver's library.
    let Some(name) = path.to_str() else {
        return Err(Problem::Missing { device });
    };
    let builder = tokio_serial::new(name, setup.baud)
        .data_bits(DataBits::Eight)
        .parity(Parity::None)
        .stop_bits(StopBits::One)
        .flow_control(match setup.flow {
            Flow::None => FlowControl::None,
            Flow::Hardware => FlowControl::Hardware,
            Flow::Software => FlowControl::Software,
        });
    builder.open_native().map_err(|error| match error.kind() {
        ErrorKind::NoDevice => open_problem(path, Errno::BUSY.into()),
        ErrorKind::Io(kind) => open_problem(path, kind.into()),
        ErrorKind::InvalidInput | ErrorKind::Unknown => settings_problem(path, setup, &error),
    })
}

/// Takes out of the settings what would change bytes, and says which settings the driver did not
/// take.
fn settle(port: impl AsFd, path: &Path, setup: &LineSetup) -> Result<Vec<String>, Problem> {
    let settle = || {
        let mut termios = tcgetattr(&port)?;
        termios.input_modes -= CHANGES_BYTES | HIDES_ERRORS;
        termios.output_modes -= OutputModes::OPOST;
        termios.local_modes -= COOKED;
        termios.control_modes |= ControlModes::CREAD | ControlModes::CLOCAL;
        // With it closing the port drops DTR, also when the program is killed.
        termios
            .control_modes
            .set(ControlModes::HUPCL, setup.hang_up);
        termios.special_codes[SpecialCodeIndex::VMIN] = 1;
        termios.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&port, OptionalActions::Now, &termios)?;
        tcgetattr(&port)
    };
    let actual = settle().map_err(|error: Errno| settings_problem(path, setup, &error))?;
    Ok(remarks(&actual, setup)
        .into_iter()
        .map(|words| format!("{}: {words}", path.display()))
        .collect())
}

fn remarks(actual: &Termios, setup: &LineSetup) -> Vec<String> {
    let mut remarks = Vec::new();
    let baud = actual.output_speed();
    if baud.abs_diff(setup.baud) > setup.baud / SPEED_TOLERANCE {
        remarks.push(format!(
            "the driver set {baud} bit/s instead of {}. Choose a speed that the port has",
            setup.baud
        ));
    }
    let control = actual.control_modes;
    let form = ControlModes::CSIZE | ControlModes::PARENB | ControlModes::CSTOPB;
    if control & form != ControlModes::CS8 {
        remarks.push(
            "the driver did not set 8 data bits, no parity and 1 stop bit. Use another port"
                .to_owned(),
        );
    }
    if !control.contains(ControlModes::CREAD) {
        remarks.push("the driver did not switch the receiver on. Use another port".to_owned());
    }
    let hardware = control.contains(ControlModes::CRTSCTS);
    let software = actual
        .input_modes
        .intersects(InputModes::IXON | InputModes::IXOFF);
    if (hardware, software) != (setup.flow == Flow::Hardware, setup.flow == Flow::Software) {
        remarks.push(format!(
            "the driver did not set flow control '{}'. Use another port, or another `flow`",
            setup.flow
        ));
    }
    if actual.input_modes.intersects(CHANGES_BYTES)
        || actual.output_modes.contains(OutputModes::OPOST)
        || actual.local_modes.intersects(COOKED)
    {
        remarks.push("the driver changes bytes on their way. Use another port".to_owned());
    }
    let hides = actual.input_modes & HIDES_ERRORS;
    if !hides.is_empty() {
        let names: Vec<_> = hides.iter_names().map(|(name, _)| name).collect();
        remarks.push(format!(
            "the driver hides or marks bytes with a framing error, and breaks ({}), so that noise makes \
             frames shorter or longer. Use another port",
            names.join(", ")
        ));
    }
    remarks
}

fn open_problem(path: &Path, source: io::Error) -> Problem {
    let device = path.display().to_string();
    if let Some(Errno::NXIO | Errno::NODEV | Errno::IO) = Errno::from_io_error(&source) {
        return Problem::NoHardware { device };
    }
    match source.kind() {
        io::ErrorKind::NotFound => Problem::Missing { device },
        io::ErrorKind::PermissionDenied => Problem::Denied {
            device,
            group: owning_group(path),
        },
        io::ErrorKind::ResourceBusy | io::ErrorKind::WouldBlock => Problem::Busy {
            device,
            holder: Holder::of(path),
        },
        _ => Problem::Failed { device, source },
    }
}

fn not_serial(path: &Path, what: &'static str) -> Problem {
    Problem::NotSerial {
        device: path.display().to_string(),
        what,
    }
}

fn settings_problem(path: &Path, setup: &LineSetup, reason: &impl ToString) -> Problem {
    Problem::Settings {
        device: path.display().to_string(),
        baud: setup.baud,
        flow: setup.flow,
        reason: reason.to_string(),
    }
}

fn room(queued: usize, bound: usize, baud: u32) -> Result<usize, Duration> {
    if queued < bound {
        return Ok(bound - queued);
    }
    let excess = u32::try_from(queued - bound / 2).unwrap_or(u32::MAX);
    let time = Duration::from_secs(1).saturating_mul(excess) / (baud / BITS_PER_BYTE).max(1);
    Err(time.clamp(SHORTEST_WAIT, LONGEST_WAIT))
}

fn bytes_in(baud: u32, time: Duration) -> usize {
    (baud / BITS_PER_BYTE) as usize * time.as_millis() as usize / 1000
}

/// Input settings under which a byte does not arrive as it was sent, or not at all.
const CHANGES_BYTES: InputModes = InputModes::ISTRIP
    .union(InputModes::INLCR)
    .union(InputModes::IGNCR)
    .union(InputModes::ICRNL)
    .union(InputModes::IXANY);

/// Input settings under which a byte with a framing error, or a break, does not arrive as one byte.
/// `IGNPAR` drops it, and the frame comes out shorter; `PARMRK` puts two bytes before it; `BRKINT`
/// throws away what waits. Without them the byte comes as it was sampled, and a break as one 00: that
/// keeps the length of a frame, by which it can be repaired.
const HIDES_ERRORS: InputModes = InputModes::IGNBRK
    .union(InputModes::BRKINT)
    .union(InputModes::IGNPAR)
    .union(InputModes::PARMRK)
    .union(InputModes::INPCK);

/// What a terminal for people does with input: lines, echo, signals.
const COOKED: LocalModes = LocalModes::ICANON
    .union(LocalModes::ECHO)
    .union(LocalModes::ISIG)
    .union(LocalModes::IEXTEN);

const BITS_PER_BYTE: u32 = 10;
/// A receiver samples in the middle of each bit: half of 2 % at each end is still safe.
const SPEED_TOLERANCE: u32 = 50;
/// Line time that may wait in the kernel. The core keeps far less there; this counts when output
/// is held off, and the core does not know yet.
const KERNEL_QUEUE: Duration = Duration::from_millis(10);
/// How often the signals are asked for that nobody relies on.
const LOOK_AT_ALL: Duration = Duration::from_secs(1);
const SHORTEST_WAIT: Duration = Duration::from_millis(1);
const LONGEST_WAIT: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::super::pty;
    use super::*;
    use crate::shell::line::Device;
    use std::future::poll_fn;

    fn setup(baud: u32, flow: Flow) -> LineSetup {
        LineSetup::new(Device::Serial("/dev/null".into()), baud, flow)
    }

    fn open(path: &Path) -> Result<(SerialLine, Vec<String>), Problem> {
        SerialLine::open(path, &setup(38_400, Flow::None))
    }

    fn words(path: &str) -> String {
        open(Path::new(path)).unwrap_err().to_string()
    }

    #[tokio::test]
    async fn all_byte_values_pass_both_ways() {
        let all: Vec<u8> = (0..=255).collect();
        for flow in [Flow::None, Flow::Hardware] {
            let master = pty::Master::open().unwrap();
            let (mut line, remarks) =
                SerialLine::open(master.path(), &setup(38_400, flow)).unwrap();
            assert_eq!(remarks, Vec::<String>::new());

            let sent = poll_fn(|cx| line.poll_write(cx, &all)).await.unwrap();
            assert_eq!(sent, all.len());
            assert_eq!(master.read_exactly(all.len()).await, all);

            master.write_all(&all).await;
            let mut received = Vec::new();
            while received.len() < all.len() {
                let mut buffer = [0; 64];
                let length = poll_fn(|cx| line.poll_read(cx, &mut buffer)).await.unwrap();
                received.extend_from_slice(&buffer[..length]);
            }
            assert_eq!(received, all);
        }
    }

    #[tokio::test]
    async fn settings_are_set_and_read_back() {
        for (baud, flow) in [
            (2400, Flow::None),
            (33_600, Flow::Hardware),
            (921_600, Flow::Software),
        ] {
            let master = pty::Master::open().unwrap();
            let (line, remarks) = SerialLine::open(master.path(), &setup(baud, flow)).unwrap();
            assert_eq!(remarks, Vec::<String>::new());
            assert_eq!(pty::slave_baud(&master).unwrap(), baud);
            assert!(!line.has_signals(), "a pseudo terminal has none");
            assert_eq!(line.queued(), None, "it does not tell what waits");
        }
    }

    #[tokio::test]
    async fn settings_that_differ_are_said_in_words() {
        let master = pty::Master::open().unwrap();
        let _line = SerialLine::open(master.path(), &setup(9600, Flow::Software)).unwrap();
        let actual = tcgetattr(&master).unwrap();
        assert_eq!(remarks(&actual, &setup(9600, Flow::Software)).len(), 0);
        assert_eq!(remarks(&actual, &setup(9700, Flow::Software)).len(), 0);
        let words = remarks(&actual, &setup(19_200, Flow::Hardware));
        assert!(
            words[0].contains("9600 bit/s instead of 19200"),
            "{words:?}"
        );
        assert!(words[1].contains("flow control 'hardware'"), "{words:?}");
    }

    #[tokio::test]
    async fn damaged_bytes_and_breaks_are_passed_on_whatever_was_set_before() {
        for flow in [Flow::None, Flow::Hardware, Flow::Software] {
            let master = pty::Master::open().unwrap();
            let mut before = tcgetattr(&master).unwrap();
            before.input_modes |= HIDES_ERRORS | CHANGES_BYTES | InputModes::IXON;
            before.output_modes |= OutputModes::OPOST | OutputModes::ONLCR;
            before.local_modes |= COOKED;
            tcsetattr(&master, OptionalActions::Now, &before).unwrap();
            let kept = tcgetattr(&master).unwrap();
            assert!(kept.input_modes.contains(HIDES_ERRORS) && kept.local_modes.contains(COOKED));

            let (_line, remarks) = SerialLine::open(master.path(), &setup(9600, flow)).unwrap();
            assert_eq!(remarks, Vec::<String>::new());
            let now = tcgetattr(&master).unwrap();
            let software = match flow {
                Flow::Software => InputModes::IXON | InputModes::IXOFF,
                Flow::None | Flow::Hardware => InputModes::empty(),
            };
            let changes = HIDES_ERRORS | CHANGES_BYTES | InputModes::IXON | InputModes::IXOFF;
            assert_eq!(now.input_modes & changes, software);
            assert!(!now.output_modes.contains(OutputModes::OPOST));
            assert!(!now.local_modes.intersects(COOKED));
            let form = ControlModes::CSIZE | ControlModes::PARENB | ControlModes::CSTOPB;
            assert_eq!(now.control_modes & form, ControlModes::CS8);
            assert!(now.control_modes.contains(ControlModes::CREAD));
            assert_eq!(now.special_codes[SpecialCodeIndex::VMIN], 1);
            assert_eq!(now.special_codes[SpecialCodeIndex::VTIME], 0);
        }
    }

    #[tokio::test]
    async fn a_restart_keeps_dtr_up_unless_a_modem_shall_hang_up() {
        for hang_up in [false, true] {
            let master = pty::Master::open().unwrap();
            let setup = LineSetup {
                hang_up,
                ..setup(9600, Flow::None)
            };
            let _line = SerialLine::open(master.path(), &setup).unwrap();
            let modes = tcgetattr(&master).unwrap().control_modes;
            assert_eq!(modes.contains(ControlModes::HUPCL), hang_up);
        }
    }

    #[tokio::test]
    async fn a_pseudo_terminal_has_no_dtr() {
        let master = pty::Master::open().unwrap();
        let (mut line, _) = open(master.path()).unwrap();
        assert_eq!(line.modem_lines(), None);
        let error = line.set_dtr(false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    }

    #[tokio::test]
    async fn a_driver_that_hides_damage_is_named() {
        let master = pty::Master::open().unwrap();
        let _line = SerialLine::open(master.path(), &setup(9600, Flow::None)).unwrap();
        let mut actual = tcgetattr(&master).unwrap();
        actual.input_modes |= InputModes::IGNPAR | InputModes::PARMRK;
        let words = remarks(&actual, &setup(9600, Flow::None));
        assert_eq!(words.len(), 1);
        assert!(
            words[0].contains("framing error") && words[0].contains("IGNPAR"),
            "{words:?}"
        );
        actual.input_modes -= HIDES_ERRORS;
        actual.control_modes |= ControlModes::CSTOPB;
        actual.control_modes -= ControlModes::CREAD;
        actual.local_modes |= LocalModes::ICANON;
        let words = remarks(&actual, &setup(9600, Flow::None)).join(" ");
        for part in ["1 stop bit", "receiver on", "changes bytes"] {
            assert!(words.contains(part), "{words}");
        }
    }

    #[test]
    fn little_waits_in_the_kernel() {
        assert_eq!(room(0, 115, 115_200), Ok(115));
        assert_eq!(room(114, 115, 115_200), Ok(1));
        // Half of the bound has left after this time.
        let half = Duration::from_secs(58) / 11_520;
        assert_eq!(room(115, 115, 115_200), Err(half));
        // Held off: asked again now and then.
        assert_eq!(room(4096, 115, 115_200), Err(LONGEST_WAIT));
        assert_eq!(room(32, 32, 20_000_000), Err(SHORTEST_WAIT));
        assert_eq!(room(usize::MAX, 32, 50), Err(LONGEST_WAIT));
    }

    #[tokio::test]
    async fn old_input_is_discarded() {
        let master = pty::Master::open().unwrap();
        master.write_all(b"from before").await;
        let (mut line, _) = open(master.path()).unwrap();
        master.write_all(b"now").await;
        let mut buffer = [0; 64];
        let length = poll_fn(|cx| line.poll_read(cx, &mut buffer)).await.unwrap();
        assert_eq!(&buffer[..length], b"now");
    }

    #[tokio::test]
    async fn a_busy_device_names_its_holder() {
        let master = pty::Master::open().unwrap();
        let first = open(master.path()).unwrap();
        let words = words(master.path().to_str().unwrap());
        assert!(words.contains("is in use by"), "{words}");
        let pid = format!("process {}", std::process::id());
        assert!(
            cfg!(not(target_os = "linux")) || words.contains(&pid),
            "{words}"
        );
        drop(first);
        open(master.path()).unwrap();
    }

    #[test]
    fn other_kinds_of_path_are_said_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        assert!(words(&at("missing")).contains("is not there"));
        assert!(words(&at(".")).contains("a directory"));
        std::fs::write(at("file"), "").unwrap();
        assert!(words(&at("file")).contains("an ordinary file"));
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        assert!(words(&at("socket")).contains("a pipe or a socket"));
        // Opening it would wait for somebody who reads it.
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
        assert!(words(&at("pipe")).contains("a pipe or a socket"));
        assert!(words("/dev/null").contains("not a serial port"));
        assert!(words("/dev/tty").contains("not a serial port"));
        assert!(words("/dev/ptmx").contains("not a serial port"));
        assert!(words(&at("file/below")).contains("file/below"));
    }
}

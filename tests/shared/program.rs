//! The real program with a run directory of its own, for all tests that start it.

use std::process::Command;

use tempfile::TempDir;

/// What the program said and how it ended.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// The standard output as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}", self.out))
    }
}

/// The program, with a run directory of its own and nothing of the environment.
pub(crate) struct Program {
    run_dir: TempDir,
}

impl Program {
    pub(crate) fn new() -> Self {
        Self {
            run_dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_copperlink"));
        command
            .args(args)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env_remove("RUST_LOG")
            .env("COPPERLINK_RUN_DIR", self.run_dir.path().join("run"));
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Said {
        let output = assert_cmd::Command::from_std(self.command(args))
            .timeout(std::time::Duration::from_secs(120))
            .output()
            .unwrap();
        Said {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

//! `cargo xtask fuzz`: runs the property tests on mutated files for a given time.
//!
//! Every test whose name begins with `mutated_` changes valid and hostile files at random. The code that reads them
//! must return a result or an error. `cargo test` runs each test briefly. Here each runs for minutes with new seeds,
//! in processes that are watched: a panic, a hang, or more memory than allowed is a failure.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::repo::Repo;
use crate::{exec, libtorch};

const PREFIX: &str = "mutated_";
/// The environment variable for the number of cases per process: see the proptest book.
const CASES: &str = "PROPTEST_CASES";
/// The intended time of a process. Each process starts with new seeds.
const ROUND: Duration = Duration::from_secs(15);
/// A process that takes this many times longer is taken to hang.
const PATIENCE: u32 = 20;
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run only the tests whose name contains this
    name: Option<String>,
    /// How long each test runs
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// The largest memory of a test, in MB
    #[arg(long, default_value_t = 1000)]
    megabytes: u64,
}

/// The fields of a JSON message of cargo that are used here.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    profile: Option<Profile>,
    #[serde(default)]
    manifest_path: PathBuf,
}

#[derive(Deserialize)]
struct Profile {
    /// Whether the binary is a test, and not a program that tests start.
    test: bool,
}

/// A test and its binary.
struct Test {
    binary: PathBuf,
    folder: PathBuf,
    name: String,
}

/// Runs each test for the given time.
pub(crate) fn run(repo: &Repo, args: &Args) -> Result<()> {
    libtorch::ensure(repo)?;
    let tests = tests(repo, args.name.as_deref().unwrap_or_default())?;
    if tests.is_empty() {
        bail!("no test's name begins with {PREFIX} and holds {:?}", args.name);
    }
    let time = Duration::try_from_secs_f64(args.minutes * 60.0).context("--minutes")?;
    let mut failed = Vec::new();
    for test in &tests {
        match test.run_for(time, args.megabytes << 20) {
            Ok((cases, peak)) => {
                println!("{:<56} {cases:>9} cases, {:>4} MB: ok", test.name, peak >> 20);
            }
            Err(error) => {
                println!("{:<56} FAILED: {error:#}", test.name);
                failed.push(test.name.as_str());
            }
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => bail!("{} of {} failed: {}", failed.len(), tests.len(), failed.join(", ")),
    }
}

/// The tests of the workspace whose name begins with [`PREFIX`] and holds `wanted`.
fn tests(repo: &Repo, wanted: &str) -> Result<Vec<Test>> {
    let build = ["test", "--workspace", "--no-run", "--message-format=json"];
    let messages = exec::output(&mut repo.cargo(&build))?;
    let mut binaries = BTreeMap::new();
    for message in messages.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok()) {
        let is_test = message.profile.is_some_and(|profile| profile.test);
        if let Some(binary) = message.executable.filter(|_| is_test) {
            // Tests run in the folder of their crate, as with cargo.
            let folder = message.manifest_path.parent().map(PathBuf::from).unwrap_or_default();
            binaries.insert(binary, folder);
        }
    }
    let mut tests = Vec::new();
    for (binary, folder) in binaries {
        let list = exec::output(Command::new(&binary).args(["--list", "--format", "terse"]));
        // Benchmark binaries do not list tests.
        for name in list.unwrap_or_default().lines().filter_map(|l| l.strip_suffix(": test")) {
            let last = name.rsplit("::").next().unwrap_or(name);
            if last.starts_with(PREFIX) && name.contains(wanted) {
                let (binary, folder) = (binary.clone(), folder.clone());
                tests.push(Test { binary, folder, name: name.to_owned() });
            }
        }
    }
    Ok(tests)
}

impl Test {
    /// Runs the test with new seeds until `time` is over. Returns the number of cases and the peak memory.
    fn run_for(&self, time: Duration, most_memory: u64) -> Result<(u64, u64)> {
        let (start, mut cases, mut done, mut peak) = (Instant::now(), 64_u64, 0, 0);
        // The time of the last process.
        let mut last = ROUND;
        while start.elapsed() < time {
            let round = Instant::now();
            peak = peak.max(self.once(cases, last.max(ROUND) * PATIENCE, most_memory)?);
            done += cases;
            last = round.elapsed();
            // Adjust the number of cases to the intended time, by a factor of at most four.
            let factor = ROUND.as_secs_f64() / last.as_secs_f64().max(0.1);
            cases = ((cases as f64 * factor.clamp(0.25, 4.0)) as u64).clamp(16, 1 << 22);
        }
        Ok((done, peak))
    }

    /// Runs one process and returns its peak memory in bytes.
    fn once(&self, cases: u64, patience: Duration, most_memory: u64) -> Result<u64> {
        let mut command = Command::new(&self.binary);
        command.args(["--exact", &self.name, "--nocapture"]).current_dir(&self.folder);
        // The code under test turns some panics of a library into errors; their backtraces are of no use here.
        command.env("RUST_BACKTRACE", "0").env(CASES, cases.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.spawn().context("the test does not start")?;
        let watched = watch(&mut child, patience, most_memory);
        if watched.is_err() {
            // The process may have ended in the meantime.
            let _ = child.kill();
            child.wait()?;
        }
        let (status, peak) = watched?;
        if !status.success() {
            bail!("it ended with {status}; its message is above");
        }
        Ok(peak)
    }
}

/// Waits for the end of `child`.
fn watch(child: &mut Child, patience: Duration, most_memory: u64) -> Result<(ExitStatus, u64)> {
    let (start, mut peak) = (Instant::now(), 0);
    loop {
        peak = peak.max(memory(child.id()).unwrap_or(0));
        if peak > most_memory {
            bail!("it took {} MB, more than {}", peak >> 20, most_memory >> 20);
        }
        if let Some(status) = child.try_wait()? {
            return Ok((status, peak));
        }
        if start.elapsed() > patience {
            bail!("it did not end within {:.0} s", patience.as_secs_f64());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The peak memory of a process so far, in bytes; `None` if the system does not report it.
fn memory(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(script: &str, seconds: f64, most_memory: u64) -> Result<(ExitStatus, u64)> {
        let mut child = Command::new("sh").args(["-c", script]).spawn().unwrap();
        let watched = watch(&mut child, Duration::from_secs_f64(seconds), most_memory);
        let _ = child.kill();
        child.wait().unwrap();
        watched
    }

    #[test]
    fn what_hangs_or_takes_too_much_memory_is_noticed() {
        let (status, _) = watched("exit 3", 60.0, 1 << 30).unwrap();
        assert_eq!(status.code(), Some(3));
        let hangs = watched("exec sleep 60", 0.2, 1 << 30).unwrap_err().to_string();
        assert!(hangs.contains("did not end within"), "{hangs}");
        if memory(std::process::id()).is_some() {
            let large = watched("exec sleep 60", 60.0, 1024).unwrap_err().to_string();
            assert!(large.contains("more than"), "{large}");
        }
    }
}

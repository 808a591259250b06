//! Apertium as one process for the whole run (Forcada et al. 2011, "Apertium: a free/open-source
//! platform for rule-based machine translation").
//!
//! Given texts as lines, Apertium takes them for one text: rules that reorder words move them across
//! line ends ("the big" and "house is red" become "La casa" and "grande es roja"), while the number of
//! lines stays right. So the texts go through a pipeline that flushes at zero bytes (`-z -f none`),
//! where none sees another, and each carries its number, which has to come back with it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use rustix::process::{Pid, Signal, kill_process_group};

use super::error::excerpt;
use super::{TranslateError, Translator, check_whole, split_pair, stream};

/// What is kept of what it writes to stderr, in bytes.
const SAID: usize = 4096;
/// How long a process may take to close its output once its input ends, and to end by itself once its output is closed.
const LAST_BREATH: Duration = Duration::from_secs(2);

/// A pair of languages of an installed Apertium.
#[derive(Debug)]
pub struct Apertium {
    program: PathBuf,
    pair: String,
    name: String,
    timeout: Duration,
    process: Option<Process>,
    /// The number of the last text sent.
    sent: u64,
}

impl Apertium {
    /// The `pair` (`eng-spa`) of `program` (`apertium`, or a path). It starts with the first text, and
    /// may be silent for `timeout` before it counts as hanging.
    ///
    /// # Errors
    /// If the pair is none.
    pub fn new(
        program: impl Into<PathBuf>,
        pair: &str,
        timeout: Duration,
    ) -> Result<Self, TranslateError> {
        let (from, to) = split_pair(pair)?;
        Ok(Self {
            program: program.into(),
            pair: format!("{from}-{to}"),
            name: format!("apertium {from}-{to}"),
            timeout,
            process: None,
            sent: 0,
        })
    }

    fn exchange(
        &mut self,
        process: &mut Process,
        texts: &[String],
    ) -> Result<Vec<String>, TranslateError> {
        let first = self.sent + 1;
        self.sent += texts.len() as u64;
        let encoded = (first..).zip(texts).flat_map(|(number, text)| stream::encode(text, number));
        process.send(encoded.chain(stream::push()).collect());
        let mut answers = Vec::with_capacity(texts.len());
        for (number, text) in (first..).zip(texts) {
            let (found, answer) = self.next(process, text, answers.len(), texts.len())?;
            if found != number {
                let place = found.wrapping_sub(first).wrapping_add(1);
                let found = format!("`{}`, of text {place}", excerpt(&answer));
                return Err(self.out_of_step(text, answers.len(), found));
            }
            answers.push(answer);
        }
        check_whole(&self.name, texts, &answers)?;
        Ok(answers)
    }

    /// The number and text of the next answer, which should be that to `text`.
    fn next(
        &self,
        process: &mut Process,
        text: &str,
        answered: usize,
        asked: usize,
    ) -> Result<(u64, String), TranslateError> {
        loop {
            let answer = match process.answers.recv_timeout(self.timeout) {
                Ok(answer) => answer,
                Err(RecvTimeoutError::Timeout) if !process.breaks_off() => {
                    let (by, seconds) = (self.name.clone(), self.timeout.as_secs_f64());
                    return Err(TranslateError::Slow { by, seconds, answered, asked });
                }
                Err(_) => return Err(self.died(process, answered, asked)),
            };
            match stream::decode(&answer, stream::needs_stop(text)) {
                Ok((stream::NOBODYS, _)) => {}
                Ok(answer) => return Ok(answer),
                // When one program of the pipeline ends, each of those after it ends its own text, and the whole waits
                // for the end of its input.
                Err(_) if answer.is_empty() && process.has_ended() => {
                    return Err(self.died(process, answered, asked));
                }
                Err(found) => return Err(self.out_of_step(text, answered, found)),
            }
        }
    }

    fn died(&self, process: &mut Process, answered: usize, asked: usize) -> TranslateError {
        let (by, (status, said)) = (self.name.clone(), process.end());
        TranslateError::Died { by, status, answered, asked, said }
    }

    fn out_of_step(&self, text: &str, answered: usize, found: String) -> TranslateError {
        TranslateError::OutOfStep {
            by: self.name.clone(),
            expected: answered as u64 + 1,
            text: excerpt(text),
            found,
        }
    }
}

impl Translator for Apertium {
    fn name(&self) -> &str {
        &self.name
    }

    fn translate(&mut self, texts: &[String]) -> Result<Vec<String>, TranslateError> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let mut process = match self.process.take() {
            Some(process) => process,
            None => Process::start(&self.program, &self.pair)?,
        };
        let answers = self.exchange(&mut process, texts)?;
        // Only a process that is in step is kept; another one ends here, with what it still had to say.
        self.process = Some(process);
        Ok(answers)
    }
}

/// A running pipeline. It is a process group, which ends when this is dropped.
#[derive(Debug)]
struct Process {
    child: Child,
    /// What is to be written to its stdin, by a thread: it may wait for its answers to be read first.
    /// `None` once there is no more.
    texts: Option<Sender<Vec<u8>>>,
    /// Its answers, without their zero bytes; closed when its stdout is.
    answers: Receiver<Vec<u8>>,
    said: Arc<Mutex<Vec<u8>>>,
}

impl Process {
    fn start(program: &PathBuf, pair: &str) -> Result<Self, TranslateError> {
        let missing = |source| TranslateError::Missing { program: program.clone(), source };
        // -u: words it does not know come without a mark.
        let mut child = Command::new(program)
            .args(["-u", "-z", "-f", "none", pair])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(missing)?;
        let (texts, to_write) = unbounded::<Vec<u8>>();
        if let Some(mut stdin) = child.stdin.take() {
            // Ends when the sender is dropped or the process no longer reads: then its stdout tells.
            thread::spawn(move || {
                to_write
                    .iter()
                    .try_for_each(|bytes| stdin.write_all(&bytes).and_then(|()| stdin.flush()))
            });
        }
        let (read, answers) = unbounded();
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || {
                let mut stdout = BufReader::new(stdout);
                let mut answer = Vec::new();
                while stdout.read_until(0, &mut answer).is_ok() && answer.pop() == Some(0) {
                    if read.send(std::mem::take(&mut answer)).is_err() {
                        return;
                    }
                }
            });
        }
        let said = Arc::default();
        if let Some(stderr) = child.stderr.take() {
            let said = Arc::clone(&said);
            thread::spawn(move || listen(stderr, &said));
        }
        Ok(Self { child, texts: Some(texts), answers, said })
    }

    fn send(&self, bytes: Vec<u8>) {
        if let Some(texts) = &self.texts {
            // If the writer has ended, so has the process, and the wait for its answer says how.
            let _ = texts.send(bytes);
        }
    }

    /// Ends its input, and tells whether its output then ends with no other answers than these.
    fn ends_with(&mut self, may_come: impl Fn(&[u8]) -> bool) -> bool {
        self.texts = None;
        let deadline = Instant::now() + LAST_BREATH;
        loop {
            match self.answers.recv_deadline(deadline) {
                Ok(answer) if may_come(&answer) => {}
                Ok(_) => return false,
                Err(error) => return error == RecvTimeoutError::Disconnected,
            }
        }
    }

    /// Ends its input, and tells whether its output then ends without a further answer.
    fn has_ended(&mut self) -> bool {
        self.ends_with(|answer| stream::decode(answer, false).is_err())
    }

    /// Ends its input, and tells whether it then fails. Before that its last programs may let go of what they still held of
    /// a text (see [`stream::push`]).
    fn breaks_off(&mut self) -> bool {
        self.ends_with(|_| true) && matches!(self.wait(), Ok(Some(status)) if !status.success())
    }

    /// How it ended; `None` if it does not. Waits a little for that.
    fn wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + LAST_BREATH;
        loop {
            match self.child.try_wait()? {
                None if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
                status => return Ok(status),
            }
        }
    }

    /// How it ended, and what it said on stderr.
    fn end(&mut self) -> (String, String) {
        let status = match self.wait() {
            Ok(Some(status)) => status.to_string(),
            Ok(None) => "it closed its output and still runs".to_owned(),
            Err(error) => error.to_string(),
        };
        // The thread that listens may be a moment behind.
        thread::sleep(Duration::from_millis(20));
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        (status, excerpt(&String::from_utf8_lossy(&said)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The program is a script around a pipeline, so its children have to end too. An error means
        // that they have.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Keeps the beginning of what a process says, and reads the rest so that it can go on.
fn listen(mut stderr: ChildStderr, said: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 1024];
    while let Ok(length @ 1..) = stderr.read(&mut buffer) {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        let room = SAID.saturating_sub(said.len()).min(length);
        said.extend_from_slice(&buffer[..room]);
    }
}

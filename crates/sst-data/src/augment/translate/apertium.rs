//! Runs Apertium as one process for the whole run (Forcada et al. 2011, "Apertium: a free/open-source platform for
//! rule-based machine translation").
//!
//! If texts are sent as lines, Apertium takes them for one text. Rules that reorder words then move words across line
//! ends ("the big" and "house is red" become "La casa" and "grande es roja"), although the number of lines is right.
//! Therefore the texts go through a pipeline that flushes at zero bytes (`-z -f none`), where no text affects another,
//! and each text carries its number, which has to come back with it.

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

/// The number of bytes of stderr that are kept.
const STDERR_BYTES: usize = 4096;
/// How long a process may take to close its output after its input ends, and to exit after its output is closed.
const EXIT_TIMEOUT: Duration = Duration::from_secs(2);

/// A translator between two languages of an installed Apertium.
#[derive(Debug)]
pub struct Apertium {
    program: PathBuf,
    pair: String,
    name: String,
    timeout: Duration,
    process: Option<Process>,
    /// The number of the last text that was sent.
    sent: u64,
}

impl Apertium {
    /// A translator for `pair` (such as `eng-spa`) with `program` (`apertium`, or a path). The process starts with the
    /// first text. If it is silent for longer than `timeout`, it counts as hanging.
    ///
    /// # Errors
    /// If `pair` does not name two languages.
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
            let (answer_number, answer) = self.next(process, text, answers.len(), texts.len())?;
            if answer_number != number {
                let position = answer_number.wrapping_sub(first).wrapping_add(1);
                let found = format!("`{}`, of text {position}", excerpt(&answer));
                return Err(self.out_of_step(text, answers.len(), found));
            }
            answers.push(answer);
        }
        check_whole(&self.name, texts, &answers)?;
        Ok(answers)
    }

    /// The number and the text of the next answer, which should belong to `text`.
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
                Ok((stream::NO_TEXT, _)) => {}
                Ok(answer) => return Ok(answer),
                // When a program of the pipeline exits, each program after it writes the end of its own text, while
                // the pipeline waits for the end of its input.
                Err(_) if answer.is_empty() && process.has_ended() => {
                    return Err(self.died(process, answered, asked));
                }
                Err(found) => return Err(self.out_of_step(text, answered, found)),
            }
        }
    }

    fn died(&self, process: &mut Process, answered: usize, asked: usize) -> TranslateError {
        let (by, (status, stderr_text)) = (self.name.clone(), process.end());
        TranslateError::Died { by, status, answered, asked, said: stderr_text }
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
        // The process is kept only if its answers match the texts. Otherwise it ends here, and its remaining answers
        // are lost.
        self.process = Some(process);
        Ok(answers)
    }
}

/// A running pipeline. It is a process group, which is killed when this value is dropped.
#[derive(Debug)]
struct Process {
    child: Child,
    /// The bytes that a thread writes to its stdin. The thread may have to wait until answers are read. `None` once
    /// the input is closed.
    texts: Option<Sender<Vec<u8>>>,
    /// Its answers without their zero bytes. The channel closes when its stdout does.
    answers: Receiver<Vec<u8>>,
    stderr_text: Arc<Mutex<Vec<u8>>>,
}

impl Process {
    fn start(program: &PathBuf, pair: &str) -> Result<Self, TranslateError> {
        let missing = |source| TranslateError::Missing { program: program.clone(), source };
        // The option `-u` leaves out the mark on unknown words.
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
            // The thread ends when the sender is dropped or the process stops reading, which its stdout then shows.
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
        let stderr_text: Arc<Mutex<Vec<u8>>> = Arc::default();
        if let Some(stderr) = child.stderr.take() {
            let stderr_text = Arc::clone(&stderr_text);
            thread::spawn(move || listen(stderr, &stderr_text));
        }
        Ok(Self { child, texts: Some(texts), answers, stderr_text })
    }

    fn send(&self, bytes: Vec<u8>) {
        if let Some(texts) = &self.texts {
            // If the writing thread has ended, the process has ended as well, and waiting for its answer reports how.
            let _ = texts.send(bytes);
        }
    }

    /// Closes its input, and returns whether its output then ends with only such answers as `may_come` accepts.
    fn ends_with(&mut self, may_come: impl Fn(&[u8]) -> bool) -> bool {
        self.texts = None;
        let deadline = Instant::now() + EXIT_TIMEOUT;
        loop {
            match self.answers.recv_deadline(deadline) {
                Ok(answer) if may_come(&answer) => {}
                Ok(_) => return false,
                Err(error) => return error == RecvTimeoutError::Disconnected,
            }
        }
    }

    /// Closes its input, and returns whether its output then ends without a further answer.
    fn has_ended(&mut self) -> bool {
        self.ends_with(|answer| stream::decode(answer, false).is_err())
    }

    /// Closes its input, and returns whether it then fails. Before that its last programs may write text that they had
    /// buffered (see [`stream::push`]).
    fn breaks_off(&mut self) -> bool {
        self.ends_with(|_| true) && matches!(self.wait(), Ok(Some(status)) if !status.success())
    }

    /// Waits a short time for the process to end, and returns its exit status; `None` if it keeps running.
    fn wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + EXIT_TIMEOUT;
        loop {
            match self.child.try_wait()? {
                None if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
                status => return Ok(status),
            }
        }
    }

    /// How the process ended, and what it wrote to stderr.
    fn end(&mut self) -> (String, String) {
        let status = match self.wait() {
            Ok(Some(status)) => status.to_string(),
            Ok(None) => "it closed its output and still runs".to_owned(),
            Err(error) => error.to_string(),
        };
        // The thread that reads stderr may be a moment behind.
        thread::sleep(Duration::from_millis(20));
        let stderr_text = self.stderr_text.lock().unwrap_or_else(PoisonError::into_inner);
        (status, excerpt(&String::from_utf8_lossy(&stderr_text)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The program is a script around a pipeline, so its child processes have to end too. An error means that they
        // have ended already.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Keeps the beginning of stderr, and reads the rest so that the process is not blocked.
fn listen(mut stderr: ChildStderr, stderr_text: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 1024];
    while let Ok(length @ 1..) = stderr.read(&mut buffer) {
        let mut stderr_text = stderr_text.lock().unwrap_or_else(PoisonError::into_inner);
        let room = STDERR_BYTES.saturating_sub(stderr_text.len()).min(length);
        stderr_text.extend_from_slice(&buffer[..room]);
    }
}

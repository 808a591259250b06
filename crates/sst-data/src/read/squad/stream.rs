//! Splits a file of JSON into the elements of its list, one at a time, so that a file of any size takes the memory of its
//! largest element.

use std::io::{BufRead, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use super::super::compress::{self, Opened};
use super::super::limits::{MAX_ARTICLE_BYTES, MAX_UNUSED_NAMES};
use super::super::lines::{BYTE_ORDER_MARK, open_text};
use super::super::{ReadError, encoding, json_text};
use crate::example::Key;
use crate::ledger::Ledger;

/// The key of the list.
const DATA: &str = "data";
/// The longest key at the top of a file. A longer one shows that this is no file of questions.
const MAX_KEY_BYTES: u64 = 1 << 16;

/// Where in the file the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first value.
    Start,
    /// In the object at the top. `begun` says whether it had a key.
    Object { begun: bool },
    /// In the list. `begun` says whether it had an element, and `in_object` whether it is the value of a key.
    List { begun: bool, in_object: bool },
    /// After the last value, or after an error.
    End,
}

/// A reader of the elements of the list at the top of a file, or of the list `data` of the object there.
pub(super) struct Elements {
    opened: Opened,
    name: Arc<str>,
    head: Vec<u8>,
    state: State,
    has_data: bool,
    /// The other keys of the object that were met since they were asked for.
    pub(super) keys: Vec<String>,
    /// The number of line ends and of bytes before the next byte.
    line_ends: u64,
    next: u64,
    /// The last element, the number of bytes before it, and the line that it begins on.
    buffer: Vec<u8>,
    start: u64,
    first_line: u64,
}

impl Elements {
    /// Opens `path`, called `name` in errors.
    pub(super) fn open(path: &Path, name: Arc<str>, ledger: &Ledger) -> Result<Self, ReadError> {
        let (opened, head) = open_text(path, &name, ledger)?;
        Ok(Self {
            opened,
            name,
            head,
            state: State::Start,
            has_data: false,
            keys: Vec::new(),
            line_ends: 0,
            next: 0,
            buffer: Vec::new(),
            start: 0,
            first_line: 1,
        })
    }

    /// The bytes of the last element.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// The line of byte `at` of the last element.
    pub(super) fn line_of(&self, at: usize) -> Key {
        let before = &self.buffer[..at.min(self.buffer.len())];
        let line_ends = memchr::memchr_iter(b'\n', before).count() as u64;
        Key::new(self.name.clone(), self.first_line + line_ends)
    }

    /// The line of the next byte.
    fn line(&self) -> Key {
        Key::new(self.name.clone(), self.line_ends + 1)
    }

    /// The error for byte `byte` of the last element, which is not UTF-8. `value` is the value that it is in.
    pub(super) fn invalid_utf8(&self, key: Key, byte: usize, value: &[u8]) -> ReadError {
        let advice = encoding::advice(value, &self.head);
        ReadError::InvalidUtf8 { key, offset: self.start + byte as u64, advice }
    }

    /// Reads the next element; `None` at the end. After an error there is none.
    pub(super) fn advance(&mut self) -> Option<Result<(), ReadError>> {
        let found = self.find();
        if !matches!(found, Ok(true)) {
            self.state = State::End;
        }
        match found {
            Ok(true) => Some(Ok(())),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// Reads on to the next element. Returns whether there is one.
    fn find(&mut self) -> Result<bool, ReadError> {
        loop {
            let byte = match self.state {
                State::End => return Ok(false),
                State::Start => self.first_byte()?,
                _ => self.byte_after_space()?,
            };
            let Some(byte) = byte else {
                return Err(self.cut_short(self.state == State::Start));
            };
            match (self.state, byte) {
                (State::Start, b'{') => self.enter(State::Object { begun: false }),
                (State::Start, b'[') => self.enter(State::List { begun: false, in_object: false }),
                (State::Object { .. }, b'}') => {
                    self.skip(1);
                    self.check_end()?;
                    return match self.has_data {
                        true => Ok(false),
                        false => Err(self.malformed(NO_LIST)),
                    };
                }
                (State::Object { begun: true }, b',') => self.enter(State::Object { begun: false }),
                (State::Object { begun: false }, b'"') => self.member()?,
                (State::List { in_object, .. }, b']') => {
                    self.skip(1);
                    if !in_object {
                        self.check_end()?;
                        return Ok(false);
                    }
                    self.state = State::Object { begun: true };
                }
                (State::List { begun: true, in_object }, b',') => {
                    self.enter(State::List { begun: false, in_object });
                }
                (State::List { begun: false, in_object }, _) => {
                    (self.start, self.first_line) = (self.next, self.line_ends + 1);
                    self.value(Some(MAX_ARTICLE_BYTES))?;
                    self.state = State::List { begun: true, in_object };
                    return Ok(true);
                }
                (State::Start, _) => return Err(self.malformed(NO_LIST)),
                _ => {
                    let reason = format!(
                        "not valid JSON ({} is not expected there): write the file again",
                        char::from(byte).escape_default()
                    );
                    return Err(self.malformed(&reason));
                }
            }
        }
    }

    fn enter(&mut self, state: State) {
        self.skip(1);
        self.state = state;
    }

    /// Reads a key of the object at the top, and enters the list or skips the value.
    fn member(&mut self) -> Result<(), ReadError> {
        self.value(Some(MAX_KEY_BYTES))?;
        let name = json_text::name(&self.buffer).into_owned();
        let colon = self.byte_after_space()?;
        if colon != Some(b':') {
            return Err(self.malformed(&format!("not valid JSON (expected `:` after `{name}`)")));
        }
        self.skip(1);
        let Some(first) = self.byte_after_space()? else { return Err(self.cut_short(false)) };
        if name != DATA {
            // If the keys are data, there may be millions.
            if self.keys.len() <= MAX_UNUSED_NAMES {
                self.keys.push(name);
            }
            self.value(None)?;
            self.state = State::Object { begun: true };
            return Ok(());
        }
        if std::mem::replace(&mut self.has_data, true) {
            return Err(self.malformed("the key `data` occurs twice: remove one of them"));
        }
        if first != b'[' {
            return Err(self.malformed(NO_LIST));
        }
        self.enter(State::List { begun: false, in_object: true });
        Ok(())
    }

    /// Reads a value. With `most`, its bytes are kept, and it may have so many of them.
    fn value(&mut self, most: Option<u64>) -> Result<(), ReadError> {
        let key = self.line();
        self.buffer.clear();
        let mut scan = Scan::default();
        loop {
            let bytes = fill(&mut self.opened, &self.name, self.line_ends)?;
            if bytes.is_empty() {
                return match scan.is_scalar {
                    true => Ok(()),
                    false => Err(self.cut_short(false)),
                };
            }
            let (taken, is_done) = scan.take(bytes);
            if let Some(most) = most {
                self.buffer.extend_from_slice(&bytes[..taken]);
                if self.buffer.len() as u64 > most {
                    return Err(ReadError::TooLong { key, limit: most });
                }
            }
            self.skip(taken);
            if is_done {
                return Ok(());
            }
        }
    }

    /// Checks that nothing follows the last value.
    fn check_end(&mut self) -> Result<(), ReadError> {
        self.state = State::End;
        match self.byte_after_space()? {
            None => Ok(()),
            Some(_) => Err(self.malformed("there is more text after the last value: remove it")),
        }
    }

    /// The first byte that is no white space, after a byte order mark.
    fn first_byte(&mut self) -> Result<Option<u8>, ReadError> {
        while self.opened.reader.peek(BYTE_ORDER_MARK.len()).starts_with(BYTE_ORDER_MARK) {
            self.skip(BYTE_ORDER_MARK.len());
        }
        self.byte_after_space()
    }

    /// The next byte that is no white space, which is not consumed.
    fn byte_after_space(&mut self) -> Result<Option<u8>, ReadError> {
        loop {
            let bytes = fill(&mut self.opened, &self.name, self.line_ends)?;
            let spaces = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let found = bytes.get(spaces).copied();
            let is_end = bytes.is_empty();
            self.skip(spaces);
            if found.is_some() || is_end {
                return Ok(found);
            }
        }
    }

    /// Consumes bytes that [`fill`] returned.
    fn skip(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        if let Ok(bytes) = self.opened.reader.fill_buf() {
            let line_ends = memchr::memchr_iter(b'\n', &bytes[..count.min(bytes.len())]).count();
            self.line_ends += line_ends as u64;
        }
        self.opened.reader.consume(count);
        self.next += count as u64;
    }

    /// The error of the next byte.
    fn malformed(&self, reason: &str) -> ReadError {
        ReadError::Malformed { key: self.line(), reason: reason.to_owned() }
    }

    fn cut_short(&self, is_empty: bool) -> ReadError {
        if is_empty {
            return ReadError::Empty { path: self.name.to_string() };
        }
        let path = format!("{}:{}", self.name, self.line_ends + 1);
        ReadError::Damaged { path, reason: "the JSON ends within a value".to_owned() }
    }
}

/// The next bytes; none at the end.
fn fill<'a>(opened: &'a mut Opened, name: &str, line_ends: u64) -> Result<&'a [u8], ReadError> {
    loop {
        match opened.reader.fill_buf() {
            Ok(_) => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(source) => {
                return Err(compress::read_error(source, opened.compressed, name, line_ends + 1));
            }
        }
    }
    // The bytes are in the buffer now, so this reads nothing.
    opened.reader.fill_buf().map_err(|source| ReadError::Io { path: name.to_owned(), source })
}

/// What is wrong with a file that has no list of articles.
const NO_LIST: &str = "this is no file of questions as in SQuAD, which is {\"data\": [..]} or a list: set another format";

/// Finds the end of a value by its brackets and quotes. Whether the value is valid is checked when it is used.
#[derive(Debug, Default)]
struct Scan {
    depth: u64,
    in_string: bool,
    is_escaped: bool,
    /// Whether the value has begun and is neither a string nor in brackets.
    is_scalar: bool,
}

impl Scan {
    /// The number of bytes of `bytes` that belong to the value, and whether it ends with them.
    fn take(&mut self, bytes: &[u8]) -> (usize, bool) {
        for (at, byte) in bytes.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => {
                        self.in_string = false;
                        if self.depth == 0 {
                            return (at + 1, true);
                        }
                    }
                    _ => {}
                }
                continue;
            }
            let ends_scalar = matches!(byte, b',' | b']' | b'}') || byte.is_ascii_whitespace();
            match byte {
                _ if self.is_scalar && ends_scalar => return (at, true),
                _ if self.is_scalar => {}
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return (at + 1, true);
                    }
                }
                _ => self.is_scalar = self.depth == 0,
            }
        }
        (bytes.len(), false)
    }
}

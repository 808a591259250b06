//! A temporary folder with a small corpus, a recipe and a cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A model so small that a run takes less than a second after its start-up.
pub(crate) const RECIPE: &str = r#"[run]
name = "r"
seed = 7
device = "cpu"
threads = 1

[data]
paths = ["corpus.txt"]
validation = 0.1
max_length = 16

[tokenizer.train]
vocab_size = 120

[model]
type = "bert"
hidden_size = 16
num_hidden_layers = 2
num_attention_heads = 2
intermediate_size = 32
max_position_embeddings = 16

[objective]
name = "mlm"

[train]
steps = "12step"
batch_size = 8
micro_batch_size = 4
precision = "fp32"
log_every = 1
eval_every = "6step"
save_every = "4step"
keep = { last = 0 }

[train.optimizer]
lr = 1e-2
"#;

/// The line of [`RECIPE`] that begins with `text`, counted from 1.
pub(crate) fn line_of(text: &str) -> usize {
    1 + RECIPE.lines().position(|line| line.starts_with(text)).unwrap()
}

/// A temporary folder that commands run in.
pub(crate) struct Sandbox {
    folder: TempDir,
}

/// The exit code and the output of a command.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Sandbox {
    /// A folder with `corpus.txt` and `recipe.toml`.
    pub(crate) fn new() -> Self {
        let sandbox = Self { folder: TempDir::new().unwrap() };
        sandbox.write("corpus.txt", corpus());
        sandbox.write("recipe.toml", RECIPE);
        sandbox
    }

    /// A folder in which the recipe has been run.
    pub(crate) fn trained() -> Self {
        let sandbox = Self::new();
        let ended = sandbox.sst(&["pretrain", "recipe.toml"]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        sandbox
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    /// The command, not yet started.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sst"));
        command.args(args).current_dir(self.folder.path());
        command.env("XDG_CACHE_HOME", self.path("cache")).env_remove("RUST_LOG");
        command.stdin(Stdio::null());
        command
    }

    /// Runs `sst` to its end.
    pub(crate) fn sst(&self, args: &[&str]) -> Ended {
        self.command(args).output().unwrap().into()
    }

    /// Runs `sst`, which must succeed.
    pub(crate) fn good(&self, args: &[&str]) -> Ended {
        let ended = self.sst(args);
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.stderr);
        ended
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ended {
    /// The one line of JSON on stdout.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}", self.stdout))
    }
}

/// 200 documents of 4 to 12 words, with few possible successors of each word.
fn corpus() -> String {
    let words = ["the", "old", "man", "went", "to", "sea", "and", "saw", "light", "upon", "water"];
    let line = |i: usize| {
        let length = 4 + i % 9;
        let text: Vec<&str> = (0..length).map(|j| words[(i * i + j * (1 + i % 3)) % 11]).collect();
        text.join(" ") + ".\n"
    };
    (0..200).map(line).collect()
}

/// The repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

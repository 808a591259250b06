"""A pretraining run of both sides, for the workloads that train: one job, two processes, the same figures of each."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shared import THREADS, measured, peer, run

WINDOW = 10  # steps that a line of metrics.jsonl stands for


class Recipe(Protocol):
    """What sst trains: a recipe for a run called `name` in `folder / "runs"`."""

    folder: Path
    name: str

    @property
    def skip(self) -> int:
        """Steps that are not measured."""

    def recipe(self) -> str:
        """The text of the recipe."""


@dataclass
class Size:
    """A model and how it is trained."""

    hidden: int
    layers: int
    rate: float
    steps: int
    skip: int  # steps that are not measured, which are also those of the warm-up
    quick: int  # steps of a quick run
    vocab: int | None = None  # of the model; None for that of the tokenizer

    def config(self, objective: str, length: int) -> dict:
        """The keys of a config.json: of BERT, or of GPT-2 for causal language modelling."""
        heads = self.hidden // 64
        vocab = {} if self.vocab is None else {"vocab_size": self.vocab}
        if objective == "clm":
            return vocab | {"n_embd": self.hidden, "n_layer": self.layers, "n_head": heads, "n_positions": length}
        return vocab | {"hidden_size": self.hidden, "num_hidden_layers": self.layers, "num_attention_heads": heads,
                        "intermediate_size": 4 * self.hidden, "max_position_embeddings": length}


@dataclass
class Job:
    """What both sides are to train, in `folder`, which holds the tokenizer."""

    folder: Path
    corpus: Path
    size: Size
    name: str
    seed: int
    steps: int
    batch: int = 32
    length: int = 128
    rows: str = "document"  # or "stream": documents joined and cut into full rows
    objective: str = "mlm"  # or "clm"
    precision: str = "bf16"  # or "fp32", of both sides: the faster one on this processor

    @property
    def skip(self) -> int:
        """Steps that are not measured."""
        return self.size.skip

    def config(self) -> dict:
        """The keys of its model's config.json."""
        return self.size.config(self.objective, self.length)

    def recipe(self) -> str:
        """The recipe of sst's side."""
        keys = "\n".join(f"{key} = {value}" for key, value in self.config().items())
        return f"""[run]
name = "{self.name}"
dir = "{self.folder / 'runs'}"
seed = {self.seed}
device = "cpu"
[data]
paths = ["{self.corpus}"]
format = "text"
validation = 0.0
rows = "{self.rows}"
max_length = {self.length}
cache = "{self.folder / 'cache'}"
[tokenizer]
path = "{self.folder / 'tokenizer'}"
[model]
type = "{'bert' if self.objective == 'mlm' else 'gpt2'}"
{keys}
[objective]
name = "{self.objective}"
[train]
steps = "{self.steps}step"
batch_size = {self.batch}
precision = "{self.precision}"
bf16_weights = {str(self.precision == 'bf16').lower()}
measure_mfu = true
log_every = "{WINDOW}step"
save_every = "0step"
keep = {{ best = 0 }}
[train.optimizer]
lr = {self.size.rate}
[train.schedule]
warmup = "{self.size.skip}step"
"""


@dataclass
class Trained:
    """What a side's run came to."""

    speed: float  # useful tokens (pictures, for models of images) a second, after the steps that are not measured
    peak_memory: float  # MiB, of the process
    first_step: float  # seconds from the start of the process to the end of its first step
    model: Path
    mfu: float | None = None
    loss: float | None = None  # of the last steps


def metrics(folder: Path) -> list[dict]:
    """The lines of a run's metrics."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def train_sst(sst: Path, job: Recipe) -> Trained:
    """Runs `sst pretrain` on the job, and once more for its first step, on data that was prepared before."""
    path = job.folder / f"{job.name}.toml"
    path.write_text(job.recipe(), encoding="utf-8")
    # Quick where the cache has it.
    run(sst, "data", "prepare", path)
    ended = measured(sst, "pretrain", path)
    runs, skip = job.folder / "runs", job.skip
    windows = [row for row in metrics(runs / job.name) if "perf/tokens_per_second" in row and row["_step"] > skip]
    # Windows are shorter at the end.
    seconds = [row["perf/seconds_per_step"] * ((row["_step"] - 1) % WINDOW + 1) for row in windows]

    def mean(key: str) -> float:
        return sum(row[key] * s for row, s in zip(windows, seconds, strict=True)) / sum(seconds)

    first = measured(sst, "pretrain", path, "--set", f"run.name={job.name}-first", "--set", "train.steps=1step",
                     "--set", "train.log_every=1step", "--set", "train.schedule.warmup=0step",
                     "--set", "train.measure_mfu=false")
    ended_first = metrics(runs / f"{job.name}-first")[0]["_timestamp"]
    # Only some models say how many operations a token costs.
    mfu = mean("perf/mfu") if all("perf/mfu" in row for row in windows) else None
    return Trained(mean("perf/tokens_per_second"), ended.peak_memory / 2**20, ended_first - first.started,
                   runs / job.name, mfu, windows[-1]["train/loss"])


def train_peer(job: Job) -> Trained:
    """Runs the Trainer on the job, with its own preparation of the data."""
    out = job.folder / "peer"
    result = peer("pretrain.py", {
        "threads": THREADS, "tokenizer": str(job.folder / "tokenizer"), "max_length": job.length, "rows": job.rows,
        "train": str(job.corpus), "out": str(out), "steps": job.steps, "batch_size": job.batch,
        "lr": job.size.rate, "warmup": job.size.skip, "precision": job.precision, "seed": job.seed, "skip": job.size.skip,
        "model": job.config(), "objective": job.objective,
    }, job.folder)
    return Trained(result["tokens"] / result["seconds"], result["peak_memory"] / 2**20, result["first_step"],
                   out / "model")

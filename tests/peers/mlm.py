"""Pretraining with masked language modelling on rows of natural lengths, beside the Trainer.

Both sides get the same verses, tokenizer, model configuration, batch, learning rates, precision and number of steps.
Speed is useful tokens a second after the first steps; the held-out loss of both models comes from `sst eval`, on the
same masks. Memory is the peak of a whole process, and the first step is counted from the start of the process, on data
that sst has prepared before.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import transformers
from shared import THREADS, Rows, arguments, measured, peer, run, verses

BATCH, LENGTH = 32, 128


@dataclass
class Size:
    """A model and how long it is trained."""

    hidden: int
    layers: int
    rate: float
    steps: int
    skip: int  # steps that are not measured, which are also those of the warm-up
    quick: int  # steps of a quick run

    def config(self) -> dict:
        """The keys of a config.json."""
        return {"hidden_size": self.hidden, "num_hidden_layers": self.layers,
                "num_attention_heads": self.hidden // 64, "intermediate_size": 4 * self.hidden}


SIZES = {
    "256 x 4": Size(256, 4, 1e-3, 400, 20, 60),
    "384 x 6": Size(384, 6, 1e-3, 400, 20, 60),
    # BERT-base but for its vocabulary, which is that of the verses.
    "768 x 12": Size(768, 12, 1e-4, 60, 20, 30),
}


def recipe(name: str, folder: Path, size: Size, steps: int, seed: int) -> str:
    """The recipe of sst's side."""
    keys = "\n".join(f"{key} = {value}" for key, value in size.config().items())
    return f"""[run]
name = "{name}"
dir = "{folder / 'runs'}"
seed = {seed}
device = "cpu"
[data]
paths = ["{folder / 'train.txt'}"]
format = "text"
validation = 0.0
rows = "document"
max_length = {LENGTH}
cache = "{folder / 'cache'}"
[tokenizer]
path = "{folder / 'tokenizer'}"
[model]
type = "bert"
max_position_embeddings = {LENGTH}
{keys}
[objective]
name = "mlm"
[train]
steps = "{steps}step"
batch_size = {BATCH}
precision = "bf16"
bf16_weights = true
measure_mfu = true
log_every = "10step"
save_every = "0step"
[train.optimizer]
lr = {size.rate}
[train.schedule]
warmup = "{size.skip}step"
"""


def loss(sst: Path, model: Path, folder: Path) -> float:
    """The loss of hidden tokens in the held-out verses."""
    report = run(sst, "eval", "mask-accuracy", "--model", model, "--data", folder / "held-out.txt", "--json")
    return json.loads(report.stdout)["metrics"]["loss"]


def main() -> None:
    args = arguments(__doc__)
    folder = args.out.resolve()
    shutil.rmtree(folder / "runs", ignore_errors=True)
    lines = verses()
    (folder / "train.txt").write_text("\n".join(v for i, v in enumerate(lines) if i % 50), encoding="utf-8")
    (folder / "held-out.txt").write_text("\n".join(lines[::50]), encoding="utf-8")
    run(args.sst, "tokenizer", "train", folder / "train.txt", "--vocab-size", "8192", "--out", folder / "tokenizer")
    rows = Rows("mlm", f"Trainer of transformers {transformers.__version__}, bf16, batches of like length")
    for label, size in SIZES.items():
        steps = size.quick if args.quick else size.steps
        for seed in range(args.repeats):
            name = f"{label.replace(' ', '')}-{seed}"
            path = folder / f"{name}.toml"
            path.write_text(recipe(name, folder, size, steps, seed), encoding="utf-8")
            if not (folder / "cache").exists():
                run(args.sst, "data", "prepare", path)
            ended = measured(args.sst, "pretrain", path)
            metrics = folder / "runs" / name / "metrics.jsonl"
            log = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
            # Windows of ten steps, or fewer at the end.
            windows = [row for row in log if "perf/tokens_per_second" in row and row["_step"] > size.skip]
            taken = [(row["_step"] - 1) % 10 + 1 for row in windows]
            seconds = sum(row["perf/seconds_per_step"] * n for row, n in zip(windows, taken, strict=True))
            tokens = sum(
                row["perf/tokens_per_second"] * row["perf/seconds_per_step"] * n
                for row, n in zip(windows, taken, strict=True)
            )
            first = measured(args.sst, "pretrain", path, "--set", f"run.name={name}-first", "--set", "train.steps=1step",
                             "--set", "train.log_every=1step", "--set", "train.schedule.warmup=0step",
                             "--set", "train.measure_mfu=false")
            first_log = (folder / "runs" / f"{name}-first" / "metrics.jsonl").read_text(encoding="utf-8")
            first_step = json.loads(first_log.splitlines()[0])["_timestamp"] - first.started
            job = {
                "threads": THREADS, "tokenizer": str(folder / "tokenizer"), "max_length": LENGTH,
                "train": str(folder / "train.txt"), "out": str(folder / "peer"), "steps": steps, "batch_size": BATCH,
                "lr": size.rate, "warmup": size.skip, "precision": "bf16", "seed": seed, "skip": size.skip,
                "model": size.config() | {"max_position_embeddings": LENGTH},
            }
            other = peer("mlm.py", job, folder)
            speed, other_speed = tokens / seconds, other["tokens"] / other["seconds"]
            rows.add(f"{label}, speed", "useful tokens/s", speed, other_speed)
            # Of the fastest matrix product of sst's process; a useful token costs the model as much on both sides.
            mfu = sum(row["perf/mfu"] * row["perf/seconds_per_step"] * n
                      for row, n in zip(windows, taken, strict=True)) / seconds
            rows.add(f"{label}, MFU", "of the peak", mfu, mfu * other_speed / speed)
            rows.add(f"{label}, held-out loss", "nats",
                     loss(args.sst, folder / "runs" / name, folder), loss(args.sst, folder / "peer/model", folder), False)
            rows.add(f"{label}, peak memory", "MiB", ended.peak_memory / 2**20, other["peak_memory"] / 2**20, False)
            rows.add(f"{label}, first step after", "s", first_step, other["first_step"], False)
    rows.write(args.result)


if __name__ == "__main__":
    main()

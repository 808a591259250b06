"""Fine-tuning of pretrained models, beside the Trainer from the same folder, records and settings.

`names`: a small Chinese BERT, which sst pretrains on the sentences of msra-ner without their tags, finds names in the test
sentences after a few hundred steps on few of the training sentences. Its untrained twin has the same tokenizer, shape,
initialisation and steps, but begins with random weights.

`verses`: all-MiniLM-L6-v2 tells which part of the Bible a verse is from. Beside it stands its head alone, trained as many
steps on the frozen encoder with a learning rate of its own.

Each repeat is a seed of its own: of the new weights, the order of records and the dropout. Both sides train in turn. Their
times are those of whole processes, data and saved model included, and of the steps alone; the CPU time changes less when
other programs share the machine. sst's models are measured by `sst eval`, and the Trainer's by seqeval or scikit-learn.
Data sets and the model come from `cargo xtask data` and `cargo xtask model`.
"""

import json
import random
import shutil
import statistics
from dataclasses import dataclass
from pathlib import Path

import transformers
from pretraining import metrics
from shared import THREADS, Rows, arguments, measured, peer, run

CASES = ("names", "verses")
SHAPE = {"hidden_size": 192, "num_hidden_layers": 4, "num_attention_heads": 3, "intermediate_size": 768,
         "max_position_embeddings": 128}
# Random weights of both the model that is pretrained and its twin, with attention to the neighbours from the first step on.
INIT = """[model.init]
positions = "sinusoid"
attention = "alike"
"""
# The dropout of BERT. The pretraining has none, as it makes few passes.
DROPOUT = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
PRETRAINING_STEPS = 3000
# Of the head on the frozen encoder: the best of 3e-3, 1e-2 and 3e-2 on verses of the validation part.
FROZEN_RATE = 1e-2


@dataclass
class Task:
    """What is trained, and how."""

    objective: str
    evaluator: str
    scores: tuple[str, ...]
    train: Path
    test: Path
    max_length: int
    batch: int
    steps: int
    warmup: int


@dataclass
class Trained:
    """What a side's run came to."""

    scores: dict[str, float]
    seconds: float  # of the whole process
    step_seconds: float
    cpu_seconds: float
    model: Path


def toml(keys: dict) -> str:
    """Lines of a recipe; JSON writes these values as TOML does."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())


def head(name: str, seed: int, folder: Path) -> str:
    """The section of a recipe about the run."""
    return "[run]\n" + toml({"name": name, "dir": str(folder / "runs"), "seed": seed, "device": "cpu", "threads": THREADS})


def pretrain(sst: Path, folder: Path, data: Path, is_quick: bool) -> Path:
    """Pretrains the Chinese model on the training sentences; the tags are not used. If the folder has the model from an
    earlier run of the workload, that is taken."""
    name, steps = ("quick", 40) if is_quick else ("pretrained", PRETRAINING_STEPS)
    recipe = folder / f"{name}.toml"
    recipe.write_text(head(name, 0, folder) + "[data]\n" + toml({
        "paths": [str(data / "train.conll")], "validation": 0.01, "rows": "document", "max_length": 104,
        "cache": str(folder / "cache"),
    }) + "[tokenizer.train]\n" + toml({"vocab_size": 6000, "lowercase": True})
        + "[model]\n" + toml({"type": "bert"} | SHAPE | dict.fromkeys(DROPOUT, 0.0)) + INIT
        + "[objective]\n" + toml({"name": "mlm"})
        + "[train]\n" + toml({"steps": f"{steps}step", "batch_size": 48, "log_every": "50step"})
        + "[train.optimizer]\n" + toml({"lr": 1e-3})
        + "[train.schedule]\n" + toml({"warmup": f"{steps // 15}step"}), encoding="utf-8")
    ended = run(sst, "train", recipe, "--resume")
    print(f"pretraining took {ended.seconds:.0f} s")
    return folder / "runs" / name / "checkpoints/latest/model"


def train_sst(sst: Path, folder: Path, task: Task, name: str, seed: int, model: str, rate: float, rest: str = "") -> Trained:
    """Runs `sst train` with `model`, the section about the model."""
    name = f"{name}-{seed}"
    shutil.rmtree(folder / "runs" / name, ignore_errors=True)
    recipe = folder / f"{name}.toml"
    recipe.write_text(head(name, seed, folder) + "[data]\n" + toml({
        "paths": [str(task.train)], "validation": 0.0, "max_length": task.max_length, "cache": str(folder / "cache"),
    }) + model + "[objective]\n" + toml({"name": task.objective})
        + "[train]\n" + toml({"steps": f"{task.steps}step", "batch_size": task.batch, "save_every": "0step"})
        + "keep = { best = 0 }\n" + rest
        + "[train.optimizer]\n" + toml({"lr": rate})
        + "[train.schedule]\n" + toml({"name": "linear", "warmup": f"{task.warmup}step"}), encoding="utf-8")
    ended = measured(sst, "train", recipe)
    trained = folder / "runs" / name
    windows, before, steps = metrics(trained), 0, 0.0
    for row in windows:
        if "perf/seconds_per_step" in row:
            steps += row["perf/seconds_per_step"] * (row["_step"] - before)
            before = row["_step"]
    return Trained(scores(sst, task, trained), ended.seconds, steps, ended.cpu_seconds, trained)


def scores(sst: Path, task: Task, model: Path) -> dict[str, float]:
    """What `sst eval` says of a model."""
    report = run(sst, "eval", task.evaluator, "--model", model, "--data", task.test, "--max-length", str(task.max_length),
                 "--bootstrap-samples", "0", "--threads", str(THREADS), "--json").stdout
    return {name: json.loads(report)["metrics"][name] for name in task.scores}


def train_peer(folder: Path, task: Task, seed: int, model: Path, rate: float, precision: str) -> Trained:
    """Runs the Trainer."""
    out = folder / "peer"
    shutil.rmtree(out, ignore_errors=True)
    result = peer("finetune.py", {
        "threads": THREADS, "objective": task.objective, "model": str(model), "config": DROPOUT, "train": str(task.train),
        "test": str(task.test), "out": str(out), "max_length": task.max_length, "steps": task.steps, "seed": seed,
        "batch_size": task.batch, "lr": rate, "warmup": task.warmup, "precision": precision,
        # Batches of like length would be faster, but the model learns something else from them.
        "sampling": "random",
    }, folder)
    return Trained({name: result[name] for name in task.scores}, result["seconds"], result["step_seconds"],
                   result["cpu_seconds"], out / "model")


def pretrained(model: Path) -> str:
    """The sections of a recipe that begins with a model folder, with its tokenizer."""
    return f'[tokenizer]\npath = "{model}"\n[model]\npath = "{model}"\nconfig = {{ ' + ", ".join(
        f"{key} = {value}" for key, value in DROPOUT.items()) + " }\n"


def untrained(model: Path) -> str:
    """The same for the twin of the Chinese model."""
    return f'[tokenizer]\npath = "{model}"\n[model]\n' + toml({"type": "bert"} | SHAPE | DROPOUT) + INIT


def sentences(path: Path) -> list[str]:
    """The sentences of a file with tags of BMES, with those of IOB2. An entity begins at each tag that does not go on with
    the one before, as sst repairs them."""
    made = []
    for block in path.read_text(encoding="utf-8").strip().split("\n\n"):
        lines, before = [], "O"
        for line in block.split("\n"):
            word, tag = line.split("\t")
            place, _, kind = tag.partition("-")
            goes_on = place in ("M", "E") and before[:1] in ("B", "M") and before[2:] == kind
            lines.append(f"{word}\t{tag if tag == 'O' else ('I-' if goes_on else 'B-') + kind}")
            before = tag
        made.append("\n".join(lines))
    return made


def part(path: Path, records: list[str], count: int, between: str) -> Path:
    """Writes as many of the records as `count`, drawn at random but always the same."""
    chosen = records if count >= len(records) else random.Random(0).sample(records, count)
    path.write_text(between.join(chosen) + between, encoding="utf-8")
    return path


@dataclass
class Measured:
    """The seeds of one case, printed as means with standard deviations at the end."""

    rows: Rows
    case: str

    def __post_init__(self):
        self.scores: dict[str, dict[str, list[float]]] = {}

    def pair(self, task: Task, sst: Trained, trainer: Trained) -> None:
        """Adds the same fine-tuning by both sides."""
        for name in task.scores:
            self.rows.add(f"{self.case}, {name}", "of 1", sst.scores[name], trainer.scores[name])
            self.note("fine-tuned by sst", name, sst)
            self.note("fine-tuned by the Trainer", name, trainer)
        for what, unit in (("seconds", "whole training, s"), ("step_seconds", "steps, s"), ("cpu_seconds", "CPU time, s")):
            self.rows.add(f"{self.case}, {unit.split(', ')[0]}", "s", getattr(sst, what), getattr(trainer, what), False)

    def alone(self, what: str, task: Task, sst: Trained) -> None:
        """Adds what sst is compared with itself."""
        for name in task.scores:
            self.rows.add(f"{self.case}, {name}, {what}", "of 1", sst.scores[name], None)
            self.note(what, name, sst)

    def note(self, what: str, name: str, trained: Trained) -> None:
        self.scores.setdefault(name, {}).setdefault(what, []).append(trained.scores[name])

    def summary(self) -> None:
        """Prints each score, and how far both sides are apart."""
        for name, sides in self.scores.items():
            for what, values in sides.items():
                deviation = statistics.stdev(values) if len(values) > 1 else float("nan")
                print(f"{self.case}, {name}, {what}: {statistics.mean(values):.4f}, standard deviation {deviation:.4f}")
            ours, theirs = sides["fine-tuned by sst"], sides["fine-tuned by the Trainer"]
            if len(ours) > 1:
                error = ((statistics.variance(ours) + statistics.variance(theirs)) / len(ours)) ** 0.5
                apart = statistics.mean(ours) - statistics.mean(theirs)
                print(f"{self.case}, {name}: sst and the Trainer are {apart:+.4f} apart, standard error {error:.4f}")


def names(args, rows: Rows) -> None:
    """The case of names."""
    folder, precision = args.out.resolve(), args.processor["precision"]
    data = Path(run("cargo", "xtask", "data", "msra-ner").stdout.strip())
    model = pretrain(args.sst, folder, data, args.quick)
    task = Task("tag", "ner", ("f1",),
                part(folder / "names-train.conll", sentences(data / "train.conll"), 320 if args.quick else 2400, "\n\n"),
                part(folder / "names-test.conll", sentences(data / "test.conll"), 200 if args.quick else 5000, "\n\n"),
                max_length=128, batch=32, steps=20 if args.quick else 300, warmup=2 if args.quick else 30)
    seeds, rate = Measured(rows, "names"), 5e-4
    for seed in range(args.repeats):
        ours = train_sst(args.sst, folder, task, "names", seed, pretrained(model), rate)
        theirs = train_peer(folder, task, seed, model, rate, precision)
        seeds.pair(task, ours, theirs)
        check(args.sst, task, theirs)
        seeds.alone("untrained twin", task, train_sst(args.sst, folder, task, "twin", seed, untrained(model), rate))
    seeds.summary()


def verses(args, rows: Rows) -> None:
    """The case of verses."""
    folder, precision = args.out.resolve(), args.processor["precision"]
    data = Path(run("cargo", "xtask", "data", "verses").stdout.strip())
    model = Path(run("cargo", "xtask", "model", "minilm").stdout.strip())
    lines = {name: (data / f"{name}.jsonl").read_text(encoding="utf-8").splitlines() for name in ("train", "test")}
    task = Task("classify", "classification", ("accuracy", "macro_f1"),
                part(folder / "verses-train.jsonl", lines["train"], 160 if args.quick else 3200, "\n"),
                part(folder / "verses-test.jsonl", lines["test"], 100 if args.quick else 1500, "\n"),
                max_length=128, batch=16, steps=10 if args.quick else 200, warmup=1 if args.quick else 20)
    seeds, rate = Measured(rows, "verses"), 2e-4
    for seed in range(args.repeats):
        ours = train_sst(args.sst, folder, task, "verses", seed, pretrained(model), rate)
        theirs = train_peer(folder, task, seed, model, rate, precision)
        seeds.pair(task, ours, theirs)
        check(args.sst, task, theirs)
        frozen = train_sst(args.sst, folder, task, "frozen", seed, pretrained(model), FROZEN_RATE,
                           "[train.unfreeze]\nlayers = 0\n")
        seeds.alone("head on the frozen encoder", task, frozen)
    seeds.summary()


def check(sst: Path, task: Task, trained: Trained) -> None:
    """Ends the workload if `sst eval` measures the Trainer's model as something else than its own evaluation did."""
    for name, value in scores(sst, task, trained.model).items():
        if abs(value - trained.scores[name]) > 2e-3:
            raise SystemExit(f"{name} of the Trainer's model is {trained.scores[name]}, and {value} by sst eval")


def main() -> None:
    args = arguments(__doc__, CASES)
    args.out.mkdir(parents=True, exist_ok=True)
    rows = Rows("downstream", f"Trainer of transformers {transformers.__version__}, {args.processor['precision']}, random batches",
                args.processor)
    for case, measure in (("names", names), ("verses", verses)):
        if case in args.only:
            measure(args, rows)
    rows.write(args.result)


if __name__ == "__main__":
    main()

"""What the workloads share: running both sides as processes of their own, and writing what was measured."""

import argparse
import gzip
import itertools
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Of both sides. The variable is for machines whose other cores are busy.
THREADS = int(os.environ.get("SST_BENCH_THREADS") or os.cpu_count() or 1)


def processor(sst: Path) -> dict:
    """What `sst doctor` says of the processor: its model, the level in use, and the precision that `auto` takes.

    `SST_CPU` lowers the level of both sides: the variables that it sets for libtorch's libraries in sst's process are
    given to the peer too, whose PyTorch has the same libraries."""
    told = json.loads(run(sst, "doctor", "--json").stdout)
    os.environ.update(told["cpu"]["libraries"])
    return told["cpu"] | {"precision": told["products"]["auto"]}


def arguments(about: str, cases: Iterable[str] = ()) -> argparse.Namespace:
    """The arguments that `cargo xtask bench peers` gives; with `cases`, `only` is those to run."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sst", type=Path, required=True, help="the sst binary")
    parser.add_argument("--out", type=Path, required=True, help="folder for what is made")
    parser.add_argument("--result", type=Path, required=True, help="where the figures go")
    parser.add_argument("--repeats", type=int, default=3, help="pairs of runs")
    parser.add_argument("--quick", action="store_true", help="short runs")
    known = list(cases)
    if known:
        parser.add_argument("--only", action="append", choices=known, help="only this case of the workload")
    args = parser.parse_args()
    if known:
        args.only = args.only or known
    args.processor = processor(args.sst)
    return args


def show(words: list[str]) -> None:
    """Prints a command, but not all of a very long one."""
    line = " ".join(words)
    print("$", line if len(line) < 400 else line[:400] + " ...", flush=True)


@dataclass
class Ended:
    """A process that succeeded."""

    seconds: float
    peak_memory: int  # bytes, of the process itself
    started: float
    stdout: str
    cpu_seconds: float = 0.0  # of all threads, in user and system mode


def run(*command: str | Path) -> Ended:
    """Runs a command from the repository root; a failure ends the workload."""
    words = [str(word) for word in command]
    show(words)
    started = time.time()
    # Its stderr would be progress; it is shown where the command fails.
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        stdout, stderr = process.communicate()
        seconds = time.time() - started
    if process.returncode != 0:
        raise SystemExit(f"{stderr}\n`{' '.join(words)}` ended with exit code {process.returncode}")
    return Ended(seconds, 0, started, stdout)


# A process begins with the peak memory of the one it was forked from, so that a small one stands in between.
LAUNCHER = """
import os, sys, time
started = time.time()
quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, usage = os.wait4(pid, 0)
print(os.waitstatus_to_exitcode(status), started, time.time() - started, usage.ru_maxrss * 1024,
      usage.ru_utime + usage.ru_stime)
"""


def measured(*command: str | Path) -> Ended:
    """Like `run`, with the peak memory and the CPU time of the process, which goes on under the same number when it
    becomes another program."""
    words = [str(word) for word in command]
    show(words)
    told = subprocess.run([sys.executable, "-SE", "-c", LAUNCHER, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True,
                          check=True).stdout.split()
    if told[0] != "0":
        raise SystemExit(f"`{' '.join(words)}` ended with exit code {told[0]}")
    return Ended(float(told[2]), int(told[3]), float(told[1]), "", float(told[4]))


def peer(script: str, job: dict, folder: Path) -> dict:
    """Runs `peer/SCRIPT` on a job, in a process of its own, and returns its result."""
    path, result = folder / "job.json", folder / "peer.json"
    result.unlink(missing_ok=True)
    path.write_text(json.dumps(job | {"result": str(result)}), encoding="utf-8")
    run(sys.executable, ROOT / "tests/peers/peer" / script, path)
    return json.loads(result.read_text(encoding="utf-8"))


def verses() -> list[str]:
    """The verses of the bundled Bible."""
    with gzip.open(ROOT / "corpora/kjv.txt.gz", "rt", encoding="utf-8") as file:
        return [line.strip() for line in file if line.strip()]


def parts(folder: Path) -> tuple[Path, Path]:
    """The verses as two files: to train on, and each fiftieth to measure on."""
    lines = verses()
    train, held_out = folder / "train.txt", folder / "held-out.txt"
    train.write_text("\n".join(v for i, v in enumerate(lines) if i % 50), encoding="utf-8")
    held_out.write_text("\n".join(lines[::50]), encoding="utf-8")
    return train, held_out


def shuffled(corpus: Path, megabytes: int) -> None:
    """Writes the verses again and again, each time with its words in another order within each verse, so that verses
    do not repeat though words do, as in any large corpus."""
    shuffle = random.Random(1)
    lines = [line.split() for line in verses()]
    left = megabytes * 1_000_000
    with corpus.open("w", encoding="ascii") as file:
        for words in itertools.cycle(lines):
            shuffle.shuffle(words)
            left -= file.write(" ".join(words) + "\n")
            if left <= 0:
                break


@dataclass
class Rows:
    """The figures of a workload."""

    name: str
    about_peer: str
    processor: dict
    rows: dict[tuple[str, str, bool], tuple[list[float], list[float]]] = field(default_factory=dict)

    def add(self, what: str, unit: str, sst: float, peer: float | None, higher_is_better: bool = True) -> None:
        """Adds a pair to the figure `what`, or sst's side alone."""
        ours, theirs = self.rows.setdefault((what, unit, higher_is_better), ([], []))
        ours.append(sst)
        if peer is not None:
            theirs.append(peer)
        print(f"{what}: sst {sst:.4g} {unit}" + ("" if peer is None else f", peer {peer:.4g}"), flush=True)

    def write(self, path: Path) -> None:
        """Writes what `cargo xtask bench peers` reads."""
        rows = [
            {"what": what, "unit": unit, "higher_is_better": higher, "sst": ours, "peer": theirs}
            for (what, unit, higher), (ours, theirs) in self.rows.items()
        ]
        about = f"{self.processor['model']}, level {self.processor['level']}, {THREADS} threads"
        result = {"name": self.name, "peer": self.about_peer, "processor": about, "rows": rows}
        path.write_text(json.dumps(result, indent=1), encoding="utf-8")

"""Runs the Rust side of a parity check."""

import json
import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def sst(binary: Path, *arguments: str) -> str:
    """Runs the sst binary from the repository root and returns its stdout; a failure ends the script."""
    command = [str(binary.resolve()), *arguments]
    print("$", *command, flush=True)
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8")
    if done.returncode != 0:
        raise SystemExit(f"sst ended with exit code {done.returncode}")
    return done.stdout


def sst_json(binary: Path, *arguments: str) -> dict:
    """The JSON that `sst ... --json` prints."""
    return json.loads(sst(binary, *arguments, "--json"))


def cargo_test(name: str, variable: str, case: Path) -> bool:
    """Whether the sst-models test `name` passes on `case`, told to it by the environment `variable`."""
    command = ["cargo", "test", "-p", "sst-models", "--release", "--test", "it", "--", name, "--nocapture"]
    print(f"$ {variable}={case}", *command, flush=True)
    environment = os.environ | {variable: str(case.resolve())}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          encoding="utf-8", errors="replace")
    print(done.stdout, flush=True)
    ran = re.search(r"^test result: \w+\. (\d+) passed; (\d+) failed", done.stdout, re.MULTILINE)
    if ran is None or ran.group(1) == ran.group(2) == "0":
        raise SystemExit(f"sst-models has no test {name}, or it does not build")
    return done.returncode == 0


def require(name: str, variable: str, case: Path, broken: Path) -> None:
    """Ends the script unless the test passes on `case` and fails on `broken`, which shows that it can fail."""
    if not cargo_test(name, variable, case):
        raise SystemExit(f"{name} fails on {case}")
    print(f"{name} must fail on {broken}", flush=True)
    if cargo_test(name, variable, broken):
        raise SystemExit(f"{name} passes on {broken}, which was spoilt on purpose: it does not look at the case")

"""How long a program takes to say what it can do: `--help` of both, ten times each."""

import statistics
import sys
from pathlib import Path

import transformers
from shared import Rows, arguments, measured


def main() -> None:
    args = arguments(__doc__)
    rows = Rows("startup", f"the command `transformers` {transformers.__version__}", args.processor)
    times = 3 if args.quick else 10
    for _ in range(args.repeats):
        ours, theirs = (
            statistics.median(measured(program, "--help").seconds for _ in range(times))
            for program in (args.sst, Path(sys.executable).with_name("transformers"))
        )
        rows.add("--help", "s", ours, theirs, False)
    rows.write(args.result)


if __name__ == "__main__":
    main()

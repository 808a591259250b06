"""Pictures on their way to a model, beside torchvision: random resized crop to 224 x 224, flip, normalisation, batches of 64.

Both sides read the same JPEG files of 500 x 375 pixels. sst decodes and resizes them once, into its store, whose making is a
figure of its own; torchvision's ImageFolder decodes a file each time that it is read. There are two peers: pictures of Pillow,
which is what ImageFolder takes by default, and tensors (`torchvision.io.decode_jpeg` and `transforms.v2`). A case is a filter of
the crop and a number of workers (threads of sst, processes of the DataLoader), which run on as many cores with all else of their
side.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import PIL
import torchvision
from PIL import features
from photographs import COUNT, photographs
from shared import THREADS, Rows, arguments, peer, run

BATCH = 64
WARMUP = 8  # batches that are not measured; the example of sst-data has the same two numbers
STEPS = {"sst": 150, "peer": 20}
QUICK = {"sst": 30, "peer": 4}
PEERS = ("Pillow", "tensors")
FILTERS = ("bicubic", "bilinear")
# Of the mean of all values, which shows that both sides do the same to the pictures: their crops are drawn differently.
TOLERANCE = 0.05
CASES = {f"{name}, {workers} worker{'s' * (workers > 1)}": (name, workers)
         for name in FILTERS for workers in dict.fromkeys((1, THREADS))}


@contextmanager
def on_cores(count: int) -> Iterator[None]:
    """What is started inside runs on so many cores, where the system can be told so."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[-count:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def main() -> None:
    args = arguments(__doc__, CASES)
    folder = args.out.resolve()
    files = photographs(folder / "files")
    cargo = [os.environ.get("CARGO", "cargo")]
    program = ["--release", "--quiet", "--package", "sst-data", "--example", "pictures_to_batches"]
    run(*cargo, "build", *program)
    jpeg = "libjpeg-turbo" if features.check_feature("libjpeg_turbo") else "libjpeg"
    version = features.version("libjpeg_turbo") or features.version("jpg")
    rows = Rows("loader", f"torchvision {torchvision.__version__} with Pillow {PIL.__version__} ({jpeg} {version})", args.processor)
    steps = QUICK if args.quick else STEPS

    def read(filter_name: str, workers: int, count: int) -> dict:
        return json.loads(run(*cargo, "run", *program, "--", files, folder / "cache", str(workers), str(count), filter_name).stdout)

    for _ in range(args.repeats):
        shutil.rmtree(folder / "cache", ignore_errors=True)
        rows.add("making the store", "pictures/s", COUNT / read(FILTERS[0], THREADS, 1)["prepared_seconds"], None)
    for label in args.only:
        filter_name, workers = CASES[label]
        for _ in range(args.repeats):
            with on_cores(workers):
                ours = read(filter_name, workers, steps["sst"])
                for kind in PEERS:
                    theirs = peer("loader.py", {"folder": str(files), "filter": filter_name, "workers": workers, "kind": kind,
                                                "batch": BATCH, "warmup": WARMUP, "steps": steps["peer"]}, folder)
                    speeds = (side["pictures"] / side["seconds"] / workers for side in (ours, theirs))
                    rows.add(f"{label}, beside {kind}", "pictures/s a core", *speeds)
                    if not abs(ours["mean"] - theirs["mean"]) < TOLERANCE:
                        raise SystemExit(f"{label}: the means of all values are {ours['mean']} and {theirs['mean']}")
    rows.write(args.result)


if __name__ == "__main__":
    main()

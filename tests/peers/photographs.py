"""JPEG files for the workloads on pictures, made from the two photographs that scikit-learn brings.

Each file is a random rectangle of one of them with the proportion 4:3, enlarged or reduced to 500 x 375 pixels (a third of
them upright), with noise, so that the files are as large as photographs of this size. Quality 90; the same files each time.
"""

import io
import shutil
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

COUNT = 400
NOISE = 6.0  # standard deviation, of values from 0 to 255
QUALITY = 90


def photograph(original: Image.Image, number: int) -> bytes:
    """File `number`, from this photograph."""
    draw = np.random.default_rng(number)
    size = (375, 500) if number % 3 == 0 else (500, 375)
    most = min(original.width / size[0], original.height / size[1])
    scale = most * draw.uniform(0.5, 1.0)
    width, height = (round(side * scale) for side in size)
    left, top = (int(draw.integers(0, most - part + 1)) for most, part in zip(original.size, (width, height), strict=True))
    cut = original.resize(size, Image.Resampling.BICUBIC, (left, top, left + width, top + height))
    noisy = np.asarray(cut) + draw.normal(0.0, NOISE, (size[1], size[0], 3))
    file = io.BytesIO()
    Image.fromarray(noisy.round().clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def photographs(folder: Path, count: int = COUNT) -> Path:
    """Writes the files into folders for their class, and returns the folder of both."""
    shutil.rmtree(folder, ignore_errors=True)
    samples = load_sample_images()
    originals = dict(zip((Path(name).stem for name in samples.filenames), map(Image.fromarray, samples.images), strict=True))
    for name in originals:
        (folder / name).mkdir(parents=True)
    for number in range(count):
        name = list(originals)[number % len(originals)]
        (folder / name / f"{number:03}.jpg").write_bytes(photograph(originals[name], number))
    return folder

"""Pictures as the training scripts of torchvision read them: the peer of sst's loader. Reads a job and writes a result."""

import json
import sys
import time
from pathlib import Path

import torch
from torch.utils.data import DataLoader, RandomSampler
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.io import ImageReadMode, decode_jpeg, read_file
from torchvision.transforms import v2

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def tensor(path: str) -> torch.Tensor:
    """The picture of a JPEG file, decoded without Pillow."""
    return decode_jpeg(read_file(path), mode=ImageReadMode.RGB)


def pictures(job: dict) -> ImageFolder:
    """The files, decoded and transformed each time that they are read."""
    filter_ = transforms.InterpolationMode(job["filter"])
    if job["kind"] == "tensors":
        steps = [v2.RandomResizedCrop(224, interpolation=filter_, antialias=True), v2.RandomHorizontalFlip(),
                 v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
        return ImageFolder(job["folder"], v2.Compose(steps), loader=tensor)
    return ImageFolder(job["folder"], transforms.Compose([
        transforms.RandomResizedCrop(224, interpolation=filter_),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ]))


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.set_num_threads(1)  # as the workers have
    torch.manual_seed(7)
    dataset = pictures(job)
    count = (job["warmup"] + job["steps"]) * job["batch"]
    batches = iter(DataLoader(dataset, batch_size=job["batch"], num_workers=job["workers"],
                              sampler=RandomSampler(dataset, num_samples=count)))
    for _ in range(job["warmup"]):
        next(batches)
    started, read, total, values = time.perf_counter(), 0, 0.0, 0
    for pixels, _ in batches:
        read += len(pixels)
        some = pixels.flatten()[::97]  # a few of the values, because this process only receives batches
        total, values = total + some.sum(dtype=torch.float64).item(), values + len(some)
    seconds = time.perf_counter() - started
    Path(job["result"]).write_text(
        json.dumps({"pictures": read, "seconds": seconds, "mean": total / values}), encoding="utf-8")


if __name__ == "__main__":
    main()

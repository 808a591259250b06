"""MAE and CLIP in a plain PyTorch loop around transformers: the peer of `sst pretrain` on pictures.

Reads a job (JSON) and writes a result (JSON): seconds and pictures of the steps after the first `skip`, the mean loss of the
last ones, the peak memory of the process, and seconds from its start to the end of its first step.
"""

import base64
import gzip
import io
import json
import random
import resource
import sys
import time
from contextlib import nullcontext
from pathlib import Path

START = time.time()

import torch  # noqa: E402
from PIL import Image  # noqa: E402
from torch.utils.data import DataLoader, RandomSampler  # noqa: E402
from torchvision import transforms  # noqa: E402
from transformers import (  # noqa: E402
    AutoTokenizer,
    CLIPConfig,
    CLIPModel,
    ViTMAEConfig,
    ViTMAEForPreTraining,
    get_linear_schedule_with_warmup,
)

BICUBIC = transforms.InterpolationMode.BICUBIC


def decoded(file: Path | io.BytesIO, short: int) -> Image.Image:
    """A picture whose short side has at most `short` pixels."""
    picture = Image.open(file).convert("RGB")
    scale = short / min(picture.size)
    if scale >= 1:
        return picture
    return picture.resize([int(side * scale) for side in picture.size], Image.Resampling.BICUBIC)


class Pictures(torch.utils.data.Dataset):
    """Pictures that are decoded once, and transformed each time; with one of their captions, if they have any."""

    def __init__(self, job: dict):
        steps = [transforms.RandomResizedCrop(job["image"], scale=job["scale"], interpolation=BICUBIC)]
        steps += [transforms.RandomHorizontalFlip()] if job["flip"] else []
        self.transform = transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize(job["mean"], job["std"])])
        data, short = Path(job["data"]), job["store"]
        if data.is_dir():
            self.pictures = [decoded(path, short) for path in sorted(data.rglob("*.jpg"))]
            self.captions = None
        else:
            with gzip.open(data, "rt", encoding="utf-8") as file:
                records = [json.loads(line) for line in file]
            self.pictures = [decoded(io.BytesIO(base64.b64decode(record["image"])), short) for record in records]
            self.captions = [record[job["captions"]] for record in records]

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, index):
        pixels = self.transform(self.pictures[index])
        return (pixels, random.choice(self.captions[index])) if self.captions else (pixels,)


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.set_num_threads(job["threads"])
    torch.manual_seed(job["seed"])
    is_clip = job["objective"] == "clip"
    if is_clip:
        model, tokenizer = CLIPModel(CLIPConfig.from_pretrained(job["model"])), AutoTokenizer.from_pretrained(job["model"])
    else:
        model, tokenizer = ViTMAEForPreTraining(ViTMAEConfig.from_pretrained(job["model"])), None

    def collate(rows: list[tuple]) -> dict:
        batch = {"pixel_values": torch.stack([row[0] for row in rows])}
        if tokenizer:
            batch |= tokenizer([row[1] for row in rows], padding=True, truncation=True, max_length=32,
                               return_token_type_ids=False, return_tensors="pt")
        return batch

    pictures = Pictures(job)
    sampler = RandomSampler(pictures, num_samples=job["steps"] * job["batch"])
    workers = job.get("workers", 2)
    batches = DataLoader(pictures, batch_size=job["batch"], sampler=sampler, collate_fn=collate, num_workers=workers)
    matrices = [parameter for parameter in model.parameters() if parameter.requires_grad and parameter.ndim >= 2]
    vectors = [parameter for parameter in model.parameters() if parameter.requires_grad and parameter.ndim < 2]
    settings = job["optimizer"]
    optimizer = torch.optim.AdamW([{"params": matrices}, {"params": vectors, "weight_decay": 0.0}], **settings,
                                  fused=job.get("fused", True))
    schedule = get_linear_schedule_with_warmup(optimizer, job["skip"], job["steps"])
    run = torch.compile(model) if job.get("compile", False) else model
    autocast = torch.autocast("cpu", torch.bfloat16) if job["precision"] == "bf16" else nullcontext()
    model.train()
    ended, losses = [], []
    for batch in batches:
        with autocast:
            loss = run(**batch, return_loss=True).loss if is_clip else run(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if is_clip:
            with torch.no_grad():
                model.logit_scale.clamp_(max=4.6052)
        losses.append(loss.item())
        ended.append(time.time())
    skip, window = job["skip"], job["window"]
    # The process's own, without the workers that made its data.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    Path(job["result"]).write_text(
        json.dumps({
            "seconds": ended[-1] - ended[skip - 1],
            "pictures": (job["steps"] - skip) * job["batch"],
            "loss": sum(losses[-window:]) / window,
            "losses": losses,
            "first_step": ended[0] - START,
            "peak_memory": peak,
        }),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()

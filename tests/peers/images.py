"""Pretraining on pictures, beside a plain PyTorch loop around the models of transformers: MAE and CLIP.

MAE is a ViT-Tiny (12 layers of 192, pictures of 224 x 224 in patches of 16) with a decoder of 4 layers of 128, of which a
quarter of the patches is visible; it reads the photographs of the workload `loader`. CLIP has towers of 6 layers (pictures of
64 x 64 in patches of 8) and 4 layers (captions), all 256 wide; it reads the bundled emoji. Both sides get the same pictures, model
configuration, batch, transforms, optimiser, learning rates, precision and number of steps. Pictures are decoded beforehand on both
sides. Speed is pictures a second after the first steps, and the loss is the mean of the last ten steps.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import transformers
from photographs import photographs
from pretraining import WINDOW, Trained, train_sst
from shared import ROOT, THREADS, Rows, arguments, peer, run

SKIP = 10  # steps that are not measured, which are also those of the warm-up
STEPS, QUICK = 30, 20
EMOJI = ROOT / "corpora/emoji/train.jsonl.gz"
CAPTIONS = "en_captions"
VOCAB = 4096
OPTIMIZER = {"lr": 1e-3, "betas": [0.9, 0.95], "weight_decay": 0.05, "eps": 1e-6}


@dataclass
class Task:
    """A model, and how pictures come to it."""

    objective: str
    unit: str  # of its loss
    batch: int
    image: int
    store: int  # the short side of a decoded picture
    scale: list[float]  # shares of the area of the random resized crop
    flip: bool
    mean: list[float]
    std: list[float]
    model: str  # sections of the recipe


HALF = [0.5, 0.5, 0.5]
TASKS = {
    "mae": Task("mae", "squared error", 32, 224, 256, [0.2, 1.0], True, HALF, HALF, """[model]
type = "vit_mae"
image_size = 224
patch_size = 16
hidden_size = 192
num_hidden_layers = 12
num_attention_heads = 3
intermediate_size = 768
decoder_hidden_size = 128
decoder_num_hidden_layers = 4
decoder_num_attention_heads = 4
decoder_intermediate_size = 512
[objective]
name = "mae"
mask_ratio = 0.75
norm_pix_loss = true
"""),
    "clip": Task("clip", "nats", 128, 64, 73, [0.9, 1.0], False, HALF, HALF, f"""[tokenizer.train]
algorithm = "wordpiece"
vocab_size = {VOCAB}
lowercase = true
[model]
type = "clip"
projection_dim = 256
[model.vision_config]
image_size = 64
patch_size = 8
hidden_size = 256
num_hidden_layers = 6
num_attention_heads = 4
intermediate_size = 1024
[model.text_config]
max_position_embeddings = 32
hidden_size = 256
num_hidden_layers = 4
num_attention_heads = 4
intermediate_size = 1024
[objective]
name = "clip"
"""),
}
# fp32, and bf16 where the processor has instructions for it; without them the peer is at its best in fp32.
CASES = [f"{task}, {precision}" for task in TASKS for precision in ("fp32", "bf16")]


@dataclass
class Job:
    """What both sides are to train."""

    folder: Path
    data: Path
    task: Task
    name: str
    seed: int
    steps: int
    precision: str
    skip: int = SKIP

    def recipe(self) -> str:
        """The recipe of sst's side."""
        task = self.task
        captions = f'caption_fields = ["{CAPTIONS}"]\nmax_length = 32' if task.objective == "clip" else ""
        flip = '[[data.transform]]\nname = "horizontal_flip"' if task.flip else ""
        return f"""[run]
name = "{self.name}"
dir = "{self.folder / 'runs'}"
seed = {self.seed}
device = "cpu"
threads = {THREADS}
[data]
paths = ["{self.data}"]
{captions}
validation = 0.0
cache = "{self.folder / 'cache'}"
[[data.transform]]
name = "random_resized_crop"
scale = {task.scale}
{flip}
[image]
mean = {task.mean}
std = {task.std}
resample = "bicubic"
store_size = {task.store}
{task.model}[train]
steps = "{self.steps}step"
batch_size = {task.batch}
precision = "{self.precision}"
bf16_weights = {str(self.precision == 'bf16').lower()}
log_every = "{WINDOW}step"
save_every = "0step"
keep = {{ best = 0 }}
[train.optimizer]
lr = {OPTIMIZER['lr']}
betas = {OPTIMIZER['betas']}
eps = {OPTIMIZER['eps']}
weight_decay = {OPTIMIZER['weight_decay']}
[train.schedule]
warmup = "{self.skip}step"
"""


def train_peer(job: Job, model: Path) -> Trained:
    """Runs the loop around the model of transformers whose configuration and tokenizer lie in `model`."""
    task = job.task
    result = peer("images.py", {
        "threads": THREADS, "objective": task.objective, "model": str(model), "data": str(job.data), "captions": CAPTIONS,
        "image": task.image, "store": task.store, "scale": task.scale, "flip": task.flip, "mean": task.mean, "std": task.std,
        "batch": task.batch, "steps": job.steps, "skip": job.skip, "window": WINDOW, "precision": job.precision,
        "seed": job.seed, "optimizer": OPTIMIZER,
    }, job.folder)
    return Trained(result["pictures"] / result["seconds"], result["peak_memory"] / 2**20, result["first_step"], model,
                   loss=result["loss"])


def main() -> None:
    args = arguments(__doc__, CASES)
    folder = args.out.resolve()
    shutil.rmtree(folder / "runs", ignore_errors=True)
    data = {"mae": photographs(folder / "files"), "clip": EMOJI}
    rows = Rows("images", f"a PyTorch loop around ViTMAEForPreTraining and CLIPModel of transformers {transformers.__version__}, "
                "bf16 by autocast", args.processor)
    for label in args.only:
        name, precision = label.split(", ")
        if precision not in ("fp32", args.processor["precision"]):
            continue
        for seed in range(args.repeats):
            job = Job(folder, data[name], TASKS[name], f"{name}-{precision}-{seed}", seed,
                      QUICK if args.quick else STEPS, precision)
            ours = train_sst(args.sst, job)
            theirs = train_peer(job, ours.model / f"checkpoints/step-{job.steps:08}/model")
            rows.add(f"{label}, speed", "pictures/s", ours.speed, theirs.speed)
            rows.add(f"{label}, loss after {job.steps} steps", job.task.unit, ours.loss, theirs.loss, False)
            rows.add(f"{label}, peak memory", "MiB", ours.peak_memory, theirs.peak_memory, False)
            rows.add(f"{label}, first step after", "s", ours.first_step, theirs.first_step, False)
    rows.write(args.result)


if __name__ == "__main__":
    main()

"""What the goldens of models share: weights that all matter, ten AdamW steps, and the folder they are written to."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import get_linear_schedule_with_warmup

from goldens.casefile import save_case, save_json, shapes

OPTIMIZER = {"lr": 3e-3, "betas": [0.9, 0.98], "eps": 1e-6, "weight_decay": 0.01}
STEPS, WARMUP, MAX_GRAD_NORM = 10, 3, 0.5
NORM = re.compile(r"(^|\.)(LayerNorm|ln_\w+|\w*norm\w*)\.weight$")

Batch = dict[str, torch.Tensor]


def fill(module: torch.nn.Module, seed: int, std: float = 0.2) -> None:
    """Draws every parameter from a normal of width `std`, weights of norms around 1, so that each one matters."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(module.named_parameters()):
            centre = 1.0 if NORM.search(name) else 0.0
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * std + centre)


def step_case(model, batches: list[Batch], loss_of: Callable[[torch.nn.Module, Batch], torch.Tensor]) -> Batch:
    """Ten AdamW steps, each on a fresh batch `step.<i>.*`.

    `steps.loss` [11]: entry i is the loss of batch i before step i, the last one that of batch 0 after all steps.
    `steps.lr` [10] f64; `steps.grad_norm` [10]: before clipping. A parameter that the loss does not reach has no
    gradient and is left alone, not even decayed. Matrices decay, vectors do not.
    """
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2]},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, **OPTIMIZER, foreach=False, fused=False)
    scheduler = get_linear_schedule_with_warmup(optimizer, WARMUP, STEPS)
    losses, rates, norms = [], [], []
    for inputs in batches:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model, inputs)
        loss.backward()
        losses.append(loss.detach())
        rates.append(scheduler.get_last_lr()[0])
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, MAX_GRAD_NORM))
        optimizer.step()
        scheduler.step()
    with torch.no_grad():
        losses.append(loss_of(model, batches[0]))
    case = {f"step.{step}.{name}": value for step, inputs in enumerate(batches) for name, value in inputs.items()}
    case |= {"steps.loss": torch.stack(losses), "steps.grad_norm": torch.stack(norms)}
    case["steps.lr"] = torch.tensor(rates, dtype=torch.float64)
    return case | {f"final.{name}": parameter for name, parameter in model.named_parameters()}


def save_model(folder: Path, model) -> None:
    """Writes config.json and model.safetensors by save_pretrained, and keys.json."""
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    keys = shapes([folder / "model.safetensors"])
    # Gradients and final weights are filed under in-memory names: these must be the names in the file.
    assert keys == {name: list(p.shape) for name, p in sorted(model.named_parameters())}, "names differ from the file"
    save_json(folder / "keys.json", keys)


def save_steps(folder: Path, case: Batch) -> None:
    """Writes case.safetensors, with how the steps were made."""
    facts = OPTIMIZER | {"warmup": WARMUP, "steps": STEPS, "max_grad_norm": MAX_GRAD_NORM, "schedule": "linear"}
    save_case(folder / "case.safetensors", case, steps=facts)

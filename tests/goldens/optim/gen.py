"""Golden cases of the optimizer and the learning rate schedules.

`case.safetensors`: twenty steps of torch.optim.AdamW in fp32 (not fused) with clipping, on three parameters `p0`
[7, 5], `p1` [13], `p2` [3, 1, 4]; p0 and p2 decay, p1 does not. `init.<p>`; `grad.<p>` [20, ...] before clipping;
`lr` [20] f64; `grad_norm` [20] before clipping, on both sides of the limit; `param.<p>` [20, ...] after each step;
`exp_avg.<p>` and `exp_avg_sq.<p>` at the end.
`muon.safetensors`: eight steps of torch.optim.Muon in fp32 at AdamW's scale on matrices `wide` [6, 20], `tall` [17, 5],
`square` [8, 8]; `init.<p>`, `grad.<p>` [8, ...], `lr` [8] f64, `param.<p>` [8, ...], `momentum.<p>` at the end.
`schedules.json`: the learning rates of transformers.get_scheduler for a base rate of 1.
"""

import argparse
import sys
from pathlib import Path

import torch
from transformers import get_scheduler

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from goldens.casefile import save_case, save_json  # noqa: E402

SHAPES = {"p0": (7, 5), "p1": (13,), "p2": (3, 1, 4)}
DECAYED = ["p0", "p2"]
STEPS, MAX_GRAD_NORM, WEIGHT_DECAY = 20, 1.0, 0.05
SETTINGS = {"betas": [0.9, 0.98], "eps": 1e-6}
MATRICES = {"wide": (6, 20), "tall": (17, 5), "square": (8, 8)}
MUON_STEPS = 8
MUON_SETTINGS = {"weight_decay": 0.1, "momentum": 0.95, "nesterov": True, "adjust_lr_fn": "match_rms_adamw"}
SCHEDULE_STEPS, WARMUP = 50, 7
# file name: (transformers name, further arguments)
SCHEDULES = {
    "constant": ("constant_with_warmup", {}),
    "linear": ("linear", {}),
    "cosine": ("cosine", {}),
    "cosine_with_min_lr": ("cosine_with_min_lr", {"min_lr_rate": 0.1}),
    "inverse_sqrt": ("inverse_sqrt", {}),
    "wsd_linear": ("warmup_stable_decay", {"num_decay_steps": 15, "decay_type": "linear"}),
    "wsd_cosine": ("warmup_stable_decay", {"num_decay_steps": 15, "decay_type": "cosine"}),
    "wsd_1-sqrt": ("warmup_stable_decay", {"num_decay_steps": 15, "decay_type": "1-sqrt"}),
}


def adamw() -> dict[str, torch.Tensor]:
    """The tensors of case.safetensors."""
    generator = torch.Generator().manual_seed(11)
    parameters = {name: torch.randn(shape, generator=generator).requires_grad_() for name, shape in SHAPES.items()}
    # Step sizes of 0.03 to 3 put the norm on both sides of the limit.
    scales = 10 ** (torch.rand(STEPS, generator=generator) * 2 - 1.5)
    rates = [0.05 * (0.5 + float(torch.rand((), generator=generator))) for _ in range(STEPS)]
    case = {f"init.{name}": p.detach().clone() for name, p in parameters.items()}
    for name, shape in SHAPES.items():
        case[f"grad.{name}"] = torch.stack([torch.randn(shape, generator=generator) * scale * 0.3 for scale in scales])
    groups = [
        {"params": [parameters[name] for name in DECAYED], "weight_decay": WEIGHT_DECAY},
        {"params": [parameters[name] for name in SHAPES if name not in DECAYED], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, **SETTINGS, foreach=False, fused=False)
    norms, history = [], {name: [] for name in SHAPES}
    for step in range(STEPS):
        for name, parameter in parameters.items():
            parameter.grad = case[f"grad.{name}"][step].clone()
        norms.append(torch.nn.utils.clip_grad_norm_(parameters.values(), MAX_GRAD_NORM))
        for group in optimizer.param_groups:
            group["lr"] = rates[step]
        optimizer.step()
        for name, parameter in parameters.items():
            history[name].append(parameter.detach().clone())
    case["lr"] = torch.tensor(rates, dtype=torch.float64)
    case["grad_norm"] = torch.stack(norms)
    assert case["grad_norm"].min() < MAX_GRAD_NORM < case["grad_norm"].max(), "clipping must be both on and off"
    for name, parameter in parameters.items():
        state = optimizer.state[parameter]
        case[f"param.{name}"] = torch.stack(history[name])
        case[f"exp_avg.{name}"], case[f"exp_avg_sq.{name}"] = state["exp_avg"], state["exp_avg_sq"]
    return case


def muon() -> dict[str, torch.Tensor]:
    """The tensors of muon.safetensors."""
    generator = torch.Generator().manual_seed(12)
    parameters = {name: torch.randn(shape, generator=generator).requires_grad_() for name, shape in MATRICES.items()}
    rates = [0.02 * (0.5 + float(torch.rand((), generator=generator))) for _ in range(MUON_STEPS)]
    case = {f"init.{name}": p.detach().clone() for name, p in parameters.items()}
    for name, shape in MATRICES.items():
        case[f"grad.{name}"] = torch.randn((MUON_STEPS, *shape), generator=generator)
    optimizer = torch.optim.Muon(parameters.values(), **MUON_SETTINGS)
    history = {name: [] for name in parameters}
    for step, rate in enumerate(rates):
        for name, parameter in parameters.items():
            parameter.grad = case[f"grad.{name}"][step].clone()
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        for name, parameter in parameters.items():
            history[name].append(parameter.detach().clone())
    case["lr"] = torch.tensor(rates, dtype=torch.float64)
    for name, parameter in parameters.items():
        case[f"param.{name}"] = torch.stack(history[name])
        case[f"momentum.{name}"] = optimizer.state[parameter]["momentum_buffer"]
    return case


def learning_rates(name: str, arguments: dict) -> list[float]:
    """The rate used at each of the first SCHEDULE_STEPS steps, for a base rate of 1."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = get_scheduler(name, optimizer, WARMUP, SCHEDULE_STEPS, dict(arguments))
    rates = []
    for _ in range(SCHEDULE_STEPS):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="folder to write into")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    facts = SETTINGS | {"weight_decay": WEIGHT_DECAY, "decayed": DECAYED, "max_grad_norm": MAX_GRAD_NORM}
    save_case(out / "case.safetensors", adamw(), optimizer=facts)
    save_case(out / "muon.safetensors", muon(), optimizer=MUON_SETTINGS)
    table = {
        key: {"name": name, "arguments": arguments, "lr": learning_rates(name, arguments)}
        for key, (name, arguments) in SCHEDULES.items()
    }
    save_json(out / "schedules.json", {"warmup": WARMUP, "steps": SCHEDULE_STEPS, "schedules": table})


if __name__ == "__main__":
    main()

"""Golden values of every activation of transformers that has no parameters: `python gen.py`.

`case.safetensors`: `x` [n] fp32, and for each name of `ACT2FN` (`gelu`, `relu2`, ...) its values at x, [n] fp32.
"""

import argparse
import sys
from pathlib import Path

import torch
from transformers.activations import ACT2CLS, ACT2FN

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from goldens.casefile import save_case  # noqa: E402

# They have parameters of their own.
LEFT_OUT = {"prelu", "xielu"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="folder to write into")
    out = parser.parse_args().out
    x = torch.cat([torch.linspace(-8, 8, 129), torch.tensor([-30.0, -11.0, 11.0, 30.0])])
    values = {name: ACT2FN[name](x.clone()) for name in sorted(ACT2CLS) if name not in LEFT_OUT}
    save_case(out / "case.safetensors", {"x": x, **values})


if __name__ == "__main__":
    main()

"""Multiply in float32 by oneDNN where that is faster than MKL, which torch asks by itself.

With MKL all the scores of a row take nearly twice as long on an AMD processor with AVX-512; on one by
Intel, where MKL is at home, a little less (docs/language-model.md). Both keep float32 throughout; sums
are added up in another order, no more.
"""

from typing import Any

from pipeline.cores import processor


def by_onednn(model: Any) -> None:  # noqa: ANN401
    """Let the linear layers of a float32 model on a processor multiply by oneDNN, where torch has it."""
    import torch

    if "GenuineIntel" in processor() or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return

    class Linear(torch.nn.Linear):
        def forward(self, states: torch.Tensor) -> torch.Tensor:
            # What torch.compile makes of a linear layer; unlike aten::mkldnn_linear without copies.
            multiplied: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
                states, self.weight, self.bias, "none", [], ""
            )
            return multiplied

    # Another class, the same module: weights stay where they are, tied ones tied.
    for module in model.modules():
        if type(module) is torch.nn.Linear:
            module.__class__ = Linear

"""The kernels that only a GPU has."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

import greenplan
from flops import executed_backward_flops, random_masks

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

KERNELS = {
    SDPBackend.FLASH_ATTENTION: "ScaledDotProductFlashAttention",
    SDPBackend.EFFICIENT_ATTENTION: "ScaledDotProductEfficientAttention",
    SDPBackend.CUDNN_ATTENTION: "ScaledDotProductCudnnAttention",
    SDPBackend.MATH: "Bmm",
}
WIDTH, HEADS = 128, 2


class Attention(torch.nn.Module):
    """x + out(attention(x)) in bfloat16, checkpointed or not; both query heads may share one key and value head."""

    def __init__(self, checkpointed: bool, shared: bool = False) -> None:
        super().__init__()
        torch.manual_seed(1)
        options = {"bias": False, "device": "cuda", "dtype": torch.bfloat16}
        self.heads = [HEADS, 1, 1] if shared else [HEADS] * 3
        self.into = torch.nn.Linear(16, WIDTH, **options)
        self.qkv = torch.nn.Linear(WIDTH, sum(self.heads) * WIDTH // HEADS, **options)
        self.out = torch.nn.Linear(WIDTH, WIDTH, **options)
        self.checkpointed = checkpointed
        self.x = torch.randn(2, 64, 16, device="cuda", dtype=torch.bfloat16)

    def layer(self, x: torch.Tensor) -> torch.Tensor:
        heads = self.qkv(x).view(2, 64, sum(self.heads), -1).transpose(1, 2)
        query, key, value = heads.split(self.heads, dim=1)
        shares = len(set(self.heads)) > 1
        attended = F.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=shares)
        return x + self.out(attended.transpose(1, 2).flatten(2))

    def forward(self) -> torch.Tensor:
        x = self.into(self.x)
        x = checkpoint(self.layer, x, use_reentrant=False) if self.checkpointed else self.layer(x)
        return x.float().pow(2).mean()


@pytest.mark.parametrize("checkpointed", [False, True])
@pytest.mark.parametrize("backend", KERNELS, ids=lambda backend: backend.name)
def test_predicts_what_backward_executes(backend, checkpointed):
    model = Attention(checkpointed)
    parameters = dict(model.named_parameters())
    with sdpa_kernel([backend]):
        profile = greenplan.profile(model(), parameters.items())
        assert any(op.name.startswith(KERNELS[backend]) for op in profile.ops)
        for mask in random_masks(list(profile.names), 8):
            executed = executed_backward_flops(parameters, mask, model)
            assert profile.cost(mask).backward_cost == executed, mask


@pytest.mark.parametrize("backend", [SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.MATH])
def test_grouped_queries(backend):
    model = Attention(checkpointed=False, shared=True)
    parameters = dict(model.named_parameters())
    with sdpa_kernel([backend]):
        profile = greenplan.profile(model(), parameters.items())
        for mask in random_masks(list(profile.names), 8):
            assert profile.cost(mask).backward_cost == executed_backward_flops(parameters, mask, model), mask

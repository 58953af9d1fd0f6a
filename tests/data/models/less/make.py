"""Losses of answers of small language models with low-rank maps, and their gradients by these: transformers 5.24.0, torch 2.15.0, in float64.

All numbers are hashes of the names of tensors and the places in them, as the test in `src/represent/models/less/tests.rs` makes them.
"""

import json
from pathlib import Path

import torch
from transformers import (LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM,
                          Qwen3Config, Qwen3ForCausalLM)

HERE = Path(__file__).parent
KINDS = {"llama": (LlamaConfig, LlamaForCausalLM), "mistral": (MistralConfig, MistralForCausalLM),
         "qwen2": (Qwen2Config, Qwen2ForCausalLM), "qwen3": (Qwen3Config, Qwen3ForCausalLM)}
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
RANK, ALPHA = 2, 3.0
TOKENS, ANSWERS = [3, 1, 4, 1, 5, 9, 2, 6], [3, 4, 6, 7]
MASK = (1 << 64) - 1


def hashed(name, count):
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 & MASK
    numbers = []
    for i in range(count):
        x = (seed + i * 0x9E3779B97F4A7C15) & MASK
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & MASK
        x = (x ^ x >> 27) * 0x94D049BB133111EB & MASK
        numbers.append(((x ^ x >> 31) >> 40) / (1 << 24) - 0.5)
    return torch.tensor(numbers, dtype=torch.float64)


class Beside(torch.nn.Module):
    def __init__(self, linear, name):
        super().__init__()
        self.linear = linear
        part = lambda end, rows, columns: torch.nn.Parameter(hashed(f"{name}.{end}.weight", rows * columns).reshape(rows, columns))
        self.down = part("lora_A", RANK, linear.in_features)
        self.up = part("lora_B", linear.out_features, RANK)

    def forward(self, x):
        return self.linear(x) + x @ self.down.T @ self.up.T * (ALPHA / RANK)


def main():
    expected = {}
    for kind, (config, network) in KINDS.items():
        model = network(config(vocab_size=11, hidden_size=8, intermediate_size=12, num_hidden_layers=2, num_attention_heads=4,
                               num_key_value_heads=2, head_dim=4, max_position_embeddings=16, rms_norm_eps=1e-5, hidden_act="silu",
                               rope_parameters={"rope_type": "default", "rope_theta": 100.0},
                               tie_word_embeddings=kind in ("mistral", "qwen3"))).double()
        with torch.no_grad():
            for name, weight in model.named_parameters():
                around = 1.0 if "norm" in name else 0.0
                weight.copy_(around + hashed(name.removeprefix("model."), weight.numel()).reshape(weight.shape))
        model.requires_grad_(False)
        maps = []
        for at, layer in enumerate(model.model.layers):
            for target in TARGETS:
                block = "self_attn" if target in TARGETS[:4] else "mlp"
                within = getattr(layer, block)
                beside = Beside(getattr(within, target), f"layers.{at}.{block}.{target}")
                setattr(within, target, beside)
                maps += [beside.down, beside.up]
        logits = model(input_ids=torch.tensor([TOKENS]), use_cache=False).logits[0]
        before = torch.tensor(ANSWERS) - 1
        loss = torch.nn.functional.cross_entropy(logits[before], torch.tensor(TOKENS)[ANSWERS])
        gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, maps)])
        expected[kind] = {"loss": loss.item(), "gradient": [float(f"{x:.10g}") for x in gradient.tolist()]}
    (HERE / "expected.json").write_text(json.dumps(expected) + "\n")


main()

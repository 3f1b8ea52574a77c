"""SAM's image encoder in plain PyTorch, eager, written for `npm run bench -- train` and `-- encoder`.

    python3 bench/encoder_torch.py train|forward STEPS

vit_b, 1024 x 1024, batch 1, float32, random weights. Prints one line of JSON: seconds and CPU seconds of each step,
peak resident memory in MiB, GFLOP/s of a 2048 x 2048 product in the same process.
"""
import json
import resource
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

WIDTH, DEPTH, HEADS, WINDOW, GLOBALS, GRID, OUT = 768, 12, 12, 14, (2, 5, 8, 11), 64, 256


class ChannelNorm(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        centred = x - x.mean(1, keepdim=True)
        x = centred / torch.sqrt(centred.pow(2).mean(1, keepdim=True) + 1e-6)
        return x * self.weight[:, None, None] + self.bias[:, None, None]


class GridAttention(nn.Module):
    def __init__(self, side):
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.proj = nn.Linear(WIDTH, WIDTH)
        self.rel_h = nn.Parameter(torch.randn(2 * side - 1, WIDTH // HEADS) * 0.02)
        self.rel_w = nn.Parameter(torch.randn(2 * side - 1, WIDTH // HEADS) * 0.02)
        offsets = torch.arange(side)[:, None] - torch.arange(side)[None, :] + side - 1
        self.register_buffer("offsets", offsets, persistent=False)

    def forward(self, x):  # [windows, side, side, WIDTH]
        count, side, _, _ = x.shape
        n, d = side * side, WIDTH // HEADS
        qkv = self.qkv(x).reshape(count, n, 3, HEADS, d).permute(2, 0, 3, 1, 4).reshape(3, count * HEADS, n, d)
        q, k, v = qkv.unbind(0)
        scores = (q * d ** -0.5) @ k.transpose(-2, -1)
        on_grid = q.reshape(count * HEADS, side, side, d)
        by_row = torch.einsum("bhwc,hkc->bhwk", on_grid, self.rel_h[self.offsets])
        by_column = torch.einsum("bhwc,wkc->bhwk", on_grid, self.rel_w[self.offsets])
        scores = scores.view(-1, side, side, side, side) + by_row[..., :, None] + by_column[..., None, :]
        mixed = scores.view(-1, n, n).softmax(-1) @ v
        mixed = mixed.view(count, HEADS, side, side, d).permute(0, 2, 3, 1, 4).reshape(count, side, side, WIDTH)
        return self.proj(mixed)


class Block(nn.Module):
    def __init__(self, window):
        super().__init__()
        self.window = window
        self.norm1 = nn.LayerNorm(WIDTH, eps=1e-6)
        self.attn = GridAttention(window or GRID)
        self.norm2 = nn.LayerNorm(WIDTH, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x):
        y, w = self.norm1(x), self.window
        if w:
            batch, side, over = x.shape[0], GRID, -GRID % w
            y = F.pad(y, (0, 0, 0, over, 0, over))
            per = (side + over) // w
            y = y.view(batch, per, w, per, w, WIDTH).permute(0, 1, 3, 2, 4, 5).reshape(-1, w, w, WIDTH)
            y = self.attn(y).view(batch, per, per, w, w, WIDTH).permute(0, 1, 3, 2, 4, 5)
            y = y.reshape(batch, side + over, side + over, WIDTH)[:, :side, :side]
        else:
            y = self.attn(y)
        x = x + y
        return x + self.mlp(self.norm2(x))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, 16, 16)
        self.positions = nn.Parameter(torch.randn(1, GRID, GRID, WIDTH) * 0.02)
        self.blocks = nn.Sequential(*[Block(0 if i in GLOBALS else WINDOW) for i in range(DEPTH)])
        self.neck = nn.Sequential(
            nn.Conv2d(WIDTH, OUT, 1, bias=False), ChannelNorm(OUT),
            nn.Conv2d(OUT, OUT, 3, padding=1, bias=False), ChannelNorm(OUT))

    def forward(self, images):
        x = self.blocks(self.patches(images).permute(0, 2, 3, 1) + self.positions)
        return self.neck(x.permute(0, 3, 1, 2))


def matmul_gflops():
    a = torch.randn(2048, 2048)
    best = min(timed(lambda: a @ a)[0] for _ in range(6))
    return 2 * 2048**3 / best / 1e9


def timed(work):
    start, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - cpu


def main(what, steps):
    torch.manual_seed(0)
    peak = matmul_gflops()
    model = Encoder()
    images = torch.randn(1, 3, 1024, 1024)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=1e-4) if what == "train" else None

    def step():
        if optimiser is None:
            with torch.inference_mode():
                model(images)
            return
        optimiser.zero_grad(set_to_none=True)
        model(images).square().mean().backward()
        optimiser.step()

    costs = [timed(step) for _ in range(steps)]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": [c[0] for c in costs], "cpu": [c[1] for c in costs], "peakMiB": memory,
                      "matmulGflops": peak, "version": torch.__version__, "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

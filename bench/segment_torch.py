"""CellSAM's inference as the reference does it, in plain PyTorch, eager, written for `npm run bench -- segment`.

    python3 bench/segment_torch.py BOXES

Says "ready", then segments once for each line that it reads.

One 1024 x 1024 image: an encoder pass for the detector, CellFinder (6 + 6 layers, 3500 queries), a second encoder pass
for the masks, then for each box one mask decoder call, two resizes to full size and a threshold. vit_b, float32, random
weights. Answers with one line of JSON: seconds and CPU seconds.
"""
import json
import sys
import time

import torch
from encoder_torch import GRID, OUT, WIDTH, ChannelNorm, Encoder
from torch import nn
from torch.nn import functional as F

SIDE, DIM, HEADS, QUERIES = 1024, 256, 8, 3500


class Attention(nn.Module):
    """Of SAM's two-way transformer: projections to `inner`, heads, projection back."""

    def __init__(self, inner):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(DIM, inner) for _ in range(3))
        self.out = nn.Linear(inner, DIM)

    def forward(self, q, k, v):
        def split(x):
            return x.view(x.shape[0], x.shape[1], HEADS, -1).transpose(1, 2)

        q, k, v = split(self.q(q)), split(self.k(k)), split(self.v(v))
        weights = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).flatten(2))


class TwoWayLayer(nn.Module):
    def __init__(self, is_first):
        super().__init__()
        self.is_first = is_first
        self.own, self.to_image, self.to_tokens = Attention(DIM), Attention(DIM // 2), Attention(DIM // 2)
        self.norms = nn.ModuleList(nn.LayerNorm(DIM) for _ in range(4))
        self.mlp = nn.Sequential(nn.Linear(DIM, 2048), nn.ReLU(), nn.Linear(2048, DIM))

    def forward(self, tokens, image, first, positions):
        a, b, c, d = self.norms
        if self.is_first:
            tokens = a(self.own(tokens, tokens, tokens))
        else:
            tokens = a(tokens + self.own(tokens + first, tokens + first, tokens))
        tokens = b(tokens + self.to_image(tokens + first, image + positions, image))
        tokens = c(tokens + self.mlp(tokens))
        image = d(image + self.to_tokens(image + positions, tokens + first, tokens))
        return tokens, image


def mlp(*widths):
    layers = [x for a, b in zip(widths, widths[1:]) for x in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


class MaskDecoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.own = nn.Parameter(torch.randn(5, DIM))
        self.layers = nn.ModuleList([TwoWayLayer(True), TwoWayLayer(False)])
        self.final, self.norm = Attention(DIM // 2), nn.LayerNorm(DIM)
        self.up = nn.Sequential(
            nn.ConvTranspose2d(DIM, DIM // 4, 2, 2), ChannelNorm(DIM // 4), nn.GELU(),
            nn.ConvTranspose2d(DIM // 4, DIM // 8, 2, 2), nn.GELU())
        self.kernels = nn.ModuleList(mlp(DIM, DIM, DIM, DIM // 8) for _ in range(4))
        self.quality = mlp(DIM, DIM, DIM, 4)

    def forward(self, embedding, positions, corners):
        first = torch.cat([self.own.expand(len(corners), -1, -1), corners], 1)
        tokens, image = first, embedding.flatten(2).transpose(1, 2)
        positions = positions.flatten(2).transpose(1, 2)
        for layer in self.layers:
            tokens, image = layer(tokens, image, first, positions)
        tokens = self.norm(tokens + self.final(tokens + first, image + positions, image))
        upscaled = self.up(image.transpose(1, 2).view(-1, DIM, GRID, GRID))
        kernels = torch.stack([kernel(tokens[:, 1 + i]) for i, kernel in enumerate(self.kernels)], 1)
        masks = (kernels @ upscaled.flatten(2)).view(-1, 4, 4 * GRID, 4 * GRID)
        return masks[:, :1], self.quality(tokens[:, 0])[:, :1]


class RowColumn(nn.Module):
    """Row-column decoupled attention; keys are averaged before they are projected, which is the cheaper order."""

    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList(nn.Linear(DIM, DIM) for _ in range(5))
        self.out = nn.Linear(DIM, DIM)

    def forward(self, row, column, memory_row, memory_column, memory):
        def split(x):
            return x.view(x.shape[0], -1, HEADS, DIM // HEADS).transpose(1, 2)

        scale = (DIM // HEADS) ** -0.5
        along_x = (split(self.parts[0](row)) * scale @ split(self.parts[2](memory_row.mean(1))).transpose(-2, -1))
        along_y = (split(self.parts[1](column)) * scale @ split(self.parts[3](memory_column.mean(2))).transpose(-2, -1))
        values = self.parts[4](memory).view(1, GRID, GRID, HEADS, DIM // HEADS).permute(0, 3, 1, 2, 4).flatten(3)
        mixed = (along_y.softmax(-1) @ values).view(1, HEADS, -1, GRID, DIM // HEADS)
        mixed = (mixed * along_x.softmax(-1)[..., None]).sum(3)
        return self.out(mixed.transpose(1, 2).flatten(2))


class DetectorLayer(nn.Module):
    def __init__(self, has_own):
        super().__init__()
        self.own = nn.MultiheadAttention(DIM, HEADS, batch_first=True) if has_own else None
        self.cross = RowColumn()
        self.norms = nn.ModuleList(nn.LayerNorm(DIM) for _ in range(3))
        self.ffn = nn.Sequential(nn.Linear(DIM, 1024), nn.ReLU(), nn.Linear(1024, DIM))

    def forward(self, x, places, memory, rows, columns):
        if self.own is not None:
            query = x + places
            x = self.norms[0](x + self.own(query, query, x, need_weights=False)[0])
        x = self.norms[1](x + self.cross(x + places, x + places, memory + rows, memory + columns, memory))
        return self.norms[2](x + self.ffn(x))


class CellFinder(nn.Module):
    def __init__(self):
        super().__init__()
        self.project = nn.Sequential(nn.Conv2d(WIDTH, DIM, 1), nn.GroupNorm(32, DIM))
        self.encoder = nn.ModuleList(DetectorLayer(False) for _ in range(6))
        self.decoder = nn.ModuleList(DetectorLayer(True) for _ in range(6))
        self.places = nn.Parameter(torch.randn(1, QUERIES, DIM))
        self.rows, self.columns = torch.randn(1, 1, GRID, DIM), torch.randn(1, GRID, 1, DIM)
        self.classes, self.boxes = nn.Linear(DIM, 2), mlp(DIM, DIM, DIM, 4)

    def forward(self, tokens):
        memory = self.project(tokens.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        here = (self.rows + self.columns).flatten(1, 2)
        for layer in self.encoder:
            memory = layer(memory.flatten(1, 2), here, memory, self.rows, self.columns).view(1, GRID, GRID, DIM)
        x = torch.zeros_like(self.places)
        for layer in self.decoder:
            x = layer(x, self.places, memory, self.rows, self.columns)
        return self.classes(x).sigmoid(), self.boxes(x).sigmoid()


def main(count):
    torch.manual_seed(0)
    encoder, finder, decoder = Encoder(), CellFinder(), MaskDecoder()
    fourier = torch.randn(2, 128)
    corner = torch.randn(2, DIM)
    image = torch.randn(1, 3, SIDE, SIDE)
    start = torch.rand(count, 2) * (SIDE - 60)
    boxes = torch.cat([start, start + 20 + torch.rand(count, 2) * 40], 1)

    def encode_points(points):  # [..., 2] in 0..1
        angles = 2 * torch.pi * ((2 * points - 1) @ fourier)
        return torch.cat([angles.sin(), angles.cos()], -1)

    def segment():
        finder(encoder.blocks(encoder.patches(image).permute(0, 2, 3, 1) + encoder.positions))
        embedding = encoder(image)
        masks = []
        for box in boxes:
            axis = (torch.arange(GRID) + 0.5) / GRID
            grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)
            positions = encode_points(grid).permute(2, 0, 1)[None]
            corners = encode_points((box.view(1, 2, 2) + 0.5) / SIDE) + corner
            low, _ = decoder(embedding, positions, corners)
            full = F.interpolate(low, (SIDE, SIDE), mode="bilinear", align_corners=False)
            full = F.interpolate(full, (SIDE, SIDE), mode="bilinear", align_corners=False)
            masks.append((full.sigmoid() > 0.5).numpy())
        return masks

    print("ready", flush=True)
    with torch.inference_mode():
        for _ in sys.stdin:
            begun, cpu = time.perf_counter(), time.process_time()
            segment()
            used = {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - cpu}
            print(json.dumps(used), flush=True)


assert OUT == DIM
main(int(sys.argv[1]))

import { pipe, type tf } from '../../tf/index.js';

/** How an image's tokens are cut for attention; global attention is one window over all. */
export interface WindowGrid {
  readonly batch: number;
  /** Tokens of the image. */
  readonly height: number;
  readonly width: number;
  /** Sides of a window, and how many of them there are. */
  readonly windowHeight: number;
  readonly windowWidth: number;
  readonly down: number;
  readonly across: number;
  /** Windows of the whole batch, and tokens of one. */
  readonly count: number;
  readonly tokens: number;
}

/** @param window side in tokens; 0 for global attention */
export function windowGrid(batch: number, height: number, width: number, window: number): WindowGrid {
  const [windowHeight, windowWidth] = window > 0 ? [window, window] : [height, width];
  const [down, across] = [Math.ceil(height / windowHeight), Math.ceil(width / windowWidth)];
  const count = batch * down * across;
  return {
    batch,
    height,
    width,
    windowHeight,
    windowWidth,
    down,
    across,
    count,
    tokens: windowHeight * windowWidth,
  };
}

const isWhole = (g: WindowGrid) => g.windowHeight === g.height && g.windowWidth === g.width;

/** `[B * h * w, D] -> [windows, tokens, D]`, zeros where windows stand over. */
export function toWindows(rows: tf.Tensor, g: WindowGrid): tf.Tensor3D {
  const dim = rows.shape.at(-1) as number;
  if (isWhole(g)) return rows.reshape([g.count, g.tokens, dim]);
  const [bottom, right] = [g.down * g.windowHeight - g.height, g.across * g.windowWidth - g.width];
  return pipe(
    rows,
    (x) => x.reshape([g.batch, g.height, g.width, dim]),
    (x) =>
      bottom + right > 0
        ? x.pad([
            [0, 0],
            [0, bottom],
            [0, right],
            [0, 0],
          ])
        : x.clone(),
    (x) => x.reshape([g.batch, g.down, g.windowHeight, g.across, g.windowWidth * dim]),
    (x) => x.transpose([0, 1, 3, 2, 4]),
    (x) => x.reshape([g.count, g.tokens, dim]),
  ) as tf.Tensor3D;
}

/** The inverse of `toWindows`. */
export function fromWindows(windows: tf.Tensor, g: WindowGrid): tf.Tensor2D {
  const dim = windows.shape.at(-1) as number;
  const rows = [g.batch * g.height * g.width, dim];
  if (isWhole(g)) return windows.reshape(rows) as tf.Tensor2D;
  return pipe(
    windows,
    (x) => x.reshape([g.batch, g.down, g.across, g.windowHeight, g.windowWidth * dim]),
    (x) => x.transpose([0, 1, 3, 2, 4]),
    (x) => x.reshape([g.batch, g.down * g.windowHeight, g.across * g.windowWidth, dim]),
    (x) => x.slice([0, 0, 0, 0], [g.batch, g.height, g.width, dim]),
    (x) => x.reshape(rows),
  ) as tf.Tensor2D;
}

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import protobuf from 'protobufjs/minimal.js';
import { writePng } from '../../io/png.js';
import { RecordWriter } from '../../io/tfrecord.js';
import type { Hook } from '../trainer.js';
import type { Preview } from './look.js';

const { Writer } = protobuf;

/**
 * Writes TensorBoard's event file: records of the messages `Event` and `Summary`, whose field numbers stand below. A run
 * that goes on writes a new file, which begins by telling TensorBoard to forget what came after `step`.
 */
export class TensorBoard {
  readonly #records: RecordWriter;

  private constructor(records: RecordWriter) {
    this.#records = records;
  }

  static async create(folder: string, step: number): Promise<TensorBoard> {
    const before = (await readdir(folder).catch(() => [])).filter((n) => n.startsWith('events.out.tfevents'));
    const seconds = Math.floor(Date.now() / 1000);
    // TensorBoard reads the files of a folder in the order of their names.
    const name = `events.out.tfevents.${seconds}.cellsam.${String(before.length).padStart(4, '0')}.${process.pid}`;
    const board = new TensorBoard(await RecordWriter.create(join(folder, name)));
    await board.#write(0, (event) => event.uint32(tag(3, TEXT)).string('brain.Event:2'));
    if (step > 0) {
      const start = Writer.create().uint32(tag(1, VARINT)).int32(1).finish(); // SessionLog.START
      await board.#write(step + 1, (event) => event.uint32(tag(7, TEXT)).bytes(start));
    }
    return board;
  }

  async scalars(step: number, values: Readonly<Record<string, number>>): Promise<void> {
    const summary = Writer.create();
    for (const [name, value] of Object.entries(values)) {
      const entry = Writer.create().uint32(tag(1, TEXT)).string(name).uint32(tag(2, FIXED32)).float(value);
      summary.uint32(tag(1, TEXT)).bytes(entry.finish());
    }
    await this.#write(step, (event) => event.uint32(tag(5, TEXT)).bytes(summary.finish()));
  }

  async image(step: number, name: string, { height, width, rgb }: Preview): Promise<void> {
    const png = await writePng({ height, width, data: rgb, channels: 3 });
    const image = Writer.create();
    for (const [field, value] of [height, width, 3].entries())
      image.uint32(tag(field + 1, VARINT)).int32(value);
    image.uint32(tag(4, TEXT)).bytes(png);
    const entry = Writer.create()
      .uint32(tag(1, TEXT))
      .string(name)
      .uint32(tag(4, TEXT))
      .bytes(image.finish());
    const summary = Writer.create().uint32(tag(1, TEXT)).bytes(entry.finish()).finish();
    await this.#write(step, (event) => event.uint32(tag(5, TEXT)).bytes(summary));
  }

  async #write(step: number, content: (event: protobuf.Writer) => protobuf.Writer): Promise<void> {
    const event = Writer.create()
      .uint32(tag(1, FIXED64))
      .double(Date.now() / 1000)
      .uint32(tag(2, VARINT))
      .int64(step);
    await this.#records.write(content(event).finish());
  }

  close(): Promise<void> {
    return this.#records.close();
  }
}

// Wire types of protocol buffers.
const VARINT = 0;
const FIXED64 = 1;
const TEXT = 2;
const FIXED32 = 5;
const tag = (field: number, wire: number): number => (field << 3) | wire;

/** Loss, its parts, learning rate and speed of every step. */
export function tensorBoardHook(board: TensorBoard): Hook {
  return {
    onStep: async ({ step, loss, parts, gradientNorm, learningRate, images, seconds }) => {
      const named = Object.entries(parts).map(([name, value]) => [`loss/${name}`, value] as const);
      await board.scalars(step, {
        'loss/total': loss,
        ...Object.fromEntries(named),
        gradientNorm,
        learningRate,
        imagesPerSecond: images / seconds,
      });
      return undefined;
    },
  };
}

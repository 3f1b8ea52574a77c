import { TYPE_NUMBERS } from '../../tf/index.js';
import { Message } from '../protobuf.js';
import { type Dim, isSymbolic } from '../trace/symbols.js';
import type { GraphDefNode, NodeAttribute, Port, Signature } from './graphDef.js';

/** Tensors by which TensorFlow restores variables. */
export interface Saver {
  readonly filename: string;
  readonly save: string;
  readonly restore: string;
}

/** An entry of a map. */
export const entry = (key: string, value: Message): Message => new Message().string(1, key).message(2, value);

export function nodeMessage({ name, op, inputs, attrs }: GraphDefNode): Message {
  const message = new Message().string(1, name).string(2, op);
  for (const input of inputs) message.string(3, input);
  for (const [key, value] of Object.entries(attrs)) message.message(5, entry(key, attributeMessage(value)));
  return message;
}

function attributeMessage(value: NodeAttribute): Message {
  const message = new Message();
  if ('text' in value) return message.string(2, value.text);
  if ('int' in value) return message.int(3, value.int);
  if ('float' in value) return message.float(4, value.float);
  if ('bool' in value) return message.int(5, value.bool ? 1 : 0);
  if ('type' in value) return message.int(6, TYPE_NUMBERS[value.type]);
  if ('shape' in value) return message.message(7, shapeMessage(value.shape));
  if ('ints' in value) return message.message(1, new Message().ints(3, value.ints));
  if ('types' in value)
    return message.message(
      1,
      new Message().ints(
        6,
        value.types.map((t) => TYPE_NUMBERS[t]),
      ),
    );
  const tensor = new Message();
  if ('strings' in value) {
    tensor.int(1, TYPE_NUMBERS.string).message(2, shapeMessage(value.dims));
    for (const text of value.strings) tensor.string(8, text);
    return message.message(8, tensor);
  }
  const { dtype, shape, data } = value.tensor;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  tensor.int(1, TYPE_NUMBERS[dtype]).message(2, shapeMessage(shape)).bytes(4, bytes);
  return message.message(8, tensor);
}

export function shapeMessage(shape: readonly Dim[]): Message {
  const message = new Message();
  for (const dim of shape) message.message(2, new Message().int(1, isSymbolic(dim) ? -1 : dim));
  return message;
}

export function signatureMessage({ inputs, outputs }: Signature): Message {
  const message = new Message();
  for (const [name, port] of Object.entries(inputs)) message.message(1, entry(name, portMessage(port)));
  for (const [name, port] of Object.entries(outputs)) message.message(2, entry(name, portMessage(port)));
  return message.string(3, 'tensorflow/serving/predict');
}

const portMessage = ({ tensor, dtype, shape }: Port): Message =>
  new Message().string(1, tensorName(tensor)).int(2, TYPE_NUMBERS[dtype]).message(3, shapeMessage(shape));

/** With the number of the output, which the first one may leave out among nodes. */
export const tensorName = (tensor: string): string => (tensor.includes(':') ? tensor : `${tensor}:0`);

import { fileURLToPath } from 'node:url';

/** The small model that comes with the project; what it can and cannot do is in docs/model-card.md. */
export const shippedModel = fileURLToPath(
  new URL('../../../assets/cellsam-small.safetensors', import.meta.url),
);

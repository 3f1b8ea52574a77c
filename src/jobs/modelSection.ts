import { z } from 'zod';
import { ConfigError } from '../core/errors.js';
import { type ModelConfig, modelOptions } from '../models/options.js';
import { PRESETS, preset } from '../models/presets.js';
import { type InitOptions, initDetailsOf } from '../train/options.js';
import { initPath } from '../train/startModel.js';
import { loadModelFile } from '../weights/modelFile.js';

const FROM_INIT = 'init';
const PARTS = ['vit', 'promptEncoder', 'maskDecoder', 'cellfinder'] as const;

/** A part of the model's sizes in which every key may be absent: absent means as in the preset. */
function changes(part: (typeof PARTS)[number]) {
  const { shape } = modelOptions.shape[part];
  const optional = Object.entries(shape as Record<string, z.ZodType>).map(([key, schema]) => {
    const bare = schema instanceof z.ZodDefault ? (schema.unwrap() as z.ZodType) : schema;
    return [key, bare.optional().describe(schema.description ?? '')] as const;
  });
  const about = modelOptions.shape[part].description ?? part;
  return z.strictObject(Object.fromEntries(optional)).optional().describe(`changes of the preset's ${about}`);
}

/** Which model is trained: a named size, and what is changed in it. */
export const modelSection = z.strictObject({
  preset: z
    .enum([FROM_INIT, ...Object.keys(PRESETS)])
    .default('tiny')
    .describe('named size; `init`: as the file of `init` says, which must be ours'),
  imgSize: z
    .number()
    .int()
    .positive()
    .multipleOf(64)
    .optional()
    .describe("side of a training view in px; replaces the preset's"),
  vit: changes('vit'),
  promptEncoder: changes('promptEncoder'),
  maskDecoder: changes('maskDecoder'),
  cellfinder: changes('cellfinder'),
});

/**
 * The sizes that a job asks for.
 *
 * @param folder what `init` is relative to
 * @throws ConfigError when the parts do not fit together
 */
export async function modelConfig(
  {
    model,
    init,
  }: { readonly model: z.infer<typeof modelSection>; readonly init?: string | InitOptions | undefined },
  folder: string,
): Promise<ModelConfig> {
  const base = model.preset === FROM_INIT ? await configOfInit(init, folder) : preset(model.preset);
  const size = model.imgSize === undefined ? {} : { imgSize: model.imgSize };
  const merged = { ...base };
  for (const part of PARTS) Object.assign(merged, { [part]: { ...base[part], ...given(model[part]) } });
  const config = { ...merged, vit: { ...merged.vit, ...size } };
  check(config);
  return config;
}

const given = (part: object | undefined) =>
  Object.fromEntries(Object.entries(part ?? {}).filter(([, value]) => value !== undefined));

function check({ vit, promptEncoder, maskDecoder, cellfinder }: ModelConfig): void {
  const problems = [
    [vit.imgSize % vit.patchSize === 0, 'model.vit.imgSize', 'must be a multiple of patchSize'],
    [vit.embedDim % vit.numHeads === 0, 'model.vit.embedDim', 'must be a multiple of numHeads'],
    [vit.globalAttnIndexes.every((i) => i < vit.depth), 'model.vit.globalAttnIndexes', 'must be below depth'],
    [promptEncoder.embedDim === vit.outChans, 'model.promptEncoder.embedDim', 'must equal vit.outChans'],
    [
      maskDecoder.transformerDim === vit.outChans,
      'model.maskDecoder.transformerDim',
      'must equal vit.outChans',
    ],
    [
      cellfinder.proposals !== 'dense' || 2 * cellfinder.denseStride === vit.patchSize,
      'model.cellfinder.denseStride',
      'must be half of vit.patchSize with dense proposals',
    ],
  ] as const;
  const found = problems.flatMap(([isRight, where, message]) => (isRight ? [] : [{ where, message }]));
  if (found.length === 0) return;
  throw new ConfigError('the sizes of the model do not fit together', { where: 'model', problems: found });
}

async function configOfInit(init: string | InitOptions | undefined, folder: string): Promise<ModelConfig> {
  const details = initDetailsOf(init);
  if (details === undefined)
    throw new ConfigError('model.preset is `init`, and there is no `init`', { where: 'model.preset' });
  const { model, card } = await loadModelFile(initPath(details.weights, folder));
  model.dispose();
  return card.config;
}

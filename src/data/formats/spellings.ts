import { isImageOrMask, type Pairing, pairUp, type Spelling } from './templates.js';

const FOLDERS: readonly (readonly [images: string, masks: string])[] = [
  ['images', 'masks'], // StarDist, QuPath, BBBC039
  ['image', 'mask'],
  ['imgs', 'masks'], // HoVer-Net and kin
  ['images', 'labels'], // NeurIPS 2022
  ['images', 'instances'],
  ['img', 'label'],
  ['source', 'target'], // DeepBacs
  ['raw', 'gt'],
  ['imagesTr', 'labelsTr'],
  ['imagesTs', 'labelsTs'],
];

const ENDS: readonly (readonly [images: string, masks: string])[] = [
  ['_img', '_masks'], // Cellpose, CellSAM
  ['_im', '_mask'], // YeaZ
  ['_imc', '_mask'],
  ['_image', '_mask'],
  ['_image', '_label'],
  ['_img', '_mask'],
  ['_raw', '_label'],
  ['', '_cp_masks'], // Omnipose, Cellpose
  ['', '_masks'],
  ['', '_mask'],
  ['', '_labels'],
  ['', '_label'],
  ['', '-labelled'], // QuPath's tile exporter
];

/** How published sets name an image and its mask, the more special first. */
export const SPELLINGS: readonly Spelling[] = [
  {
    images: { nuclear: '{**}imagesTr/{id}_0000', 'whole-cell': '{**}imagesTr/{id}_0001' },
    masks: '{**}labelsTr/{id}', // nnU-Net with two channels
  },
  { images: '{**}imagesTr/{id}_0000', masks: '{**}labelsTr/{id}' },
  { images: '{**}imagesTs/{id}_0000', masks: '{**}labelsTs/{id}' },
  { images: '{**}{id}', masks: '{**}{id}_seg.npy' }, // Cellpose's window
  { images: '{**}{id}', masks: '{**}masks/{id}_cp_masks' }, // Omnipose
  { images: '{**}images/{id}', masks: '{**}labels/{id}_label' }, // NeurIPS 2022
  ...ENDS.map(([image, mask]) => ({ images: `{**}{id}${image}`, masks: `{**}{id}${mask}` })),
  ...FOLDERS.map(([image, mask]) => ({ images: `{**}${image}/{id}`, masks: `{**}${mask}/{id}` })),
  {
    images: { brightfield: '{**}brightfield/{id}', fluorescence: '{**}fluorescence/{id}' },
    masks: '{**}binary/{id}_Probabilities_filtered', // ColiCoords after Ilastik
  },
  { images: '{**}image', masks: '{**}mask' }, // AxonDeepSeg
  { images: '{**}img{id}', masks: '{**}mask{id}' },
  { images: '{**}{id}.bmp', masks: '{**}{id}.png' },
  { images: '{**}{id}.jpg', masks: '{**}{id}.png' },
  { images: '{**}{id}.tif', masks: '{**}{id}.png' },
];

export interface Chosen extends Pairing {
  readonly spelling: Spelling;
  /** Share of the folder's images and masks that are in complete pairs. */
  readonly explained: number;
}

/** The spelling under which most files are in pairs, or nothing where no two files make one. */
export function chooseSpelling(files: readonly string[]): Chosen | undefined {
  const candidates = files.filter(isImageOrMask);
  let best: Chosen | undefined;
  for (const spelling of SPELLINGS) {
    const pairing = pairUp(candidates, spelling);
    const paired = pairing.pairs.reduce((sum, pair) => sum + pair.images.length + 1, 0);
    const explained = paired / candidates.length;
    if (paired > 0 && explained > (best?.explained ?? 0)) best = { ...pairing, spelling, explained };
  }
  return best;
}

import { parseSchedule, type Schedule, type ScheduleVariables } from '../config/quantities.js';
import type { TrainOptions } from './options.js';

/** Learning rates at a step. */
export interface Rates {
  /** Of weights that belong to no group. */
  readonly main: number;
  of(name: string): number;
}

export type LearningRates = (variables: ScheduleVariables) => Rates;

type RateOptions = Pick<TrainOptions, 'learningRate' | 'warmupSteps' | 'groups'>;

/**
 * Learning rates by weight name: the first group whose pattern fits, else the main rate, all times the warm-up.
 *
 * @throws ConfigError when an expression is none
 */
export async function learningRates(options: RateOptions): Promise<LearningRates> {
  const main = await scheduleOf(options.learningRate, 'train.learningRate');
  const groups = await Promise.all(
    options.groups.map(async ({ names, learningRate }, i) => ({
      pattern: new RegExp(names),
      rate:
        learningRate === undefined ? main : await scheduleOf(learningRate, `train.groups.${i}.learningRate`),
    })),
  );
  return (variables) => {
    const { warmupSteps } = options;
    const share = warmupSteps === 0 ? 1 : Math.min(1, (variables.step + 1) / warmupSteps);
    const rates = groups.map(({ pattern, rate }) => ({ pattern, value: share * rate(variables) }));
    const usual = share * main(variables);
    return {
      main: usual,
      of: (name) => rates.find(({ pattern }) => pattern.test(name))?.value ?? usual,
    };
  };
}

/** Weight decay by name: the group's, else the main one, which spares norms and biases unless told otherwise. */
export function weightDecays(
  options: Pick<TrainOptions, 'groups' | 'weightDecay' | 'decayNormsAndBiases'>,
  rankOf: (name: string) => number,
): (name: string) => number {
  const groups = options.groups.map((group) => ({ ...group, pattern: new RegExp(group.names) }));
  return (name) => {
    if (!options.decayNormsAndBiases && rankOf(name) <= 1) return 0;
    return groups.find(({ pattern }) => pattern.test(name))?.weightDecay ?? options.weightDecay;
  };
}

async function scheduleOf(rate: number | string, where: string): Promise<Schedule> {
  return typeof rate === 'number' ? () => rate : parseSchedule(rate, where);
}

import { throwIfAborted } from './errors.js';

/** Something that happened in a long job; drawn by the command line, heard by API users. */
export type JobEvent =
  | { readonly kind: 'stage'; readonly title: string }
  | {
      readonly kind: 'progress';
      readonly done: number;
      readonly total: number;
      readonly unit: string;
      readonly detail?: string;
    }
  | { readonly kind: 'note'; readonly message: string }
  | { readonly kind: 'warning'; readonly message: string; readonly where?: string }
  | { readonly kind: 'metrics'; readonly step: number; readonly values: Readonly<Record<string, number>> }
  | { readonly kind: 'timing'; readonly name: string; readonly seconds: number };

export type EventListener = (event: JobEvent) => void;

/** What every job is given besides its configuration. */
export interface JobContext {
  readonly emit: EventListener;
  readonly signal?: AbortSignal;
}

/** A listener that hears nothing, for callers that do not care. */
export const silent: EventListener = () => {};

/**
 * Lets Ctrl-C be heard: every TensorFlow call blocks the event loop, and promises of work that is done do not let it run.
 *
 * @throws Interrupted when the signal has been raised
 */
export async function hearSignals(signal: AbortSignal | undefined): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  throwIfAborted(signal);
}

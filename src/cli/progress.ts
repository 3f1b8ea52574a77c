import type { EventListener, JobEvent } from '../core/events.js';
import { withoutPlace } from './explain.js';

const PLAIN_INTERVAL_MS = 5000;
const LIVE_INTERVAL_MS = 100;

type Talk = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
type ProgressEvent = Extract<JobEvent, { kind: 'progress' }>;

/**
 * Draws a job's events: on a terminal one live line with rate and remaining time, elsewhere a plain line every five
 * seconds. Warnings and notes are always lines of their own.
 *
 * @param now milliseconds; given by tests
 */
export function createProgress(
  talk: Talk,
  options: { readonly quiet: boolean },
  now: () => number = Date.now,
): { readonly listen: EventListener; end(): void } {
  const isLive = talk.isTTY === true;
  const clearLine = isLive ? '\r\u001b[K' : '';
  let started = { at: now(), done: 0, total: 0, unit: '' };
  let lastDone = 0;
  let lastDrawn = Number.NEGATIVE_INFINITY;
  let isLineOpen = false;

  const line = (text: string): void => {
    talk.write(`${isLineOpen ? clearLine : ''}${text}\n`);
    isLineOpen = false;
  };
  const draw = (event: ProgressEvent): void => {
    const isNew = event.total !== started.total || event.unit !== started.unit || event.done <= lastDone;
    lastDone = event.done;
    if (isNew) started = { at: now(), done: event.done, total: event.total, unit: event.unit };
    const isLast = event.done >= event.total;
    if (!isLast && now() - lastDrawn < (isLive ? LIVE_INTERVAL_MS : PLAIN_INTERVAL_MS)) return;
    lastDrawn = now();
    const text = progressText(event, started, now());
    if (!isLive) {
      line(text);
      return;
    }
    talk.write(`${clearLine}${text.slice(0, (talk.columns || 120) - 1)}`);
    isLineOpen = true;
    if (isLast) end();
  };
  const end = (): void => {
    if (isLineOpen) talk.write('\n');
    isLineOpen = false;
  };

  const listen: EventListener = (event) => {
    if (event.kind === 'warning')
      return line(
        `Warning: ${event.where === undefined ? '' : `${event.where}: `}${withoutPlace(event.message, event.where)}`,
      );
    if (options.quiet) return;
    if (event.kind === 'stage') line(event.title);
    else if (event.kind === 'note') line(`  ${event.message}`);
    else if (event.kind === 'progress') draw(event);
  };
  return { listen, end };
}

/** `120/400 images, 3.1 images/s, 1 min 30 s left, loss 0.31`. */
export function progressText(
  event: ProgressEvent,
  started: { at: number; done: number },
  now: number,
): string {
  const seconds = (now - started.at) / 1000;
  const rate = seconds > 0 ? (event.done - started.done) / seconds : 0;
  const parts = [`${event.done}/${event.total} ${event.unit}`];
  if (rate > 0 && event.done < event.total) {
    const unit = event.unit.replace(/s$/, '');
    parts.push(rate >= 1 ? `${rate.toFixed(1)} ${event.unit}/s` : `${(1 / rate).toFixed(1)} s/${unit}`);
    parts.push(`${duration((event.total - event.done) / rate)} left`);
  }
  if (event.detail !== undefined && event.detail !== '') parts.push(event.detail);
  return `  ${parts.join(', ')}`;
}

/** Seconds as `45 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

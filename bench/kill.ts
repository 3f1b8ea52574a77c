/**
 * Kills a training run again and again (`kill -9`) at random moments of its start, of its steps and of its checkpoints, in
 * turn; resumes it each time, and compares how it ends with a run that was never stopped.
 *
 *   npm run bench -- kill            # 20 kills, the tiny preset
 *   npm run bench -- kill 5 seed     # fewer, other moments
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Random } from '../src/core/random.js';

export interface KillPlan {
  /** The run as YAML, without `run.folder`. */
  readonly config: string;
  readonly kills: number;
  readonly seed: string;
  readonly print: (line: string) => void;
}

export type Phase = 'starting' | 'computing' | 'writing a checkpoint';

export interface KillResult {
  /** Steps in `metrics.jsonl` at each kill; -1 before the first. */
  readonly killedAt: readonly number[];
  /** What the run was doing at each kill, as its folder shows it. */
  readonly phases: readonly Phase[];
  /** Files that differ from those of the run that was not stopped. */
  readonly differing: readonly string[];
}

/** @throws Error when a resume fails */
export async function killAndResume({ config, kills, seed, print }: KillPlan): Promise<KillResult> {
  const base = mkdtempSync(join(tmpdir(), 'kill-'));
  const file = join(base, 'config.yaml');
  writeFileSync(file, config);
  const [whole, killed] = [join(base, 'whole'), join(base, 'killed')];
  const started = performance.now();
  await finish(start(['--config', file, `run.folder=${whole}`]));
  const seconds = (performance.now() - started) / 1000;
  const steps = lastStep(whole);
  print(`the run that was not stopped: ${steps} steps in ${seconds.toFixed(1)} s`);

  const random = new Random(seed);
  // So the run gets on, and is not done before the last kill. Counted in steps: what one takes changes with the load.
  const pace = { stepsEach: (0.75 * steps) / kills, stepMs: (1000 * seconds) / steps };
  const killedAt: number[] = [];
  const phases: Phase[] = [];
  while (killedAt.length < kills) {
    const isBegun = existsSync(join(killed, 'config.yaml'));
    const child = start(isBegun ? ['--resume', killed] : ['--config', file, `run.folder=${killed}`]);
    const begun = Date.now();
    const ended = finish(child).then(
      () => 'ended' as const,
      (failure: Error) => failure,
    );
    const aim = AIMS[killedAt.length % AIMS.length] as Aim;
    const moment = await Promise.race([ended, momentToKill(killed, aim, random, pace)]);
    if (moment instanceof Error) throw moment;
    if (moment === 'ended') {
      print(`ended before kill ${killedAt.length + 1}`);
      break;
    }
    child.kill('SIGKILL');
    await ended;
    phases.push(phaseOf(killed, begun));
    killedAt.push(lastStep(killed));
    const seconds = ((Date.now() - begun) / 1000).toFixed(1);
    print(
      `kill ${killedAt.length}: ${phases.at(-1)}, after ${seconds} s, at step ${Math.max(0, lastStep(killed))}`,
    );
  }
  await finish(start(['--resume', killed]));
  const differing = differences(whole, killed);
  if (differing.length === 0) rmSync(base, { recursive: true }); // else both runs are there to be looked at
  return { killedAt, phases, differing };
}

type Aim = 'start' | 'step' | 'checkpoint';

/** Kills aim at these in turn, so that every phase gets its share. */
const AIMS: readonly Aim[] = ['checkpoint', 'step', 'start', 'checkpoint', 'step'];

/** Steps between two kills at most, and what a step took. */
interface Pace {
  readonly stepsEach: number;
  readonly stepMs: number;
}

/** Waits for a random moment: while it starts, some time after a step, or after a checkpoint was begun. */
async function momentToKill(folder: string, aim: Aim, random: Random, pace: Pace): Promise<void> {
  if (aim === 'start') return wait(random.uniform(0, 1500));
  const begun = Date.now();
  while (!isFresh(join(folder, 'metrics.jsonl'), begun)) await wait(5);
  const from = lastStep(folder) + Math.floor(random.uniform(0, pace.stepsEach));
  while (lastStep(folder) <= from) await wait(5);
  await wait(random.uniform(0, pace.stepMs / 2));
  if (aim === 'step') return undefined;
  while (!isWriting(folder, begun)) await wait(1);
  return wait(random.uniform(0, 150));
}

/** What the process that began at `begun` was doing when it was killed. Its log is trimmed before its first step. */
function phaseOf(folder: string, begun: number): Phase {
  if (isWriting(folder, begun)) return 'writing a checkpoint';
  return isFresh(join(folder, 'metrics.jsonl'), begun) ? 'computing' : 'starting';
}

/** A half-written checkpoint of an earlier process stays until the next one is begun. */
const isWriting = (folder: string, begun: number): boolean =>
  entries(folder).some(
    (name) => /\.(partial|replaced)$/.test(name) && isFresh(join(folder, 'checkpoints', name), begun),
  );

const isFresh = (path: string, begun: number): boolean =>
  (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) > begun;

const wait = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

const entries = (folder: string): string[] => {
  const path = join(folder, 'checkpoints');
  return existsSync(path) ? readdirSync(path) : [];
};

function start(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [resolve('bin/cellsam.mjs'), 'train', '--quiet', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
}

/** Resolves when the process ended well or by our kill. */
function finish(child: ChildProcess): Promise<void> {
  let talk = '';
  child.stderr?.on('data', (piece: Buffer) => {
    talk += String(piece);
  });
  return new Promise((done, fail) => {
    child.on('exit', (code, signal) => {
      if (code === 0 || signal === 'SIGKILL') done();
      else fail(new Error(`a run ended with ${code ?? signal}: ${talk.slice(-2000)}`));
    });
  });
}

function lines(folder: string): Record<string, unknown>[] {
  const path = join(folder, 'metrics.jsonl');
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line) => {
      try {
        return [{ ...(JSON.parse(line) as Record<string, unknown>), seconds: 0 }];
      } catch {
        return [];
      }
    });
}

const lastStep = (folder: string): number => Number(lines(folder).at(-1)?.['step'] ?? -1);

/** Everything in the two folders that should be the same: checkpoints, model, log without its times. */
function differences(a: string, b: string): string[] {
  const last = JSON.parse(readFileSync(join(a, 'checkpoints', 'index.json'), 'utf8')) as { last: string };
  const parts = readdirSync(join(a, 'checkpoints', last.last)).map((file) =>
    join('checkpoints', last.last, file),
  );
  const files = ['model.safetensors', join('checkpoints', 'index.json'), ...parts];
  const differing = files.filter((file) => {
    const [one, other] = [join(a, file), join(b, file)];
    return !existsSync(other) || !readFileSync(one).equals(readFileSync(other));
  });
  const sameLog = JSON.stringify(lines(a)) === JSON.stringify(lines(b));
  return sameLog ? differing : [...differing, 'metrics.jsonl'];
}

const TINY = `
data: { type: simulated, count: 12, fieldSize: 128 }
model: { preset: tiny, imgSize: 128 }
train: { maxSteps: 60, batchSize: 2, checkpointEvery: 2, evaluateEvery: 10, previews: 1, keepCheckpoints: 2 }
`;

if (process.argv[1]?.endsWith('bench/kill.js')) {
  const [kills = '20', seed = 'kill'] = process.argv.slice(2);
  const print = (line: string) => console.log(line);
  const result = await killAndResume({ config: TINY, kills: Number(kills), seed, print });
  const count = (phase: Phase) => `${result.phases.filter((own) => own === phase).length} ${phase}`;
  console.log(
    `${result.killedAt.length} kills: ${(['starting', 'computing', 'writing a checkpoint'] as const).map(count).join(', ')}; every resume succeeded; differing files: ${result.differing.length === 0 ? 'none' : result.differing.join(', ')}`,
  );
  process.exitCode = result.differing.length === 0 ? 0 : 1;
}

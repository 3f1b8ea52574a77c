/** Runs tasks, in other threads or in this one; answers come in the order of the calls' promises. */
export interface Pool<Task, Answer> {
  run(task: Task): Promise<Answer>;
  /** Ends the threads; tasks that were waiting are rejected. */
  close(): Promise<void>;
}

/**
 * Threads that run the default export of a module. Answers that the module wraps in `handedOver` move without being copied.
 *
 * @param module the compiled file @param threads at least 1
 */
export async function openPool<Task, Answer>(module: URL, threads: number): Promise<Pool<Task, Answer>> {
  const { Piscina } = await import('piscina');
  // An object, because a library of the TIFF reader looks into it when it is loaded in a thread.
  const workerData = {};
  const pool = new Piscina({ filename: module.href, minThreads: threads, maxThreads: threads, workerData });
  let isClosing = false;
  pool.on('error', (error) => {
    // An answer may be on its way when its task is rejected because the threads end.
    if (!isClosing) throw error;
  });
  return {
    run: (task) => pool.run(task) as Promise<Answer>,
    close: () => {
      isClosing = true;
      return pool.destroy();
    },
  };
}

/** Marks an answer of a thread: its buffers leave the thread and are not copied. */
export async function handedOver<Answer>(
  answer: Answer,
  buffers: readonly ArrayBufferLike[],
): Promise<Answer> {
  const { move, transferableSymbol, valueSymbol } = await import('piscina');
  return move({ [transferableSymbol]: [...buffers], [valueSymbol]: answer } as never) as Answer;
}

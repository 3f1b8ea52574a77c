/** Ctrl-C as an abort signal: the first one asks the job to stop where nothing is lost, the second leaves at once. */
export function interruptible(talk: NodeJS.WritableStream): { readonly signal: AbortSignal; end(): void } {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(130);
    talk.write(
      '\nStopping as soon as that loses nothing; what is finished is kept (Ctrl-C again leaves at once) ...\n',
    );
    controller.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    signal: controller.signal,
    end: () => {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}

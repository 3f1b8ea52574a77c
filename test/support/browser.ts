import { createRequire } from 'node:module';
import type { Browser } from 'playwright-core';

/**
 * Headless Chromium from the npm packages, without a download: `launch` is absent, and `reason` says why, where the
 * packages are not installed or the system is not Linux on x64.
 */
export function browser(): { readonly launch?: () => Promise<Browser>; readonly reason: string } {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return { reason: ' (skipped: the packaged browser is for Linux on x64)' };
  try {
    const { resolve } = createRequire(import.meta.url);
    resolve('@sparticuz/chromium');
    resolve('playwright-core');
  } catch {
    return { reason: ' (skipped: @sparticuz/chromium and playwright-core are not installed)' };
  }
  return {
    reason: '',
    launch: async () => {
      const [{ default: chromium }, { chromium: playwright }] = await Promise.all([
        import('@sparticuz/chromium'),
        import('playwright-core'),
      ]);
      return playwright.launch({
        executablePath: await chromium.executablePath(),
        args: chromium.args,
        headless: true,
      });
    },
  };
}

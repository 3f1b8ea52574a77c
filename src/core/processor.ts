import { readFileSync } from 'node:fs';

/** Names of the processor's instruction sets as Linux lists them; empty on other systems. */
export function processorFeatures(): readonly string[] {
  try {
    return (
      /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.trim().split(' ') ??
      []
    );
  } catch {
    return [];
  }
}

// biome-ignore lint/suspicious/noExplicitAny: any function fits
type AnyFunction = (...args: any[]) => any;

/** Methods replaced for a while; `undo` puts back what was there. */
export class Hooks {
  readonly #undo: (() => void)[] = [];

  /** `make` is given the original, bound to the object unless that is a prototype with its own `this`. */
  patch<Target extends object, Key extends keyof Target & string>(
    target: Target,
    key: Key,
    make: (original: Target[Key] & AnyFunction) => Target[Key] & AnyFunction,
  ): void {
    const isOwn = Object.hasOwn(target, key);
    const original = target[key];
    const isPrototype = Object.hasOwn(target, 'constructor');
    const bound = isPrototype ? original : (original as AnyFunction).bind(target);
    target[key] = make(bound as Target[Key] & AnyFunction);
    this.#undo.push(() => {
      if (isOwn) target[key] = original;
      else delete (target as Partial<Target>)[key];
    });
  }

  undo(): void {
    for (const undo of this.#undo.reverse()) undo();
    this.#undo.length = 0;
  }
}

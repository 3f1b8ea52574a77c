/** A difference of scores with its sign and three places, for people: `+0.012`. */
export const signed = (value: number): string => `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(3)}`;

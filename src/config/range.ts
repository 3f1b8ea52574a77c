import { z } from 'zod';

/** Two positive numbers, the smallest and the largest of something. */
export const positiveRange = () =>
  z.tuple([z.number().positive(), z.number().positive()]).superRefine(([low, high], context) => {
    if (low > high)
      context.addIssue({
        code: 'custom',
        message: `the smallest comes first: ${low} is above ${high}; did you mean [${high}, ${low}]?`,
      });
  });

import type { Course } from './learning.js';

const [WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT] = [760, 380, 56, 24, 44, 250];
const COLOURS = ['#6b7280', '#9333ea', '#d97706', '#2563eb', '#059669'];

/** Box F1 against training steps, one curve a form, as one SVG text that needs nothing else. */
export function learningPlot(courses: readonly Course[]): string {
  const last = Math.max(...courses.flatMap(({ points }) => points.map(({ step }) => step)));
  const x = (step: number) => LEFT + ((WIDTH - LEFT - RIGHT) * step) / last;
  const y = (f1: number) => HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * f1;
  const label = (text: string, px: number, py: number, more = '') =>
    `<text x="${px.toFixed(1)}" y="${py.toFixed(1)}" ${more}>${text}</text>`;
  const grid = [0, 0.2, 0.4, 0.6, 0.8, 1].map(
    (v) =>
      `<path d="M${LEFT} ${y(v)}H${WIDTH - RIGHT}" stroke="#e5e7eb"/>${label(v.toFixed(1), LEFT - 8, y(v) + 4, 'text-anchor="end"')}`,
  );
  const steps = (courses[0]?.points ?? []).map(({ step }) =>
    label(String(step), x(step), HEIGHT - BOTTOM + 18, 'text-anchor="middle"'),
  );
  const curves = courses.map(({ form, points }, i) => {
    const colour = COLOURS[i % COLOURS.length] as string;
    const path = points.map(
      ({ step, f1 }, k) => `${k === 0 ? 'M' : 'L'}${x(step).toFixed(1)} ${y(f1).toFixed(1)}`,
    );
    const dots = points.map(
      ({ step, f1 }) =>
        `<circle cx="${x(step).toFixed(1)}" cy="${y(f1).toFixed(1)}" r="3" fill="${colour}"/>`,
    );
    const key = label(form.name, WIDTH - RIGHT + 22, TOP + 16 + 20 * i, `fill="${colour}"`);
    return `<path d="${path.join('')}" fill="none" stroke="${colour}" stroke-width="2"/>${dots.join('')}${key}`;
  });
  const axes = [
    label('training steps', (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, 'text-anchor="middle"'),
    label('box F1', 8, TOP - 8),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12" role="img" aria-label="box F1 against training steps"><title>Box F1 against training steps</title><rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>${[...grid, ...steps, ...curves, ...axes].join('')}</svg>\n`;
}

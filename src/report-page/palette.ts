/**
 * Colours that people who see few colours can tell apart too, as custom properties of the style
 * sheet, in the order in which charts use them. Patterns and dashes go with them, so that nothing
 * is told by colour alone.
 *
 * @source Okabe, Ito, "Color Universal Design", 2008
 */
export const COLOUR_COUNT = 8;

/** Lengths of a line's dashes and gaps, in pixels, by the series' number. */
const DASHES: readonly (readonly number[])[] = [
  [],
  [8, 4],
  [2, 3],
  [10, 3, 2, 3],
  [14, 4],
  [4, 2],
  [10, 3, 2, 3, 2, 3],
  [1, 4],
];

/** The colour of a chart's n-th series, as the theme has it now. */
export function colourOf(index: number): string {
  return themeColour(`--series-${index % COLOUR_COUNT}`);
}

/** A custom property's value, as the theme has it now. */
export function themeColour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Dashes of a chart's n-th series: they go on changing where colours begin anew. */
export function dashOf(index: number): readonly number[] {
  return DASHES[(index + Math.floor(index / COLOUR_COUNT)) % DASHES.length]!;
}

/** Stops of a scale from little to much that gets lighter all the way. @source cividis */
const HEAT_STOPS: readonly (readonly [number, number, number])[] = [
  [0, 32, 77],
  [49, 68, 107],
  [102, 105, 112],
  [149, 143, 120],
  [203, 186, 105],
  [255, 234, 70],
];

/** Red, green and blue (0 to 255) for a share from 0 to 1. */
export function heatColour(share: number): readonly [number, number, number] {
  const place = Math.min(1, Math.max(0, share)) * (HEAT_STOPS.length - 1);
  const index = Math.min(HEAT_STOPS.length - 2, Math.floor(place));
  const [low, high] = [HEAT_STOPS[index]!, HEAT_STOPS[index + 1]!];
  const mix = (channel: 0 | 1 | 2) =>
    Math.round(low[channel] + (high[channel] - low[channel]) * (place - index));
  return [mix(0), mix(1), mix(2)];
}

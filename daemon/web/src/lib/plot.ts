/** The geometry of a line plot: from samples to the path of an SVG. No DOM. */

export interface Point {
  /** Milliseconds. */
  time: number
  /** `null` where nothing was measured: the line breaks. */
  value: number | null
}

export interface Scale {
  from: number
  to: number
  /** The value at the top; the bottom is 0. */
  top: number
}

/** The smallest round number that is not below `value`: 1, 2, 2.5 or 5 times a power of ten. */
export function roundUp(value: number): number {
  if (value <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  const step = [1, 2, 2.5, 5, 10].find((step) => step * power >= value * 0.999_999) ?? 10
  return step * power
}

/** A scale on which all points fit; the top is at least `least`, and a round number of `unit`s. */
export function scaleOf(points: readonly Point[], least: number, unit = 1): Scale {
  const times = points.map((point) => point.time)
  const highest = Math.max(least, ...points.map((point) => point.value ?? 0))
  return { from: Math.min(...times), to: Math.max(...times), top: roundUp(highest / unit) * unit }
}

/** Stretches without a gap, as positions in a box of `width` × `height`. */
export function stretches(
  points: readonly Point[],
  scale: Scale,
  width: number,
  height: number
): [number, number][][] {
  const span = Math.max(1, scale.to - scale.from)
  const found: [number, number][][] = []
  let current: [number, number][] = []
  for (const { time, value } of points) {
    if (value === null) {
      if (current.length > 0) found.push(current)
      current = []
      continue
    }
    const x = ((time - scale.from) / span) * width
    const y = height - (Math.min(value, scale.top) / scale.top) * height
    current.push([round(x), round(y)])
  }
  if (current.length > 0) found.push(current)
  return found
}

/** The `d` of the line through all stretches. */
export function linePath(all: readonly [number, number][][]): string {
  return all.map((points) => points.map(([x, y], index) => `${index ? 'L' : 'M'}${x} ${y}`).join('')).join('')
}

/** The `d` of the surface between the line and the bottom. */
export function areaPath(all: readonly [number, number][][], height: number): string {
  return all
    .map((points) => {
      const first = points[0]?.[0] ?? 0
      const last = points.at(-1)?.[0] ?? 0
      return `M${first} ${height}${points.map(([x, y]) => `L${x} ${y}`).join('')}L${last} ${height}Z`
    })
    .join('')
}

/** The point that is nearest to `time`, among those that were measured. */
export function nearest(points: readonly Point[], time: number): Point | null {
  let best: Point | null = null
  for (const point of points) {
    if (point.value === null) continue
    if (!best || Math.abs(point.time - time) < Math.abs(best.time - time)) best = point
  }
  return best
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

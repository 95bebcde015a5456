import { expect, test } from 'vitest'
import { areaPath, linePath, nearest, roundUp, scaleOf, stretches } from '../src/lib/plot'

const points = [
  { time: 0, value: 0 },
  { time: 10, value: 5 },
  { time: 20, value: null },
  { time: 30, value: 10 },
  { time: 40, value: 2.5 }
]

test.each([
  [0, 1],
  [0.3, 0.5],
  [1, 1],
  [1.1, 2],
  [230, 250],
  [999, 1000]
])('the top over %d is %d', (value, top) => {
  expect(roundUp(value)).toBeCloseTo(top)
})

test('the top of memory is a round number of its own units', () => {
  expect(scaleOf([{ time: 0, value: 70 << 20 }], 1, 1 << 20).top).toBe(100 << 20)
})

test('a gap in the measurements is a gap in the line', () => {
  const lines = stretches(points, scaleOf(points, 1), 400, 100)
  expect(lines).toEqual([
    [
      [0, 100],
      [100, 50]
    ],
    [
      [300, 0],
      [400, 75]
    ]
  ])
  expect(linePath(lines)).toBe('M0 100L100 50M300 0L400 75')
  expect(areaPath(lines, 100)).toBe('M0 100L0 100L100 50L100 100ZM300 100L300 0L400 75L400 100Z')
})

test('the pointer finds the nearest measurement, not a gap', () => {
  expect(nearest(points, 21)?.time).toBe(30)
  expect(nearest([], 1)).toBeNull()
})

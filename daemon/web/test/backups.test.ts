import { expect, test } from 'vitest'
import { above, inFolder, madeAt } from '../src/lonestar/backups'

test('the name of a backup is its time, also after a clock went back', () => {
  expect(madeAt('20261128T213005Z').toISOString()).toBe('2026-11-28T21:30:05.000Z')
  expect(madeAt('20261128T213005Z-2').toISOString()).toBe('2026-11-28T21:30:05.000Z')
  expect(madeAt('hello').getTime()).toBeNaN()
})

test('a folder and its name make a path, and lead up again', () => {
  expect(inFolder('', 'data')).toBe('data')
  expect(inFolder('data', 'a b')).toBe('data/a b')
  expect(above('data/a b')).toBe('data')
  expect(above('data')).toBe('')
})

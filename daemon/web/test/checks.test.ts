import { describe, expect, test } from 'vitest'
import {
  envChanges,
  envProblem,
  isServiceId,
  limitChanges,
  limitFields,
  shownLimit,
  typedLimit
} from '../src/lonestar/checks'

test('a short name is a label of a domain that begins with a letter', () => {
  expect(['rss', 'a', 'a-b2', 'x'.repeat(63)].map(isServiceId)).toEqual([true, true, true, true])
  expect(['', '2a', '-a', 'a-', 'A', 'a.b', 'core.x', 'x'.repeat(64)].some(isServiceId)).toBe(false)
})

describe('the environment', () => {
  const rows = (...names: string[]) => names.map((name) => ({ name, value: '1' }))

  test.each([
    ['PORT', null],
    ['_x9', null],
    ['9x', 'wrong'],
    ['a b', 'wrong'],
    ['', 'wrong'],
    ['atek_host_port', 'reserved'],
    ['b', 'twice']
  ])('has a variable %j: %s', (name, problem) => {
    expect(envProblem(rows(name, 'B'), 0)).toBe(problem)
  })

  test('is sent as what changed alone', () => {
    const typed = [
      { name: 'A', value: '1' },
      { name: 'B', value: 'new' },
      { name: 'D', value: '' }
    ]
    expect(envChanges({ A: '1', B: 'old', C: 'x' }, typed)).toEqual({ B: 'new', C: null, D: '' })
    expect(envChanges({ A: '1' }, [{ name: 'A', value: '1' }])).toEqual({})
  })
})

describe('a limit', () => {
  const [memory, quota] = limitFields
  if (!memory || !quota) throw new Error('there are limits')

  test('of memory is typed in MiB', () => {
    expect(shownLimit({ memoryMax: 536_870_912 }, memory)).toBe('512')
    expect(typedLimit('512', memory)).toBe(536_870_912)
  })

  test.each([
    ['', null],
    [' ', null],
    ['0', undefined],
    ['-1', undefined],
    ['1.5', undefined],
    ['1e3', undefined],
    ['10001', undefined],
    ['150', 150]
  ])('of %j percent is %s', (typed, value) => {
    expect(typedLimit(typed, quota)).toBe(value)
  })

  test('that was set could not be taken away', () => {
    const stored = { memoryMax: '512', cpuQuota: '50', cpuWeight: '100', tasksMax: '128' }
    const typed = { ...stored, cpuQuota: ' ', tasksMax: '64', cpuWeight: 'many' }
    const changes = limitChanges(
      ({ name }) => stored[name],
      ({ name }) => typed[name]
    )
    expect(changes).toEqual({ cpuQuota: null, tasksMax: 64 })
  })
})

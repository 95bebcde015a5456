import { describe, expect, test } from 'vitest'
import { passwordProblem, strength } from '../src/lib/password'

describe('a password', () => {
  test.each([
    ['', 'short'],
    ['abc', 'short'],
    ['password', 'common'],
    ['P4$$w0rd', 'common'],
    ['12345678', 'common'],
    ['qwertzuiop', 'common'],
    ['aaaaaaaaaaaa', 'repeated'],
    ['abcabcabcabc', 'repeated'],
    ['efghijklmnop', 'sequence'],
    ['alice1987', 'personal']
  ])('such as %j is weak because it is %s', (password, weakness) => {
    const found = strength(password, ['Alice'])
    expect(found.score).toBeLessThanOrEqual(1)
    expect(found.weakness).toBe(weakness)
  })

  test.each(['lantern pickle orbit', 'vF7#qLm2!xRw', 'Kaffee-Wolke-Zebra-91'])(
    'such as %j is strong',
    (password) => {
      expect(strength(password)).toEqual({ score: 4, weakness: null })
    }
  )

  test('does not get weaker by what is added at its end', () => {
    const long = 'lantern pickle orbit'
    let last = 0
    for (let length = 8; length <= long.length; length += 1) {
      const { score } = strength(long.slice(0, length))
      expect(score).toBeGreaterThanOrEqual(last)
      last = score
    }
  })

  test('that is called very weak is not taken: password1 was', () => {
    expect(passwordProblem('password1')).toBe('weak')
    expect(passwordProblem('annaanna', ['anna'])).toBe('weak')
    expect(passwordProblem('1234567')).toBe('short')
    expect(passwordProblem('lantern pickle')).toBeNull()
  })

  test('is estimated at once, however long it is', () => {
    const started = performance.now()
    strength('ab1'.repeat(340))
    expect(performance.now() - started).toBeLessThan(5000)
  })
})

import { afterEach, beforeAll, expect, test, vi } from 'vitest'
import { ago, bytes, duration, moment, paragraphs, short } from '../src/lib/format'
import { isLanguage, language, match } from '../src/lib/language.svelte'
import { texts } from '../src/lonestar/texts'

vi.stubGlobal('document', { documentElement: {} })
beforeAll(() => language.start(texts))
afterEach(() => language.choose('en'))

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1 kB'],
  [1_536_000, '1.5 MB'],
  [999_600, '1 MB'],
  [128_000_000, '128 MB'],
  [5e15, '5,000 TB']
])('%d bytes are written %s', async (count, text) => {
  await language.choose('en')
  expect(bytes(count)).toBe(text)
})

test('the clock of the box was shown in the time zone of the browser', async () => {
  await language.choose('en')
  const when = '2026-11-28T20:30:00Z'
  expect(moment(when, 'Pacific/Auckland')).toContain('Nov 29, 2026')
  expect(moment(when, 'America/New_York')).toContain('Nov 28, 2026')
})

test('numbers and words follow the language', async () => {
  await language.choose('de')
  expect([bytes(1_536_000), duration(7200)]).toEqual(['1,5 MB', '2 Stunden'])
})

test.each([
  [3, 'now'],
  [45, '45 seconds ago'],
  [119, '1 minute ago'],
  [86_400, 'yesterday']
])('what was %d seconds before is said as %s', async (secs, text) => {
  await language.choose('en')
  const now = Date.UTC(2026, 10, 24)
  expect(ago(now - secs * 1000, now)).toBe(text)
})

test('a text of an app is one line, shows no hidden characters, and ends', () => {
  expect(short('a\n\tb\u202Ec\u200B', 20)).toBe('a b c')
  expect(short('😀'.repeat(9), 5)).toBe('😀😀😀😀…')
})

test('the first wanted language that there is wins, English otherwise', () => {
  expect([match(['fr', 'de-AT', 'en']), match(['fr']), match([])]).toEqual(['de', 'en', 'en'])
  expect([isLanguage('de'), isLanguage('toString'), isLanguage(null)]).toEqual([true, false, false])
})

test('a text of several lines keeps them, and nothing that hides or reorders', () => {
  expect(paragraphs('Faster\r\n\n\n\n- one \u202eevil\n\u0007- two\n', 100)).toBe(
    'Faster\n\n- one  evil\n- two'
  )
  expect(paragraphs('abc\ndef', 5)).toBe('abc\n…')
})

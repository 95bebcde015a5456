/** Finds what the host says and this code does not: no English on a German page. */

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { afterEach, beforeAll, expect, test, vi } from 'vitest'
import { apps as germanApps } from '../src/i18n/de/apps'
import { common as german } from '../src/i18n/de/common'
import { said as germanSaid } from '../src/i18n/de/said'
import { said as englishSaid } from '../src/i18n/en/said'
import { language } from '../src/lib/language.svelte'
import { inOurWords } from '../src/lib/said'
import { texts } from '../src/lonestar/texts'

vi.stubGlobal('document', { documentElement: {} })
beforeAll(async () => {
  await language.start(texts)
  await language.choose('de')
})
afterEach(() => language.choose('de'))

/** The Rust sources of the host, without their tests. */
const sources = execFileSync('git', ['ls-files', '../*.rs'], { encoding: 'utf8' })
  .split('\n')
  .filter((file) => file && !/tests?[./]/.test(file))
  .map((file) => ({ file, text: readFileSync(file, 'utf8').split('#[cfg(test)]')[0] ?? '' }))

const source = (has: RegExp) => {
  const found = sources.filter(({ text }) => has.test(text))
  expect(found.length, `sources with ${has}`).toBeGreaterThan(0)
  return found.map(({ text }) => text).join('\n')
}

/** A sentence with its placeholders filled in as the host might. */
const filled = (sentence: string) =>
  sentence
    .replace('{MIN_NAME}', '3')
    .replace('{MAX_NAME}', '64')
    .replace('{MIN_PASSWORD}', '8')
    .replace('{MAX_PASSWORD}', '1024')
    .replace(/\{(LISTEN_SECS|START_LIMIT_BURST|code|0)\}/g, '5')
    .replace('{number}', 'SIGKILL')

test('every reason that the host gives has a German sentence', () => {
  const reasons = new Set<string>()
  for (const { text } of sources) {
    for (const [, reason] of text.matchAll(/\.because\(\s*"([a-z-]+)"/g)) if (reason) reasons.add(reason)
  }
  for (const [, reason] of source(/=> "repository-not-found"/).matchAll(/Self::\w+ => "([a-z-]+)",/g)) {
    if (reason) reasons.add(reason)
  }
  expect(reasons.size).toBeGreaterThan(15)
  const texts: Readonly<Record<string, string>> = german.reasons ?? {}
  expect([...reasons].filter((reason) => !Object.hasOwn(texts, reason))).toEqual([])
})

test('every warning about a package has a German sentence', () => {
  const text = source(/pub enum WarningCode \{/)
  const [, body = ''] = text.split('pub enum WarningCode {')
  const names = [...(body.split('\n}')[0] ?? '').matchAll(/^ {4}([A-Z]\w+),$/gm)].map(
    ([, name]) => name ?? ''
  )
  const codes = names.map((name) => name.replace(/(?<!^)[A-Z]/g, (letter) => `-${letter}`).toLowerCase())
  expect(codes.length).toBeGreaterThan(3)
  const words = germanApps.install.warningWords ?? {}
  expect(codes.filter((code) => !Object.hasOwn(words, code))).toEqual([])
})

test('every refusal about users and sign-in is translated', () => {
  const text = source(/#\[error\("This username has already been taken"\)\]/)
  const sentences = [...text.matchAll(/#\[error\(\s*"([^"]+)"\s*\)\]/g)].map(([, sentence]) => sentence ?? '')
  expect(sentences.length).toBeGreaterThan(5)
  // Answers to programs, which the pages never cause.
  const inner = /^Not found: |cannot hash|shutting down|has no app/
  const missing = sentences.filter((one) => !inner.test(one) && inOurWords(filled(one)) === null)
  expect(missing).toEqual([])
})

test('every way in which a process ends is translated', () => {
  const text = source(/killed by the kernel: out of memory/)
  const [, body = ''] = text.split(/impl fmt::Display for Exit \{/)
  const display = body.split('\n}')[0] ?? ''
  const sentences = [...display.matchAll(/"([a-z][^"]+)"/g)].map(([, sentence]) => sentence ?? '')
  expect(sentences.length).toBeGreaterThan(8)
  expect(
    sentences.filter((one) => inOurWords(filled(one.replace('signal {}', 'signal SIGKILL'))) === null)
  ).toEqual([])
})

test('sentences are put together as the host does', () => {
  expect(inOurWords('exit code 3; it will be started again')).toBe(
    'Ihr Programm endete mit dem Code 3. Sie wird wieder gestartet.'
  )
  expect(inOurWords('starting again after: killed by the kernel: out of memory (limit 256 MiB)')).toBe(
    'Sie brauchte mehr Arbeitsspeicher als ihre Grenze von 256 MiB.'
  )
  expect(inOurWords('a sentence that nobody knows')).toBeNull()
  expect(inOurWords('exit code 3; a sentence that nobody knows')).toBeNull()
})

test('both languages fill in the same', () => {
  for (const key of Object.keys(englishSaid) as (keyof typeof englishSaid)[]) {
    const holes = (text: string) => [...text.matchAll(/\$\d/g)].map(String).sort()
    expect(holes(germanSaid[key]), key).toEqual(holes(englishSaid[key]))
  }
})

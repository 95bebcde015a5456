import { expect, test } from 'vitest'
import { above, choiceOf, inFolder, isSame, madeAt } from '../src/lonestar/backups'

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

test('a server is the same place until a person agrees to another key of it', () => {
  const hostKey = 'SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8'
  const set = { kind: 'server', url: 'sftp://anna@nas/b', hostKey } as const
  expect(choiceOf(set)).toBe('server')
  expect(choiceOf(undefined)).toBe('folder')
  expect(isSame(set, { kind: 'server', url: set.url })).toBe(true)
  expect(isSame(set, set)).toBe(false)
  expect(isSame(set, { kind: 'server', url: 'sftp://anna@other/b' })).toBe(false)
  expect(isSame(set, { kind: 'folder', path: '/mnt/b' })).toBe(false)
})

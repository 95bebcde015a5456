import { describe, expect, test } from 'vitest'
import { boxName, isBoxName, isCode, shownCode } from '../src/host/claim'
import { loadDraft, storeDraft } from '../src/host/draft'
import { destination, waitingApp } from '../src/host/redirect'
import { isUsername } from '../src/lib/api/users'

const HERE = 'http://atek.local:8080'

describe('after signing in', () => {
  test.each([
    ['', '/'],
    ['?redirect=/p/apps/rss%3Ftab%3Dlogs', '/p/apps/rss?tab=logs'],
    [
      '?redirect=%2F_atek%2Fbind-session%3Fservice%3Drss%26path%3D%2Fa',
      '/_atek/bind-session?service=rss&path=/a'
    ],
    ['?redirect=//evil.test/', '/'],
    ['?redirect=/%5Cevil.test/', '/'],
    ['?redirect=/%09/evil.test/', '/'],
    ['?redirect=https://evil.test/', '/'],
    ['?redirect=http://atek.local:8080/p', '/'],
    ['?redirect=javascript:alert(1)', '/'],
    ['?redirect=', '/'],
    ['?redirect=/_atek/login/%3Fredirect%3D/', '/'],
    ['?redirect=/_atek/loginx', '/_atek/loginx']
  ])('%j leads to %s', (query, path) => {
    expect(destination(query, HERE)).toBe(path)
  })

  test('the app behind the bind flow is known', () => {
    expect(waitingApp('/_atek/bind-session?service=rss&path=/', HERE)).toBe('rss')
    expect(waitingApp('/?service=rss', HERE)).toBeNull()
  })
})

test.each([
  ['abcd-efgh', 'ABCD-EFGH', true],
  [' o0il-l234 ', '0011-1234', true],
  ['abcd', 'ABCD', false],
  ['abcde', 'ABCD-E', false],
  ['', '', false]
])('the code %j is shown as %s', (typed, shown, whole) => {
  expect([shownCode(typed), isCode(typed)]).toEqual([shown, whole])
})

test.each([
  ["Anna's Box", 'annas-box', true],
  ['Müller Straße', 'muller-strasse', true],
  ['atek', 'atek', true],
  ['-x', '-x', false],
  ['', '', false]
])('a box that is called %j has the name %s', (typed, name, fits) => {
  expect([boxName(typed), isBoxName(boxName(typed))]).toEqual([name, fits])
})

test('a name with an umlaut was refused by one form and taken by another: all judge as the host does', () => {
  expect(['ada', 'jürgen', 'a.b-c_d'].map(isUsername)).toEqual([true, true, true])
  expect(['ab', 'system', 'System', 'a b c', ''].map(isUsername)).toEqual([false, false, false, false, false])
})

describe('what was answered', () => {
  const storage = () => {
    const kept = new Map<string, string>()
    return {
      kept,
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => void kept.set(key, value)
    }
  }
  const draft = { step: 'zone', code: 'ABCD1234', name: 'atek', username: 'ada', timezone: 'UTC' } as const

  test('outlives a reload, except for the password, which is asked for again', () => {
    const tab = storage()
    storeDraft(tab, { ...draft, password: 'lantern pickle' } as typeof draft)
    expect([...tab.kept.values()].join()).not.toContain('lantern')
    expect(loadDraft(tab)).toEqual({ ...draft, step: 'user' })
  })

  test.each(['', 'null', '[]', '{"step":"x","code":1}', '{'])('is nothing when the tab holds %j', (text) => {
    expect(loadDraft({ getItem: () => text })).toEqual({})
  })
})

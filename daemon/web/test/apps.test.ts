import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Service } from '../src/lib/api/services'
import { announced, answers, byName, byPort, forFrame, isNumeric } from '../src/lonestar/addresses'
import { hue, isCore, isOwn, letter, search, sorted, sourceUrl, title } from '../src/lonestar/apps'

afterEach(() => vi.unstubAllGlobals())

const addresses = { subdomain: 'x', port: null, mdns: [], problem: null }

function app(id: string, name?: string, description?: string, owner = 'ada'): Service {
  const settings = {
    id,
    owningUserKey: 'k',
    sourceUrl: 'https://example.org/x.git',
    package: { sourceType: 'git' as const },
    manifest: { ...(name !== undefined && { name }), ...(description !== undefined && { description }) }
  }
  return { status: 'active', state: 'running', reason: null, key: id, owner, addresses, settings }
}

const ids = (services: Service[]) => services.map((service) => service.settings.id)

test('an app without a name is called by its id, and a hostile name is one short line', () => {
  expect(title(app('rss'))).toBe('rss')
  expect(title(app('rss', '  '))).toBe('rss')
  expect(title(app('rss', 'News\n\u202Eevil'))).toBe('News evil')
  expect(title(app('rss', 'x'.repeat(500)))).toHaveLength(80)
})

test('a search finds names, ids and descriptions, without accents, the beginnings first', () => {
  const all = [app('a', 'My café'), app('news', 'Café list'), app('c', 'Photos', 'pictures of cafes')]
  expect(ids(search(all, 'CAFE'))).toEqual(['news', 'a', 'c'])
  expect(ids(search(all, 'photo pict'))).toEqual(['c'])
  expect(ids(search(all, ' '))).toHaveLength(3)
  expect(search(all, 'zebra')).toEqual([])
})

test('apps stand in the order of the language', () => {
  expect(ids(sorted([app('z', 'Zeta'), app('o', 'Öl'), app('p', 'Pad')], 'de'))).toEqual(['o', 'p', 'z'])
})

test('whose an app is decides where it is listed', () => {
  expect([isOwn(app('a'), 'ada'), isOwn(app('a', 'A', '', 'system'), 'ada'), isOwn(app('a'), 'bob')]).toEqual(
    [true, true, false]
  )
  expect([isCore(app('core.adb')), isCore(app('coreplan'))]).toEqual([true, false])
})

test('an app without an icon has a letter and a colour of its own', () => {
  expect([letter('~ news'), letter('über'), letter('!')]).toEqual(['N', 'Ü', '?'])
  expect(hue('rss')).toBe(hue('rss'))
  expect(new Set(['rss', 'notes', 'photos', 'mail', 'files'].map(hue)).size).toBeGreaterThan(2)
})

test.each([
  ['/srv/my app', 'file:///srv/my%20app'],
  [' https://example.org/a.git ', 'https://example.org/a.git'],
  ['example.org/a.git', 'https://example.org/a.git'],
  ['file:///srv/a', 'file:///srv/a'],
  ['a.git', 'a.git']
])('the source %j is %s', (typed, url) => {
  expect(sourceUrl(typed)).toBe(url)
})

describe('the address of an app', () => {
  const rss = { subdomain: 'rss', port: 8101, mdns: ['rss.atek.local'], problem: null }
  const here = (hostname: string, port = '') => ({ protocol: 'http:', hostname, port })

  test.each([
    ['atek.local', '', 'http://rss.atek.local/', 'http://atek.local:8101/'],
    ['localhost', '8080', 'http://rss.localhost:8080/', 'http://localhost:8101/'],
    ['192.168.1.5', '', null, 'http://192.168.1.5:8101/'],
    ['[fe80::1]', '', null, 'http://[fe80::1]:8101/']
  ])('from %s is its name or its port', (hostname, port, name, byNumber) => {
    expect(byName(rss, here(hostname, port))).toBe(name)
    expect(byPort(rss, here(hostname, port))).toBe(byNumber)
  })

  test("in a frame is one to which the session's cookie goes along", () => {
    expect(forFrame(rss, here('atek.local'), true)).toBe('http://rss.atek.local/')
    expect(forFrame(rss, here('atek.local'), false)).toBe('http://atek.local:8101/')
    expect(forFrame(rss, here('localhost'), true)).toBe('http://localhost:8101/')
    expect(forFrame({ ...rss, port: null }, here('localhost'), true)).toBe('http://rss.localhost/')
    expect(forFrame({ ...rss, port: null }, here('192.168.1.5'), false)).toBeNull()
  })

  test('that the box announces was shown where the network around it is not reached', () => {
    expect(announced(rss, here('atek.local', '8080'))).toEqual(['http://rss.atek.local:8080/'])
    expect(announced(rss, here('192.168.1.5'))).toEqual(['http://rss.atek.local/'])
    expect(announced(rss, here('localhost', '8080'))).toEqual([])
  })

  test('by number has no names below it', () => {
    expect(['192.168.1.5', '[::1]', 'atek.local', '1.2.3'].map(isNumeric)).toEqual([true, true, false, false])
  })

  test('answers or does not, whatever it says', async () => {
    vi.stubGlobal('fetch', async () => new Response('', { status: 401 }))
    expect(await answers('http://rss.atek.local/')).toBe(true)
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('no such name')))
    expect(await answers('http://rss.atek.local/')).toBe(false)
  })
})

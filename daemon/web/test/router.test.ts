import { expect, test } from 'vitest'
import { matchRoute } from '../src/lib/router.svelte'
import { isOurs, routes } from '../src/lonestar/routes'

const found = (path: string) => {
  const match = matchRoute(routes, path)
  return match && [match.route.path, match.params]
}

test.each([
  ['/', ['/', {}]],
  ['/p/apps/rss', ['/p/apps/:id', { id: 'rss' }]],
  ['/p/apps/rss/', ['/p/apps/:id', { id: 'rss' }]],
  ['/p/apps/rss/logs', ['/p/apps/:id/:tab', { id: 'rss', tab: 'logs' }]],
  ['/p/databases/KEY/a/b%20c', ['/p/databases/*', { '*': 'KEY/a/b%20c' }]],
  ['/p/apps/%E0%A4%A', null],
  ['/p', null],
  ['/index.html', null]
])('the path %s leads to %j', (path, expected) => {
  expect(found(path)).toEqual(expected)
})

test("the host's own paths are left to the browser", () => {
  expect(['/', '/p/x', '/_atekx'].map(isOurs)).toEqual([true, true, true])
  expect(['/_atek', '/_atek/login', '/_atek/setup/'].map(isOurs)).toEqual([false, false, false])
})

import { expect, test } from 'vitest'
import { apps as de } from '../src/i18n/de/apps'
import { apps as en } from '../src/i18n/en/apps'
import { permissionSet, permissionsOf, permissionWords } from '../src/lonestar/permissions'

const german = (asks: Record<string, unknown>, words: string[]) =>
  permissionWords(asks, words, de.permissions)

test('what an app asks for was English on a German page', () => {
  const asks = {
    network: { hosts: ['a.example.org', '*.b.example.org:8443'] },
    hostApis: ['atek.cloud/services-api', 'example.org/x']
  }
  expect(german(asks, ['1', '2'])).toEqual([
    'sich mit a.example.org verbinden',
    'sich mit *.b.example.org:8443 verbinden',
    de.permissions.apis['atek.cloud/services-api'],
    'in deinem Namen etwas über example.org/x ändern'
  ])
  expect(german({ network: 'direct' }, ['1'])).toEqual([de.permissions.direct])
  expect(german({ network: { direct: { lan: true } } }, ['1'])).toEqual([
    de.permissions.direct,
    de.permissions.directLan
  ])
  expect(permissionWords({ network: { hosts: ['a.org'] } }, ['1'], en.permissions)).toEqual([
    'connect to a.org'
  ])
})

test.each([
  [{ camera: true }],
  [{ network: { hosts: ['a.org'], camera: true } }],
  [{ network: { direct: { lan: true, more: 1 } } }],
  [{ network: 'everything' }],
  [{ network: { hosts: [1] } }],
  [{ hostApis: 'all' }],
  [{ hostApis: [1] }],
  [{ root: 'yes' }],
  [{}]
])('what this page does not know is said in the host’s words: %j', (asks) => {
  expect(german(asks, ['the host says'])).toEqual(['the host says'])
})

test('an API that is called like a property of every object is not one', () => {
  expect(german({ hostApis: ['constructor'] }, ['1'])).toEqual([de.permissions.api('constructor')])
})

test.each([
  {},
  { network: 'direct' },
  { devices: ['/dev/ttyUSB0', '/dev/video0'] },
  { listen: ['tcp/1883', 'udp/53'] },
  { mdns: true },
  { provides: ['atek.cloud/notes-api'] },
  { root: true },
  { network: { direct: { lan: true } } },
  { network: { hosts: ['a.org', '*.b.org:8443'] }, hostApis: ['atek.cloud/users-api', 'example.org/x'] }
])('a set is taken apart and put together again: %j', (set) => {
  const single = permissionsOf(set, en.permissions)
  expect(permissionSet((single ?? []).map(({ id }) => id))).toEqual(set)
})

test('one permission is granted without the others', () => {
  expect(permissionSet(['host:b.org'])).toEqual({ network: { hosts: ['b.org'] } })
  expect(permissionSet(['direct'])).toEqual({ network: 'direct' })
  expect(permissionSet([])).toEqual({})
})

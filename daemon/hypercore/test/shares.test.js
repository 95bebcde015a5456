import assert from 'node:assert/strict'
import fs from 'node:fs'
import { after, before, test } from 'node:test'
import Hyperbee from 'hyperbee'
import Protomux from 'protomux'
import createTestnet from 'hyperdht/testnet.js'
import { Home, meet, noDatabase, peer, until } from './home.js'

const options = { skip: noDatabase }
let testnet, one, two

before(async () => {
  if (noDatabase) return
  testnet = await createTestnet(3)
  one = await Home.open({ bootstrap: testnet.bootstrap })
  two = await Home.open({ bootstrap: testnet.bootstrap })
})
after(async () => {
  if (noDatabase) return
  await one.close()
  await two.close()
  await testnet.destroy()
})

async function database (config, records) {
  const { dbId } = await one.adb('dbCreate', [config])
  for (const [path, value] of Object.entries(records)) await one.adb('recordPut', [dbId, path, value])
  return dbId
}

const record = (home, dbId, path) => home.adb('recordGet', [dbId, path]).then(({ value }) => value, () => null)

/** What the other home has of a followed database, as soon as it is this. */
const becomes = (dbId, path, value) => until(async () => JSON.stringify(await record(two, dbId, path)) === JSON.stringify(value))

test('a database is shared by a link: live, read-only, offline, until the link ends', options, async () => {
  const dbId = await database({ replicated: true }, { '/posts/1': { text: 'hello' }, '/posts/2': { text: 'there' } })
  const share = await one.call('share', [dbId, { label: 'For Bob' }])
  assert.match(share.link, /^atek:\/\/db\/\w{52}\.\w{52}$/)
  const copy = await two.call('follow', [share.link], 'core.hypercore', 'bob')
  const bob = (method, params) => two.adb(method, params, 'core.adb', 'bob')
  await until(async () => (await bob('recordList', [copy.dbId, '/posts'])).records.length === 2)

  // Live: a change and a removal arrive; a subscriber's long poll sees them.
  const { seq } = await bob('recordDiff', [copy.dbId, '/'])
  const polled = bob('recordDiff', [copy.dbId, '/', { since: seq, wait: 20_000 }])
  await one.adb('recordPut', [dbId, '/posts/1', { text: 'changed' }])
  assert.equal((await polled).changes[0].value.text, 'changed')
  await one.adb('recordDelete', [dbId, '/posts/2'])
  await until(async () => (await bob('recordList', [copy.dbId, '/posts'])).records.length === 1)

  // Read-only, also for its owner; and out of reach for others.
  await assert.rejects(bob('recordPut', [copy.dbId, '/posts/3', {}]), /Not authorized/)
  await assert.rejects(two.adb('recordGet', [copy.dbId, '/posts/1'], 'core.adb', 'eve'), /Not authorized/)
  assert.equal((await bob('dbDescribe', [copy.dbId])).follows, share.key)

  // Ended, nothing more comes, while another share of the database goes on; what was there is still read.
  const other = await two.call('follow', [(await one.call('share', [dbId])).link])
  await becomes(other.dbId, '/posts/1', { text: 'changed' })
  await one.call('unshare', [share.id])
  await one.adb('recordPut', [dbId, '/posts/9', { text: 'secret' }])
  await becomes(other.dbId, '/posts/9', { text: 'secret' })
  const left = await bob('recordList', [copy.dbId, '/posts'])
  assert.deepEqual(left.records.map(({ value }) => value.text), ['changed'])
  await two.call('unfollow', [copy.id], 'core.hypercore', 'bob')
  await assert.rejects(bob('recordList', [copy.dbId, '/']), /DB not found|No access|Not authorized/)
})

test('what comes while the database of the follower is away is in its copy when that is back', options, async () => {
  const dbId = await database({ replicated: true }, { '/a': { n: 1 } })
  const { link } = await one.call('share', [dbId])
  const copy = await two.call('follow', [link])
  await becomes(copy.dbId, '/a', { n: 1 })
  two.databaseIsAway = true
  await one.adb('recordPut', [dbId, '/b', { n: 2 }])
  await until(async () => (await two.call('follows')).find(({ id }) => id === copy.id).error)
  two.databaseIsAway = false
  await becomes(copy.dbId, '/b', { n: 2 })
  await two.call('unfollow', [copy.id])
})

test('a plain hyperbee from npm reads a public database', options, async t => {
  const dbId = await database({ access: 'public' }, { '/a': { n: 1 }, '/b/c': { n: 2 } })
  const share = await one.call('share', [dbId, { access: 'public' }])
  const { store, swarm } = peer(t, testnet)
  const core = store.get({ key: Buffer.from(share.key, 'hex') })
  await core.ready()
  await meet(swarm, core.discoveryKey, () => core.length > 2)
  const bee = new Hyperbee(core, { keyEncoding: 'utf-8', valueEncoding: 'json' })
  const found = {}
  for await (const { key, value } of bee.createReadStream()) found[key] = value
  assert.deepEqual(found, { '/a': { n: 1 }, '/b/c': { n: 2 } })
})

test('only the owner shares, and only what says so', options, async () => {
  const dbId = await database({}, {})
  await assert.rejects(one.call('share', [dbId]), /may not be shared yet/)
  await one.adb('adminEditDbConfig', [dbId, { replicated: true }])
  await assert.rejects(one.call('share', [dbId], 'core.hypercore', 'eve'), /only the owner/)
  await assert.rejects(one.call('share', [dbId], 'someapp'), /only the owner/)
  await assert.rejects(one.call('share', [dbId, { access: 'public' }]), /private/)
  const { id } = await one.call('share', [dbId])
  await assert.rejects(one.call('unshare', [id], 'core.hypercore', 'eve'), /no such share/)
  assert.deepEqual(await one.call('shares', [], 'core.hypercore', 'eve'), [])
})

test('taking back the permission of the database ends its shares', options, async () => {
  const dbId = await database({ replicated: true }, { '/a': {} })
  const { id } = await one.call('share', [dbId])
  await one.adb('adminEditDbConfig', [dbId, { replicated: false }])
  await one.adb('recordPut', [dbId, '/b', {}])
  await until(async () => !(await one.call('shares')).some(share => share.id === id))
})

test('both sides go on after a restart, with what changed in between', options, async () => {
  const dbId = await database({ replicated: true }, { '/a': { n: 1 }, '/gone': {} })
  const { link } = await one.call('share', [dbId])
  const copy = await two.call('follow', [link])
  await becomes(copy.dbId, '/a', { n: 1 })
  await two.service.close()
  await one.adb('recordPut', [dbId, '/a', { n: 2 }])
  await one.adb('recordDelete', [dbId, '/gone'])
  await one.restart()
  await two.restart()
  await becomes(copy.dbId, '/a', { n: 2 })
  await until(async () => await record(two, copy.dbId, '/gone') === null)
})

test('a restored state, which is behind what others have, is followed on', options, async () => {
  const dbId = await database({ replicated: true }, { '/a': { n: 1 } })
  const { link } = await one.call('share', [dbId])
  const copy = await two.call('follow', [link])
  await becomes(copy.dbId, '/a', { n: 1 })
  const folder = one.env.STATE_DIRECTORY
  await one.service.close()
  fs.cpSync(folder, `${folder}.then`, { recursive: true })
  await one.restart()
  await one.adb('recordPut', [dbId, '/a', { n: 2 }])
  await becomes(copy.dbId, '/a', { n: 2 })
  await one.service.close()
  fs.rmSync(folder, { recursive: true })
  fs.renameSync(`${folder}.then`, folder)
  await one.adb('recordPut', [dbId, '/a', { n: 3 }])
  await one.restart()
  await becomes(copy.dbId, '/a', { n: 3 })
})

test('a home that comes after its follower has looked for it is found', options, async () => {
  const dbId = await database({ replicated: true }, { '/a': { n: 1 } })
  const { link } = await one.call('share', [dbId])
  await one.service.close()
  const copy = await two.call('follow', [link])
  // It has looked and found no peer; a plain swarm looks again after ten minutes.
  const { discoveryKey } = await two.call('info', [{ key: (await two.call('follows')).find(({ id }) => id === copy.id).key }])
  const looked = () => two.service.network.swarm.status(Buffer.from(discoveryKey, 'hex'))
  await until(looked)
  await looked().flushed()
  await one.restart()
  await becomes(copy.dbId, '/a', { n: 1 })
})

test('two people of a home follow the same link, and one of them ends it', options, async () => {
  const dbId = await database({ replicated: true }, { '/a': { n: 1 } })
  const { link } = await one.call('share', [dbId])
  await assert.rejects(one.call('follow', [link], 'core.hypercore', 'bob'), /a database of this box/)
  const copy = await two.call('follow', [link])
  await becomes(copy.dbId, '/a', { n: 1 })
  for (let round = 0; round < 2; round++) {
    const other = await two.call('follow', [link], 'core.hypercore', 'bob')
    await until(async () => (await two.adb('recordList', [other.dbId, '/'], 'core.adb', 'bob')).records.length === 1)
    await two.call('unfollow', [other.id], 'core.hypercore', 'bob')
  }
  await one.adb('recordPut', [dbId, '/a', { n: 2 }])
  await becomes(copy.dbId, '/a', { n: 2 })
  // Now the first of two ends it.
  const other = await two.call('follow', [link], 'core.hypercore', 'bob')
  await two.call('unfollow', [copy.id])
  await one.adb('recordPut', [dbId, '/b', { n: 3 }])
  await until(async () => (await two.adb('recordList', [other.dbId, '/'], 'core.adb', 'bob')).records.length === 2)
})

test('more databases than may wait for changes at once are all given away, and none holds up a call', options, async () => {
  const shared = []
  for (let n = 0; n < 70; n++) {
    const { dbId } = await one.adb('dbCreate', [{ access: 'public' }])
    const begin = Date.now()
    shared.push(await one.call('share', [dbId, { access: 'public' }]))
    assert.ok(Date.now() - begin < 5000, `share ${n} took ${Date.now() - begin} ms`)
  }
  const { dbId, id } = shared.at(-1)
  const length = async () => (await one.call('shares')).find(share => share.id === id).length ?? 0
  const before = await length()
  await one.adb('recordPut', [dbId, '/late', {}])
  await until(async () => await length() > before, 30_000)
  for (const { id } of shared) await one.call('unshare', [id])
})

test('many records arrive, also when the bee was lost and made again', options, async () => {
  const dbId = await database({ replicated: true }, {})
  for (let from = 0; from < 3000; from += 1000) {
    await one.adb('recordBatch', [dbId, Array.from({ length: 1000 }, (_, n) => ({ type: 'put', path: `/r/${from + n}`, value: { n: from + n } }))])
  }
  const { link } = await one.call('share', [dbId])
  const copy = await two.call('follow', [link])
  await until(async () => (await two.adb('adminListDbs', [{ userKey: 'alice' }])).find(db => db.dbId === copy.dbId).usage.records === 3000, undefined, 500)
})

test('a writer that lies gets nothing into the database but what a database can have', options, async t => {
  const { store, swarm } = peer(t, testnet)
  const core = store.get({ name: 'liar' })
  const bee = new Hyperbee(core, { keyEncoding: 'utf-8', valueEncoding: 'binary' })
  const put = (key, value) => bee.put(key, Buffer.from(value))
  await put('/good', '{"n":1}')
  await put('/not-json', '{')
  await put('/not-an-object', '[1]')
  await put(`/${'x'.repeat(2000)}`, '{}')
  await put('/../../atek.cloud/user/eve', '{"role":"admin"}')
  await put('/large', JSON.stringify({ x: 'x'.repeat(2 << 20) }))
  await put('//', '{}')
  await put('/deep', '['.repeat(100_000))
  swarm.join(core.discoveryKey, { server: true, client: false })
  await swarm.flush()
  const copy = await two.call('follow', [core.key.toString('hex')])
  await becomes(copy.dbId, '/good', { n: 1 })
  await until(async () => (await two.call('follows')).find(follow => follow.id === copy.id).skipped >= 5)
  // What is no bee at all: blocks of noise.
  await core.append(Array.from({ length: 50 }, () => Buffer.from('noise')))
  await until(async () => (await two.call('follows')).find(follow => follow.id === copy.id).error)
  assert.deepEqual(await record(two, copy.dbId, '/good'), { n: 1 })
  await two.call('unfollow', [copy.id])
})

test('a home that comes for one database hears of no other', options, async t => {
  const shares = []
  for (let n = 0; n < 3; n++) {
    const dbId = await database({ access: 'public' }, { '/a': { n } })
    shares.push(await one.call('share', [dbId, { access: 'public' }]))
  }
  const written = async () => (await one.call('shares')).filter(({ id, length }) => length > 1 && shares.some(share => share.id === id))
  await until(async () => (await written()).length === shares.length)
  const { store, swarm } = peer(t, testnet)
  const heard = []
  swarm.removeAllListeners('connection')
  swarm.on('connection', connection => {
    connection.on('error', () => {})
    store.replicate(connection)
    // In place of the store, which would look for a core that it knows.
    Protomux.from(connection).pair({ protocol: 'hypercore/alpha' }, id => { heard.push(id.toString('hex')) })
  })
  const core = store.get({ key: Buffer.from(shares[1].key, 'hex') })
  await core.ready()
  await meet(swarm, core.discoveryKey, () => core.length > 1)
  const bee = new Hyperbee(core, { keyEncoding: 'utf-8', valueEncoding: 'json' })
  assert.deepEqual((await bee.get('/a')).value, { n: 1 })
  assert.deepEqual(heard.filter(id => id !== core.discoveryKey.toString('hex')), [])
  for (const { id } of shares) await one.call('unshare', [id])
})

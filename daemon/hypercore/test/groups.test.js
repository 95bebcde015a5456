import assert from 'node:assert/strict'
import fs from 'node:fs'
import { after, before, test } from 'node:test'
import crypto from 'hypercore-crypto'
import HyperDHT from 'hyperdht'
import createTestnet from 'hyperdht/testnet.js'
import * as entries from '../src/entries.js'
import { Home, noDatabase, until } from './home.js'

const options = { skip: noDatabase }
const PERSON = 'core.hypercore'
let testnet, homes, keys, db

/** Homes whose people know each other: the first one all others. */
async function neighbours (count) {
  const made = []
  for (let n = 0; n < count; n++) made.push(await Home.open({ bootstrap: testnet.bootstrap }))
  for (const home of made.slice(1)) {
    const { link } = await made[0].call('inviteContact')
    await home.call('addContact', [link])
    const { id } = await until(async () => (await made[0].call('contacts')).find(({ status }) => status === 'asks'))
    await made[0].call('confirmContact', [id])
    await until(async () => (await home.call('contacts'))[0].status === 'confirmed')
  }
  return made
}

before(async () => {
  if (noDatabase) return
  testnet = await createTestnet(3)
  homes = await neighbours(3)
  keys = await Promise.all(homes.map(async home => (await home.call('identity')).key))
})
after(async () => {
  if (noDatabase) return
  for (const home of homes) await home.close()
  await testnet.destroy()
})

const list = async home => (await home.adb('recordList', [(await shared(home)).dbId, '/', { limit: 500 }])).records.map(({ path, value }) => [path, value])
const shared = async (home, id = db) => (await home.call('sharedDatabases')).find(group => group.id === id)
const put = (home, path, value) => home.call('sharedPut', [db, path, value])
const record = async (home, path) => home.adb('recordGet', [(await shared(home)).dbId, path]).then(({ value }) => value, () => null)
const becomes = (home, path, look) => until(async () => {
  const value = await record(home, path)
  return look(value) && { value }
})
const agree = () => until(async () => {
  const all = await Promise.all(homes.map(list))
  return all.every(one => JSON.stringify(one) === JSON.stringify(all[0])) && all[0]
})

async function join (home) {
  await until(() => shared(home))
  assert.equal((await shared(home)).status, 'invited')
  await home.call('joinShared', [db])
}

test('three homes write one database, and each record says who wrote it', options, async () => {
  db = (await homes[0].call('createShared', [{ label: 'Circle' }])).id
  await put(homes[0], '/posts/1', { text: 'hello' })
  for (const key of keys.slice(1)) await homes[0].call('inviteWriter', [db, key])
  for (const home of homes.slice(1)) await join(home)
  // What one home wrote is there when its call returns, and at the others soon.
  await put(homes[1], '/posts/2', { text: 'from two' })
  assert.equal((await record(homes[1], '/posts/2')).text, 'from two')
  await put(homes[2], '/posts/3', { text: 'from three' })
  for (const home of homes) {
    for (const [n, text] of ['hello', 'from two', 'from three'].entries()) {
      const { value } = await becomes(home, `/posts/${n + 1}`, value => value?.text === text)
      assert.equal(value._by, keys[n])
    }
  }
  // Proven: anybody can check the signature with the key alone.
  const who = await homes[0].call('sharedWho', [db, '/posts/3'])
  const signed = Buffer.from(JSON.stringify(['atek entry v1', db, '/posts/3', who.at, who.by, who.value]))
  assert.equal(who.by, keys[2])
  assert.ok(crypto.verify(signed, Buffer.from(who.signature, 'hex'), Buffer.from(keys[2], 'hex')))
  // The copy is written by this alone, and no writer claims to be another.
  const { dbId } = await shared(homes[1])
  await assert.rejects(homes[1].adb('recordPut', [dbId, '/posts/4', {}]), /Not authorized/)
  await assert.rejects(put(homes[1], '/x', { _by: keys[0] }), /set by the service/)
  await assert.rejects(homes[1].call('sharedPut', [db, '/x', {}], PERSON, 'eve'), /no such shared/)
  await assert.rejects(homes[1].call('sharedPut', [db, '/x', {}], 'app'), /no such shared/)
})

test('changes of one record at the same time end the same everywhere, also after partings', options, async () => {
  await homes[1].service.close()
  for (let n = 0; n < 20; n++) {
    await put(homes[n % 2 ? 2 : 0], '/contested', { n })
    await put(homes[n % 2 ? 0 : 2], '/contested', { n: -n })
  }
  await homes[0].call('sharedDelete', [db, '/posts/1'])
  await put(homes[2], '/posts/9', { text: 'nine' })
  await homes[1].restart()
  await put(homes[1], '/contested', { n: 'last' })
  await becomes(homes[0], '/contested', value => value?.n === 'last')
  const all = await agree()
  assert.ok(!all.some(([path]) => path === '/posts/1'))
  // An older write does not bring back what was deleted.
  assert.deepEqual(Object.fromEntries(all)['/contested'].n, 'last')
})

test('a restart takes what others wrote out of the copy not even for a moment', options, async () => {
  await agree()
  const home = homes[1]
  const { dbId } = await shared(home)
  const { seq } = await home.adb('recordDiff', [dbId, '/', { limit: 1000 }])
  await home.restart()
  await put(home, '/after-restart', { n: 1 })
  await becomes(homes[0], '/after-restart', value => value?.n === 1)
  const { changes, more } = await home.adb('recordDiff', [dbId, '/', { since: seq, limit: 1000 }])
  assert.deepEqual([changes.map(({ type, path }) => [type, path]), more], [[['put', '/after-restart']], false])
})

test('what comes while the database of a home is away is in its copy when that is back', options, async () => {
  const [one, two] = homes
  one.databaseIsAway = true
  await put(two, '/away/two', { n: 2 })
  await assert.rejects(put(one, '/away/one', { n: 1 }), /broke off/)
  // What the other home wrote is here, and was to be put into the copy.
  await until(async () => (await shared(one)).error)
  one.databaseIsAway = false
  await becomes(one, '/away/two', value => value?.n === 2)
  await becomes(one, '/away/one', value => value?.n === 1)
  await becomes(two, '/away/one', value => value?.n === 1)
})

test('two homes go on while the owner is away, and the owner catches up', options, async () => {
  await homes[0].service.close()
  await put(homes[1], '/away', { n: 1 })
  await becomes(homes[2], '/away', value => value?.n === 1)
  await put(homes[2], '/away', { n: 2 })
  await becomes(homes[1], '/away', value => value?.n === 2)
  await homes[0].restart()
  await becomes(homes[0], '/away', value => value?.n === 2)
  await agree()
})

test('a home that lost the end of its core to a power cut writes a new one, and the others go on with it', options, async () => {
  const home = homes[1]
  // A copy of the state as it would be on the disk, then changes that others see, then the cut.
  await home.service.close()
  const folder = home.env.STATE_DIRECTORY
  fs.cpSync(folder, `${folder}.then`, { recursive: true })
  await home.restart()
  await put(home, '/lost', { n: 1 })
  await becomes(homes[0], '/lost', value => value?.n === 1)
  await home.service.close()
  fs.rmSync(folder, { recursive: true })
  fs.renameSync(`${folder}.then`, folder)
  await home.restart()
  await put(home, '/after', { n: 2 })
  for (const other of homes) await becomes(other, '/after', value => value?.n === 2)
  await put(homes[2], '/after', { n: 3 })
  for (const other of homes) await becomes(other, '/after', value => value?.n === 3)
  await agree()
})

test('hostile entries in a member\'s own core change nothing of others', options, async () => {
  const home = homes[2]
  const [group] = [...home.service.groups.running.values()]
  const before = JSON.stringify((await list(homes[0])).filter(([path]) => path !== '/marker'))
  const mallory = HyperDHT.keyPair()
  const now = Date.now()
  const batch = group.bee.batch()
  const theirs = entries.sign(db, '/posts/2', { text: 'forged' }, now + 1000, group.keyPair)
  for (const [key, value] of [
    ['r//posts/2', { ...theirs, by: keys[0] }],
    ['r//posts/x', entries.sign(db, '/posts/x', { text: 'stranger' }, now, mallory)],
    ['r//moved', entries.sign(db, '/elsewhere', { text: 'other path' }, now, group.keyPair)],
    ['r//other', entries.sign('00'.repeat(16), '/other', { text: 'other group' }, now, group.keyPair)],
    ['r//future', entries.sign(db, '/future', { text: 'for ever' }, now + 1e11, group.keyPair)],
    ['r//deep', { ...theirs, j: '[1]' }], ['r//no', null], ['r//text', 'x'], ['r/', theirs], ['junk', 1], ['r//long', { ...theirs, j: 'x'.repeat(10) }],
    [`m/${mallory.publicKey.toString('hex')}`, { since: 1 }]
  ]) await batch.put(key, value)
  await batch.flush()
  await put(home, '/marker', { n: 1 })
  for (const other of homes.slice(0, 2)) {
    await becomes(other, '/marker', value => value?.n === 1)
    assert.equal(JSON.stringify((await list(other)).filter(([path]) => path !== '/marker')), before)
    assert.equal((await shared(other)).writers.length, 3)
  }
})

test('a member whose core is too long is not copied, and the others go on', options, async () => {
  const home = homes[2]
  const [group] = [...home.service.groups.running.values()]
  // Announced, and never sent: 10 GB in a core of few blocks, of which the others see the size.
  const giant = home.service.groups.store.get({ name: 'giant' })
  await giant.ready()
  await giant.append(Array.from({ length: 40 }, () => Buffer.alloc(15 << 20)))
  const signed = { core: giant.key.toString('hex'), generation: group.record.generation + 1 }
  const signature = crypto.sign(Buffer.from(JSON.stringify(['atek core v1', db, signed.core, signed.generation])), group.keyPair.secretKey).toString('hex')
  group.record.cores[keys[2]] = { ...signed, signature }
  home.service.groups.hail(group)
  for (const line of home.service.groups.lines.people.get('alice').lines.values()) giant.replicate(line.stream)
  await until(async () => /bytes, and may have/.test((await shared(homes[0])).error))
  await put(homes[0], '/goes-on', { n: 1 })
  await becomes(homes[1], '/goes-on', value => value?.n === 1)
  await group.locked(() => group.renew())
  await put(home, '/back', { n: 1 })
  await becomes(homes[0], '/back', value => value?.n === 1)
  await until(async () => !(await shared(homes[0])).error)
})

test('who is removed writes no more and hears no more; what they wrote stays', options, async () => {
  await homes[0].call('removeWriter', [db, keys[2]])
  await put(homes[2], '/too-late', { n: 1 }).catch(() => {})
  await put(homes[0], '/secret', { n: 1 })
  await becomes(homes[1], '/secret', value => value?.n === 1)
  await homes[1].call('sharedPut', [db, '/posts/2', { text: 'again' }])
  await becomes(homes[0], '/posts/2', value => value?.text === 'again')
  for (const other of homes.slice(0, 2)) {
    assert.equal((await record(other, '/posts/3'))._by, keys[2])
    assert.equal(await record(other, '/too-late'), null)
  }
  assert.equal(await record(homes[2], '/secret'), null)
  // Their home is told, also when the connection ended before the owner's core came.
  await until(async () => (await shared(homes[2])).status === 'removed')
  await assert.rejects(put(homes[2], '/too-late', { n: 2 }), /do not write this database any more/)
  await homes[1].call('leaveShared', [db])
  assert.equal(await shared(homes[1]), undefined)
})

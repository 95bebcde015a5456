// Logs that are made to mislead those who read them. Each attempt is a log of a plain corestore that a home follows, or of a
// person who writes a shared database; beside each, what is honest goes on.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import Hyperbee from 'hyperbee'
import messages from 'hyperbee/lib/messages.js'
import createTestnet from 'hyperdht/testnet.js'
import { Home, noDatabase, peer, until } from './home.js'

const options = { skip: noDatabase }
/** A service that is asked while a hostile log is read answers in this time. */
const ANSWERS = 5000
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

const HEADER = messages.Header.encode({ protocol: 'hyperbee' })
/** A block of a bee: a key, and the nodes of the tree that it holds. */
const block = (key, ...levels) => node(key, levels, Buffer.from('{"n":1}'))
const node = (key, levels, value) => messages.Node.encode({ key: Buffer.from(key), value, index: messages.YoloIndex.encode({ levels }) })
const leaf = seq => ({ keys: [seq], children: [] })

/** Each is a log, and the reason that is shown for it. */
const logs = {
  'a node that is its own child': [/damaged, or made to mislead/, [HEADER, block('/a', { keys: [1], children: [1, 0, 1, 0] })]],
  'two nodes that are each other\'s child': [/damaged, or made to mislead/, [HEADER, block('/a', { keys: [1], children: [2, 0, 2, 0] }), block('/b', { keys: [2], children: [1, 0, 1, 0] })]],
  'a node under itself in its own block': [/damaged, or made to mislead/, [HEADER, block('/a', { keys: [1], children: [1, 1, 1, 1] }, { keys: [1], children: [1, 0, 1, 0] })]],
  'nodes without a key': [/damaged, or made to mislead/, [HEADER, block('/a', leaf(1)), ...Array.from({ length: 60 }, (_, n) => block('/a', { keys: [], children: [n + 1, 0, n + 1, 0] }))]],
  'one subtree 2^60 times': [/damaged, or made to mislead/, [HEADER, block('/a', leaf(1)), ...Array.from({ length: 60 }, (_, n) => block('/a', { keys: [n + 1], children: [n + 1, 0, n + 1, 0] }))]],
  'a path that does not end': [/damaged, or made to mislead/, [HEADER, block('/a', leaf(1)), ...Array.from({ length: 2000 }, (_, n) => block('/a', { keys: [n + 1], children: [n + 1, 0, 1, 0] }))]],
  'a path that does not end, in one block': [/damaged, or made to mislead/, [HEADER, block('/a', ...Array.from({ length: 100_000 }, (_, n) => ({ keys: [1], children: [1, n + 1, 1, n + 1] })), leaf(1))]],
  'keys out of order': [/damaged, or made to mislead/, [HEADER, block('/b', leaf(1)), block('/a', { keys: [1, 2], children: [] })]],
  'a node that is not there': [/./, [HEADER, block('/a', leaf(1)), block('/b', { keys: [2], children: [1, 7, 1, 7] })]],
  'an entry that is not there': [/damaged, or made to mislead/, [HEADER, block('/a', leaf(9))]],
  'a node of 10,000 keys': [/damaged, or made to mislead/, [HEADER, block('/a', { keys: Array.from({ length: 10_000 }, () => 1), children: [] })]],
  'bytes that are no tree at all': [/./, [Buffer.from('no header'), Buffer.from('noise'), Buffer.alloc(10_000, 0xff)]],
  // In one node, as a tree of eight keys has them.
  'more than a copy may bring': [/more than 4194304 bytes/, [HEADER, ...Array.from({ length: 8 }, (_, n) => node(`/${n}`, [{ keys: Array.from({ length: n + 1 }, (_, at) => at + 1), children: [] }], Buffer.alloc(2 << 20, 7)))]]
}

const isAwake = async home => {
  const begin = Date.now()
  await home.call('status')
  assert.ok(Date.now() - begin < ANSWERS, `the service answered after ${Date.now() - begin} ms`)
}

test('a log that misleads its reader is told, and holds up nothing', options, async t => {
  two.service.follows.maxBytes = 4 << 20
  const { store, swarm } = peer(t, testnet)
  const honest = store.get({ name: 'honest' })
  const bee = new Hyperbee(honest, { keyEncoding: 'utf-8', valueEncoding: 'json' })
  await bee.put('/a', { n: 0 })
  swarm.join(honest.discoveryKey, { server: true, client: false })
  const keys = {}
  for (const [name, [, blocks]] of Object.entries(logs)) {
    const core = store.get({ name })
    await core.ready()
    await core.append(blocks)
    keys[name] = core.key.toString('hex')
    swarm.join(core.discoveryKey, { server: true, client: false })
  }
  await swarm.flush()
  const good = await two.call('follow', [honest.key.toString('hex')])
  let round = 0
  const goesOn = async () => {
    await bee.put('/a', { n: ++round })
    await until(async () => (await two.adb('recordGet', [good.dbId, '/a']).then(({ value }) => value.n, () => null)) === round)
  }
  await goesOn()
  for (const [name, [expected]] of Object.entries(logs)) {
    await t.test(name, async () => {
      const bad = await two.call('follow', [keys[name]])
      const told = await until(async () => (await two.call('follows')).find(({ id }) => id === bad.id).error)
      assert.match(told, expected)
      await isAwake(two)
      await goesOn()
      await two.call('unfollow', [bad.id])
    })
  }
  two.service.follows.maxBytes = 2 * (1 << 30)
  // A writer who announces a log and gives nothing of it.
  const stalls = store.get({ name: 'stalls' })
  await stalls.ready()
  await stalls.append([HEADER, block('/a', leaf(1)), block('/b', leaf(2))])
  await stalls.clear(0, 3)
  swarm.join(stalls.discoveryKey, { server: true, client: false })
  const waits = await two.call('follow', [stalls.key.toString('hex')])
  await until(async () => (await two.call('follows')).find(({ id }) => id === waits.id).length === 3)
  await isAwake(two)
  await goesOn()
  const begin = Date.now()
  await two.call('unfollow', [waits.id])
  assert.ok(Date.now() - begin < ANSWERS, `unfollowed after ${Date.now() - begin} ms`)
})

test('a person who writes what misleads is left out of the shared database, and removed', options, async () => {
  const { link } = await one.call('inviteContact')
  await two.call('addContact', [link])
  const { id: contact, key } = await until(async () => (await one.call('contacts')).find(({ status }) => status === 'asks'))
  await one.call('confirmContact', [contact])
  await until(async () => (await two.call('contacts'))[0]?.status === 'confirmed')
  const { id, dbId } = await one.call('createShared')
  await one.call('inviteWriter', [id, contact])
  await until(async () => (await two.call('sharedDatabases')).length)
  await two.call('joinShared', [id])
  const record = path => one.adb('recordGet', [dbId, path]).then(({ value }) => value, () => null)
  const group = [...two.service.groups.running.values()][0]
  const shown = () => one.call('sharedDatabases').then(([found]) => found)
  let [round, honest] = [0, 0]
  for (const [name, write] of Object.entries({
    'a value that is no JSON': () => new Hyperbee(group.own, { keyEncoding: 'utf-8', valueEncoding: 'utf-8' }).put('r//x', '{'),
    'a node that is its own child': () => { const seq = group.own.length; return group.own.append(block('r//x', { keys: [seq], children: [seq, 0, seq, 0] })) },
    'a node that is not there': () => group.own.append(block('m/x', { keys: [1], children: [1, 9, 1, 9] })),
    noise: () => group.own.append(Buffer.alloc(1000, 0xff))
  })) {
    // An honest log of theirs comes, and their next one after it.
    if (honest) {
      await group.own.truncate(honest)
      await group.locked(() => group.renew())
    }
    await two.call('sharedPut', [id, `/honest/${++round}`, { n: round }])
    await until(async () => (await record(`/honest/${round}`))?.n === round)
    honest = group.own.length
    await write()
    await until(async () => /is left out/.test((await shown()).error))
    await isAwake(one)
    await one.call('sharedPut', [id, '/owner', { round }])
    assert.equal((await record('/owner')).round, round, name)
  }
  await one.call('removeWriter', [id, key])
  assert.deepEqual((await shown()).writers.map(({ key }) => key).includes(key), false)
})

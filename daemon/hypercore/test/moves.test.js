// Homes and a laptop get other addresses, ten times: how long until pages, calls and databases go on.

import assert from 'node:assert/strict'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { noDatabase, post, until } from './home.js'
import { BOOTSTRAP, Neighbourhood, noNeighbourhood } from './neighbourhood.js'

const ROUNDS = Number(process.env.ROUNDS ?? 10)
const SUSPENSIONS = 3
/** What is promised, in milliseconds. */
const SURVIVED = 5000
const file = name => fileURLToPath(new URL(name, import.meta.url))

class Remote {
  static async open (net, name) {
    const home = new Remote()
    home.name = name
    net.network(name)
    home.program = net.program(name, [file('home-process.js'), JSON.stringify({ bootstrap: BOOTSTRAP, bind: '0.0.0.0' })])
    for (let line = await home.program.said; ; line = await home.program.next()) {
      home.folder = /^home (.+)/.exec(line)?.[1]
      if (home.folder) return home
    }
  }

  call (method, params = [], service = 'core.hypercore') {
    return post(path.join(this.folder, 'hypercore.sock'), '/_api/hypercore', method, params, 'alice', service)
  }

  adb (method, params = []) {
    return post(path.join(this.folder, 'adb.sock'), '/_api/adb', method, params, 'alice', 'core.adb')
  }

  remote (key) {
    return post(path.join(this.folder, 'hypercore.sock'), `/_api/hypercore/remote?home=${key}&api=x.org%2Fa`, 'hello', [], 'alice', 'app')
  }

  async end () {
    const ended = new Promise(resolve => this.program.child.once('exit', resolve))
    this.program.child.stdin.end()
    await ended
  }
}

/** Two contacts: the second one calls apps of the first, writes a database with it, and follows one of it. */
async function together (one, two) {
  const { link } = await one.call('inviteContact')
  await two.call('addContact', [link])
  const asks = await until(async () => (await one.call('contacts')).find(({ status }) => status === 'asks'))
  await one.call('confirmContact', [asks.id])
  await one.call('allowContact', [asks.id, 'x.org/a'])
  const { key } = await until(async () => { const [contact] = await two.call('contacts'); return contact.status === 'confirmed' && contact })
  return { key, asks }
}

async function writeTogether (one, two, { asks }) {
  const { id, dbId } = await one.call('createShared')
  await one.call('inviteWriter', [id, asks.key])
  await until(async () => (await two.call('sharedDatabases')).length)
  return { id, dbs: [dbId, (await two.call('joinShared', [id])).dbId] }
}

async function followed (one, two) {
  const { dbId } = await one.adb('dbCreate', [{ replicated: true }])
  const { link } = await one.call('share', [dbId])
  return { dbId, copy: (await two.call('follow', [link])).dbId }
}

const reads = (home, dbId, at, n) => home.adb('recordGet', [dbId, at]).then(({ value }) => value.n === n, () => false)
const now = () => performance.now()

/** Milliseconds until `look` succeeds. */
async function took (look) {
  const begin = now()
  await until(() => look().then(found => found, () => false), 60_000, 20)
  return now() - begin
}

function show (what, times) {
  const sorted = [...times].sort((a, b) => a - b)
  console.log(`${what}: ${sorted[0].toFixed(0)} / ${sorted[sorted.length >> 1].toFixed(0)} / ${sorted.at(-1).toFixed(0)} ms (min / median / max of ${sorted.length})`)
  return sorted.at(-1)
}

async function neighbours (t, names) {
  const net = await Neighbourhood.open()
  const homes = []
  t.after(async () => {
    for (const home of homes) await home.end()
    await net.close()
  })
  for (const name of names) homes.push(await Remote.open(net, name))
  return [net, ...homes]
}

test('pages over a tunnel, calls and databases go on within five seconds of another address', { skip: noDatabase || noNeighbourhood }, async t => {
  const [net, one, two, caller] = await neighbours(t, ['one', 'two', 'three'])
  const people = await together(one, two)
  const shared = await writeTogether(one, two, people)
  const follow = await followed(one, two)
  // No database keeps the line of these two.
  const others = await together(one, caller)
  net.network('laptop')
  const { link } = await one.call('pairDevice')
  const laptop = net.program('laptop', [file('laptop-process.js'), link, JSON.stringify(BOOTSTRAP)])
  assert.equal(await laptop.said, 'open')

  const times = {}
  const note = (what, time) => (times[what] ??= []).push(time)
  const round = async (who, n) => {
    await took(() => caller.remote(others.key))
    await took(() => two.remote(people.key))
    net.move(who)
    const begin = now()
    const value = { n: `${who} ${n}` }
    await Promise.all([
      one.call('sharedPut', [shared.id, '/one', value]),
      two.call('sharedPut', [shared.id, '/two', value]),
      one.adb('recordPut', [follow.dbId, '/live', value])
    ])
    const since = async look => { await took(look); return now() - begin }
    await Promise.all([
      since(() => caller.remote(others.key)).then(time => note(`${who} moves, a call without a line kept`, time)),
      since(() => two.remote(people.key)).then(time => note(`${who} moves, a call`, time)),
      since(async () => await reads(two, shared.dbs[1], '/one', value.n) && reads(one, shared.dbs[0], '/two', value.n)).then(time => note(`${who} moves, writes of both`, time)),
      since(() => reads(two, follow.copy, '/live', value.n)).then(time => note(`${who} moves, a followed database`, time)),
      who === 'two' ? null : laptop.next().then(time => note(`${who} moves, pages over the tunnel`, Number(time)))
    ])
  }
  for (let n = 0; n < ROUNDS; n++) {
    for (const who of ['one', 'two']) await round(who, n)
    net.move('laptop')
    note('the laptop moves, pages over the tunnel', Number(await laptop.next()))
  }
  const longest = Object.entries(times).map(([what, values]) => show(what, values))
  assert.ok(Math.max(...longest) <= SURVIVED)
})

test('two homes that move right after each other go on within five seconds', { skip: noDatabase || noNeighbourhood }, async t => {
  const [net, one, two] = await neighbours(t, ['one', 'two'])
  const shared = await writeTogether(one, two, await together(one, two))
  const times = []
  for (let n = 0; n < ROUNDS; n++) {
    for (const home of [one, two]) {
      net.move(home.name)
      const value = { n: `${home.name} ${n}` }
      times.push(await took(async () => {
        for (const [writer, path] of [[one, '/one'], [two, '/two']]) await writer.call('sharedPut', [shared.id, path, value])
        return true
      }) + await took(async () => await reads(two, shared.dbs[1], '/one', value.n) && await reads(one, shared.dbs[0], '/two', value.n)))
    }
  }
  assert.ok(show('writes of both, each home moves as soon as the other is back', times) <= SURVIVED)
})

test('a home that was suspended is back within five seconds', { skip: noDatabase || noNeighbourhood }, async t => {
  const [, one, two] = await neighbours(t, ['one', 'two'])
  const people = await together(one, two)
  const shared = await writeTogether(one, two, people)
  const times = []
  for (let n = 0; n < SUSPENSIONS; n++) {
    await took(() => two.remote(people.key))
    two.program.child.kill('SIGSTOP')
    await until(async () => !(await one.call('contacts'))[0].connected)
    await one.call('sharedPut', [shared.id, '/one', { n }])
    two.program.child.kill('SIGCONT')
    times.push(await took(async () => {
      await two.call('sharedPut', [shared.id, '/two', { n }])
      return true
    }) + await took(async () => await reads(two, shared.dbs[1], '/one', n) && await reads(one, shared.dbs[0], '/two', n)))
  }
  assert.ok(show('writes of both after a suspension', times) <= SURVIVED)
})

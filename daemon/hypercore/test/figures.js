// Figures of one run, beside bare hyperswarm: `npm run figures`. Times are of this machine; compare the columns, not runs.

import fs from 'node:fs'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import Corestore from 'corestore'
import Hyperbee from 'hyperbee'
import Hypercore from 'hypercore'
import createTestnet from 'hyperdht/testnet.js'
import Hyperswarm from 'hyperswarm'
import { Tunnel } from '../clients/connect/index.js'
import { Home, until } from './home.js'

const MIB = 64
const RECORDS = 5000
const PUTS = 200
/** Pause after which memory is what it is without work, in milliseconds. */
const QUIET = 20_000
const FOLLOWERS = (process.env.FOLLOWERS ?? '1,10,50,100,200').split(',').map(Number)
const MAIN = fileURLToPath(new URL('../main.js', import.meta.url))

/** What the host says besides (daemon/atekd/src/services/core_service.rs). */
const AS_HOST = { MALLOC_ARENA_MAX: '2', NODE_OPTIONS: '--max-semi-space-size=1' }

/** The stores of plain peers, which go at the end, however it comes. A store takes as much of the disk as it may keep in memory, 64 MiB if nothing is said. */
const STORE = { writeBufferSize: 1 << 20, maxBackgroundJobs: 1 }
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'atek-figures-'))
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }))
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(1))

const testnet = await createTestnet(5)
console.log(`load of the machine: ${os.loadavg().map(load => load.toFixed(1)).join(', ')}; ${os.cpus().length} processors, Node ${process.version}`)
const bootstrap = testnet.bootstrap
const ms = since => `${(performance.now() - since).toFixed(0)} ms`
const say = (...words) => console.log(words.join(' '))
const quantiles = times => { times.sort((a, b) => a - b); return `p50 ${times[times.length >> 1].toFixed(0)} ms, p99 ${times[Math.floor(times.length * 0.99)].toFixed(0)} ms` }

/** A home whose service is a process, so that its memory is its own. */
async function separate () {
  const home = await Home.open({ bootstrap })
  await home.service.close()
  const child = spawn(process.execPath, [MAIN], { env: { ...process.env, ...AS_HOST, ...home.env }, stdio: ['ignore', 'ignore', 'inherit'] })
  await until(() => home.call('status').then(() => true, () => false))
  const read = what => `${(Number(new RegExp(`${what}:\\s+(\\d+)`).exec(fs.readFileSync(`/proc/${child.pid}/status`, 'utf8'))[1]) / 1024).toFixed(0)} MiB`
  home.memory = () => read('VmRSS')
  /** Since its start. */
  home.most = () => read('VmHWM')
  home.end = async () => {
    const ended = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGTERM')
    await ended
    await home.close()
  }
  return home
}

async function tunnel () {
  const body = Buffer.alloc(MIB << 20, 1)
  const pages = http.createServer((request, response) => response.end(body))
  await new Promise(resolve => pages.listen(0, '127.0.0.1', resolve))
  const home = await Home.open({ bootstrap, pages: pages.address().port, database: false })
  const { link } = await home.call('pairDevice')
  let begin = performance.now()
  const device = new Tunnel(link, { bootstrap })
  await device.check()
  say('tunnel: time to connect', ms(begin))
  const port = await device.listen(0)
  begin = performance.now()
  await new Promise((resolve, reject) => http.get({ port, host: '127.0.0.1', agent: false }, response => response.resume().once('end', resolve)).once('error', reject))
  say('tunnel:', (MIB / ((performance.now() - begin) / 1000)).toFixed(1), 'MiB/s')
  await device.close()
  await home.close()
  pages.close()
  // The same bytes over HyperDHT alone.
  const [one, two] = [testnet.createNode(), testnet.createNode()]
  const server = one.createServer(stream => { stream.on('error', () => {}); for (let at = 0; at < body.length; at += 65536) stream.write(body.subarray(at, at + 65536)); stream.end() })
  await server.listen()
  begin = performance.now()
  const stream = two.connect(server.publicKey)
  await new Promise(resolve => stream.once('open', resolve))
  say('bare hyperdht: time to connect', ms(begin))
  begin = performance.now()
  stream.on('error', () => {})
  await new Promise(resolve => stream.resume().once('end', resolve))
  say('bare hyperdht:', (MIB / ((performance.now() - begin) / 1000)).toFixed(1), 'MiB/s')
  await one.destroy({ force: true }); await two.destroy({ force: true })
}

/** A plain peer: a corestore in a hyperswarm. */
function plain () {
  const store = new Corestore(Hypercore.defaultStorage(fs.mkdtempSync(path.join(folder, 'peer-')), STORE))
  const swarm = new Hyperswarm({ dht: testnet.createNode() })
  swarm.on('connection', connection => { connection.on('error', () => {}); store.replicate(connection) })
  return { store, swarm, end: async () => { await swarm.destroy({ force: true }); await store.close() } }
}

async function replication (one, two) {
  say('memory of the service, off the network:', one.memory())
  const { dbId } = await one.adb('dbCreate', [{ replicated: true }])
  for (let at = 0; at < RECORDS; at += 500) await one.adb('recordBatch', [dbId, Array.from({ length: 500 }, (_, n) => ({ type: 'put', path: `/r/${at + n}`, value: { n: at + n, text: 'x'.repeat(100) } }))])
  const { link, id } = await one.call('share', [dbId])
  await until(async () => (await one.call('shares')).find(share => share.id === id).length > RECORDS)
  const has = (home, db, at) => home.adb('recordGet', [db, at]).then(({ value }) => value, () => null)
  let begin = performance.now()
  const copy = await two.call('follow', [link])
  await until(() => has(two, copy.dbId, `/r/${RECORDS - 1}`), undefined, 5)
  say('database to database:', (RECORDS / ((performance.now() - begin) / 1000)).toFixed(0), 'records/s, with the connection')
  const seen = async n => {
    begin = performance.now()
    await one.adb('recordPut', [dbId, '/live', { n }])
    await until(async () => (await has(two, copy.dbId, '/live'))?.n === n, undefined, 1)
    return performance.now() - begin
  }
  // The copy is made in one piece, and what comes in the meantime is taken after it.
  say('a put right behind them:', (await seen(-1)).toFixed(0), 'ms')
  const times = []
  for (let n = 0; n < PUTS; n++) times.push(await seen(n))
  say('from a put until it is seen:', quantiles(times))
  const most = [`${one.memory()} (at most ${one.most()})`, `${two.memory()} (at most ${two.most()})`]
  await new Promise(resolve => setTimeout(resolve, QUIET))
  say(`memory with one share, and with one follow: ${most.join(', ')}, and ${QUIET / 1000} s later ${one.memory()}, ${two.memory()}`)
  const [a, b] = [plain(), plain()]
  const bee = new Hyperbee(a.store.get({ name: 'x' }), { keyEncoding: 'utf-8', valueEncoding: 'json' })
  await bee.ready()
  const batch = bee.batch()
  for (let n = 0; n < RECORDS; n++) await batch.put(`/r/${n}`, { n, text: 'x'.repeat(100) })
  await batch.flush()
  await a.swarm.join(bee.core.discoveryKey, { server: true, client: false }).flushed()
  begin = performance.now()
  const core = b.store.get({ key: bee.core.key })
  await core.ready()
  b.swarm.join(core.discoveryKey, { server: false, client: true })
  await until(() => core.length > RECORDS, undefined, 5)
  await core.download({ start: 0, end: core.length }).done()
  say('bare hyperswarm and hyperbee:', (RECORDS / ((performance.now() - begin) / 1000)).toFixed(0), 'records/s, with the connection')
  const bare = []
  const other = new Hyperbee(core, { keyEncoding: 'utf-8', valueEncoding: 'json' })
  for (let n = 0; n < PUTS; n++) {
    begin = performance.now()
    await bee.put('/live', { n })
    await until(async () => (await other.get('/live'))?.value.n === n, undefined, 1)
    bare.push(performance.now() - begin)
  }
  say('bare: from a put until it is seen:', quantiles(bare))
  await a.end(); await b.end()
}

async function writers (one, two) {
  const { link } = await one.call('inviteContact')
  let begin = performance.now()
  await two.call('addContact', [link])
  const asks = await until(async () => (await one.call('contacts')).find(({ status }) => status === 'asks'))
  await one.call('confirmContact', [asks.id])
  const { key } = await until(async () => { const [contact] = await two.call('contacts'); return contact.status === 'confirmed' && contact })
  say('contacts, from the link to confirmed at both ends:', ms(begin))
  one.app = () => 'here'
  await one.call('allowContact', [asks.id, 'x.org/a'])
  const calls = []
  for (let n = 0; n < PUTS; n++) {
    begin = performance.now()
    await two.remote(key, 'x.org/a', 'hello', [])
    calls.push(performance.now() - begin)
  }
  say('a call from app to app of another home:', quantiles(calls))
  const { id } = await one.call('createShared')
  await one.call('inviteWriter', [id, asks.key])
  await until(async () => (await two.call('sharedDatabases')).length)
  const { dbId } = await two.call('joinShared', [id])
  const times = []
  const own = []
  for (let n = 0; n < PUTS; n++) {
    begin = performance.now()
    await one.call('sharedPut', [id, '/live', { n }])
    own.push(performance.now() - begin)
    await until(async () => (await two.adb('recordGet', [dbId, '/live']).catch(() => null))?.value.n === n, undefined, 1)
    times.push(performance.now() - begin)
  }
  say('a write of several writers, synced and in the own copy:', quantiles(own))
  say('the same until it is in the other home:', quantiles(times))
}

/**
 * How one home grows with those who follow it: each another home, with a node, a swarm and a store of its own, in this process. They give
 * on what they have.
 */
async function followers (home) {
  const { dbId } = await home.adb('dbCreate', [{ access: 'public' }])
  for (let n = 0; n < 100; n++) await home.adb('recordPut', [dbId, `/r/${n}`, { n, text: 'x'.repeat(100) }])
  const { key } = await home.call('share', [dbId, { access: 'public' }])
  const share = async () => (await home.call('shares')).find(share => share.dbId === dbId)
  await until(async () => (await share()).length > 100)
  const homes = []
  for (const count of FOLLOWERS) {
    const before = await home.call('status')
    const begin = performance.now()
    const comes = async () => {
      const other = plain()
      other.core = other.store.get({ key: Buffer.from(key, 'hex') })
      await other.core.ready()
      other.core.download({ start: 0, end: -1 })
      other.discovery = other.swarm.join(other.core.discoveryKey, { server: true, client: true })
      homes.push(other)
    }
    while (homes.length < count) await comes()
    const has = ({ core }, length) => core.length >= length && core.contiguousLength >= length
    const have = length => homes.filter(one => has(one, length)).length
    const all = async length => {
      await until(async () => {
        if (have(length) === homes.length) return true
        // As src/seek.js, those that found none look again, and those that only met others who wait, too.
        await Promise.allSettled(homes.filter(one => !has(one, length)).map(({ discovery }) => discovery.refresh({ server: true, client: true })))
        return have(length) === homes.length
      }, 300_000, 100).catch(() => say(`only ${have(length)} of ${homes.length} have it after five minutes`))
    }
    const { length } = await share()
    await all(length)
    const met = performance.now() - begin
    const [joined, sent] = [await home.call('status'), await share()]
    // What one change costs, when all are there.
    const puts = 20
    const started = performance.now()
    for (let n = 0; n < puts; n++) await home.adb('recordPut', [dbId, `/r/${n}`, { n, text: 'y'.repeat(100) }])
    await all(length + puts)
    const took = performance.now() - started
    const [changed, after] = [await home.call('status'), await share()]
    const kib = (one, other, name) => `${((other.traffic[name] - one.traffic[name]) / 1024).toFixed(0)} KiB`
    say(`${count} followers: the new ones have 100 records after ${met.toFixed(0)} ms, ${kib(before, joined, 'sent')} sent by the home and ${kib(before, joined, 'received')} received; ` +
      `${puts} changes are at all after ${took.toFixed(0)} ms, ${kib(joined, changed, 'sent')} sent and ${kib(joined, changed, 'received')} received, of it ${((after.sentBytes - sent.sentBytes) / 1024).toFixed(1)} KiB blocks; ` +
      `${after.peers} connections, ${home.memory()}`)
  }
  await Promise.allSettled(homes.map(({ end }) => end()))
}

/** Memory with 100 databases that are shared, and 50 homes that are connected and follow two each. */
async function manyDatabases () {
  const home = await separate()
  say('memory idle, with nothing shared:', home.memory())
  const keys = []
  for (let n = 0; n < 100; n++) {
    const { dbId } = await home.adb('dbCreate', [{ access: 'public' }])
    await home.adb('recordBatch', [dbId, Array.from({ length: 20 }, (_, n) => ({ type: 'put', path: `/r/${n}`, value: { n } }))])
    keys.push((await home.call('share', [dbId, { access: 'public' }])).key)
  }
  await until(async () => (await home.call('shares')).every(({ length }) => length > 20))
  say('memory with 100 databases:', home.memory())
  const peers = Array.from({ length: 50 }, plain)
  const cores = []
  for (const [at, { store, swarm }] of peers.entries()) {
    for (const n of [at, at + 50]) {
      const core = store.get({ key: Buffer.from(keys[n], 'hex') })
      await core.ready()
      core.download({ start: 0, end: -1 })
      cores.push({ core, discovery: swarm.join(core.discoveryKey, { server: false, client: true }) })
    }
  }
  const done = ({ core }) => core.contiguousLength > 20
  await until(async () => {
    await Promise.allSettled(cores.filter(one => !done(one)).map(({ discovery }) => discovery.refresh({ server: false, client: true })))
    return cores.every(done)
  }, 300_000, 200)
  const most = `${home.memory()}, at most ${home.most()} until then`
  // It collects when it has nothing to do (src/memory.js).
  await new Promise(resolve => setTimeout(resolve, QUIET))
  say(`memory with 100 databases and 50 homes connected: ${most}, and ${QUIET / 1000} s later ${home.memory()}; ${(await home.call('status')).peers} connections`)
  await Promise.allSettled(peers.map(({ end }) => end()))
  await home.end()
}

const only = process.argv[2]
if (!only || only === 'tunnel') await tunnel()
const one = await separate()
const two = await separate()
if (!only || only === 'replication') await replication(one, two)
if (!only || only === 'writers') await writers(one, two)
if (!only || only === 'followers') await followers(one)
if (!only || only === 'memory') await manyDatabases()
await one.end()
await two.end()
console.log(`load of the machine at the end: ${os.loadavg().map(load => load.toFixed(1)).join(', ')}`)
process.exit(0)

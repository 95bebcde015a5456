/** The service: its parts, wired. */

import path from 'node:path'
import Corestore from 'corestore'
import Hypercore from 'hypercore'
import { Adb } from './adb.js'
import { Awake } from './awake.js'
import { Calls } from './calls.js'
import { Contacts } from './contacts.js'
import { Copies } from './copies.js'
import { Cores } from './cores.js'
import { Devices } from './devices.js'
import { Durable } from './durable.js'
import { Follows } from './follows.js'
import { Groups } from './groups.js'
import { LastRun } from './last-run.js'
import { Lines } from './lines.js'
import { Network } from './network.js'
import * as check from './params.js'
import { Questions } from './questions.js'
import { Replication } from './replication.js'
import * as seeds from './seed.js'
import { Server } from './server.js'
import * as settingsOf from './settings.js'
import { Shares } from './shares.js'
import { send } from './sockets.js'
import { State } from './state.js'
import { SwarmSockets } from './swarm-sockets.js'
import { Ways } from './ways.js'

/** Bytes that the store keeps in memory before it writes a table, twice at most. Its own 64 MiB are filled by maps of what is here. */
const WRITE_BUFFER = 4 << 20

/** Clients of the original's hyper-daemon open the API itself. */
const NO_HYPERSPACE = 'hyperspace of 2021 is not spoken here: use corestore over @atek/hyperswarm, or the methods of this API'

/** @param {NodeJS.ProcessEnv} env */
export async function start (env) {
  const settings = settingsOf.read(env)
  const adb = new Adb(settings)
  const seed = await seeds.load(settings.state, () => seeds.askHost(adb))
  const state = new State(settings.state)
  const cores = path.join(settings.state, 'cores')
  const store = open(cores, seeds.derive(seed, 'cores'))
  await store.ready()
  const durable = new Durable(store)
  const lastRun = new LastRun(settings.state, cores)
  const network = new Network({ settings, seed, onconnection: connection => replication.accept(connection) })
  const questions = new Questions()
  const replication = new Replication(network, questions)
  const awake = new Awake({ adb, wanted: () => state.wanted || ways.open.size > 0 })
  const onchange = () => awake.update()
  const logs = new Cores({ store, durable, state, replication, quota: settings.quota, onchange })
  const shares = new Shares({ store, state, replication, adb, lastRun, onchange })
  const copies = new Copies(state, adb)
  const follows = new Follows({ store, state, replication, adb, copies, onchange })
  const devices = new Devices({ settings, seed, state, network, onchange })
  const ways = new Ways({ network, onchange })
  const lines = new Lines({ seed, network })
  const contacts = new Contacts({ seed, state, network, lines, onchange })
  const calls = new Calls({ contacts, lines, host: adb })
  const groups = new Groups({ store, durable, state, seed, lines, contacts, questions, adb, copies, lastRun, onchange })
  connect(lines, { contacts, calls, groups })
  const swarms = new SwarmSockets(network, seed)
  const server = new Server({
    ownKey: settings.ownKey,
    methods: {
      ...logs.methods(),
      ...shares.methods(),
      ...follows.methods(),
      ...devices.methods(),
      ...contacts.methods(),
      ...groups.methods(),
      status: () => ({ ...network.describe(), memory: process.memoryUsage.rss(), shares: state.shares.length, follows: state.follows.length, devices: state.devices.length, contacts: state.contacts.length })
    },
    remote: (caller, where, call) => calls.out(caller, where, call),
    onway: (link, socket, onopen) => ways.enter(link, socket, onopen),
    onsocket: streams({ logs, swarms, settings })
  })
  lastRun.begin()
  await server.listen(settings.socket)
  await copies.resume()
  await logs.resume()
  await shares.resume()
  await follows.resume()
  await devices.resume()
  await groups.resume()
  await contacts.resume()
  lastRun.renewed()
  awake.update()
  console.log('listening')
  let ending = null
  return {
    network,
    groups,
    follows,
    close () {
      ending ??= end()
      return ending
    }
  }

  async function end () {
    awake.close()
    copies.close()
    server.close()
    ways.close()
    replication.close()
    await Promise.allSettled([shares.close(), follows.close(), devices.close(), contacts.close(), groups.close()])
    await lines.close().catch(() => {})
    await network.close()
    adb.close()
    state.close()
    await durable.sync()
    await store.close()
    lastRun.end()
  }
}

/** The streams that callers may open, by their paths. */
function streams ({ logs, swarms, settings }) {
  return (path, socket, caller, query) => {
    const [, kind, id] = path.split('/')
    if (kind === 'swarm') swarms.control(socket, caller)
    else if (kind === 'connection') swarms.fetch(id, socket, caller)
    else if (kind === 'follow') followCore(logs, socket, caller, decodeURIComponent(id ?? ''), query)
    else if (kind === 'awake' && caller.service === settings.ownKey) socket.send('{}')
    else socket.close(4404, kind ? 'no such stream' : NO_HYPERSPACE)
  }
}

function open (folder, primaryKey) {
  // Without `allowBackup` a restored state is refused; what it may lack is seen by the last run.
  const storage = Hypercore.defaultStorage(folder, { allowBackup: true, writeBufferSize: WRITE_BUFFER, maxBackgroundJobs: 2 })
  return new Corestore(storage, { primaryKey, unsafe: true })
}

/** Lines between people serve contacts, calls and shared databases. */
function connect (lines, { contacts, calls, groups }) {
  lines.admits = (user, key) => contacts.admits(user, key) || groups.admits(user, key)
  lines.wants = user => [...new Set([...contacts.wants(user), ...groups.wants(user)])]
  lines.onopen = (user, line) => {
    contacts.opened(user, line)
    groups.opened(user, line)
  }
  lines.answer = async (user, line, method, params, signal) => {
    return method === 'group' ? groups.answer(user, line, params) : calls.answer(user, line, method, params, signal)
  }
}

async function followCore (cores, socket, caller, ref, query) {
  const gone = new AbortController()
  socket.once('close', () => gone.abort())
  try {
    const from = check.count(Number(query.get('from') ?? 0), 'from')
    await cores.follow(caller, ref, from, message => send(socket, JSON.stringify(message)), gone.signal)
  } catch (error) {
    if (!gone.signal.aborted) socket.send(JSON.stringify({ error: error.message }))
    socket.close()
  }
}

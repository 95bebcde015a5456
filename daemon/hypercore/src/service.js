/** The service: its parts, wired. */

import path from 'node:path'
import Corestore from 'corestore'
import { Adb } from './adb.js'
import { Awake } from './awake.js'
import { Cores } from './cores.js'
import { Devices } from './devices.js'
import { Follows } from './follows.js'
import { Network } from './network.js'
import * as check from './params.js'
import { Replication } from './replication.js'
import * as seeds from './seed.js'
import { Server } from './server.js'
import * as settingsOf from './settings.js'
import { Shares } from './shares.js'
import { send } from './sockets.js'
import { State } from './state.js'
import { SwarmSockets } from './swarm-sockets.js'

/** @param {NodeJS.ProcessEnv} env */
export async function start (env) {
  const settings = settingsOf.read(env)
  const seed = seeds.load(settings.state, env.CREDENTIALS_DIRECTORY)
  const state = new State(settings.state)
  const store = new Corestore(path.join(settings.state, 'cores'), { primaryKey: seeds.derive(seed, 'cores'), unsafe: true })
  await store.ready()
  const network = new Network({ settings, seed, onconnection: connection => replication.accept(connection) })
  const replication = new Replication(network)
  const adb = new Adb(settings)
  const awake = new Awake({ adb, wanted: () => state.wanted })
  const onchange = () => awake.update()
  const cores = new Cores({ store, state, replication, quota: settings.quota, onchange })
  const shares = new Shares({ store, state, replication, adb, onchange })
  const follows = new Follows({ store, state, replication, adb, onchange })
  const devices = new Devices({ settings, seed, state, network, onchange })
  const swarms = new SwarmSockets(network, seed)
  const server = new Server({
    ownKey: settings.ownKey,
    methods: {
      ...cores.methods(),
      ...shares.methods(),
      ...follows.methods(),
      ...devices.methods(),
      status: () => ({ ...network.describe(), memory: process.memoryUsage.rss(), shares: state.shares.length, follows: state.follows.length, devices: state.devices.length })
    },
    onsocket (path, socket, caller, query) {
      const [, kind, id] = path.split('/')
      if (kind === 'swarm') swarms.control(socket, caller)
      else if (kind === 'connection') swarms.fetch(id, socket, caller)
      else if (kind === 'follow') followCore(cores, socket, caller, decodeURIComponent(id ?? ''), query)
      else if (kind === 'awake' && caller.service === settings.ownKey) socket.send('{}')
      else socket.close(4404, 'no such stream')
    }
  })
  await server.listen(settings.socket)
  await cores.resume()
  await shares.resume()
  await follows.resume()
  await devices.resume()
  awake.update()
  console.log('listening')
  return {
    network,
    async close () {
      awake.close()
      server.close()
      replication.close()
      await Promise.allSettled([shares.close(), follows.close(), devices.close()])
      await network.close()
      adb.close()
      state.close()
      await store.close()
    }
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

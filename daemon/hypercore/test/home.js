/** A home for tests: this service and the real database of the box, behind a gateway of a few lines. */

import { spawn } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import Corestore from 'corestore'
import Hyperswarm from 'hyperswarm'
import WebSocket from 'ws'
import { start } from '../src/service.js'

const repository = fileURLToPath(new URL('../../..', import.meta.url))
const ADB = process.env.ATEK_ADB ?? path.resolve(repository, process.env.CARGO_TARGET_DIR ?? 'target', 'debug/atek-adb')

/** Why tests with the database cannot run; false: they can. */
export const noDatabase = fs.existsSync(ADB) ? false : `the database is not built: cargo build -p atek-adb (${ADB})`

export class Home {
  /**
   * @param {object} options
   * @param {{host: string, port: number}[]} options.bootstrap
   * @param {string} [options.folder] the state of a home that was there before
   * @param {number} [options.pages] the port of the box's pages
   * @param {string | null} [options.seed] what the key service derives, in hexadecimal
   * @param {string} [options.bind] the address that the DHT uses
   */
  static async open ({ bootstrap, folder, pages, database = true, seed = null, bind = '127.0.0.1' }) {
    const home = new Home()
    home.folder = folder ?? fs.mkdtempSync(path.join(os.tmpdir(), 'atek-home-'))
    home.awake = null
    home.pages = pages
    home.seed = seed
    if (database) await home.startDatabase()
    await home.openGateway()
    home.env = {
      ATEK_ASSIGNED_SOCKET_FILE: path.join(home.folder, 'hypercore.sock'),
      ATEK_ASSIGNED_SERVICE_KEY: 'core.hypercore',
      STATE_DIRECTORY: path.join(home.folder, 'hypercore'),
      ATEK_HOST_PORT: String(home.gateway.address().port),
      BIND: bind,
      QUOTA: String(8 << 20),
      BOOTSTRAP: bootstrap.map(({ host, port }) => `${host}:${port}`).join(',')
    }
    fs.mkdirSync(home.env.STATE_DIRECTORY, { recursive: true })
    home.service = await start(home.env)
    if (database) await home.adb('init', [{ serverDbId: '' }], 'system', 'system')
    return home
  }

  async startDatabase () {
    const data = path.join(this.folder, 'adb')
    fs.mkdirSync(data, { recursive: true })
    this.adbSocket = path.join(this.folder, 'adb.sock')
    fs.rmSync(this.adbSocket, { force: true })
    this.process = spawn(ADB, ['--data', data], { env: { ...process.env, RUST_LOG: 'warn', ATEK_ASSIGNED_SOCKET_FILE: this.adbSocket, ATEK_ASSIGNED_SERVICE_KEY: 'core.adb' }, stdio: 'inherit' })
    await until(() => new Promise(resolve => {
      const socket = net.connect(this.adbSocket, () => { socket.destroy(); resolve(true) }).on('error', () => resolve(false))
    }))
  }

  /** The gateway: it names the caller, and passes the call on. */
  async openGateway () {
    this.gateway = http.createServer((request, response) => {
      const api = new URL(request.url, 'http://host').searchParams.get('api')
      if (api === 'atek.cloud/services-api') return this.services(request, response)
      if (request.headers['atek-for-contact']) return this.forContact(api, request, response)
      // As the host's gateway answers for a service that ended, and is not back.
      const away = () => response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, error: { code: -32000, message: 'the service core.adb broke off' } }))
      if (this.databaseIsAway) return away()
      const headers = { ...request.headers, 'atek-auth-user': 'system', 'atek-auth-service': 'core.hypercore' }
      const passed = http.request({ socketPath: this.adbSocket, path: '/_api/adb', method: 'POST', headers }, answer => {
        response.writeHead(answer.statusCode, answer.headers)
        answer.pipe(response)
      })
      passed.on('error', () => response.headersSent ? response.destroy() : away())
      response.on('close', () => passed.destroy())
      request.pipe(passed)
    })
    this.gateway.on('connect', (request, socket) => {
      const host = net.connect(this.pages, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        socket.pipe(host).pipe(socket)
      })
      host.on('error', () => socket.destroy())
      socket.on('error', () => host.destroy())
    })
    this.gateway.on('upgrade', (request, socket, head) => this.upgrade(request, socket, head))
    await new Promise(resolve => this.gateway.listen(0, '127.0.0.1', resolve))
  }

  /** A WebSocket of an app goes to this service. */
  upgrade (request, socket, head) {
    const below = request.url.replace('/_atek/gateway', '')
    const headers = { ...request.headers, 'atek-auth-user': 'alice', 'atek-auth-service': 'app' }
    const passed = http.request({ socketPath: this.env.ATEK_ASSIGNED_SOCKET_FILE, path: `/_api/hypercore/stream${below}`, headers })
    passed.on('upgrade', (answer, service, rest) => {
      const lines = Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}`)
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`)
      socket.write(rest)
      service.write(head)
      socket.pipe(service).pipe(socket)
      service.on('error', () => socket.destroy())
      socket.on('error', () => service.destroy())
    })
    passed.on('error', () => socket.destroy())
    passed.end()
  }

  /** A call of a person of another home; `this.app` is the app that answers. */
  async forContact (api, request, response) {
    let text = ''
    for await (const part of request) text += part
    const gone = new Promise(resolve => response.once('close', resolve))
    const { method, params } = JSON.parse(text)
    const { 'atek-for-user': user, 'atek-for-contact': contact } = request.headers
    const answer = await (async () => this.app({ api, method, params, user, contact, gone }))().then(result => ({ result }), error => ({ error: { code: error.code ?? -1, message: error.message } }))
    if (!response.destroyed) response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, ...answer }))
  }

  /** A call of an app of this home to an app of another home. */
  remote (home, api, method, params, service = 'app', user = 'alice') {
    return post(this.env.ATEK_ASSIGNED_SOCKET_FILE, `/_api/hypercore/remote?home=${home}&api=${encodeURIComponent(api)}`, method, params, user, service)
  }

  async services (request, response) {
    let text = ''
    for await (const part of request) text += part
    const { method, params } = JSON.parse(text)
    if (method === 'setAwake') this.awake = params[0]
    const result = method === 'ownSeed' ? { seed: this.seed } : null
    response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, result }))
  }

  /** A call of this service; by default of the person alice. */
  call (method, params = [], service = 'core.hypercore', user = 'alice') {
    return post(this.env.ATEK_ASSIGNED_SOCKET_FILE, '/_api/hypercore', method, params, user, service)
  }

  /** A call of the database; by default of the person alice. */
  adb (method, params = [], service = 'core.adb', user = 'alice') {
    return post(this.adbSocket, '/_api/adb', method, params, user, service)
  }

  socket (below, service = 'app', user = 'alice') {
    const headers = { 'atek-auth-user': user, 'atek-auth-service': service }
    return new WebSocket(`ws+unix:${this.env.ATEK_ASSIGNED_SOCKET_FILE}:/_api/hypercore/stream/${below}`, { headers })
  }

  /** Ends the service, and begins it again with what it has stored. */
  async restart () {
    await this.service.close()
    this.service = await start(this.env)
  }

  async close () {
    await this.service.close()
    this.gateway.close()
    this.gateway.closeAllConnections()
    if (this.process) {
      const ended = new Promise(resolve => this.process.once('exit', resolve))
      this.process.kill('SIGKILL')
      await ended
    }
    fs.rmSync(this.folder, { recursive: true, force: true })
  }
}

export async function post (socketPath, path, method, params, user, service) {
  const text = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  const answer = await new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), 'atek-auth-user': user, 'atek-auth-service': service }
    const request = http.request({ socketPath, path, method: 'POST', headers, agent: false }, async response => {
      let body = ''
      for await (const part of response) body += part
      resolve(JSON.parse(body))
    })
    request.on('error', reject)
    request.end(text)
  })
  if (answer.error) throw Object.assign(new Error(answer.error.message), answer.error)
  return answer.result
}

/** A peer that is no box: a plain corestore in a plain hyperswarm. */
export function peer (t, testnet) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'atek-peer-'))
  const store = new Corestore(folder)
  const swarm = new Hyperswarm({ dht: testnet.createNode() })
  t.after(async () => {
    await swarm.destroy()
    await store.close()
    fs.rmSync(folder, { recursive: true, force: true })
  })
  swarm.on('connection', connection => { connection.on('error', () => {}); store.replicate(connection) })
  return { store, swarm }
}

/** Joins a topic as a client until `found`: a plain swarm looks once, and the other end may not be announced yet. */
export async function meet (swarm, topic, found) {
  const role = { server: false, client: true }
  const discovery = swarm.join(topic, role)
  return until(async () => found() || (await discovery.refresh(role), found()), undefined, 200)
}

/** Waits until `look` gives something true, at most `limit` milliseconds. */
export async function until (look, limit = Number(process.env.UNTIL_MS ?? 240_000), pause = 20) {
  const end = Date.now() + limit
  for (;;) {
    const found = await look()
    if (found) return found
    if (Date.now() > end) throw new Error(`not in ${limit} ms: ${look}`)
    await new Promise(resolve => setTimeout(resolve, pause))
  }
}

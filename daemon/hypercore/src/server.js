/** HTTP on the socket that the host assigned: JSON-RPC by POST, and WebSockets. */

import fs from 'node:fs'
import http from 'node:http'
import { WebSocketServer } from 'ws'
import * as callers from './caller.js'
import { ApiError, CODE, isDiskFull } from './errors.js'

const RPC_PATH = '/_api/hypercore'
/** Where the gateway sends calls to apps of other homes: `?home=KEY&api=ID`. */
const REMOTE_PATH = `${RPC_PATH}/remote`
/** Where the host connects to another home. */
const WAY_PATH = `${RPC_PATH}/way`
const STREAM_PATH = '/_api/hypercore/stream'
/** Bytes of a request: a full call of `append` in Base64. */
const MAX_BODY = 8 << 20
/** Bytes of a message on a WebSocket: one message of a peer (16 MiB less its framing is the most of Noise). */
const MAX_MESSAGE = 16 << 20
/** Open WebSockets of one caller, and of all. */
const MAX_SOCKETS = 256
const MAX_ALL_SOCKETS = 2048

export class Server {
  /**
   * @param {object} deps
   * @param {string} deps.ownKey
   * @param {Record<string, (caller: callers.Caller, params: any[]) => any>} deps.methods
   * @param {(caller: callers.Caller, where: {home: string, api: string}, call: any) => Promise<any>} deps.remote
   * @param {(link: string | undefined, socket: import('node:net').Socket, onopen: () => void) => Promise<void>} deps.onway
   * @param {(path: string, socket: import('ws').WebSocket, caller: callers.Caller, query: URLSearchParams) => void} deps.onsocket
   */
  constructor ({ ownKey, methods, remote, onway, onsocket }) {
    this.ownKey = ownKey
    this.methods = new Map(Object.entries(methods))
    this.remote = remote
    this.onway = onway
    this.onsocket = onsocket
    this.sockets = new Map()
    this.http = http.createServer((request, response) => this.request(request, response))
    this.websockets = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE, perMessageDeflate: false })
    this.http.on('upgrade', (request, socket, head) => this.upgrade(request, socket, head))
  }

  async listen (path) {
    fs.rmSync(path, { force: true })
    await new Promise((resolve, reject) => {
      this.http.once('error', reject)
      this.http.listen(path, resolve)
    })
    // Only the host is in the group, and sees the folder.
    fs.chmodSync(path, 0o660)
  }

  async request (request, response) {
    const [path, query] = request.url.split('?')
    const isRemote = path === REMOTE_PATH
    if (path !== RPC_PATH && !isRemote) return end(response, 404, { error: true, message: 'no such path' })
    if (request.method !== 'POST') return end(response, 405, { error: true, message: 'JSON-RPC is sent by POST' })
    let id = null
    try {
      const call = parse(await body(request))
      id = call.id ?? null
      const caller = callers.of(request.headers, this.ownKey)
      const result = isRemote ? await this.remote(caller, Object.fromEntries(new URLSearchParams(query)), call) : await this.call(caller, call)
      end(response, 200, { jsonrpc: '2.0', id, result: result ?? null })
    } catch (error) {
      end(response, 200, { jsonrpc: '2.0', id, error: shown(error) })
    }
  }

  call (asking, { method, params: given = [] }) {
    if (!Array.isArray(given)) throw new ApiError(CODE.params, 'params must be a list')
    const { caller, params } = callers.acting(asking, given, this.ownKey)
    const handler = this.methods.get(method)
    if (!handler) throw new ApiError(CODE.method, `Method not found: ${String(method).slice(0, 80)}`)
    return handler(caller, params)
  }

  upgrade (request, socket, head) {
    socket.on('error', () => {})
    let caller
    const url = new URL(request.url, 'http://localhost')
    try {
      caller = callers.of(request.headers, this.ownKey)
      if (url.pathname === WAY_PATH && caller.user === 'system' && caller.service === 'system') return this.way(request, socket, head)
      if (!url.pathname.startsWith(STREAM_PATH)) throw new ApiError(CODE.notFound, 'no such path')
      const own = this.sockets.get(caller.namespace) ?? 0
      if (own >= MAX_SOCKETS || this.websockets.clients.size >= MAX_ALL_SOCKETS) throw new ApiError(CODE.full, 'too many open sockets')
      this.sockets.set(caller.namespace, own + 1)
    } catch (error) {
      return socket.end(`HTTP/1.1 ${error.code === CODE.full ? '503 Service Unavailable' : '404 Not Found'}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)
    }
    socket.once('close', () => this.leave(caller.namespace))
    this.websockets.handleUpgrade(request, socket, head, websocket => {
      websocket.on('error', () => {})
      this.onsocket(url.pathname.slice(STREAM_PATH.length), websocket, caller, url.searchParams)
    })
  }

  /** A connection of the host to another home: after the answer the bytes are the other home's. */
  async way (request, socket, head) {
    if (head.length) socket.unshift(head)
    try {
      await this.onway(request.headers['atek-link'], socket, () => socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: atek-way\r\n\r\n'))
    } catch (error) {
      socket.end(`HTTP/1.1 502 Bad Gateway\r\nAtek-Error: ${shown(error).message.replace(/[^ -~]/g, ' ')}\r\nConnection: close\r\n\r\n`)
    }
  }

  leave (namespace) {
    const left = this.sockets.get(namespace) - 1
    if (left > 0) this.sockets.set(namespace, left)
    else this.sockets.delete(namespace)
  }

  close () {
    for (const socket of this.websockets.clients) socket.terminate()
    this.http.close()
    this.http.closeAllConnections()
  }
}

function parse (text) {
  let call
  try {
    call = JSON.parse(text)
  } catch {
    throw new ApiError(CODE.parse, 'the request is not JSON')
  }
  if (typeof call !== 'object' || call === null || call.jsonrpc !== '2.0' || typeof call.method !== 'string') {
    throw new ApiError(CODE.request, 'the request is not a JSON-RPC 2.0 call')
  }
  return call
}

async function body (request) {
  const parts = []
  let bytes = 0
  for await (const part of request) {
    bytes += part.length
    if (bytes > MAX_BODY) throw new ApiError(CODE.request, `a request has at most ${MAX_BODY} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString()
}

function end (response, status, answer) {
  const text = JSON.stringify(answer)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  response.end(text)
}

/** What a caller is told: an error of its own doing in full, ours by its kind, with the cause in the log. */
function shown (error) {
  if (error instanceof ApiError) return { code: error.code, message: error.message, ...(error.data !== undefined && { data: error.data }) }
  console.error(error)
  return { code: CODE.internal, message: isDiskFull(error) ? 'the disk is full: delete something, or uninstall an app that is not needed, and try again' : 'Internal error: the cause is in the log of core.hypercore' }
}

/** The database of this box, and apps that people of other homes call, through the host's gateway. */

import http from 'node:http'
import { ApiError, CODE } from './errors.js'

const API = 'atek.cloud/adb-api'
/** Bytes of an answer: a list has at most 8 MiB; and of one that goes on to another home. */
const MAX_ANSWER = 16 << 20
const MAX_PASSED_ON = 1 << 20
/** Calls at once that wait for a change; the database has no more than 64 for a caller. */
export const MAX_WAITING = 48

/** Codes by which the database refuses what it is told to do. */
const REFUSED = [-32001, -32003]

/**
 * Whether the database cannot have what was written. Anything else passes, and is tried again: it ended, it starts, the host does, there is no room,
 * or this service ends.
 */
export function refusesRecords ({ code, data, message }) {
  return REFUSED.includes(code) && !data?.quota && !data?.diskFull && !/^(Not authorized|DB not found|Server db)/.test(message)
}

export class Adb {
  /** @param {import('./settings.js').Settings} settings */
  constructor (settings) {
    this.settings = settings
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 32 })
    /** Of calls that wait for a change: there is one for each shared database, and they would take all connections from the others. */
    this.waiting = new http.Agent({ keepAlive: true, maxSockets: MAX_WAITING })
  }

  /**
   * @param {string} method
   * @param {any[]} params
   * @param {AbortSignal} [signal]
   * @param {string} [api]
   */
  async call (method, params, signal, api = API) {
    const answer = await this.post(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }), signal, api)
    if (answer.error) throw new ApiError(answer.error.code, answer.error.message, answer.error.data)
    return answer.result
  }

  /** A call that the database answers when there is a change. */
  async wait (method, params, signal) {
    const text = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    const answer = await this.post(text, signal, API, {}, this.waiting)
    if (answer.error) throw new ApiError(answer.error.code, answer.error.message, answer.error.data)
    return answer.result
  }

  /**
   * Calls an app of `owner` for a person of another home.
   * @param {{owner: string, contact: string}} who
   */
  async callFor ({ owner, contact }, api, method, params, signal) {
    const text = JSON.stringify({ jsonrpc: '2.0', id: 1, method, ...(params !== undefined && { params }) })
    const answer = await this.post(text, signal, api, { 'atek-for-user': owner, 'atek-for-contact': contact }, this.agent, MAX_PASSED_ON)
    if (answer.error) throw new ApiError(answer.error.code, answer.error.message, answer.error.data)
    return answer.result
  }

  post (text, signal, api, more, agent = this.agent, most = MAX_ANSWER) {
    const { settings } = this
    return new Promise((resolve, reject) => {
      const request = http.request({
        host: '127.0.0.1',
        port: settings.hostPort,
        path: `/_atek/gateway?api=${encodeURIComponent(api)}`,
        method: 'POST',
        agent,
        signal,
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(text),
          ...more,
          ...(settings.token && { authorization: `Bearer ${settings.token}` })
        }
      }, response => {
        const parts = []
        let bytes = 0
        response.on('data', part => {
          bytes += part.length
          if (bytes > most) response.destroy(new ApiError(CODE.full, `the answer has more than ${most} bytes`))
          else parts.push(part)
        })
        response.on('error', reject)
        response.on('end', () => {
          try {
            resolve(JSON.parse(Buffer.concat(parts)))
          } catch {
            reject(new Error(`the host answered with status ${response.statusCode} and no JSON`))
          }
        })
      })
      request.on('error', reject)
      request.end(text)
    })
  }

  close () {
    this.agent.destroy()
    this.waiting.destroy()
  }
}

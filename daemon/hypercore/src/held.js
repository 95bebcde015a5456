/**
 * Bounds what connections hold in memory: bytes that the other end does not read, and messages of which only a part has come (of up to
 * 16 MiB, before anything looks at them). Each kind of connection has bounds of its own; this is that of all together.
 */

import { reached, short } from './bounds.js'

/** Bytes of all connections, and how often they are counted, in milliseconds. */
const MOST = 32 << 20
const LOOK = 200

export class Held {
  constructor () {
    /** @type {Map<any, string>} connections of HyperDHT, and what is at their other end */
    this.connections = new Map()
    this.timer = setInterval(() => this.look(), LOOK)
    this.timer.unref()
  }

  /**
   * @param {any} connection
   * @param {string} what is at its other end
   */
  watch (connection, what) {
    this.connections.set(connection, what)
    connection.once('close', () => this.connections.delete(connection))
  }

  /** Ends those that hold the most while they hold too much. */
  look () {
    const held = [...this.connections].map(([connection, what]) => ({ connection, what, bytes: bytesOf(connection) }))
    let sum = held.reduce((sum, { bytes }) => sum + bytes, 0)
    if (sum <= MOST) return
    held.sort((one, other) => other.bytes - one.bytes)
    for (const { connection, what, bytes } of held) {
      if (sum <= MOST) return
      reached(`held ${what}`, `connections hold more than ${MOST} bytes, that of ${what} ${short(connection.remotePublicKey)} ${bytes}: it is ended`)
      connection.destroy()
      sum -= bytes
    }
  }

  close () {
    clearInterval(this.timer)
  }
}

/** Bytes of a connection that wait: for the other end, for this one, and for the rest of their message. */
function bytesOf ({ _writableState: out, _readableState: come, rawStream, _message: message, _tmp: arrived }) {
  return out.buffered + come.buffered + (rawStream?._writableState.buffered ?? 0) + (message ? arrived : 0)
}

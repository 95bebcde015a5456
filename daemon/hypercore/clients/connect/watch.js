/**
 * Notices that a box does not hear this device any more, or this device not the box: one of them has another address.
 *
 * A connection waits longer than a person for an end that is silent. The way of each connection is asked once a second, more often when no
 * answer comes, and all connections on a way that was silent for too long end: programs make them again.
 */

/** How often is looked, how often a way is asked that answers, and how long one may be silent, in milliseconds. */
const TICK = 150
const ASK = 1000
const SILENCE = 2500

export class Watch {
  /** @param {import('hyperdht')} dht */
  constructor (dht) {
    this.dht = dht
    /** @type {Map<any, {heard: number, asked: number, received: number}>} open connections */
    this.connections = new Map()
    this.timer = null
  }

  /** @param {any} connection open */
  add (connection) {
    const now = Date.now()
    this.connections.set(connection, { heard: now, asked: now, received: 0 })
    connection.once('close', () => this.connections.delete(connection))
    this.timer ??= setInterval(() => this.look(), TICK)
  }

  look () {
    if (this.connections.size === 0) {
      clearInterval(this.timer)
      this.timer = null
      return
    }
    const now = Date.now()
    const asked = new Set()
    for (const [connection, state] of this.connections) {
      const { rawStream } = connection
      if (rawStream.bytesReceived > state.received) state.heard = now
      state.received = rawStream.bytesReceived
      if (now - state.heard > SILENCE) {
        // The error makes HyperDHT forget this way, which it would try first.
        connection.destroy(new Error('the box was silent for too long'))
        continue
      }
      const way = `${rawStream.socket?.address()?.port} ${rawStream.remoteHost}:${rawStream.remotePort}`
      const isDue = now - state.asked >= ASK || now - state.heard > ASK
      if (!isDue || asked.has(way)) continue
      asked.add(way)
      this.ask(rawStream)
    }
  }

  /** Any node of the DHT answers this, on the socket on which it is asked. */
  async ask ({ socket, remoteHost: host, remotePort: port }) {
    const isSame = ({ rawStream }) => rawStream.socket === socket && rawStream.remoteHost === host && rawStream.remotePort === port
    const states = () => [...this.connections].filter(([connection]) => isSame(connection)).map(([, state]) => state)
    for (const state of states()) state.asked = Date.now()
    try {
      await this.dht.ping({ host, port }, { socket, retry: false })
    } catch {
      return
    }
    for (const state of states()) state.heard = Date.now()
  }

  close () {
    clearInterval(this.timer)
    this.connections.clear()
  }
}

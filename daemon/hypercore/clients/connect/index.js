/** The device's end of a connection to an Atek box: each local TCP connection becomes one encrypted connection to the box. */

import net from 'node:net'
import HyperDHT from 'hyperdht'
import z32 from 'z32'
import { Watch } from './watch.js'

const FORM = /^hs:\/\/s000([a-z0-9]{52})$/
/** Pauses before the attempts to reach the box, in milliseconds. */
const PAUSES = [0, 250, 500, 1000, 1000, 2000]
/** How long after `open` the first bytes of the box may take, in milliseconds. */
const FIRST_BYTES = 1500
/** Nodes of the DHT that are enough to reach a box. */
const ENOUGH_NODES = 8
/** How often a silent end is asked whether it is still there, in milliseconds. */
const KEEP_ALIVE = 5000

/**
 * The seed in a link.
 * @param {string} link
 * @returns {Buffer} 32 bytes
 */
export function seedOf (link) {
  const found = FORM.exec(String(link).trim())
  const seed = found && Buffer.from(z32.decode(found[1]))
  if (!seed || seed.length < 32) throw new Error('this is not the link of a device: it begins with hs://s000')
  return seed.subarray(0, 32)
}

export class Tunnel {
  /**
   * @param {string} link
   * @param {object} [options]
   * @param {{host: string, port: number}[]} [options.bootstrap]
   * @param {Buffer} [options.relay] public key of a relay
   * @param {(error: Error) => void} [options.onerror] for each connection that could not be made
   */
  constructor (link, { bootstrap, relay, onerror = () => {} } = {}) {
    this.keyPair = HyperDHT.keyPair(seedOf(link))
    this.dht = new HyperDHT({ bootstrap })
    this.watch = new Watch(this.dht)
    this.relay = relay ?? null
    /**
     * Whether the next connection takes the way of the last one, without another look through the DHT and the NATs. Not with a box that is
     * open to the internet: there is nothing to spare, and HyperDHT fails outside of any promise when such a box is gone.
     */
    this.reuses = true
    this.onerror = onerror
    this.closed = false
    this.server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, socket => this.carry(socket))
  }

  /**
   * Listens at 127.0.0.1.
   * @param {number} port
   * @returns {Promise<number>} the port
   */
  async listen (port = 8989) {
    await new Promise((resolve, reject) => {
      this.server.once('error', reject)
      this.server.listen(port, '127.0.0.1', resolve)
    })
    return this.server.address().port
  }

  /** Whether the box answers; throws why not. */
  async check () {
    const connection = await this.reach()
    connection.destroy()
  }

  async carry (socket) {
    socket.on('error', () => {})
    let connection
    try {
      connection = await this.reach()
    } catch (error) {
      this.onerror(error)
      return socket.destroy()
    }
    if (socket.destroyed) return connection.destroy()
    join(socket, connection)
    this.watch.add(connection)
  }

  async reach () {
    let last
    for (const pause of PAUSES) {
      if (pause) await new Promise(resolve => setTimeout(resolve, pause))
      if (this.closed) throw new Error('the tunnel is closed')
      try {
        return await this.attempt()
      } catch (error) {
        last = error
        // With few nodes it is not known how the router translates addresses; HyperDHT looks for more after five minutes.
        if (this.dht.toArray({ limit: ENOUGH_NODES }).length < ENOUGH_NODES) this.dht.refresh()
      }
    }
    throw last
  }

  attempt () {
    const connection = this.dht.connect(this.keyPair.publicKey, {
      keyPair: this.keyPair,
      reusableSocket: this.reuses,
      relayThrough: this.relay
    })
    connection.setKeepAlive(KEEP_ALIVE)
    return new Promise((resolve, reject) => {
      let timer
      // HyperDHT reports `open` when this end is ready, even if the box has given the connection up. The header that
      // the box sends first proves that it has not.
      connection.once('open', () => {
        if (connection.rawStream.socket === this.dht.socket) this.reuses = false
        const answered = () => { clearTimeout(timer); resolve(connection) }
        if (connection.rawStream.bytesReceived > 0) return answered()
        timer = setTimeout(() => connection.destroy(new Error('the box does not answer')), FIRST_BYTES)
        connection.rawStream.once('data', answered)
      })
      connection.once('close', () => clearTimeout(timer))
      connection.once('error', reject)
      connection.once('close', () => reject(new Error('the box closed the connection: this device may have been removed')))
    })
  }

  async close () {
    this.closed = true
    this.watch.close()
    this.server.close()
    await this.dht.destroy({ force: true })
  }
}

/** Joins a TCP connection and an encrypted one, with the pace of the slower. */
function join (socket, connection) {
  connection.on('error', () => {})
  pump(socket, connection)
  pump(connection, socket)
  connection.once('close', () => socket.destroy())
  socket.once('close', () => connection.destroy())
  socket.resume()
}

function pump (from, to) {
  from.on('data', data => {
    if (!to.write(data)) {
      from.pause()
      to.once('drain', () => from.resume())
    }
  })
  from.once('end', () => to.end())
}

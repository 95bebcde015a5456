/**
 * Ways of the host to another home, for its backups: by the link of a device that was paired there. Bytes pass as they are,
 * as at the device's other end.
 */

import HyperDHT from 'hyperdht'
import z32 from 'z32'
import { dial } from './dial.js'
import { badParams, full } from './errors.js'

const LINK = /^hs:\/\/s000([a-z0-9]{52})$/
/** Ways at one time: a job of a backup has some connections. */
const MAX_WAYS = 32
/** How long an end may go on after the other has ended the connection, in milliseconds. */
const LINGER = 5000

export class Ways {
  constructor ({ network, onchange }) {
    this.network = network
    this.onchange = onchange
    this.open = new Set()
  }

  /**
   * Connects to the home that the link leads to, and joins the connection with the host's.
   * @param {string | undefined} link
   * @param {import('node:net').Socket} socket of the host
   * @param {() => void} onopen before the first byte passes
   */
  async enter (link, socket, onopen) {
    const found = LINK.exec(link ?? '')
    const seed = found && z32.decode(found[1])
    if (!seed || seed.length < 32) throw badParams('this is not the link of a device: it begins with hs://s000')
    if (this.open.size >= MAX_WAYS) throw full('too many connections to other homes')
    this.open.add(socket)
    this.onchange()
    socket.once('close', () => {
      this.open.delete(socket)
      this.onchange()
    })
    const keyPair = HyperDHT.keyPair(seed.subarray(0, 32))
    const stream = await dial(this.network, keyPair, keyPair.publicKey)
    if (socket.destroyed) return stream.destroy()
    onopen()
    pass(socket, stream)
    pass(stream, socket)
    for (const [end, other] of [[socket, stream], [stream, socket]]) {
      end.on('error', () => other.destroy())
      end.once('close', () => setTimeout(() => other.destroy(), LINGER).unref())
    }
    // The host ends a connection that it does not read any more.
    socket.once('end', () => setTimeout(() => stream.destroy(), LINGER).unref())
  }

  close () {
    for (const socket of this.open) socket.destroy()
  }
}

/** Bytes of one end to the other, with the slower one's pace. */
function pass (from, to) {
  from.on('data', data => {
    if (!to.write(data)) {
      from.pause()
      to.once('drain', () => from.resume())
    }
  })
  from.once('end', () => to.end())
}

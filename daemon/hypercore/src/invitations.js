/**
 * How two people of two homes come to know each other's keys: one makes a link, the other opens it.
 *
 * The link is the seed of a key pair on which the inviting home listens, and which admits no other key. There both
 * ends say their permanent keys, each proven by a signature over this one connection. So the link tells nothing of
 * the person, and the home's announcement is of no use to those who find it.
 */

import HyperDHT from 'hyperdht'
import crypto from 'hypercore-crypto'
import { reached, short } from './bounds.js'
import { dial } from './dial.js'
import { ApiError, CODE, badParams } from './errors.js'
import { Line } from './line.js'
import { keyPairOf } from './lines.js'
import { Loop } from './loop.js'
import * as check from './params.js'
import { derive } from './seed.js'

/** How long a link can be used, in milliseconds. */
export const LIFE = 7 * 24 * 3600_000
/** Connections of one invitation. */
const MAX_CONNECTIONS = 4

/** What a person signs to prove a key: this connection, and at which end of it they are. */
const proof = (stream, isHost) => Buffer.concat([Buffer.from(`atek contact v1 ${isHost ? 'host' : 'guest'} `), stream.handshakeHash])

function introduce (seed, user, stream, isHost, name) {
  const { publicKey, secretKey } = keyPairOf(seed, user)
  return { key: publicKey.toString('hex'), name, signature: crypto.sign(proof(stream, isHost), secretKey).toString('hex') }
}

/** The key and name of the other end, checked. */
function known (said, stream, isHost) {
  const { key, name, signature } = check.options(said)
  const publicKey = check.key(key, 'the key of the person')
  const signed = Buffer.from(String(signature), 'hex')
  if (signed.length !== 64 || !crypto.verify(proof(stream, isHost), signed, publicKey)) throw badParams('the key of the person is not proven')
  return { key, name: check.label(name) }
}

/** Listens for the person who has the link. */
export class InvitationServer {
  /**
   * @param {object} deps
   * @param {Buffer} deps.seed
   * @param {import('./network.js').Network} deps.network
   * @param {object} deps.invitation
   * @param {(who: {key: string, name: string}) => void} deps.onmeet stores who it is, or refuses
   */
  constructor ({ seed, network, invitation, onmeet }) {
    this.keyPair = HyperDHT.keyPair(seedOf(seed, invitation))
    this.lines = new Set()
    this.closed = false
    const answer = async (line, method, params) => {
      if (method !== 'meet') throw new ApiError(CODE.method, 'no such method')
      onmeet(known(params, line.stream, false))
      return introduce(seed, invitation.user, line.stream, true, invitation.name)
    }
    this.server = network.dht.createServer({
      firewall: remote => this.refuses(invitation.id, remote),
      relayThrough: () => network.relayFor()
    }, stream => {
      // Those that came in the same moment.
      if (this.closed || this.lines.size >= MAX_CONNECTIONS) {
        stream.on('error', () => {})
        return stream.destroy()
      }
      network.held.watch(stream, `the person who was invited by ${invitation.id}, with the key`)
      const line = new Line(stream, { answer, onclose: () => this.lines.delete(line) })
      this.lines.add(line)
    })
  }

  refuses (id, remote) {
    if (this.closed) return true
    if (!remote.equals(this.keyPair.publicKey)) {
      reached(`key ${id}`, `the key ${short(remote)} is not that of invitation ${id}: it is not let in`)
      return true
    }
    if (this.lines.size < MAX_CONNECTIONS) return false
    reached(`connections ${id}`, `invitation ${id} has ${MAX_CONNECTIONS} connections: more are refused`)
    return true
  }

  async listen () {
    try {
      await this.server.listen(this.keyPair)
    } catch (error) {
      console.error(`cannot listen for an invited person: ${error.message}`)
    }
  }

  async close () {
    this.closed = true
    for (const line of this.lines) line.close()
    await this.server.close()
  }
}

/** The seed that is in the link of an invitation. */
export function seedOf (seed, invitation) {
  return derive(seed, `invitation/${invitation.id}`)
}

/** The other end: looks for the home that made the link until it is met. */
export class Meeting {
  /**
   * @param {object} deps
   * @param {Buffer} deps.seed
   * @param {import('./network.js').Network} deps.network
   * @param {object} deps.contact with `invitation`, the seed of the link
   * @param {(who: {key: string, name: string}) => void} deps.onmeet
   * @param {(error: Error) => void} deps.onerror
   */
  constructor ({ seed, network, contact, onmeet, onerror }) {
    this.done = false
    this.loop = new Loop(async signal => {
      const keyPair = HyperDHT.keyPair(Buffer.from(contact.invitation, 'hex'))
      const stream = await dial(network, keyPair, keyPair.publicKey, { signal })
      const end = () => stream.destroy()
      signal.addEventListener('abort', end)
      try {
        const line = new Line(stream, { answer: async () => { throw new ApiError(CODE.method, 'no such method') }, onclose: () => {} })
        const said = await line.request('meet', introduce(seed, contact.user, stream, false, contact.name), signal)
        onmeet(known(said, stream, true))
        this.loop.gone.abort()
      } finally {
        signal.removeEventListener('abort', end)
        stream.destroy()
      }
    }, onerror, network)
  }

  stop () {
    return this.loop.stop()
  }
}

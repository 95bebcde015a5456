/**
 * Answers the questions of other homes for blocks, a few at a time.
 *
 * Hypercore itself reads all that is asked for at once, until the first answer waits for the other home to read, and then keeps what else is
 * asked without a bound: thousands of questions of one moment are as many blocks in memory.
 */

import { reached, short } from './bounds.js'

/** Questions of one home about one core, and those of all homes: of a home that reads, some hundred are open. */
const MOST = 4096
const MOST_OF_ALL = 16_384
/** After so many questions those of all homes are counted. */
const COUNT = 256
/** Blocks that are read at a time for one connection, and for all; what was read is written to the connection at once. */
const READS = 4
const ALL_READS = 16

export class Questions {
  constructor () {
    /** @type {WeakSet<any>} replicators whose peers ask here */
    this.watched = new WeakSet()
    /** @type {Map<any, Asker>} by peer: a connection has one for each core */
    this.askers = new Map()
    /** @type {Set<Asker>} those with open questions; the next one in turn comes first */
    this.waiting = new Set()
    /** @type {Map<any, number>} blocks that are being read, by connection */
    this.reads = new Map()
    this.reading = 0
    this.arrived = 0
  }

  /**
   * Exchanges a core on a connection.
   * @param {import('hypercore')} core open
   * @param {any} connection
   */
  replicate (core, connection) {
    this.watch(core.core.replicator, core.id)
    core.replicate(connection)
  }

  /** Sees each peer before its first question. */
  watch (replicator, id) {
    if (this.watched.has(replicator)) return
    this.watched.add(replicator)
    const { _onpeerupdate: update, _oninvalidrequest: refuse } = replicator
    replicator._onpeerupdate = (isAdded, peer) => {
      if (isAdded) this.askers.set(peer, new Asker(this, peer, id))
      else this.leave(peer)
      update.call(replicator, isAdded, peer)
    }
    // It pauses before it goes on after such a question: others do not wait for that.
    replicator._oninvalidrequest = (error, question, peer) => {
      this.askers.get(peer)?.release(question)
      refuse.call(replicator, error, question, peer)
    }
  }

  leave (peer) {
    const asker = this.askers.get(peer)
    this.askers.delete(peer)
    this.waiting.delete(asker)
  }

  /** Reads what is asked for next, the homes in turn. */
  next () {
    while (this.reading < ALL_READS) {
      const asker = this.nextAsker()
      if (!asker) return
      asker.answer()
    }
  }

  nextAsker () {
    for (const asker of this.waiting) {
      if (asker.open === 0) this.waiting.delete(asker)
      else if (asker.peer.protomux.drained && (this.reads.get(asker.connection) ?? 0) < READS) {
        this.waiting.delete(asker)
        this.waiting.add(asker)
        return asker
      }
    }
    return null
  }

  /** Ends the connection with the most questions while there are too many of all. */
  count () {
    if (++this.arrived % COUNT !== 0) return
    let sum = 0
    const byConnection = new Map()
    for (const { peer, connection } of this.askers.values()) {
      const { size } = peer.remoteRequests
      sum += size
      byConnection.set(connection, (byConnection.get(connection) ?? 0) + size)
    }
    if (sum <= MOST_OF_ALL) return
    const [[connection, most]] = [...byConnection].sort(([, one], [, other]) => other - one)
    reached('questions', `other homes ask for more than ${MOST_OF_ALL} blocks, the home ${short(connection.remotePublicKey)} for ${most}: its connection is ended`)
    connection.destroy()
  }
}

/** The questions of one home about one core. */
class Asker {
  constructor (all, peer, id) {
    this.all = all
    this.peer = peer
    this.id = id
    this.connection = peer.protomux.stream
    /** @type {Map<number, any>} by id, in order; those with a priority come first */
    this.urgent = new Map()
    this.later = new Map()
    /** @type {Map<any, () => void>} what ends the read of a question */
    this.under = new Map()
    const answer = peer.onrequest
    // What comes from a connection has a priority; the one of Hypercore itself, about two logs, is answered before the channel closes.
    peer.onrequest = question => question.priority === undefined ? answer.call(peer, question) : this.asked(question)
    peer.oncancel = ({ request }) => this.cancelled(request)
    peer.ondrain = () => all.next()
  }

  get open () {
    return this.urgent.size + this.later.size
  }

  asked (question) {
    const { all, peer, id } = this
    const { remoteRequests } = peer
    if (remoteRequests.has(question.id)) this.cancelled(question.id)
    remoteRequests.set(question.id, question)
    const queue = question.priority > 0 ? this.urgent : this.later
    queue.set(question.id, question)
    if (remoteRequests.size > MOST) {
      reached(`questions ${id}`, `the home ${short(peer.remotePublicKey)} asks for more than ${MOST} blocks of ${id} and does not read them: its connection is ended`)
      return this.connection.destroy()
    }
    all.count()
    all.waiting.add(this)
    all.next()
  }

  cancelled (id) {
    this.peer.remoteRequests.delete(id)
    this.urgent.delete(id)
    this.later.delete(id)
  }

  async answer () {
    const { all, connection, peer, under } = this
    const queue = this.urgent.size > 0 ? this.urgent : this.later
    const [[id, question]] = queue
    queue.delete(id)
    if (peer.removed || peer.replicator.destroyed) return
    all.reading++
    all.reads.set(connection, (all.reads.get(connection) ?? 0) + 1)
    under.set(question, () => all.reading--)
    try {
      await peer._handleRequest(question)
    } catch (error) {
      connection.destroy(error)
    } finally {
      this.release(question)
      const left = all.reads.get(connection) - 1
      if (left > 0) all.reads.set(connection, left)
      else all.reads.delete(connection)
      all.next()
    }
  }

  /** Lets others be read in the place of a question. */
  release (question) {
    this.under.get(question)?.()
    this.under.delete(question)
  }
}

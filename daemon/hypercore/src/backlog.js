/**
 * Ends connections of peers that ask for blocks and do not read the answers. Hypercore keeps their questions until there is room for an
 * answer, without a bound; a peer that reads has no more than some hundred open.
 */

import { reached, short } from './bounds.js'

/** Questions of one peer about one core, and how often is looked, in milliseconds. */
const MOST = 4096
const LOOK = 500

export class Backlog {
  /** @param {() => any[]} cores those that are exchanged */
  constructor (cores) {
    this.timer = setInterval(() => {
      for (const core of cores()) look(core)
    }, LOOK)
    this.timer.unref()
  }

  close () {
    clearInterval(this.timer)
  }
}

function look (core) {
  // Without a replicator it is being opened or closed.
  for (const peer of [...core.core?.replicator.peers ?? []]) {
    if (peer.remoteRequests.size <= MOST) continue
    const { id } = core
    reached(`questions ${id}`, `the home ${short(peer.remotePublicKey)} asks for more than ${MOST} blocks of ${id} and does not read them: its connection is ended`)
    peer.protomux.stream.destroy()
  }
}

/** Makes the connections of a swarm again after this home got another address: what the other ends answer goes to the old one. */

/** How long a peer that was connected is tried to be reached, in milliseconds. */
const TRY = 30_000

/** @param {import('hyperswarm')} swarm */
export function renewConnections (swarm) {
  const wanted = new Map()
  for (const connection of swarm.connections) {
    const { remotePublicKey } = connection
    const key = remotePublicKey.toString('hex')
    const info = swarm.peers.get(key)
    // What the swarm's user joined stays joined.
    if (!info?.explicit) wanted.set(key, remotePublicKey)
    connection.once('close', () => {
      if (swarm.destroyed) return
      // It was this end that moved: no failure of the peer, for which the swarm would wait longer each time.
      if (info) info.attempts = 0
      swarm.joinPeer(remotePublicKey)
    })
    connection.destroy()
  }
  if (wanted.size === 0) return
  const end = () => {
    clearTimeout(timer)
    swarm.off('connection', met)
    for (const key of wanted.values()) swarm.leavePeer(key)
  }
  const met = ({ remotePublicKey }) => {
    const key = remotePublicKey.toString('hex')
    if (!wanted.delete(key)) return
    swarm.leavePeer(remotePublicKey)
    if (wanted.size === 0) end()
  }
  const timer = setTimeout(end, TRY)
  timer.unref()
  swarm.on('connection', met)
}

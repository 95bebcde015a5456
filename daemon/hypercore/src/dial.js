/**
 * Connections to a key of another home.
 *
 * HyperDHT reports `open` as soon as this end is ready. The other end may have given the connection up by then: between
 * two nodes of one network it does when its hole punching ends before the shortcut through the network is there. Each
 * end sends a header first, so the first bytes prove that the other end is there.
 *
 * `reusableSocket` is left out: HyperDHT remembers the way of an earlier connection with it, tries that one for four seconds when a home has
 * moved, and fails outside of any promise that could be caught when the other home was open to the internet and is gone.
 */

import { ApiError, CODE } from './errors.js'

/** How long one connection to another home may take, in milliseconds. */
export const DIAL = 15_000
/** How long after `open` the first bytes of the other end may take, in milliseconds. */
const FIRST_BYTES = 1500
/** Pause after a connection that the other end gave up, in milliseconds. */
const PAUSE = 200

/**
 * @param {import('./network.js').Network} network
 * @param {{publicKey: Buffer, secretKey: Buffer}} keyPair of this end
 * @param {Buffer} publicKey of the other end
 * @param {object} [options]
 * @param {number} [options.wait] for all attempts together, in milliseconds
 * @param {AbortSignal} [options.signal]
 * @returns {Promise<any>} an open stream of HyperDHT
 * @throws {ApiError} why the other home is not reached
 */
export async function dial (network, keyPair, publicKey, { wait = DIAL, signal } = {}) {
  const deadline = Date.now() + wait
  while (!signal?.aborted && Date.now() < deadline) {
    const stream = network.dht.connect(publicKey, { keyPair, relayThrough: force => network.relayFor(force) })
    stream.on('error', () => {})
    const end = () => stream.destroy()
    signal?.addEventListener('abort', end)
    try {
      await opened(stream, deadline - Date.now())
      if (await isAnswered(stream, Math.min(FIRST_BYTES, deadline - Date.now()))) return stream
    } catch (error) {
      stream.destroy()
      throw error
    } finally {
      signal?.removeEventListener('abort', end)
    }
    stream.destroy()
    await new Promise(resolve => setTimeout(resolve, PAUSE))
  }
  throw unreached('it does not answer')
}

function opened (stream, wait) {
  let timer
  const open = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(unreached('it does not answer')), wait)
    stream.once('open', resolve)
    stream.once('error', error => reject(unreached(error.code === 'PEER_NOT_FOUND' ? 'it is not connected to the internet' : 'it refuses, or is not connected to the internet')))
    stream.once('close', () => reject(unreached('it closed the connection')))
  })
  return open.finally(() => clearTimeout(timer))
}

/** Whether bytes of the other end come in time. */
function isAnswered (stream, wait) {
  if (stream.rawStream?.bytesReceived > 0) return true
  if (stream.destroyed) return false
  const { rawStream } = stream
  return new Promise(resolve => {
    const timer = setTimeout(finish, wait, false)
    const onfirst = () => finish(true)
    const onclose = () => finish(false)
    rawStream.once('data', onfirst)
    stream.once('close', onclose)
    function finish (answer) {
      clearTimeout(timer)
      rawStream.off('data', onfirst)
      stream.off('close', onclose)
      resolve(answer)
    }
  })
}

const unreached = reason => new ApiError(CODE.notFound, `the other home is not reached: ${reason}`)

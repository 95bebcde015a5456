/**
 * The secret from which all keys of this service are derived: 32 bytes.
 *
 * The key service derives it from the recovery words of the box, and the host tells it to this service alone, at each start; it is not
 * stored here. A box that has no words yet gets one of its own, in a file, which stays for good: other homes know its keys.
 */

import crypto from 'node:crypto'
import path from 'node:path'
import { CODE } from './errors.js'
import { readIfThere, writeAtomic } from './files.js'
import { sleep } from './loop.js'

const BYTES = 32
const HOST_API = 'atek.cloud/services-api'
/** How often the host is asked that does not answer, and the pause between, in milliseconds: at a boot the key service starts, too. */
const ATTEMPTS = 20
const PAUSE = 500

/**
 * @param {string} state the folder of the state
 * @param {() => Promise<string | null>} ask what the host tells: hexadecimal digits, or null while the box has no words
 */
export async function load (state, ask) {
  const own = stored(state)
  if (own) return own
  const told = await ask()
  if (told === null && readIfThere(idFile(state)) === null) {
    const seed = crypto.randomBytes(BYTES)
    writeAtomic(ownFile(state), seed)
    return seed
  }
  const seed = check(Buffer.from(told ?? '', 'hex'), 'the seed of the key service')
  const id = derive(seed, 'id').toString('hex')
  const known = readIfThere(idFile(state))?.toString()
  if (known === undefined) writeAtomic(idFile(state), id)
  else if (known !== id) throw new Error('the recovery words of this box are not those that its keys for other homes were made of: restore the box with its own words')
  return seed
}

/** The seed in the state; null if it is the key service's. */
export function stored (state) {
  const own = readIfThere(ownFile(state))
  return own && check(own, ownFile(state))
}

/**
 * Asks the host.
 * @param {import('./adb.js').Adb} host
 * @returns {Promise<string | null>}
 */
export async function askHost (host) {
  const { signal } = new AbortController()
  for (let attempt = 1; ; attempt++) {
    try {
      const { seed } = await host.call('ownSeed', [], signal, HOST_API)
      return seed
    } catch (error) {
      // An older host: it knows of no such seed.
      if (error.code === CODE.method) return null
      if (attempt === ATTEMPTS) throw new Error(`the host does not tell the seed of the keys: ${error.message}`)
      await sleep(PAUSE, signal)
    }
  }
}

const ownFile = state => path.join(state, 'seed')
/** By which a seed is known again, and not found out. */
const idFile = state => path.join(state, 'seed-id')

function check (seed, what) {
  if (seed.length !== BYTES) throw new Error(`${what} must have ${BYTES} bytes, and has ${seed.length}`)
  return seed
}

/**
 * A secret of its own for each purpose (HKDF, RFC 5869).
 * @param {Buffer} seed
 * @param {string} purpose
 * @returns {Buffer} 32 bytes
 */
export function derive (seed, purpose) {
  return Buffer.from(crypto.hkdfSync('sha256', seed, '', `atek/${purpose}`, BYTES))
}

/** The secret from which all keys of this service are derived: 32 bytes. */

import crypto from 'node:crypto'
import path from 'node:path'
import { readIfThere, writeAtomic } from './files.js'

const BYTES = 32

/**
 * The seed of the key service if the host passed one (credential `hypercore-seed`), else one of its own,
 * made at the first start.
 * @param {string} state the folder of the state
 * @param {string | undefined} credentials systemd's folder of credentials
 */
export function load (state, credentials) {
  const given = credentials && readIfThere(path.join(credentials, 'hypercore-seed'))
  if (given) return check(given, 'the credential hypercore-seed')
  const file = path.join(state, 'seed')
  const own = readIfThere(file)
  if (own) return check(own, file)
  const seed = crypto.randomBytes(BYTES)
  writeAtomic(file, seed)
  return seed
}

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

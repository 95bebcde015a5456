/**
 * Links that name something of another home: a database (`atek://db/KEY` of a public one, `atek://db/KEY.SECRET` of one that is shared), or
 * an invitation of a person (`atek://person/SEED`).
 */

import z32 from 'z32'
import { badParams } from './errors.js'
import { isKey } from './params.js'

const PERSON = /^atek:\/\/person\/([a-z0-9]{52})$/
const FORM = /^atek:\/\/db\/([a-z0-9]{52})(?:\.([a-z0-9]{52}))?$/

/**
 * @param {Buffer} key
 * @param {Buffer | null} secret the key with which the blocks are encrypted
 */
export function format (key, secret) {
  return `atek://db/${z32.encode(key)}${secret ? `.${z32.encode(secret)}` : ''}`
}

/**
 * Reads a link, or a public database's id alone.
 * @param {any} text
 * @returns {{key: Buffer, secret: Buffer | null}}
 */
export function parse (text) {
  const plain = typeof text === 'string' ? text.trim().replace(/^hyper:\/\//, '') : ''
  if (isKey(plain)) return { key: Buffer.from(plain, 'hex'), secret: null }
  const found = FORM.exec(plain)
  if (!found) throw badParams('this is not a link to a database: it begins with atek://db/')
  try {
    return { key: decode(found[1]), secret: found[2] ? decode(found[2]) : null }
  } catch {
    throw badParams('this link to a database is damaged: copy it again')
  }
}

/** @param {Buffer} seed of the key pair at which the person who invites is met */
export function ofPerson (seed) {
  return `atek://person/${z32.encode(seed)}`
}

/**
 * @param {any} text
 * @returns {Buffer} the seed of an invitation
 */
export function parsePerson (text) {
  const found = PERSON.exec(typeof text === 'string' ? text.trim() : '')
  if (!found) throw badParams('this is not an invitation of a person: it begins with atek://person/')
  try {
    return decode(found[1])
  } catch {
    throw badParams('this invitation is damaged: copy it again')
  }
}

function decode (part) {
  const bytes = Buffer.from(z32.decode(part))
  if (bytes.length < 32) throw badParams('this link is not complete')
  return bytes.subarray(0, 32)
}

/**
 * What people write into a database that several write: entries that each carry their author's signature, and the
 * rule by which all homes pick the same one of several for a path. Pure.
 */

import crypto from 'hypercore-crypto'
import { operationOf } from './follows.js'
import * as check from './params.js'

/** How far an author's clock may be ahead, in milliseconds; an entry of a later time counts when its time has come. */
export const AHEAD = 5 * 60_000
/** Names of a record that tell who wrote it and when: authors cannot set them. */
export const BY = '_by'
export const AT = '_at'

/**
 * @typedef {object} Entry
 * @property {string | null} j the value as JSON; null: the record was deleted
 * @property {number} t when, by the author's clock, in milliseconds
 * @property {string} by the author's public key
 * @property {string} s the signature
 */

const signed = (group, path, { j, t, by }) => Buffer.from(JSON.stringify(['atek entry v1', group, path, t, by, j]))

/** @returns {Entry} */
export function sign (group, path, value, t, keyPair) {
  const entry = { j: value === null ? null : JSON.stringify(value), t, by: keyPair.publicKey.toString('hex') }
  return { ...entry, s: crypto.sign(signed(group, path, entry), keyPair.secretKey).toString('hex') }
}

/** The entry if it is one of the author that it names; else null. What is in another home's core is hostile. */
export function checked (group, path, found) {
  const { j, t, by, s } = found ?? {}
  if (!Number.isSafeInteger(t) || t < 0 || !check.isKey(by) || typeof s !== 'string' || s.length !== 128) return null
  if (j !== null && (typeof j !== 'string' || !operationOf('put', path, Buffer.from(j)))) return null
  if (j === null && !operationOf('del', path)) return null
  const entry = { j, t, by, s }
  return crypto.verify(signed(group, path, entry), Buffer.from(s, 'hex'), Buffer.from(by, 'hex')) ? entry : null
}

/** Whether `one` wins over `other`: the later one; of the same time, that of the greater key, and then the greater text. */
export function wins (one, other) {
  if (!other || one.t !== other.t) return !other || one.t > other.t
  if (one.by !== other.by) return one.by > other.by
  return (one.j ?? '') > (other.j ?? '')
}

/** What the copy in the database says for an entry. */
export function operation (path, entry) {
  if (!entry || entry.j === null) return { type: 'del', path }
  return { type: 'put', path, value: { ...JSON.parse(entry.j), [BY]: entry.by, [AT]: entry.t } }
}

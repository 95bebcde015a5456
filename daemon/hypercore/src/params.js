/** Checks of what callers send. */

import { badParams } from './errors.js'

const KEY = /^[0-9a-f]{64}$/

/** A label that a person gave: one line of at most 80 characters. */
export function label (value) {
  if (value === undefined || value === null) return ''
  if (typeof value !== 'string' || value.length > 80 || /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/.test(value)) {
    throw badParams('a label is one line of at most 80 characters')
  }
  return value
}

export function text (value, name, max = 256) {
  if (typeof value !== 'string' || value === '' || value.length > max) throw badParams(`${name} must be a text of 1 to ${max} characters`)
  return value
}

export function flag (value, name) {
  if (typeof value !== 'boolean') throw badParams(`${name} must be true or false`)
  return value
}

/** A count or position: a whole number from 0, or `fallback` if it is missing. */
export function count (value, name, fallback) {
  if ((value === undefined || value === null) && fallback !== undefined) return fallback
  if (!Number.isSafeInteger(value) || value < 0) throw badParams(`${name} must be a whole number from 0`)
  return value
}

export function isKey (value) {
  return typeof value === 'string' && KEY.test(value)
}

/** 32 bytes in hexadecimal. */
export function key (value, name = 'key') {
  if (!isKey(value)) throw badParams(`${name} must be 64 hexadecimal digits`)
  return Buffer.from(value, 'hex')
}

export function options (value) {
  if (value === undefined || value === null) return {}
  if (typeof value !== 'object' || Array.isArray(value)) throw badParams('options must be an object')
  return value
}

/** Base64 of at most `max` bytes. */
export function bytes (value, name, max) {
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) throw badParams(`${name} must be Base64`)
  const decoded = Buffer.from(value, 'base64')
  if (decoded.length > max) throw badParams(`${name} has ${decoded.length} bytes, and may have ${max}`)
  return decoded
}

// JSON Schemas for the records of ADB, checked by the program that reads and writes them.
//
// A schema knows where records are, how the key of a new one is made, and what is expected of a value.
// It works with anything that has list, get, put and delete: the database objects of @atek-cloud/adb-api do.

import Ajv from 'ajv'
import addFormats from 'ajv-formats'

const ajv = new Ajv({ strict: false })
addFormats(ajv)

/** A record does not fit. The message is where, then what. */
export class ValidationError extends Error {
  constructor (error) {
    super(`${error.propertyName || error.instancePath} ${error.message}`)
    this.name = 'ValidationError'
    this.code = 'validation-error'
    this.instancePath = error.instancePath
  }
}

/** Reads a published schema: an object with ID (the path), PKEY (a JSON pointer, or several) and DEFINITION. */
export function published ({ ID, PKEY, DEFINITION }) {
  if (typeof ID !== 'string') throw new TypeError('a published schema has an ID')
  return defineSchema(ID, { pkey: PKEY, jsonSchema: DEFINITION })
}

/** Returns a function that gives the records of a database that the schema describes. */
export function defineSchema (path, { pkey, jsonSchema } = {}) {
  const segments = (Array.isArray(path) ? path : path.split('/')).filter(Boolean)
  const makeKey = keyMaker(pkey)
  const validate = jsonSchema ? ajv.compile(jsonSchema) : () => true
  const hasCreatedAt = !!jsonSchema?.properties?.createdAt ||
    !!(jsonSchema?.oneOf?.length && jsonSchema.oneOf.every(one => one.properties?.createdAt))
  const schema = { path: segments, makeKey, validate, hasCreatedAt }
  const tables = new WeakMap()
  return db => {
    if (!tables.has(db)) tables.set(db, new Table(db, schema))
    return tables.get(db)
  }
}

/** The records of one schema in one database. */
export class Table {
  #db
  #schema

  constructor (db, schema) {
    this.#db = db
    this.#schema = schema
  }

  get path () {
    return [...this.#schema.path]
  }

  /** Records in the order of their keys. onInvalid: 'ignore' (default), 'prune', 'throw', or a function. */
  async list ({ onInvalid = 'ignore', ...options } = {}) {
    const answer = await this.#db.list(this.path, options)
    const records = []
    for (const record of answer.records) {
      const kept = this.#judge(record, onInvalid)
      if (kept) records.push(kept)
    }
    return { ...answer, records }
  }

  /** One record; undefined when it does not fit and is pruned. A record that is not there is an error. */
  async get (key, { onInvalid = 'ignore' } = {}) {
    return this.#judge(await this.#db.get([...this.path, key]), onInvalid)
  }

  /** Writes a new record: its key comes from the value, or from the time. */
  async create (value, options) {
    if (this.#schema.hasCreatedAt && !('createdAt' in value)) {
      value = { ...value, createdAt: new Date().toISOString() }
    }
    return this.put(this.#schema.makeKey(value), value, options)
  }

  /** Writes a record. onInvalid: 'throw' (default), 'ignore', 'prune' (then: undefined), or a function. */
  async put (key, value, { onInvalid = 'throw' } = {}) {
    const path = [...this.path, key]
    const kept = this.#judge({ key, path: `/${path.join('/')}`, value }, onInvalid)
    return kept && this.#db.put(path, kept.value)
  }

  async delete (key) {
    return this.#db.delete([...this.path, key])
  }

  #judge (record, onInvalid) {
    const valid = this.#schema.validate(record.value)
    const judged = { ...record, valid }
    if (valid || onInvalid === 'ignore') return judged
    if (onInvalid === 'prune') return undefined
    if (onInvalid === 'throw') throw new ValidationError(this.#schema.validate.errors[0])
    const verdict = onInvalid(judged)
    if (!verdict) return undefined
    return verdict === true ? judged : { ...judged, ...verdict }
  }
}

function keyMaker (pkey) {
  const pointers = pkey === undefined ? [] : [].concat(pkey)
  if (pointers.length === 0) return timeKeys()
  return value => pointers.map(pointer => {
    const part = resolve(value, pointer)
    if (!['string', 'number', 'boolean'].includes(typeof part)) {
      throw new Error(`Unable to generate key, ${pointer} found type ${typeof part}`)
    }
    return part
  }).join(',')
}

function resolve (value, pointer) {
  return pointer.split('/').slice(1)
    .map(token => token.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce((at, token) => (at !== null && typeof at === 'object' && Object.hasOwn(at, token)) ? at[token] : undefined, value)
}

// Keys that sort by time together with those of the original's clients: a lexicographic integer in hexadecimal,
// and a counter for keys of the same millisecond.
function timeKeys () {
  let last = 0
  let nth = 0
  return () => {
    const now = Date.now()
    nth = now > last ? 0 : nth + 1
    last = Math.max(now, last)
    return timeKey(last) + (nth ? `.${String(nth).padStart(2, '0')}` : '')
  }
}

/** The key for a time after 1970-02-20, in ms. */
export function timeKey (ms) {
  const rest = BigInt(ms) - 251n
  const above = rest.toString(2).length - 33
  const shifted = above <= 11 ? rest << BigInt(11 - above) : rest >> BigInt(above - 11)
  const digits = (BigInt.asUintN(48, shifted)).toString(16).padStart(12, '0')
  return `ff${above.toString(16).padStart(2, '0')}${digits}`
}

/**
 * Databases of other homes that are followed: their bee goes into a read-only database of this box, which
 * answers queries and subscriptions also while the other home is away.
 *
 * The writer of a bee is not trusted: sizes, keys and values are checked here and by the database, whose quota
 * bounds the copy. What a core says is signed by its writer, or it is not accepted (hypercore).
 */

import crypto from 'node:crypto'
import { refusesRecords } from './adb.js'
import { BeeReader } from './bee.js'
import { owns } from './caller.js'
import { reached, short } from './bounds.js'
import { badParams, full, notFound } from './errors.js'
import * as link from './link.js'
import { Loop, sleep } from './loop.js'
import * as check from './params.js'
import { ReplicatedDatabases } from './replicated.js'

/** Databases that one user follows. */
const MAX_FOLLOWS = 100
/** Operations and bytes of one write to the database. */
const BATCH = 500
const BATCH_BYTES = 1 << 20
/** The longest path and value of the database, and segments of a path. */
const MAX_KEY = 1024
const MAX_VALUE = 1 << 20
/** How far behind, in blocks, changes are taken one by one; beyond it, the whole tree is read. */
const MAX_HISTORY = 20_000
/** Blocks that are fetched ahead; of a longer log only what its tree leads to is fetched. */
const MAX_AHEAD = 200_000
/** Bytes of a log that are kept until it is taken over, history included; the database itself has at most half of that. */
const MAX_BYTES = 2 * (1 << 30)
/** Blocks that are asked for at once, of a few bytes, and bytes of all of them: what comes after the bound was reached. */
const MAX_REQUESTS = 128
const MAX_REQUESTED = 64 << 20
/** Of what was taken over, one part in so many of these bytes is kept: it is in the database. */
const KEEP = 32
/** Records of a copy: the database's own bound, kept here, too, so that a tree without end is left. */
const MAX_RECORDS = 5_000_000
/** Interval between two looks at a core without news, in milliseconds. */
const LOOK = 30_000

export class Follows extends ReplicatedDatabases {
  constructor (dependencies) {
    super('follows', dependencies)
    this.copies = dependencies.copies
    this.maxBytes = MAX_BYTES
  }

  methods () {
    return {
      follow: (caller, [text, options]) => this.follow(caller, link.parse(text), check.options(options)),
      follows: caller => this.describeOwn(caller),
      unfollow: (caller, [id, options]) => this.unfollow(this.own(caller, id), check.options(options))
    }
  }

  task (follow) {
    return new Follower(this, follow)
  }

  own (caller, id) {
    const follow = this.records.find(follow => (follow.id === id || follow.dbId === id) && owns(caller, follow))
    if (!follow) throw notFound('nothing like this is followed')
    return follow
  }

  async follow (caller, { key, secret }, { label }) {
    if (caller.user === 'system') throw badParams('a user follows, or an app of a user')
    const text = key.toString('hex')
    if (this.state.shares.some(share => share.key === text)) throw badParams('this link is to a database of this box: share it with its users instead (atek share db)')
    const existing = this.records.find(follow => follow.key === text && follow.user === caller.user && follow.service === caller.service)
    if (existing) return this.describe(existing)
    if (this.countOf(caller.user) >= MAX_FOLLOWS) throw full(`you follow ${MAX_FOLLOWS} databases already: this is the most`)
    const displayName = check.label(label)
    const record = {
      id: crypto.randomBytes(8).toString('hex'),
      key: text,
      secret: secret?.toString('hex') ?? null,
      label: displayName,
      user: caller.user,
      service: caller.service,
      createdAt: new Date().toISOString(),
      cursor: 0,
      fork: 0
    }
    let follow
    await this.copies.make({
      owner: { userKey: caller.user, serviceKey: caller.inPerson ? 'core.adb' : caller.service },
      follows: text,
      ...(displayName && { displayName })
    }, dbId => {
      // The same that was asked twice at once has one copy.
      follow = this.records.find(follow => follow.dbId === dbId)
      if (follow) return
      follow = { ...record, dbId }
      this.records.push(follow)
    })
    if (!this.running.has(follow.id)) this.run(follow)
    this.onchange()
    return this.describe(follow)
  }

  describe (follow) {
    const { id, dbId, key, label, createdAt, cursor, lastSeen, error } = follow
    return { id, dbId, key, label, createdAt, cursor, ...(lastSeen && { lastSeen }), ...(error && { error }), ...this.running.get(id)?.describe() }
  }

  /** Ends it; the copy stays with `keep`, and is the owner's own then. */
  async unfollow (follow, { keep = false }) {
    const keeps = check.flag(keep, 'keep')
    // Its task writes nothing more into what is removed, or is the owner's own.
    await this.running.get(follow.id)?.loop.stop()
    await this.copies.remove(follow.dbId, () => this.drop(follow), keeps)
    await this.end(follow)
    this.onchange()
    return null
  }
}

/** Takes over one bee. */
class Follower {
  constructor (follows, follow) {
    this.follows = follows
    this.follow = follow
    this.skipped = 0
    this.received = 0
    this.core = follows.store.get({ key: Buffer.from(follow.key, 'hex'), ...(follow.secret && { encryptionKey: Buffer.from(follow.secret, 'hex') }) })
    this.ahead = null
    this.core.on('download', (index, bytes) => this.downloaded(bytes))
    this.core.on('verification-error', (error, request, response, peer) => this.lied(peer))
    this.core.on('conflict', length => console.error(`follow ${follow.id}: its writer has signed two logs of ${length} blocks, and is not followed any more`))
    this.loop = new Loop((signal, working) => this.round(signal, working), error => this.failed(error))
  }

  describe () {
    const { core, skipped } = this
    return { length: core.length, peers: core.peers.length, receivedBytes: this.received, ...(skipped && { skipped }) }
  }

  downloaded (bytes) {
    this.received += bytes
    this.follow.kept = (this.follow.kept ?? 0) + bytes
    if (this.isTooLarge) this.ahead?.destroy()
  }

  lied (peer) {
    const { id } = this.follow
    reached(`lie ${id}`, `follow ${id}: the home ${short(peer.remotePublicKey)} sends what its writer has not signed, and nothing more of it is taken`)
  }

  /** Counted over all looks that failed: what they brought is still here. */
  get isTooLarge () {
    return (this.follow.kept ?? 0) > this.follows.maxBytes
  }

  checkBytes () {
    if (this.isTooLarge) throw tooLarge(this.follows.maxBytes)
  }

  failed (error) {
    this.follow.error = error.message
    console.error(`follow ${this.follow.id}: ${error.message}, and goes on after a pause`)
  }

  async round (signal, working) {
    const { core, follow, follows } = this
    await core.ready()
    follows.replication.admit(core, { server: false, client: true })
    while (!signal.aborted) {
      // What was too large once is not fetched again and again.
      if (follow.tooLarge) await sleep(LOOK, signal)
      else if (core.length > follow.cursor || core.fork !== follow.fork) {
        await this.take(signal).catch(error => this.notTaken(error))
        delete follow.error
        follow.lastSeen = new Date().toISOString()
        follows.state.saveSoon()
        working()
      } else await this.news(signal)
    }
  }

  /** Waits until the core grows, is cut, or for a while. */
  news (signal) {
    const { core, follow } = this
    const gone = new AbortController()
    const end = () => gone.abort()
    core.on('append', end)
    core.on('truncate', end)
    signal.addEventListener('abort', end)
    if (core.length > follow.cursor || core.fork !== follow.fork) end()
    return sleep(gone.signal.aborted ? 0 : LOOK, gone.signal).finally(() => {
      core.off('append', end)
      core.off('truncate', end)
      signal.removeEventListener('abort', end)
    })
  }

  async take (signal) {
    const { core, follow } = this
    const { fork, length, byteLength } = core
    const requests = Math.max(8, Math.min(MAX_REQUESTS, Math.floor(MAX_REQUESTED * length / (byteLength + 1))))
    core.core.replicator.setInflightRange(Math.min(16, requests), requests)
    const bee = new BeeReader(core.snapshot(), { keyEncoding: 'utf-8', valueEncoding: 'binary' }, { onread: () => this.checkBytes() })
    // What waits for a block that does not come ends with this.
    const end = () => bee.close().catch(() => {})
    signal.addEventListener('abort', end)
    try {
      // Fetched in order and many at once, before they are asked for one by one.
      if (length - follow.cursor <= MAX_AHEAD) this.ahead = core.download({ start: follow.cursor, end: length })
      const isNear = follow.cursor > 0 && follow.fork === fork && length - follow.cursor <= MAX_HISTORY
      if (!isNear || !await this.takeHistory(bee, follow.cursor, length, signal)) await this.takeTree(bee, length, signal)
    } finally {
      this.ahead?.destroy()
      this.ahead = null
      signal.removeEventListener('abort', end)
      await bee.close()
    }
    follow.cursor = length
    follow.fork = fork
    if (follow.kept > this.follows.maxBytes / KEEP) await this.free()
  }

  /** Frees what a log that is too large has brought. */
  async notTaken (error) {
    const { follow, follows } = this
    if (follow.kept) follows.state.saveSoon()
    if (!this.isTooLarge) throw error
    follow.tooLarge = true
    await this.free()
    throw tooLarge(follows.maxBytes)
  }

  async free () {
    await this.core.clear(0, this.core.length)
    this.follow.kept = 0
  }

  /** The changes one by one; false if some are not to be had any more. */
  async takeHistory (bee, from, to, signal) {
    const batch = new Batch(this, signal)
    try {
      for await (const { type, key, value } of bee.history({ gte: Math.max(from, 1), lt: to })) {
        await batch.add(type, key, value)
      }
    } catch (error) {
      if (error.code !== 'REQUEST_TIMEOUT') throw error
      return false
    }
    await batch.flush()
    return true
  }

  /** All that is in the tree, and the removal of what is not in it. */
  async takeTree (bee, length, signal) {
    const { dbId } = this.follow
    const here = new Set()
    const batch = new Batch(this, signal)
    for await (const { key, value } of bee.entries(length)) {
      if (here.size >= MAX_RECORDS) throw new Error(`the database has more than ${MAX_RECORDS} records, and is not copied`)
      const path = await batch.add('put', key, value)
      if (path) here.add(path)
    }
    await batch.flush()
    let cursor = ''
    do {
      const page = await this.follows.adb.call('recordList', [dbId, '/', { limit: BATCH, cursor }], signal)
      for (const { path } of page.records) if (!here.has(path)) await batch.add('del', path)
      cursor = page.cursor
    } while (cursor)
    await batch.flush()
  }

  async stop () {
    await this.loop.stop()
    await this.core.close()
  }

  async remove () {
    const { core, follow, follows, loop } = this
    await loop.stop()
    // Another user of this box follows the same database: its core goes on.
    if (follows.state.follows.some(other => other.key === follow.key)) return core.close()
    await follows.replication.dismiss(core)
    await core.purge().catch(() => {})
  }
}

const tooLarge = bytes => full(`the log of the other home brought more than ${bytes} bytes, and is not copied any more`)

/** Operations on their way to the database, some at a time. */
class Batch {
  constructor (follower, signal) {
    this.follower = follower
    this.signal = signal
    this.operations = []
    this.bytes = 0
  }

  /** Adds an operation whose key and value are checked; the path, or null if it was left out. */
  async add (type, key, value) {
    const operation = operationOf(type, key, value)
    if (!operation) {
      this.follower.skipped++
      return null
    }
    this.operations.push(operation)
    this.bytes += key.length + (value?.length ?? 0)
    if (this.operations.length >= BATCH || this.bytes >= BATCH_BYTES) await this.flush()
    return operation.path
  }

  async flush () {
    const { operations, follower, signal } = this
    if (operations.length === 0) return
    this.operations = []
    this.bytes = 0
    const { adb } = follower.follows
    const { dbId } = follower.follow
    try {
      await adb.call('recordBatch', [dbId, operations], signal)
    } catch (error) {
      // The database has no room, or is not there: what comes later is taken when that has changed.
      if (!refusesRecords(error)) throw error
      // One of them is none that a database can have; the others are.
      for (const operation of operations) {
        await adb.call('recordBatch', [dbId, [operation]], signal).catch(error => {
          if (!refusesRecords(error)) throw error
          follower.skipped++
        })
      }
    }
  }
}

/** What the database is asked to do for an entry of a bee; null for one that it cannot have. */
export function operationOf (type, key, value) {
  if (typeof key !== 'string' || key.length === 0 || Buffer.byteLength(key) > MAX_KEY) return null
  const path = key.startsWith('/') ? key : `/${key}`
  if (type === 'del') return { type, path }
  if (!value || value.length > MAX_VALUE) return null
  try {
    const parsed = JSON.parse(value)
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? { type: 'put', path, value: parsed } : null
  } catch {
    return null
  }
}

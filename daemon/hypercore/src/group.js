/**
 * One database that people of several homes write. Each writes into a core of their own; each home merges the cores of
 * all members into a copy in its database, by a rule that gives all the same.
 */

import { isDeepStrictEqual } from 'node:util'
import Hyperbee from 'hyperbee'
import { refusesRecords } from './adb.js'
import { BeeReader } from './bee.js'
import { full, refused } from './errors.js'
import * as entries from './entries.js'
import { Loop, sleep } from './loop.js'

/** Records of the database, and blocks and bytes of the core of one member. */
const MAX_RECORDS = 50_000
/** Bytes of all records, which are in memory while everything is merged. */
const MAX_TEXT = 24 << 20
const MAX_BLOCKS = 400_000
const MAX_BYTES = 512 << 20
/** A core with more blocks than this, and with so many for each entry, is replaced by a new one. */
const MIN_COMPACT = 20_000
const HISTORY = 4
/** How far behind, in blocks, changes are taken one by one; beyond it, everything is merged again. */
const MAX_HISTORY = 5000
/** Operations of one write to the copy. */
const BATCH = 200
/** How long a block is waited for, in milliseconds: only what is here is read. */
const WAIT = 1000
/** How often a group without news is looked at, in milliseconds. */
const LOOK = 30_000

const RECORDS = { gte: 'r/', lt: 'r0' }
const MEMBERS = { gte: 'm/', lt: 'm0' }
const ENCODING = { keyEncoding: 'utf-8', valueEncoding: 'json' }

export class Group {
  /**
   * @param {import('./groups.js').Groups} all
   * @param {object} record
   * @param {{publicKey: Buffer, secretKey: Buffer}} keyPair of the person of this box
   */
  constructor (all, record, keyPair) {
    this.all = all
    this.record = record
    this.keyPair = keyPair
    this.self = keyPair.publicKey.toString('hex')
    this.own = null
    /** The cores of other members by their person: the core, its reader and key, how much of it is here, and which state was damaged. */
    this.others = new Map()
    /** @type {Map<string, {core: string, length: number, fork: number}>} what was merged of each member */
    this.merged = new Map()
    /** What is asked before it is open waits for that. */
    this.turn = new Promise(resolve => { this.opened = resolve })
    this.said = null
    this.wake = () => {}
    this.closed = false
  }

  open () {
    return this.begin().finally(this.opened)
  }

  async begin () {
    const { all, record } = this
    this.own = all.store.get({ name: `${record.id}/${record.generation}` })
    await this.own.ready()
    this.bee = new Hyperbee(this.own, ENCODING)
    await this.bee.ready()
    this.reader = new BeeReader(this.own.session(), ENCODING)
    // What the owner decided is in their core, also when this ended before it was stored besides.
    if (record.owner === this.self) record.members = await this.membersIn(this.reader, this.own.length)
    this.loop = new Loop((signal, working) => this.round(signal, working), error => this.failed(error))
  }

  failed (error) {
    this.record.error = error.message
    // Said once, and not at each look.
    if (this.said !== error.message) console.error(`shared database ${this.record.id}: ${error.message}, and goes on`)
    this.said = error.message
  }

  /** Whether a person may write now. */
  isMember (key) {
    return this.record.members[key] === true
  }

  /** The cores that are exchanged with members. */
  get cores () {
    return [this.own, ...[...this.others.values()].map(({ core }) => core)].filter(Boolean)
  }

  /** Opens the core of each member as it is known, and closes others. */
  async follow () {
    const { all, record } = this
    for (const [key, { core, reader, fetching, key: known }] of this.others) {
      if (this.isMember(key) && record.cores[key]?.core === known) continue
      this.others.delete(key)
      this.merged.delete(key)
      all.detach(core)
      fetching?.destroy()
      await reader.close().catch(() => {})
      await core.close().catch(() => {})
    }
    for (const [key, announced] of Object.entries(record.cores)) {
      if (key === this.self || !this.isMember(key) || this.others.has(key)) continue
      const core = all.store.get({ key: Buffer.from(announced.core, 'hex') })
      await core.ready()
      const wake = () => this.wake()
      core.on('append', wake)
      core.on('truncate', wake)
      this.others.set(key, { core, reader: new BeeReader(core.session(), ENCODING, { writer: key, wait: WAIT }), key: announced.core, here: await stored(core), fetching: null, damaged: null })
    }
  }

  async round (signal, working) {
    await this.locked(() => this.follow())
    this.all.attach(this)
    while (!signal.aborted) {
      const woken = new AbortController()
      this.wake = () => woken.abort()
      if (![...this.others.values()].some(({ here, damaged }) => damaged === here)) delete this.record.error
      await this.locked(() => this.take(signal))
      working()
      const due = this.laterAt ? Math.max(0, this.laterAt - Date.now()) : LOOK
      if (!woken.signal.aborted && !signal.aborted) await sleep(Math.min(due, LOOK), woken.signal)
    }
  }

  /** One at a time: writes of this home, and merges. */
  locked (work) {
    const done = this.turn.then(() => {
      if (this.closed) throw refused('this shared database is being closed')
      return work()
    })
    this.turn = done.catch(() => {})
    return done
  }

  /** The newest whole state of each member: its bee at a length up to which all blocks are here. */
  sources () {
    const sources = [{ key: this.self, core: this.own, reader: this.reader, length: this.own.length, fork: this.own.fork }]
    for (const [key, other] of this.others) {
      const { core, reader, here, damaged } = other
      if (core.length !== here.length || core.fork !== here.fork) this.fetch(key, other)
      if (here.length >= 2 && here.fork === core.fork && here !== damaged) sources.push({ key, core, reader, ...here })
    }
    return sources
  }

  /** Brings what a member has written; one that sends nothing holds up no other. */
  fetch (key, other) {
    if (other.fetching) return
    const { core } = other
    const { length, fork, byteLength } = core
    if (length > MAX_BLOCKS || byteLength > MAX_BYTES) {
      const error = full(`a member's core has ${length} blocks and ${byteLength} bytes, and may have ${MAX_BLOCKS} and ${MAX_BYTES}`)
      return this.failed(error)
    }
    const start = other.here.fork === fork && other.here.length < length ? other.here.length : 0
    other.fetching = core.download({ start, end: length })
    other.fetching.done().then(() => {
      other.here = { length, fork }
    }).catch(() => {}).finally(() => {
      other.fetching = null
      this.wake()
    })
  }

  /**
   * Merges; a member whose log is damaged is left out until they have written more, and the others go on. A block that
   * is missing after all is not waited for: its writer may be gone for days, and people of this home go on writing.
   */
  async take (signal) {
    for (;;) {
      try {
        return await this.takeSound(signal)
      } catch (error) {
        if (error.code === 'REQUEST_TIMEOUT' && await this.lookWhatIsHere()) continue
        const other = this.others.get(error.writer)
        if (!other || other.damaged === other.here) throw error
        other.damaged = other.here
        this.merged.clear()
        this.failed(new Error(`what ${error.writer.slice(0, 8)} wrote is left out: ${error.message}`))
      }
    }
  }

  /** Whether less of a member's core is here than was thought. */
  async lookWhatIsHere () {
    let isLess = false
    for (const other of this.others.values()) {
      const { length, fork } = await stored(other.core)
      if (fork === other.here.fork && length < other.here.length) {
        other.here = { length, fork }
        isLess = true
      }
    }
    return isLess
  }

  async takeSound (signal) {
    const sources = this.sources()
    await this.takeMembers(sources)
    const paths = await this.changedPaths(sources)
    if (paths === null) await this.mergeAll(sources, signal)
    else if (paths.size) await this.merge(sources, paths, signal)
    for (const { key, core, length, fork } of sources) this.merged.set(key, { core: core.key.toString('hex'), length, fork })
    if (this.own.length > Math.max(MIN_COMPACT, HISTORY * (this.ownEntries ?? MIN_COMPACT))) await this.renew()
  }

  async membersIn (reader, length) {
    const members = { [this.record.owner]: true }
    if (length < 2) return members
    for await (const { key, value } of reader.entries(length, MEMBERS)) {
      if (Object.keys(members).length > this.all.maxMembers * 4) break
      members[key.slice(2)] = value?.removed !== true
    }
    return members
  }

  /** Who are members is what the owner's core says. */
  async takeMembers (sources) {
    const { record } = this
    const source = sources.find(({ key }) => key === record.owner)
    if (!source || record.owner === this.self || this.merged.get(source.key)?.length === source.length) return
    const members = await this.membersIn(source.reader, source.length)
    if (JSON.stringify(members) === JSON.stringify(record.members)) return
    record.members = members
    this.all.membersChanged(this)
    await this.follow()
  }

  /** Paths that changed since they were merged; null: too many, or it cannot be told. */
  async changedPaths (sources) {
    if (this.later?.size || this.merged.size > sources.length) this.merged.clear()
    const paths = new Set()
    for (const { key, core, reader, length, fork } of sources) {
      const before = this.merged.get(key)
      if (before?.length === length && before.fork === fork) continue
      if (!before || before.fork !== fork || before.core !== core.key.toString('hex') || length - before.length > MAX_HISTORY) return null
      for await (const { key: name } of reader.history({ gte: Math.max(before.length, 1), lt: length })) {
        if (name.startsWith('r/')) paths.add(name.slice(2))
        // Membership decides about entries of all paths.
        else if (name.startsWith('m/')) return null
      }
    }
    return paths
  }

  /** An entry that counts: of a member, signed by its author, and not of the future. */
  admit (source, path, found) {
    const entry = entries.checked(this.record.id, path, found)
    if (!entry || !(entry.by in this.record.members)) return null
    // Of a person who was removed only what the owner has taken over.
    if (!this.isMember(entry.by) && source.key !== this.record.owner) return null
    if (entry.t > Date.now() + entries.AHEAD) {
      const due = entry.t - entries.AHEAD
      if (due - Date.now() < 3600_000) this.laterAt = Math.min(this.laterAt ?? due, due)
      this.later.add(path)
      return null
    }
    this.record.clock = Math.max(this.record.clock, entry.t)
    return entry
  }

  async winner (sources, path) {
    let best = null
    for (const source of sources) {
      const found = source.length < 2 ? null : await source.reader.get(source.length, `r/${path}`)
      const entry = found && this.admit(source, path, found.value)
      if (entry && entries.wins(entry, best)) best = entry
    }
    return best
  }

  async merge (sources, paths, signal) {
    this.later ??= new Set()
    let batch = []
    for (const path of paths) {
      batch.push(entries.operation(path, await this.winner(sources, path)))
      if (batch.length >= BATCH) { await this.write(batch, signal); batch = [] }
    }
    if (batch.length) await this.write(batch, signal)
  }

  /** Everything of all members, beside what is in the copy. */
  async mergeAll (sources, signal) {
    this.later = new Set()
    this.laterAt = null
    /** @type {Map<string, entries.Entry>} */
    const best = new Map()
    let text = 0
    const own = sources.find(({ key }) => key === this.self)
    this.ownEntries = 0
    for (const source of sources) {
      if (source.length < 2) continue
      for await (const { key, value } of source.reader.entries(source.length, RECORDS)) {
        const path = key.slice(2)
        if (source === own) this.ownEntries++
        const entry = this.admit(source, path, value)
        if (!entry || !entries.wins(entry, best.get(path))) continue
        if (best.size >= MAX_RECORDS && !best.has(path)) throw full(`the shared database has more than ${MAX_RECORDS} records, and is not merged`)
        text += (entry.j?.length ?? 0) - (best.get(path)?.j?.length ?? 0)
        if (text > MAX_TEXT) throw full(`the shared database has more than ${MAX_TEXT} bytes, and is not merged`)
        best.set(path, entry)
      }
    }
    const { adb } = this.all
    const { dbId } = this.record
    let cursor = ''
    let batch = []
    const later = async operation => {
      batch.push(operation)
      if (batch.length >= BATCH) { await this.write(batch, signal); batch = [] }
    }
    const same = new Set()
    do {
      const page = await adb.call('recordList', [dbId, '/', { limit: 500, cursor }], signal)
      for (const { path, value } of page.records) {
        const entry = best.get(path)
        if (!entry || entry.j === null) await later({ type: 'del', path })
        else if (isDeepStrictEqual(entries.operation(path, entry).value, value)) same.add(path)
      }
      cursor = page.cursor
    } while (cursor)
    for (const [path, entry] of best) if (entry.j !== null && !same.has(path)) await later(entries.operation(path, entry))
    if (batch.length) await this.write(batch, signal)
  }

  /** Puts operations into the copy; one that the database cannot have is left out in every home alike. */
  async write (operations, signal) {
    const { adb } = this.all
    const { dbId } = this.record
    await adb.call('recordBatch', [dbId, operations], signal).catch(async error => {
      if (!refusesRecords(error)) throw error
      for (const operation of operations) {
        await adb.call('recordBatch', [dbId, [operation]], signal).catch(error => { if (!refusesRecords(error)) throw error })
      }
    })
  }

  /** Writes for the person of this box: on the disk, and in the copy, when it returns. */
  put (changes) {
    return this.locked(async () => {
      if (!this.isMember(this.self)) throw refused('you do not write this database any more')
      if (this.own.length + changes.length > MAX_BLOCKS) throw full('your part of this shared database is full')
      const { record } = this
      record.clock = Math.max(Date.now(), record.clock + 1)
      const batch = this.bee.batch()
      for (const { path, value } of changes) await batch.put(`r/${path}`, entries.sign(record.id, path, value, record.clock, this.keyPair))
      await batch.flush()
      await this.all.durable.sync()
      // It is written, and comes into the copy as soon as the database is there again.
      await this.take().catch(error => { this.wake(); throw error })
      return { at: record.clock }
    })
  }

  /** Who wrote a record, with what proves it. */
  who (path) {
    return this.locked(async () => {
      this.later ??= new Set()
      const entry = await this.winner(this.sources(), path)
      return entry && { by: entry.by, at: entry.t, value: entry.j, signature: entry.s, group: this.record.id }
    })
  }

  /** Adds or removes a member; the owner's home alone. What a removed one has written stays, and nothing is added. */
  setMember (key, isMember) {
    return this.locked(async () => {
      const sources = isMember ? [] : this.sources()
      const batch = this.bee.batch()
      const source = sources.find(source => source.key === key)
      if (source) {
        for await (const { key: name } of source.reader.entries(source.length, RECORDS)) {
          const entry = await this.winner(sources, name.slice(2))
          if (entry?.by === key) await batch.put(name, entry)
        }
      }
      await batch.put(`m/${key}`, isMember ? { since: Date.now() } : { removed: true })
      await batch.flush()
      await this.all.durable.sync()
      this.record.members[key] = isMember
      this.all.membersChanged(this)
      await this.follow()
      this.merged.clear()
      await this.take()
    })
  }

  /** A new core with what this home's has now: after a power cut, which may have taken what others have, and to save room. */
  async renew () {
    const { all, record } = this
    const generation = Math.max(Date.now(), record.generation + 1)
    const core = all.store.get({ name: `${record.id}/${generation}` })
    await core.ready()
    const bee = new Hyperbee(core, ENCODING)
    await bee.ready()
    const batch = bee.batch()
    this.ownEntries = 0
    for await (const { key, value } of this.bee.checkout(this.own.length).createReadStream()) {
      await batch.put(key, value)
      this.ownEntries++
    }
    await batch.flush()
    await all.durable.sync()
    const old = { core: this.own, bee: this.bee, reader: this.reader }
    this.own = core
    this.bee = bee
    this.reader = new BeeReader(core.session(), ENCODING)
    record.generation = generation
    this.merged.clear()
    all.renewed(this)
    all.detach(old.core)
    // Its blocks go; a peer that still reads it does not hold this up.
    old.core.clear(0, old.core.length).then(() => old.reader.close()).then(() => old.bee.close()).catch(() => {})
  }

  async close () {
    this.closed = true
    this.loop?.gone.abort()
    this.wake()
    await this.turn
    await this.loop?.done
    for (const { fetching } of this.others.values()) fetching?.destroy()
    for (const { reader } of [this, ...this.others.values()]) await reader?.close().catch(() => {})
    for (const core of this.cores) await core.close().catch(() => {})
  }

  async purge () {
    await this.close()
    for (const name of [{ name: `${this.record.id}/${this.record.generation}` }, ...[...this.others.values()].map(({ key }) => ({ key: Buffer.from(key, 'hex') }))]) {
      const core = this.all.store.get(name)
      await core.ready()
      await core.purge().catch(() => {})
    }
  }
}

/** How much of a member's core is here already: what was merged before it ended is not taken out of the copy until it came again. */
async function stored (core) {
  const { length, contiguousLength, fork } = core
  const isWhole = length > 0 && await core.has(0, length)
  return { length: isWhole ? length : contiguousLength, fork }
}

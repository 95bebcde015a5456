/**
 * Databases that people of several homes write. The owner invites contacts; members exchange their cores with each
 * other over lines on which both have proven their keys, and with no other home.
 */

import nodeCrypto from 'node:crypto'
import crypto from 'hypercore-crypto'
import Hypercore from 'hypercore'
import { owns } from './caller.js'
import { AT, BY } from './entries.js'
import { ApiError, CODE, badParams, denied, full, notFound } from './errors.js'
import { operationOf } from './follows.js'
import { Group } from './group.js'
import { keyPairOf } from './lines.js'
import * as check from './params.js'

/** Groups of one user, people who write one, invitations that wait, and changes of one call. */
const MAX_GROUPS = 32
const MAX_MEMBERS = 16
const MAX_WAITING = 32
const MAX_CHANGES = 500
/** Pause before something is said again that was not taken, in milliseconds. */
const AGAIN = 20_000
const ID = /^[0-9a-f]{32}$/

/** What a person signs to say which core is theirs. */
const announcement = (group, { core, generation }) => Buffer.from(JSON.stringify(['atek core v1', group, core, generation]))

export class Groups {
  constructor ({ store, durable, state, seed, lines, contacts, questions, adb, copies, lastRun, onchange }) {
    this.store = store.namespace('groups')
    this.durable = durable
    this.state = state
    this.seed = seed
    this.lines = lines
    this.contacts = contacts
    this.questions = questions
    this.adb = adb
    this.copies = copies
    this.onchange = onchange
    this.maxMembers = MAX_MEMBERS
    this.lastRun = lastRun
    /** @type {Map<string, Group>} by slot: a user and a group */
    this.running = new Map()
  }

  methods () {
    return {
      createShared: (caller, [options]) => this.create(caller, check.options(options)),
      sharedDatabases: caller => this.state.groups.filter(record => this.sees(caller, record)).map(record => this.describe(record)),
      inviteWriter: (caller, [id, contact]) => this.invite(this.own(caller, id), contact),
      removeWriter: (caller, [id, key]) => this.removeWriter(this.own(caller, id), key),
      joinShared: (caller, [id, options]) => this.join(caller, id, check.options(options)),
      leaveShared: (caller, [id]) => this.leave(this.own(caller, id)),
      sharedPut: (caller, [id, at, value]) => this.put(caller, id, [{ type: 'put', path: at, value }]),
      sharedDelete: (caller, [id, at]) => this.put(caller, id, [{ type: 'del', path: at }]),
      sharedBatch: (caller, [id, changes]) => this.put(caller, id, changes),
      sharedWho: (caller, [id, at]) => this.run(this.own(caller, id)).who(check.text(at, 'path', 1024))
    }
  }

  async resume () {
    for (const record of this.state.groups) {
      if (!record.dbId) continue
      await this.start(record)
      if (this.lastRun.isBehind) await this.run(record).locked(() => this.run(record).renew())
    }
    for (const user of new Set(this.state.groups.map(({ user }) => user))) await this.contacts.update(user)
  }

  // --- Who may do what

  /** An invitation that was not taken up yet is for all programs of its person. */
  sees (caller, record) {
    return record.dbId ? owns(caller, record) : caller.user === record.user
  }

  own (caller, id) {
    const record = this.state.groups.find(record => (record.id === id || record.dbId === id) && record.dbId && owns(caller, record))
    if (!record) throw notFound('there is no such shared database')
    return record
  }

  of (user, id) {
    return this.state.groups.find(record => record.user === user && record.id === id)
  }

  run (record) {
    const group = this.running.get(slotOf(record))
    if (!group) throw notFound('this shared database is not open')
    return group
  }

  // --- What a caller does

  room (user) {
    if (this.state.groups.filter(record => record.user === user && record.dbId).length >= MAX_GROUPS) throw full(`you have ${MAX_GROUPS} shared databases already: this is the most`)
  }

  async create (caller, { label }) {
    if (caller.user === 'system') throw badParams('a user shares, or an app of a user')
    this.room(caller.user)
    const owner = this.lines.keyOf(caller.user)
    const record = { id: nodeCrypto.randomBytes(16).toString('hex'), owner, members: { [owner]: true }, label: check.label(label), ...this.fresh() }
    return this.begin(caller, record)
  }

  fresh () {
    return { cores: {}, clock: 0, generation: Date.now(), createdAt: new Date().toISOString() }
  }

  async begin (caller, record) {
    await this.copies.make({
      owner: { userKey: caller.user, serviceKey: caller.inPerson ? 'core.adb' : caller.service },
      follows: nodeCrypto.createHash('sha256').update(record.id).digest('hex'),
      ...(record.label && { displayName: record.label })
    }, dbId => {
      Object.assign(record, { dbId, user: caller.user, service: caller.service })
      if (!this.state.groups.includes(record)) this.state.groups.push(record)
    })
    await this.start(record)
    this.state.save()
    await this.lines.update(record.user, true)
    // Members whose line is open already hear which core is this one's.
    this.hail(this.run(record))
    this.onchange()
    return this.describe(record)
  }

  async start (record) {
    const group = new Group(this, record, keyPairOf(this.seed, record.user))
    this.running.set(slotOf(record), group)
    await group.open()
    this.announce(group)
  }

  async invite (record, ref) {
    const group = this.run(record)
    if (record.owner !== group.self) throw denied('only the owner of a shared database invites')
    const { key } = this.contacts.confirmed(record.user, ref)
    if (Object.values(record.members).filter(Boolean).length >= MAX_MEMBERS && !group.isMember(key)) throw full(`${MAX_MEMBERS} people write this database already: this is the most`)
    if (!group.isMember(key)) await group.setMember(key, true)
    this.hail(group)
    return this.describe(record)
  }

  async removeWriter (record, key) {
    const group = this.run(record)
    if (record.owner !== group.self) throw denied('only the owner of a shared database removes people')
    if (key === group.self || !group.isMember(key)) throw notFound('this person does not write the database')
    await group.setMember(key, false)
    return this.describe(record)
  }

  async join (caller, id, { label }) {
    const record = this.state.groups.find(record => record.id === id && record.user === caller.user)
    if (!record) throw notFound('there is no such invitation')
    if (record.dbId) return this.describe(this.own(caller, id))
    this.room(caller.user)
    if (label !== undefined) record.label = check.label(label)
    return this.begin(caller, record)
  }

  async leave (record) {
    const { state } = this
    const group = this.running.get(slotOf(record))
    this.running.delete(slotOf(record))
    for (const core of group.cores) this.detach(core)
    try {
      await this.copies.remove(record.dbId, () => { state.groups = state.groups.filter(other => other !== record) })
    } finally {
      await group.purge()
    }
    await this.contacts.update(record.user)
    this.onchange()
    return null
  }

  async put (caller, id, changes) {
    const group = this.run(this.own(caller, id))
    if (!Array.isArray(changes) || changes.length === 0 || changes.length > MAX_CHANGES) throw badParams(`changes must be 1 to ${MAX_CHANGES} of {type, path, value}`)
    return group.put(changes.map(change => {
      const { type, path: at, value = null } = check.options(change)
      check.text(at, 'path', 1024)
      if (type === 'del') return { path: at, value: null }
      if (type !== 'put') throw badParams('the type of a change is "put" or "del"')
      if (!at.startsWith('/') || !operationOf('put', at, Buffer.from(JSON.stringify(value)))) throw badParams('a path begins with /, and a value is an object of at most 1 MiB')
      if (BY in value || AT in value) throw badParams(`${BY} and ${AT} tell who wrote a record and when, and are set by the service`)
      return { path: at, value }
    }))
  }

  describe (record) {
    const { id, dbId, owner, label, members, createdAt, error, from } = record
    const self = this.lines.keyOf(record.user)
    return {
      id, label, createdAt,
      // Also while this service starts, and the database is not open yet.
      ...(dbId ? { dbId, status: members[self] === true ? 'writes' : 'removed' } : { status: 'invited', from }),
      owner,
      writers: Object.keys(members).filter(key => members[key]).map(key => ({
        key,
        connected: key === self || !!this.lines.open(record.user, key),
        ...(this.contacts.find(record.user, key)?.label && { label: this.contacts.find(record.user, key).label })
      })),
      ...(error && { error })
    }
  }

  // --- What members' homes say

  /** People whom a user admits and wants to reach for a database. */
  admits (user, key) {
    return this.state.groups.some(record => record.user === user && record.dbId && record.members[key] === true)
  }

  wants (user) {
    const own = this.lines.keyOf(user)
    const members = this.state.groups.filter(record => record.user === user && record.dbId && record.members[own] !== false).flatMap(({ members }) => Object.keys(members).filter(key => members[key] && key !== own))
    return [...new Set(members)]
  }

  /** A line is there: each end says which cores it knows. */
  opened (user, line) {
    Hypercore.createProtocolStream(line.stream, { ondiscoverykey: key => this.attachOne(user, line, key) })
    for (const group of this.running.values()) if (group.record.user === user) this.greet(group, line)
  }

  /** Says to one member which cores of members are known, each signed by its writer. */
  greet (group, line) {
    const { record } = group
    if (!group.isMember(line.key) || !group.isMember(group.self)) return
    const { id, label, cores } = record
    line.request('group', { id, label, cores }).catch(error => {
      if (line.key === record.owner && error.data?.removed === id) return this.wasRemoved(group)
      // It was busy, or did not know this one yet: said again later on the same line.
      setTimeout(() => { if (!line.closed && !group.closed) this.greet(group, line) }, AGAIN).unref()
    })
    this.attachTo(group, line)
  }

  /** The owner's home says that this person does not write any more: what the owner's core says of it may never come. */
  wasRemoved (group) {
    if (group.closed || !group.isMember(group.self)) return
    group.record.members[group.self] = false
    this.membersChanged(group)
  }

  hail (group) {
    for (const key of Object.keys(group.record.members)) {
      const line = this.lines.open(group.record.user, key)
      if (line) this.greet(group, line)
    }
    this.lines.update(group.record.user, true).catch(error => console.error(`cannot look for the writers of a database: ${error.message}`))
  }

  answer (user, line, said) {
    const { id, label, cores } = check.options(said)
    if (typeof id !== 'string' || !ID.test(id)) throw badParams('id must be 32 hexadecimal digits')
    let record = this.of(user, id)
    if (!record) record = this.invited(user, line, id, label)
    if (record.dbId && record.members[line.key] !== true) throw new ApiError(CODE.denied, 'you do not write this database', { removed: id })
    let isNew = false
    const given = Object.entries(check.options(cores)).slice(0, MAX_MEMBERS * 2)
    for (const [key, announced] of given) isNew = this.learn(record, key, announced) || isNew
    if (!isNew) return null
    this.state.saveSoon()
    const group = this.running.get(slotOf(record))
    if (group) this.renewed(group)
    return null
  }

  /** An invitation, which waits until the person or an app of theirs takes it up. */
  invited (user, line, id, label) {
    const { state } = this
    const contact = this.contacts.find(user, line.key)
    if (!contact?.mine || !contact.theirs) throw denied('only contacts invite to shared databases')
    if (state.groups.filter(record => record.user === user && !record.dbId).length >= MAX_WAITING) throw new ApiError(CODE.full, 'there are too many invitations already')
    const record = { id, user, owner: line.key, from: contact.label, members: { [line.key]: true, [this.lines.keyOf(user)]: true }, label: check.label(label), ...this.fresh() }
    state.groups.push(record)
    state.saveSoon()
    this.onchange()
    return record
  }

  /** Takes over which core a person writes; true if that is news. Who says it does not matter: its writer has signed it. */
  learn (record, key, announced) {
    const { core, generation, signature } = check.options(announced)
    if (!check.isKey(key) || !check.isKey(core) || !Number.isSafeInteger(generation) || typeof signature !== 'string' || signature.length !== 128) return false
    const known = record.cores[key]
    if (known && known.generation >= generation) return false
    if (!known && Object.keys(record.cores).length >= MAX_MEMBERS * 4) return false
    // Only this person says what they write.
    if (key === this.lines.keyOf(record.user)) return false
    if (!crypto.verify(announcement(record.id, { core, generation }), Buffer.from(signature, 'hex'), Buffer.from(key, 'hex'))) return false
    record.cores[key] = { core, generation, signature }
    return true
  }

  /** Signs which core is this person's. */
  announce (group) {
    const { record, own, keyPair, self } = group
    const core = own.key.toString('hex')
    if (record.cores[self]?.core === core) return
    const signed = { core, generation: record.generation }
    record.cores[self] = { ...signed, signature: crypto.sign(announcement(record.id, signed), keyPair.secretKey).toString('hex') }
  }

  /** A core of a group is another one now. */
  renewed (group) {
    this.announce(group)
    this.state.save()
    group.locked(() => group.follow()).then(() => {
      this.hail(group)
      this.attach(group)
      group.wake()
    }).catch(error => { if (!group.closed) console.error(`a shared database does not follow a writer: ${error.message}`) })
  }

  membersChanged (group) {
    const { record } = group
    this.state.save()
    for (const key of Object.keys(record.members)) {
      const line = record.members[key] ? null : this.lines.open(record.user, key)
      // What was exchanged on it ends with it; what is allowed otherwise comes back on a new one.
      if (line) line.close()
    }
    this.lines.update(record.user, true).catch(error => console.error(`cannot look for the writers of a database: ${error.message}`))
    this.onchange()
  }

  // --- Cores and lines

  /** Exchanges the cores of a group on the lines of its members. */
  attach (group) {
    for (const key of Object.keys(group.record.members)) {
      const line = group.isMember(key) && this.lines.open(group.record.user, key)
      if (line) this.attachTo(group, line)
    }
  }

  attachTo (group, line) {
    if (line.closed || !group.isMember(line.key) || !group.isMember(group.self)) return
    for (const core of group.cores) this.questions.replicate(core, line.stream)
  }

  /** The other end asks for a core: it gets one of a group that it writes, too. */
  attachOne (user, line, discoveryKey) {
    for (const group of this.running.values()) {
      if (group.record.user !== user || !group.isMember(line.key) || !group.isMember(group.self)) continue
      for (const core of group.cores) if (core.discoveryKey.equals(discoveryKey)) this.questions.replicate(core, line.stream)
    }
  }

  detach (core) {
    const { replicator } = core.core
    for (const peer of [...replicator.peers]) {
      replicator.detachFrom(peer.protomux)
      peer.channel.close()
    }
  }

  async close () {
    await Promise.allSettled([...this.running.values()].map(group => group.close()))
  }
}

const slotOf = record => `${record.user}/${record.id}`

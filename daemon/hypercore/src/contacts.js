/**
 * People of other homes. A contact is a public key, confirmed by both people, and what its owner lets that person
 * call. Everything about a contact belongs to one user of this box.
 */

import nodeCrypto from 'node:crypto'
import { ApiError, CODE, badParams, denied, full, notFound } from './errors.js'
import { InvitationServer, LIFE, Meeting, seedOf } from './invitations.js'
import * as link from './link.js'
import * as check from './params.js'

/** Contacts, open invitations, and grants of one contact. */
const MAX_CONTACTS = 64
const MAX_INVITATIONS = 16
const MAX_GRANTS = 64
/** How often what ran out is removed, in milliseconds. */
const SWEEP = 3600_000
const API = /^[a-z0-9][a-z0-9.-]{0,252}\/[a-zA-Z0-9._/-]{1,128}$/

export class Contacts {
  constructor ({ seed, state, network, lines, onchange }) {
    this.seed = seed
    this.state = state
    this.network = network
    this.lines = lines
    this.onchange = onchange
    /** @type {Map<string, InvitationServer | Meeting>} by id of the invitation or contact */
    this.running = new Map()
    /** @type {Map<string, Set<AbortController>>} calls of a contact that are under way, by `ID API` */
    this.calls = new Map()
    this.timer = setInterval(() => this.sweep(), SWEEP)
    this.timer.unref()
  }

  methods () {
    return {
      identity: caller => ({ key: this.lines.keyOf(person(caller).user) }),
      inviteContact: (caller, [options]) => this.invite(person(caller), check.options(options)),
      invitations: caller => this.state.invitations.filter(({ user }) => user === person(caller).user).map(({ id, label, createdAt, expiresAt }) => ({ id, label, createdAt, expiresAt })),
      cancelInvitation: (caller, [id]) => this.cancel(person(caller), id),
      addContact: (caller, [text, options]) => this.add(person(caller), link.parsePerson(text), check.options(options)),
      contacts: caller => this.list(caller),
      confirmContact: (caller, [id, options]) => this.confirm(this.own(caller, id), check.options(options)),
      removeContact: (caller, [id]) => this.remove(this.own(caller, id)),
      allowContact: (caller, [id, api]) => this.allow(this.own(caller, id), api),
      denyContact: (caller, [id, api]) => this.deny(this.own(caller, id), api)
    }
  }

  async resume () {
    this.sweep()
    for (const invitation of this.state.invitations) await this.listen(invitation)
    for (const contact of this.state.contacts) if (contact.invitation) this.look(contact)
    for (const user of new Set(this.state.contacts.map(({ user }) => user))) await this.update(user)
  }

  /** The contact of a user with this key, which is known from the moment when both were met. */
  find (user, key) {
    return this.state.contacts.find(contact => contact.user === user && contact.key === key)
  }

  /** A contact that both confirmed, by key or id. */
  confirmed (user, ref) {
    const contact = this.state.contacts.find(contact => contact.user === user && (contact.key === ref || contact.id === ref))
    if (!contact?.mine || !contact.theirs) throw notFound('there is no such contact, or it was not confirmed by both')
    return contact
  }

  own (caller, id) {
    const { user } = person(caller)
    const contact = this.state.contacts.find(contact => contact.user === user && contact.id === id)
    if (!contact) throw notFound('there is no such contact')
    return contact
  }

  /** Whom a user lets in, and whom they want to reach: who has not confirmed yet. */
  admits (user, key) {
    return this.find(user, key)?.mine === true
  }

  wants (user) {
    return this.state.contacts.filter(contact => contact.user === user && contact.key && contact.mine && !contact.theirs).map(({ key }) => key)
  }

  update (user) {
    return this.lines.update(user, this.state.contacts.some(contact => contact.user === user && contact.mine && contact.key) || this.state.groups.some(group => group.user === user && group.dbId))
  }

  async changed (user) {
    this.state.save()
    await this.update(user)
    this.onchange()
  }

  async invite ({ user }, { label, name }) {
    const { state } = this
    if (state.invitations.filter(other => other.user === user).length >= MAX_INVITATIONS) throw full(`${MAX_INVITATIONS} invitations are open already: cancel one first`)
    const now = Date.now()
    const invitation = {
      id: newId(),
      user,
      label: check.label(label),
      name: check.label(name),
      createdAt: new Date(now).toISOString(),
      expiresAt: new Date(now + LIFE).toISOString()
    }
    state.invitations.push(invitation)
    state.save()
    await this.listen(invitation)
    this.onchange()
    // Shown once, as the first person who opens it is taken for the one who was invited.
    const { id, createdAt, expiresAt } = invitation
    return { id, label: invitation.label, createdAt, expiresAt, link: link.ofPerson(seedOf(this.seed, invitation)) }
  }

  async listen (invitation) {
    const { seed, network } = this
    const server = new InvitationServer({ seed, network, invitation, onmeet: who => this.met(invitation, who) })
    this.running.set(invitation.id, server)
    await server.listen()
  }

  async cancel ({ user }, id) {
    const invitation = this.state.invitations.find(other => other.id === id && other.user === user)
    if (!invitation) throw notFound('there is no such invitation')
    await this.forget(invitation)
    this.onchange()
    return null
  }

  async forget (invitation) {
    this.state.invitations = this.state.invitations.filter(other => other !== invitation)
    this.state.save()
    const server = this.running.get(invitation.id)
    this.running.delete(invitation.id)
    await server?.close()
  }

  /** A person opened a link of this box. It may come again from the same person, whose home heard no answer. */
  met (invitation, { key, name }) {
    const { user } = invitation
    if (invitation.usedBy && invitation.usedBy !== key) throw denied('this invitation was used by another person')
    if (key === this.lines.keyOf(user)) throw badParams('this is an invitation of your own')
    if (invitation.usedBy) return
    const existing = this.find(user, key)
    if (!existing) this.room(user)
    invitation.usedBy = key
    // Who opened the link confirmed with it; the one who made it is asked now.
    if (existing) existing.theirs = true
    else this.state.contacts.push({ ...this.contact(user, invitation.label || name), key, theirName: name, mine: false, theirs: true })
    this.state.save()
  }

  contact (user, label) {
    return { id: newId(), user, label, createdAt: new Date().toISOString(), grants: [], calls: 0 }
  }

  room (user) {
    if (this.state.contacts.filter(contact => contact.user === user).length >= MAX_CONTACTS) throw full(`there are ${MAX_CONTACTS} contacts already: this is the most`)
  }

  async add ({ user }, seed, { label, name }) {
    const invitation = seed.toString('hex')
    const existing = this.state.contacts.find(contact => contact.user === user && contact.invitation === invitation)
    if (existing) return this.describe(existing)
    this.room(user)
    const contact = { ...this.contact(user, check.label(label)), invitation, name: check.label(name), key: null, mine: true, theirs: false }
    this.state.contacts.push(contact)
    this.look(contact)
    await this.changed(user)
    return this.describe(contact)
  }

  look (contact) {
    const { seed, network } = this
    this.running.set(contact.id, new Meeting({
      seed,
      network,
      contact,
      onmeet: who => this.found(contact, who),
      onerror: error => { contact.error = error.message }
    }))
  }

  /** The home that made the link was reached. */
  found (contact, { key, name }) {
    const { state } = this
    this.running.delete(contact.id)
    const existing = this.find(contact.user, key)
    if (existing) {
      existing.mine = true
      state.contacts = state.contacts.filter(other => other !== contact)
    } else {
      Object.assign(contact, { key, theirName: name, label: contact.label || name })
      for (const done of ['invitation', 'name', 'error']) delete contact[done]
    }
    this.changed(contact.user).catch(error => console.error(`cannot store a contact: ${error.message}`))
  }

  async confirm (contact, { label }) {
    if (label !== undefined) contact.label = check.label(label)
    contact.mine = true
    await this.changed(contact.user)
    // The other home waits for this; it is told as soon as it is reached.
    this.lines.reach(contact.user, contact.key).catch(() => {})
    return this.describe(contact)
  }

  async remove (contact) {
    const { state } = this
    state.contacts = state.contacts.filter(other => other !== contact)
    const running = this.running.get(contact.id)
    this.running.delete(contact.id)
    for (const { api } of contact.grants) this.cut(contact, api)
    await running?.stop()
    await this.changed(contact.user)
    return null
  }

  /** A line to a contact is there: so the other person has confirmed this one. */
  opened (user, line) {
    const contact = this.find(user, line.key)
    if (!contact) return
    contact.lastSeen = new Date().toISOString()
    if (contact.theirs) return this.state.saveSoon()
    contact.theirs = true
    this.changed(user).catch(error => console.error(`cannot store a contact: ${error.message}`))
  }

  list (caller) {
    const own = this.state.contacts.filter(({ user }) => user === caller.user)
    if (caller.inPerson) return own.map(contact => this.describe(contact))
    // An app learns whom it can call, and nothing of what others may.
    return own.filter(({ mine, theirs }) => mine && theirs).map(({ key, label, user }) => ({ key, label, connected: !!this.lines.open(user, key) }))
  }

  describe ({ id, key, user, label, theirName, mine, theirs, createdAt, lastSeen, grants, calls, error }) {
    const status = !key ? 'looking' : mine && theirs ? 'confirmed' : mine ? 'waiting' : 'asks'
    return {
      id, key, label, status, createdAt, grants, calls,
      ...(theirName && { theirName }),
      ...(key && { number: number(key, this.lines.keyOf(user)), connected: !!this.lines.open(user, key) }),
      ...(lastSeen && { lastSeen }),
      ...(error && { error })
    }
  }

  async allow (contact, api) {
    if (typeof api !== 'string' || !API.test(api) || api.startsWith('atek.cloud/')) throw badParams('api must be the id of an API of an app, such as example.com/feed-api')
    if (!contact.mine || !contact.key) throw badParams('confirm the contact first')
    if (contact.grants.length >= MAX_GRANTS) throw full(`${MAX_GRANTS} APIs are allowed already: this is the most`)
    if (!contact.grants.some(grant => grant.api === api)) contact.grants.push({ api, since: new Date().toISOString() })
    this.state.save()
    return this.describe(contact)
  }

  async deny (contact, api) {
    if (!contact.grants.some(grant => grant.api === api)) throw notFound('this API is not allowed to this contact')
    contact.grants = contact.grants.filter(grant => grant.api !== api)
    this.cut(contact, api)
    this.state.save()
    return this.describe(contact)
  }

  /** Ends calls that are under way. */
  cut (contact, api) {
    for (const call of this.calls.get(`${contact.id} ${api}`) ?? []) call.abort()
  }

  /**
   * Runs a call of a contact for as long as it is allowed.
   * @param {(signal: AbortSignal) => Promise<any>} run
   */
  async admitted (contact, api, signal, run) {
    if (!contact?.mine || !contact.grants.some(grant => grant.api === api)) throw new ApiError(CODE.denied, `the owner of this home does not let you call ${String(api).slice(0, 100)}`)
    const slot = `${contact.id} ${api}`
    const call = new AbortController()
    const end = () => call.abort()
    signal.addEventListener('abort', end)
    const under = this.calls.get(slot) ?? new Set()
    under.add(call)
    this.calls.set(slot, under)
    contact.calls++
    this.state.saveSoon()
    try {
      const result = await run(call.signal)
      // Taken back in the meantime: the answer is not told any more.
      if (call.signal.aborted) throw denied('the permission was taken back')
      return result
    } catch (error) {
      throw call.signal.aborted ? denied('the permission was taken back') : error
    } finally {
      signal.removeEventListener('abort', end)
      under.delete(call)
      if (under.size === 0) this.calls.delete(slot)
    }
  }

  /** Removes what ran out. */
  sweep () {
    const now = Date.now()
    for (const invitation of [...this.state.invitations]) {
      if (Date.parse(invitation.expiresAt) <= now) this.forget(invitation).catch(error => console.error(`cannot end an invitation: ${error.message}`))
    }
    for (const contact of this.state.contacts) {
      if (contact.invitation && Date.parse(contact.createdAt) + LIFE <= now) this.remove(contact).catch(error => console.error(`cannot end a contact: ${error.message}`))
    }
  }

  async close () {
    clearInterval(this.timer)
    await Promise.allSettled([...this.running.values()].map(running => running instanceof InvitationServer ? running.close() : running.stop()))
  }
}

const newId = () => nodeCrypto.randomBytes(8).toString('hex')

/** Only people have contacts, and decide about them. */
function person (caller) {
  if (!caller.inPerson) throw denied('only a person can see and change contacts')
  return caller
}

/** A number that both people see, and can compare by voice: other keys give another one. */
function number (one, other) {
  const digest = nodeCrypto.createHash('sha256').update([one, other].sort().join()).digest()
  return [0, 4, 8].map(at => String(digest.readUInt32BE(at) % 10000).padStart(4, '0')).join(' ')
}

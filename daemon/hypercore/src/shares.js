/**
 * Databases that are given away: ADB's changes go into a Hyperbee, one way. The bee can be made again from the
 * database at any time; nothing depends on it.
 *
 * A public database has one core, in the clear, that any `hyperbee` reads. Each link has a core of its own,
 * encrypted with a key of its own, so that ending one link takes nothing from the others.
 */

import crypto from 'node:crypto'
import Hyperbee from 'hyperbee'
import { MAX_WAITING } from './adb.js'
import { owns } from './caller.js'
import { badParams, denied, full, notFound } from './errors.js'
import * as link from './link.js'
import { Loop } from './loop.js'
import * as check from './params.js'
import { ReplicatedDatabases } from './replicated.js'

/** Shares of one user; of one database. */
const MAX_SHARES = 100
/** Changes of one page, and how long the database waits for the next one, in milliseconds. */
const PAGE = 1000
const WAIT = 25_000
/** The same where more databases are shared than the database lets wait, in milliseconds. */
const TURN = 1000
/** A bee with more blocks than this, and with this many for each record, is written again from the database. */
const MIN_COMPACT = 20_000
const HISTORY = 4

export class Shares extends ReplicatedDatabases {
  constructor (dependencies) {
    super('shares', dependencies)
    this.lastRun = dependencies.lastRun
  }

  methods () {
    return {
      share: (caller, [dbId, options]) => this.share(caller, check.text(dbId, 'dbId'), check.options(options)),
      shares: caller => this.describeOwn(caller),
      unshare: (caller, [id]) => this.unshare(this.own(caller, id))
    }
  }

  task (share) {
    return new Publisher(this, share)
  }

  own (caller, id) {
    const share = this.records.find(share => share.id === id)
    if (!share || !owns(caller, share)) throw notFound('there is no such share')
    return share
  }

  async share (caller, dbId, { access = 'link', label }) {
    if (access !== 'link' && access !== 'public') throw badParams('access must be "link" or "public"')
    const info = await this.adb.call('dbDescribe', [dbId]).catch(error => {
      throw denied(`the database may not be shared yet: its owner allows it with adminEditDbConfig(dbId, {"replicated": true}) (${error.message})`)
    })
    const owner = { user: info.owner?.userKey, service: info.owner?.serviceKey }
    if (!owns(caller, owner)) throw denied('only the owner of a database can share it')
    if (access === 'public' && info.access !== 'public') throw denied('the database is private: its owner first makes it public')
    const existing = access === 'public' && this.records.find(share => share.dbId === dbId && share.access === 'public')
    if (existing) return this.describe(existing)
    if (this.countOf(caller.user) >= MAX_SHARES) throw full(`you share ${MAX_SHARES} times already: this is the most`)
    const share = {
      id: crypto.randomBytes(8).toString('hex'),
      dbId,
      access,
      label: check.label(label),
      user: owner.user,
      service: owner.service,
      secret: access === 'public' ? null : crypto.randomBytes(32).toString('hex'),
      createdAt: new Date().toISOString(),
      since: 0
    }
    const core = this.core(share)
    await core.ready()
    share.key = core.key.toString('hex')
    await core.close()
    return this.add(share)
  }

  /** How long the database waits: many shares take turns. */
  get wait () {
    return this.state.shares.length > MAX_WAITING ? TURN : WAIT
  }

  describe (share) {
    const { id, dbId, access, label, key, createdAt, error } = share
    const publisher = this.running.get(id)
    return {
      id, dbId, access, label, key, createdAt, ...(error && { error }),
      link: link.format(Buffer.from(key, 'hex'), share.secret && Buffer.from(share.secret, 'hex')),
      ...publisher?.describe()
    }
  }

  core (share) {
    return this.store.get({ name: share.id, ...(share.secret && { encryptionKey: Buffer.from(share.secret, 'hex') }) })
  }

  /** Ends a share: nothing more is sent to anybody, and what was written for it is removed. */
  async unshare (share) {
    await this.remove(share)
    this.onchange()
    return null
  }
}

/** Writes one database into one bee. */
class Publisher {
  constructor (shares, share) {
    this.shares = shares
    this.share = share
    this.core = shares.core(share)
    this.isStartedAgain = false
    this.sent = 0
    this.core.on('upload', (index, bytes) => { this.sent += bytes })
    this.bee = new Hyperbee(this.core, { keyEncoding: 'utf-8', valueEncoding: 'json' })
    this.loop = new Loop((signal, working) => this.round(signal, working), error => this.failed(error))
  }

  describe () {
    return { length: this.core.length, peers: this.core.peers.length, sentBytes: this.sent }
  }

  failed (error) {
    this.share.error = error.message
    console.error(`share ${this.share.id}: ${error.message}, and goes on after a pause`)
    // The database took back its word, or is gone: nothing of it is given away any more.
    if (/^(Not authorized to access|DB not found|Invalid database ID)/.test(error.message)) {
      console.error(`share ${this.share.id} ends: its database cannot be read any more`)
      this.shares.unshare(this.share).catch(error => console.error(`cannot end share ${this.share.id}: ${error.message}`))
    }
  }

  async round (signal, working) {
    const { share, core, bee, shares } = this
    await bee.ready()
    if (shares.lastRun.isBehind && !this.isStartedAgain) {
      // Readers may have blocks that are gone here: they take the log from its beginning, under a later fork.
      await core.truncate(0, { fork: Math.max(core.fork + 1, Math.floor(Date.now() / 1000)) })
      this.isStartedAgain = true
    }
    shares.replication.admit(core, { server: true, client: false })
    if (core.length === 0) share.since = 0
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      const options = { since: share.since, limit: PAGE }
      const page = isFirst
        ? await shares.adb.call('recordDiff', [share.dbId, '/', options], signal)
        : await shares.adb.wait('recordDiff', [share.dbId, '/', { ...options, wait: shares.wait }], signal)
      if (page.reset || share.since === 0) {
        await this.rebuild(page, signal)
      } else if (page.changes.length) {
        await this.write(page.changes)
        share.since = page.seq
      }
      delete share.error
      working()
      if (page.changes.length === 0) continue
      shares.state.saveSoon()
      if (!page.more && this.isMostlyHistory()) await this.compact()
    }
  }

  async write (changes) {
    const batch = this.bee.batch()
    for (const change of changes) {
      if (change.type === 'del') await batch.del(change.path)
      else await batch.put(change.path, change.value)
    }
    await batch.flush()
  }

  /** Takes the whole database, page by page from the first one on, and removes what is not in it. */
  async rebuild (page, signal) {
    const { share, bee, shares } = this
    const here = new Set()
    const isNew = this.core.length === 0
    for (;;) {
      const news = []
      for (const change of page.changes) {
        if (change.type === 'del') continue
        here.add(change.path)
        const old = isNew ? null : await bee.get(change.path)
        if (!old || JSON.stringify(old.value) !== JSON.stringify(change.value)) news.push(change)
      }
      if (news.length) await this.write(news)
      if (!page.more) break
      page = await shares.adb.call('recordDiff', [share.dbId, '/', { since: page.seq, limit: PAGE }], signal)
    }
    if (!isNew) {
      const gone = []
      for await (const { key } of bee.createReadStream()) if (!here.has(key)) gone.push({ type: 'del', path: key })
      if (gone.length) await this.write(gone)
    }
    this.records = here.size
    share.since = page.seq
    // An empty database has a header, so that its readers know that it is one.
    shares.state.saveSoon()
  }

  isMostlyHistory () {
    return this.core.length - (this.share.cleared ?? 0) > Math.max(MIN_COMPACT, HISTORY * (this.records ?? MIN_COMPACT))
  }

  /** Writes each record again, after which no node of the tree leads to an older block, and drops those. */
  async compact () {
    const { bee, core, share } = this
    const start = core.length
    let batch = bee.batch()
    let records = 0
    for await (const { key, value } of bee.checkout(bee.version).createReadStream()) {
      await batch.put(key, value)
      if (++records % PAGE === 0) {
        await batch.flush()
        batch = bee.batch()
      }
    }
    await batch.flush()
    this.records = records
    // The first block is the bee's header.
    await core.clear(1, start)
    share.cleared = start
    this.shares.state.saveSoon()
  }

  async stop () {
    await this.loop.stop()
    await this.core.close()
  }

  async remove () {
    await this.shares.replication.dismiss(this.core)
    // Called by the loop itself, too: it ends after this.
    this.loop.gone.abort()
    await this.core.purge().catch(() => this.core.clear(0, this.core.length))
  }
}

/** Append-only logs of services: each caller has a namespace of names and a quota. */

import { badParams, full, notFound } from './errors.js'
import * as check from './params.js'

/** Bytes of a block, and of the blocks of one call. */
const MAX_BLOCK = 1 << 20
const MAX_CALL = 4 << 20
/** Cores with a name of one namespace, and those of it that are replicated. */
const MAX_CORES = 1000
const MAX_REPLICATED = 64
/** How long a block is waited for that a peer has, in milliseconds: default and most. */
const WAIT = 5000
const MAX_WAIT = 25_000

export class Cores {
  /**
   * @param {object} deps
   * @param {import('corestore')} deps.store
   * @param {import('./durable.js').Durable} deps.durable
   * @param {import('./state.js').State} deps.state
   * @param {import('./replication.js').Replication} deps.replication
   * @param {number} deps.quota bytes that one namespace keeps
   * @param {() => void} deps.onchange after what is wanted of this service has changed
   */
  constructor ({ store, durable, state, replication, quota, onchange }) {
    this.store = store
    this.durable = durable
    this.quota = quota
    this.state = state
    this.replication = replication
    this.onchange = onchange
    /** @type {Map<string, any>} open cores that are replicated, by namespace and name or key */
    this.held = new Map()
  }

  /** Takes up the replication of before. */
  async resume () {
    for (const { namespace, ref } of this.state.replicated) {
      await this.hold(namespace, ref).catch(error => console.error(`a core of ${namespace} is not replicated: ${error.message}`))
    }
  }

  methods () {
    return {
      createCore: (caller, [name]) => this.with(caller, { name: check.text(name, 'name') }, core => this.describe(core)),
      info: (caller, [ref]) => this.with(caller, ref, core => this.describe(core)),
      append: (caller, [ref, blocks]) => this.append(caller, ref, blocks),
      get: (caller, [ref, index, options]) => this.get(caller, ref, index, options),
      range: (caller, [ref, options]) => this.range(caller, ref, options),
      truncate: (caller, [ref, length]) => this.shrink(caller, ref, core => core.truncate(check.count(length, 'length'))),
      clear: (caller, [ref, start, end]) => this.shrink(caller, ref, core => core.clear(check.count(start, 'start'), check.count(end, 'end'))),
      setReplication: (caller, [ref, on]) => this.setReplication(caller, ref, check.flag(on, 'on')),
      peers: (caller, [ref]) => this.with(caller, ref, core => core.peers.map(peer => ({
        publicKey: peer.remotePublicKey.toString('hex'), length: peer.remoteLength, contiguousLength: peer.remoteContiguousLength
      }))),
      listReplicated: caller => this.state.replicated.filter(entry => entry.namespace === caller.namespace).map(entry => entry.ref)
    }
  }

  /**
   * @param {import('./caller.js').Caller} caller
   * @param {any} ref `{name}`, `{key}`, a key of 64 digits, or a name
   */
  async with (caller, ref, use) {
    const core = await this.open(caller.namespace, normal(ref))
    try {
      return await use(core)
    } finally {
      await core.close()
    }
  }

  async open (namespace, ref) {
    const { state } = this
    const store = this.store.namespace(namespace)
    const names = state.usage
    const slot = `${namespace}/${ref.name ?? ref.key}`
    if (!(slot in names)) {
      const count = Object.keys(names).filter(name => name.startsWith(`${namespace}/`)).length
      if (count >= MAX_CORES) throw full(`there are ${MAX_CORES} cores already: this is the most`, { cores: count })
      names[slot] = 0
      state.saveSoon()
    }
    const core = store.get(ref.name ? { name: ref.name } : { key: Buffer.from(ref.key, 'hex') })
    await core.ready()
    return core
  }

  describe (core) {
    return {
      key: core.key.toString('hex'),
      discoveryKey: core.discoveryKey.toString('hex'),
      length: core.length,
      byteLength: core.byteLength,
      contiguousLength: core.contiguousLength,
      fork: core.fork,
      writable: core.writable,
      replicated: this.replication.isAdmitted(core)
    }
  }

  async append (caller, ref, blocks) {
    if (!Array.isArray(blocks) || blocks.length === 0 || blocks.length > 1000) throw badParams('blocks must be 1 to 1000 texts in Base64')
    const decoded = blocks.map(block => check.bytes(block, 'a block', MAX_BLOCK))
    const bytes = decoded.reduce((sum, block) => sum + block.length, 0)
    if (bytes > MAX_CALL) throw badParams(`one call can append ${MAX_CALL} bytes`)
    return this.with(caller, ref, async core => {
      if (!core.writable) throw badParams('this core is written elsewhere, and can only be read here')
      this.charge(caller.namespace, normal(ref), bytes)
      const { length } = await core.append(decoded)
      // What is answered outlives a power cut.
      await this.durable.sync()
      return { length }
    })
  }

  async get (caller, ref, index, given) {
    const { timeout } = check.options(given)
    return this.with(caller, ref, async core => (await this.block(caller, ref, core, check.count(index, 'index'), timeout)).toString('base64'))
  }

  async block (caller, ref, core, index, timeout) {
    const wait = Math.min(check.count(timeout, 'timeout', WAIT), MAX_WAIT)
    const had = await core.has(index)
    if (!had && core.writable && index >= core.length) throw notFound(`block ${index} was not written yet: the length is ${core.length}`)
    let block
    try {
      block = await core.get(index, { timeout: wait, wait: wait > 0 })
    } catch (error) {
      if (error.code !== 'REQUEST_TIMEOUT') throw error
    }
    if (!block) throw notFound(`block ${index} is not here, and no peer sent it in time`)
    if (block.length > MAX_BLOCK) await this.refuse(core, index, block)
    if (!had) await this.keep(caller.namespace, normal(ref), core, index, block)
    return block
  }

  /** Counts a block that came from a peer; what is beyond the quota does not stay. */
  async keep (namespace, ref, core, index, block) {
    try {
      this.charge(namespace, ref, block.length)
    } catch (error) {
      await core.clear(index, index + 1)
      throw error
    }
  }

  /** What other homes write may be longer than a block of this API is. */
  async refuse (core, index, { length }) {
    if (!core.writable) await core.clear(index, index + 1)
    throw full(`block ${index} has ${length} bytes, and may have ${MAX_BLOCK}`)
  }

  async range (caller, ref, given) {
    const options = check.options(given)
    const start = check.count(options.start, 'start', 0)
    const limit = Math.min(check.count(options.limit, 'limit', 100), 1000)
    return this.with(caller, ref, async core => {
      const end = Math.min(check.count(options.end, 'end', core.length), core.length, start + limit)
      const blocks = []
      let bytes = 0
      for (let index = start; index < end && bytes < MAX_CALL; index++) {
        const block = await this.block(caller, ref, core, index, options.timeout)
        bytes += block.length
        blocks.push(block.toString('base64'))
      }
      return { start, blocks, length: core.length }
    })
  }

  async shrink (caller, ref, change) {
    return this.with(caller, ref, async core => {
      const before = core.byteLength
      await change(core)
      this.charge(caller.namespace, normal(ref), core.byteLength - before)
      return this.describe(core)
    })
  }

  /** Counts bytes that a namespace keeps; refuses what is beyond its quota. */
  charge (namespace, ref, bytes) {
    const { usage } = this.state
    const used = Object.keys(usage).filter(name => name.startsWith(`${namespace}/`)).reduce((sum, name) => sum + usage[name], 0)
    if (bytes > 0 && used + bytes > this.quota) throw full(`the cores of this app have ${used} bytes, and may have ${this.quota}`, { usage: used, quota: this.quota })
    const slot = `${namespace}/${ref.name ?? ref.key}`
    usage[slot] = Math.max(0, (usage[slot] ?? 0) + bytes)
    this.state.saveSoon()
  }

  async setReplication (caller, ref, on) {
    const { state } = this
    const { namespace } = caller
    const wanted = normal(ref)
    const same = entry => entry.namespace === namespace && slotOf(entry.ref) === slotOf(wanted)
    if (on) {
      const own = state.replicated.filter(entry => entry.namespace === namespace)
      if (own.length >= MAX_REPLICATED && !own.some(same)) throw full(`${MAX_REPLICATED} cores are replicated already: this is the most`)
      await this.hold(namespace, wanted)
      if (!state.replicated.some(same)) state.replicated.push({ namespace, ref: wanted })
    } else {
      state.replicated = state.replicated.filter(entry => !same(entry))
      await this.release(namespace, wanted)
    }
    state.save()
    this.onchange()
    return null
  }

  async hold (namespace, ref) {
    const slot = `${namespace}/${slotOf(ref)}`
    if (this.held.has(slot)) return
    const core = await this.open(namespace, ref)
    this.held.set(slot, core)
    this.replication.admit(core, { server: true, client: !core.writable })
  }

  async release (namespace, ref) {
    const slot = `${namespace}/${slotOf(ref)}`
    const core = this.held.get(slot)
    if (!core) return
    this.held.delete(slot)
    await this.replication.dismiss(core)
    await core.close()
  }

  /**
   * Calls `send` for each block from `from` on, as they come, until `signal` is aborted.
   * @param {(message: object) => Promise<void>} send resolves when the reader has room
   */
  async follow (caller, ref, from, send, signal) {
    const core = await this.open(caller.namespace, normal(ref))
    let changed = null
    const onappend = () => changed?.()
    core.on('append', onappend)
    signal.addEventListener('abort', onappend)
    try {
      let index = from
      while (!signal.aborted) {
        if (index >= core.length) {
          await new Promise(resolve => { changed = resolve })
          continue
        }
        const had = await core.has(index)
        const block = await core.get(index, { timeout: MAX_WAIT }).catch(error => {
          if (error.code !== 'REQUEST_TIMEOUT') throw error
          return null
        })
        if (block?.length > MAX_BLOCK) await this.refuse(core, index, block)
        if (block && !had) await this.keep(caller.namespace, normal(ref), core, index, block)
        if (block) await send({ index: index++, block: block.toString('base64') })
      }
    } finally {
      signal.removeEventListener('abort', onappend)
      core.off('append', onappend)
      await core.close()
    }
  }
}

const slotOf = ref => ref.name ?? ref.key

/** @returns {{name: string} | {key: string}} */
function normal (ref) {
  if (check.isKey(ref)) return { key: ref }
  if (typeof ref === 'string') return { name: check.text(ref, 'the name of a core') }
  const { name, key } = check.options(ref)
  if (key !== undefined) {
    check.key(key)
    return { key }
  }
  // A name that looks like a key would be taken for one.
  if (check.isKey(name)) throw badParams('the name of a core must not look like a key')
  return { name: check.text(name, 'the name of a core') }
}

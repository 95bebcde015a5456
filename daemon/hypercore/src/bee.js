/**
 * Reads Hyperbees that others write. Hyperbee follows the pointers of a tree wherever they lead: to itself, for ever, or to the same
 * subtree again and again, while nothing else of this process runs. Here each block is checked before it is followed: pointers do not
 * lead back, no node is empty, keys come in order, and between two of them no more than a few blocks are read.
 */

import Hyperbee from 'hyperbee'
import messages from 'hyperbee/lib/messages.js'

/** Keys of a node, nodes of a block that lead to each other, and blocks that are read for one entry, at most. */
const MAX_KEYS = 8
const MAX_DEPTH = 64
const MAX_READS = 256
/** How long a block is waited for, in milliseconds, where nothing else is said. */
const WAIT = 20_000
/** With a limit, a stream does not read ahead by itself, in trees that may be no trees. */
const ALL = { limit: Number.MAX_SAFE_INTEGER }

export class BeeReader {
  /**
   * @param {import('hypercore')} core a session that this closes
   * @param {object} encoding options of Hyperbee
   * @param {object} [how]
   * @param {() => void} [how.onread] before each block; what it throws ends the read
   * @param {string} [how.writer] who wrote it: `writer` of errors about what was written
   * @param {number} [how.wait] how long a block is waited for, in milliseconds
   */
  constructor (core, encoding, { onread = () => {}, writer, wait = WAIT } = {}) {
    this.reads = 0
    this.wait = { timeout: wait }
    this.writer = writer
    /** Streams that are read. */
    this.open = new Set()
    const check = (seq, entry) => {
      onread()
      if (++this.reads > MAX_READS) throw damaged(seq)
      if (entry?.index) checkNodes(seq, nodesOf(seq, entry.index))
    }
    this.bee = new Hyperbee(guarded(core, check), { ...encoding, extension: false })
  }

  /** The entry of a key in the tree of so many blocks. */
  get (length, key) {
    this.reads = 0
    return this.bee.checkout(length).get(key, this.wait).catch(error => { throw this.named(error) })
  }

  /** The entries of the tree of so many blocks, in order. */
  async * entries (length, range) {
    this.reads = 0
    let last = null
    for await (const entry of this.read(this.bee.checkout(length).createReadStream({ ...range, ...ALL, ...this.wait }))) {
      const key = Buffer.from(entry.key)
      if (last && Buffer.compare(last, key) >= 0) throw this.named(damaged(entry.seq))
      last = key
      yield entry
    }
  }

  /**
   * What was written, in this order. Of the tree at `lt`: a history of the newest tree begins with its last block, of which no more than
   * the number may be here yet, and that is waited for.
   */
  history ({ gte, lt }) {
    return this.read(this.bee.checkout(lt).createHistoryStream({ gte, lt, ...this.wait }))
  }

  async * read (stream) {
    this.open.add(stream)
    try {
      for await (const entry of stream) {
        this.reads = 0
        yield entry
      }
    } catch (error) {
      throw this.named(error)
    } finally {
      this.open.delete(stream)
    }
  }

  /** Other errors of the store and of the network have a code; these are about what was written. */
  named (error) {
    if (this.writer && (error.code === undefined || error.code === 'DECODING_ERROR')) error.writer = this.writer
    return error
  }

  close () {
    for (const stream of this.open) stream.destroy()
    return this.bee.close()
  }
}

/** A session of a core, and those that are made of it, whose blocks are checked as they are read. */
function guarded (core, check) {
  const { get, session } = core
  core.get = async (seq, options) => {
    const entry = await get.call(core, seq, options).catch(error => { throw error.code === 'DECODING_ERROR' ? damaged(seq) : error })
    check(seq, entry)
    return entry
  }
  core.session = options => guarded(session.call(core, options), check)
  return core
}

/** The nodes of the tree that a block holds: of one change a path, of a batch many. */
function nodesOf (seq, index) {
  try {
    return messages.YoloIndex.decode(index).levels
  } catch {
    throw damaged(seq)
  }
}

/** Whether what they point to is there, comes before, and never leads back. */
function checkNodes (seq, nodes) {
  for (const { keys, children } of nodes) {
    const isLeaf = children.length === 0
    if (keys.length > MAX_KEYS || (!isLeaf && (keys.length === 0 || children.length !== 2 * (keys.length + 1)))) throw damaged(seq)
    if (keys.some(key => key < 1 || key > seq)) throw damaged(seq)
  }
  /** How many nodes of this block are below each one. */
  const depths = new Uint8Array(nodes.length)
  const descend = (at, above) => {
    if (depths[at]) return depths[at]
    if (above > MAX_DEPTH) throw damaged(seq)
    const { children } = nodes[at]
    let depth = 1
    for (let n = 0; n < children.length; n += 2) {
      const [block, offset] = [children[n], children[n + 1]]
      if (block < 1 || block > seq || (block === seq && offset >= nodes.length)) throw damaged(seq)
      if (block === seq) depth = Math.max(depth, descend(offset, above + 1) + 1)
    }
    if (depth > MAX_DEPTH) throw damaged(seq)
    depths[at] = depth
    return depth
  }
  for (const at of nodes.keys()) descend(at, 0)
}

const damaged = seq => new Error(`the log is no tree of records: block ${seq} is damaged, or made to mislead`)

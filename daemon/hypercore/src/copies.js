/**
 * Databases of this box that hold what other homes write: made and removed so that neither a kill nor a power cut leaves one that nothing
 * here knows. What is about to happen is stored first; what was not finished is undone, or finished, at the next start.
 */

import { refusesRecords } from './adb.js'
import { sleep } from './loop.js'

/** How long a database that does not answer is asked again, and the pause between two questions, in milliseconds. */
const PATIENCE = 15_000
const PAUSE = 500

export class Copies {
  /**
   * @param {import('./state.js').State} state
   * @param {import('./adb.js').Adb} adb
   */
  constructor (state, adb) {
    this.state = state
    this.adb = adb
    this.gone = new AbortController()
  }

  /** Finishes what a kill or a power cut had interrupted. */
  async resume () {
    for (const intent of [...this.state.copies]) {
      await (intent.make ? this.undo(intent) : this.finish(intent)).catch(error => {
        console.error(`a database of other homes is not removed, which is tried again at the next start: ${error.message}`)
      })
    }
  }

  /**
   * Makes a database.
   * @param {object} config
   * @param {(dbId: string) => void} keep takes it into the state, which is stored after that
   */
  async make (config, keep) {
    const { state } = this
    // One that is still to be removed would be taken for it.
    for (const intent of [...state.copies]) if (intent.remove) await this.finish(intent)
    const intent = { make: config }
    state.copies.push(intent)
    state.save()
    const { dbId } = await this.ask('adminCreateDb', [config]).catch(error => {
      if (isRefused(error)) this.forget(intent)
      throw error
    })
    keep(dbId)
    this.forget(intent)
  }

  /**
   * Removes a database, or leaves it to its owner.
   * @param {string} dbId
   * @param {() => void} forget takes it out of the state, which is stored after that
   */
  async remove (dbId, forget, keeps = false) {
    const intent = { remove: dbId, keeps }
    forget()
    this.state.copies.push(intent)
    this.state.save()
    await this.finish(intent)
  }

  async finish (intent) {
    const { remove: dbId, keeps } = intent
    const asked = keeps ? this.ask('adminEditDbConfig', [dbId, { follows: '' }]) : this.ask('adminDeleteDb', [dbId])
    await asked.catch(error => { if (!/not found|not a copy/i.test(error.message)) throw error })
    this.forget(intent)
  }

  /** Whether it was made is not known: the database makes one copy of the same log for an owner, however often it is asked. */
  async undo (intent) {
    const { state } = this
    const { dbId } = await this.ask('adminCreateDb', [intent.make])
    const isKept = [...state.follows, ...state.groups].some(record => record.dbId === dbId)
    if (!isKept) await this.ask('adminDeleteDb', [dbId])
    this.forget(intent)
  }

  forget (intent) {
    this.state.copies = this.state.copies.filter(other => other !== intent)
    this.state.save()
  }

  /** Asks the database, also while it is killed and starts again. */
  async ask (method, params) {
    const deadline = Date.now() + PATIENCE
    for (;;) {
      try {
        return await this.adb.call(method, params, this.gone.signal)
      } catch (error) {
        if (isRefused(error) || this.gone.signal.aborted || Date.now() > deadline) throw error
        await sleep(PAUSE, this.gone.signal)
      }
    }
  }

  close () {
    this.gone.abort()
  }
}

/** Whether the database itself says no. */
const isRefused = error => refusesRecords(error) || error.data?.quota !== undefined || error.data?.diskFull || (Number.isSafeInteger(error.code) && error.code !== -32000)

/** What this service remembers: one JSON file, written whole. */

import path from 'node:path'
import { readIfThere, writeAtomic } from './files.js'

/** Pause between a change that may be lost (a cursor, a counter) and its write, in milliseconds. */
const LAZY = 1000

export class State {
  /** @param {string} folder */
  constructor (folder) {
    this.file = path.join(folder, 'state.json')
    const text = readIfThere(this.file)
    const stored = text ? JSON.parse(text) : {}
    /** @type {object[]} devices that may connect */
    this.devices = stored.devices ?? []
    /** @type {object[]} databases that are given away */
    this.shares = stored.shares ?? []
    /** @type {object[]} databases of other homes that are followed */
    this.follows = stored.follows ?? []
    /** @type {object[]} people of other homes */
    this.contacts = stored.contacts ?? []
    /** @type {object[]} links by which people of other homes become contacts */
    this.invitations = stored.invitations ?? []
    /** @type {object[]} databases that people of several homes write */
    this.groups = stored.groups ?? []
    /** @type {object[]} databases that are being made or removed (src/copies.js) */
    this.copies = stored.copies ?? []
    /** @type {object[]} cores of services that are replicated */
    this.replicated = stored.replicated ?? []
    /** @type {Record<string, number>} bytes that each namespace keeps */
    this.usage = stored.usage ?? {}
    this.timer = null
  }

  /** Whether anything here needs this service to run. */
  get wanted () {
    const { devices, shares, follows, replicated, contacts, invitations, groups, copies } = this
    return [devices, shares, follows, replicated, contacts, invitations, groups, copies].some(list => list.length > 0)
  }

  /** Writes now: what was decided by a person. */
  save () {
    clearTimeout(this.timer)
    this.timer = null
    const { devices, shares, follows, replicated, contacts, invitations, groups, copies, usage } = this
    writeAtomic(this.file, JSON.stringify({ devices, shares, follows, replicated, contacts, invitations, groups, copies, usage }) + '\n')
  }

  /** Writes soon: what can be found out again. */
  saveSoon () {
    this.timer ??= setTimeout(() => {
      this.timer = null
      try {
        this.save()
      } catch (error) {
        console.error(`cannot store the state, and try again at the next change: ${error.message}`)
      }
    }, LAZY)
  }

  close () {
    if (this.timer) this.save()
  }
}

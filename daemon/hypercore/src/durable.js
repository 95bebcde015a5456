/**
 * Makes appended blocks outlive a power cut. The store writes its log without syncing it: what was appended outlives
 * a kill, and not a power cut.
 */

import fs from 'node:fs/promises'
import path from 'node:path'

export class Durable {
  /** @param {import('corestore')} store */
  constructor (store) {
    this.folder = path.join(store.storage.path, 'db')
    this.running = null
    this.next = null
  }

  /** Resolves when everything that was appended before is on the disk; calls that come in that time share one sync. */
  sync () {
    if (!this.running) return this.begin()
    this.next ??= this.running.catch(() => {}).then(() => {
      this.next = null
      return this.begin()
    })
    return this.next
  }

  begin () {
    this.running = this.write().finally(() => { this.running = null })
    return this.running
  }

  /** Every log that is there: the store begins another one while it writes a table of the one before, which is removed after that. */
  async write () {
    for (const name of await fs.readdir(this.folder)) {
      if (name.endsWith('.log')) await this.syncFile(name)
    }
  }

  async syncFile (name) {
    let handle
    try {
      handle = await fs.open(path.join(this.folder, name))
    } catch (error) {
      if (error.code === 'ENOENT') return
      throw error
    }
    try {
      await handle.datasync()
    } finally {
      await handle.close()
    }
  }
}

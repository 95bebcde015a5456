/**
 * Makes appended blocks outlive a power cut. The store writes its log without syncing it: what was appended outlives
 * a kill, and not a power cut.
 */

import fs from 'node:fs/promises'
import path from 'node:path'

export class Durable {
  /** @param {import('corestore')} store */
  constructor (store) {
    this.db = store.storage.db
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

  async write () {
    const { path: log } = await this.db.currentWalFile()
    const handle = await fs.open(path.join(this.folder, log))
    try {
      await handle.datasync()
    } finally {
      await handle.close()
    }
    // The log was changed in the meantime: its predecessor has what was appended before.
    if ((await this.db.currentWalFile()).path !== log) await this.db.flush()
  }
}

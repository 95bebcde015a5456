/**
 * Whether the cores on this disk are those with which this service ended the last time.
 *
 * After a power cut, or when a backup was put in place, others may have blocks that are gone here. To write on would give
 * two different blocks with one number, which peers refuse for good: what this home writes is started again then.
 */

import fs from 'node:fs'
import path from 'node:path'
import { readIfThere, writeAtomic } from './files.js'

export class LastRun {
  /**
   * @param {string} folder of the state
   * @param {string} cores the folder of the cores, which is there
   */
  constructor (folder, cores) {
    this.file = path.join(folder, 'last-run.json')
    // A copy of the folder is another one.
    this.now = { boot: bootId(), folder: fs.statSync(cores).ino }
    this.isBehind = isBehind(read(this.file), this.now)
  }

  /** Before anything is written; what is behind stays so until `renewed`. */
  begin () {
    this.write({ isOpen: true, isBehind: this.isBehind })
  }

  /** What this home writes was started again where it had to be. */
  renewed () {
    this.write({ isOpen: true, isBehind: false })
  }

  /** Everything is on the disk. */
  end () {
    this.write({ isOpen: false, isBehind: false })
  }

  write (what) {
    writeAtomic(this.file, JSON.stringify({ ...this.now, ...what }))
  }
}

/**
 * @param {{boot: string, folder: number, isOpen: boolean, isBehind: boolean} | null} before
 * @param {{boot: string, folder: number}} now
 */
export function isBehind (before, now) {
  return before !== null && (before.isBehind || before.folder !== now.folder || (before.isOpen && before.boot !== now.boot))
}

function read (file) {
  const text = readIfThere(file)
  if (!text) return null
  try {
    return JSON.parse(text)
  } catch {
    // Nothing that this wrote, as it is written whole.
    return { boot: '', folder: -1, isOpen: true, isBehind: true }
  }
}

/** The boot of this machine: another one after the power was cut. */
function bootId () {
  return readIfThere('/proc/sys/kernel/random/boot_id')?.toString().trim() ?? ''
}

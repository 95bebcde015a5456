/** Files that a power cut leaves old or new: written aside, synced, renamed, and the folder synced. */

import fs from 'node:fs'
import path from 'node:path'

/**
 * @param {string} file
 * @param {string | Buffer} content
 */
export function writeAtomic (file, content) {
  const aside = `${file}.new`
  const fd = fs.openSync(aside, 'w', 0o600)
  try {
    fs.writeSync(fd, content)
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
  fs.renameSync(aside, file)
  const folder = fs.openSync(path.dirname(file), 'r')
  try {
    fs.fsyncSync(folder)
  } finally {
    fs.closeSync(folder)
  }
}

/**
 * The content of a file; null if there is none.
 * @param {string} file
 */
export function readIfThere (file) {
  try {
    return fs.readFileSync(file)
  } catch (error) {
    if (error.code === 'ENOENT') return null
    throw error
  }
}

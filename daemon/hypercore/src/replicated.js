/**
 * What shares and follows have in common: records of the state, each with a task that keeps one core in step with
 * one database for as long as the record exists.
 */

import { owns } from './caller.js'

export class ReplicatedDatabases {
  /** @param {'shares' | 'follows'} list which records of the state, and the name of their store */
  constructor (list, { store, state, replication, adb, onchange }) {
    this.list = list
    this.store = store.namespace(list)
    this.state = state
    this.replication = replication
    this.adb = adb
    this.onchange = onchange
    /** The tasks, by the id of their record: a `Publisher` or a `Follower` each. */
    this.running = new Map()
  }

  /** Starts the task of one record. */
  run (record) {
    this.running.set(record.id, this.task(record))
  }

  async resume () {
    for (const record of this.records) this.run(record)
  }

  get records () {
    return this.state[this.list]
  }

  /** The caller's own records, as clients see them. */
  describeOwn (caller) {
    return this.records.filter(record => owns(caller, record)).map(record => this.describe(record))
  }

  countOf (user) {
    return this.records.filter(record => record.user === user).length
  }

  /** Saves a record, starts its task, and answers what clients see of it. */
  add (record) {
    this.records.push(record)
    this.state.save()
    this.run(record)
    this.onchange()
    return this.describe(record)
  }

  /** Forgets a record and removes what its task has stored. */
  async remove (record) {
    this.drop(record)
    this.state.save()
    await this.end(record)
  }

  drop (record) {
    this.state[this.list] = this.records.filter(other => other !== record)
  }

  async end (record) {
    const task = this.running.get(record.id)
    this.running.delete(record.id)
    await task?.remove()
  }

  async close () {
    await Promise.allSettled([...this.running.values()].map(task => task.stop()))
  }
}

/**
 * Gives memory back that was needed for a while. V8 keeps what its heap once grew to until it needs that much again; this service
 * works seldom and sleeps never, so it collects when it has nothing to do.
 */

import { performance } from 'node:perf_hooks'
import v8 from 'node:v8'
import vm from 'node:vm'

/** How often is looked, in milliseconds; how much the heap may have grown, in bytes; and which part of the time is work. */
const LOOK = 5000
const GROWTH = 4 << 20
const BUSY = 0.2
/** What finalizers of the first collection let go is collected by the next ones. */
const TIMES = 3

/** @returns {NodeJS.Timeout} */
export function tidy () {
  v8.setFlagsFromString('--expose-gc')
  const collect = vm.runInNewContext('gc')
  const size = () => v8.getHeapStatistics().total_heap_size
  let small = 0
  let due = 0
  let before = performance.eventLoopUtilization()
  const timer = setInterval(() => {
    const now = performance.eventLoopUtilization()
    const isBusy = performance.eventLoopUtilization(now, before).utilization > BUSY
    before = now
    if (size() > small + GROWTH) due = TIMES
    if (isBusy || due === 0) return
    collect()
    due--
    small = size()
  }, LOOK)
  timer.unref()
  return timer
}

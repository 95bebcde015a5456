import type { Limits } from '../lib/api/services'
import { limitFields, shownLimit } from './checks'

/** The defaults of apps, as far as an app may ask for more. */
const usual: Limits = { memoryMax: 512 << 20, tasksMax: 128, cpuWeight: 100 }

interface Words {
  memory: string
  cpu: string
  weight: string
  tasks: string
}

/** Limits in words, a line each. */
export function limitWords(
  limits: Limits,
  words: Words,
  usually: (value: string, usual: string) => string
): string[] {
  const labels = {
    memoryMax: words.memory,
    cpuQuota: words.cpu,
    cpuWeight: words.weight,
    tasksMax: words.tasks
  }
  return limitFields.flatMap((field) => {
    const value = shownLimit(limits, field)
    if (value === '') return []
    const unit = field.suffix && ` ${field.suffix}`
    return [`${labels[field.name]}: ${usually(value + unit, shownLimit(usual, field) + unit)}`]
  })
}

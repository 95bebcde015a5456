import { texts } from '../lib/language.svelte'
import { lonestar as de } from './de/lonestar'
import { lonestar as en } from './en/lonestar'

export const lonestar = texts({ en, de })

import { texts } from '../lib/language.svelte'
import { host as de } from './de/host'
import { host as en } from './en/host'

export const host = texts({ en, de })

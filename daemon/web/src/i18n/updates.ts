import { texts } from '../lib/language.svelte'
import { updates as de } from './de/updates'
import { updates as en } from './en/updates'

export const updates = texts({ en, de })

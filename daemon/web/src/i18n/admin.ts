import { texts } from '../lib/language.svelte'
import { admin as de } from './de/admin'
import { admin as en } from './en/admin'

export const admin = texts({ en, de })

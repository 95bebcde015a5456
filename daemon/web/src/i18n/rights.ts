import { texts } from '../lib/language.svelte'
import { rights as de } from './de/rights'
import { rights as en } from './en/rights'

export const rights = texts({ en, de })

import { texts } from '../lib/language.svelte'
import { said as de } from './de/said'
import { said as en } from './en/said'

export const said = texts({ en, de })
